# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export collect`: receives what devices send and lands it as Parquet."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..commands.parts import command
from ..errors import ExportError

_ABOUT = """\
Receives feedback batches from devices (POST /v1/feedback) and lands them as Parquet. An answer
comes when the events are on disk. Any number of collectors may share one landing folder.
"""

_EPILOG = """\
example:
  token=$(openssl rand -base64 33)         # for the devices, as Authorization: Bearer $token
  echo "$(printf %s "$token" | sha256sum | cut -d' ' -f1) tv-app" >> tokens.txt
  edgeart-export collect --landing landing/ --port 8787 --tokens tokens.txt

The token file has a line `<SHA-256 of the token> <client name>` for each client and is read again
when it changes. /health says ready (200) or draining (503), /metrics is for Prometheus; neither
asks for a token, so let only /v1/feedback be seen from outside. TLS is the business of the proxy in
front.

SIGTERM: /health turns to draining and new batches get 503 with Retry-After for --drain seconds,
batches that had begun are answered, then the process ends with exit code 0. SIGINT (Ctrl-C) skips
the waiting. Log lines go to stderr and hold no member data.

exit codes: 0 ended by a signal; 1 failed, the message says where and what to do; 2 wrong usage
"""


def register(commands: Any) -> None:
    """Adds the command to the subparsers of `edgeart-export`."""
    brief = "Receives feedback batches over HTTP and lands them as Parquet."
    sub = command(commands, "collect", run, _ABOUT, brief=brief, epilog=_EPILOG)
    sub.add_argument(
        "--landing",
        required=True,
        metavar="DIR",
        help="landing folder, or a URI of an object store such as s3://bucket/prefix",
    )
    sub.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    sub.add_argument("--port", type=_port, default=8787, help="default 8787; 0 takes a free one")
    who = sub.add_mutually_exclusive_group(required=True)
    who.add_argument("--tokens", type=Path, metavar="FILE", help="SHA-256 of each client's token")
    who.add_argument(
        "--insecure-no-auth", action="store_true", help="let everybody send; for trying out"
    )
    sub.add_argument(
        "--linger",
        type=_seconds,
        default=0.005,
        metavar="SECONDS",
        help="a group of batches waits so long for company (default 0.005)",
    )
    sub.add_argument(
        "--most-under-way",
        type=_count,
        default=256,
        metavar="N",
        help="requests at the same time, more get 503 (default 256)",
    )
    sub.add_argument(
        "--drain",
        type=_seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long to answer 503 after SIGTERM before the socket closes (default 5)",
    )
    sub.add_argument("--json", action="store_true", help="log lines as JSON objects")


def run(options: argparse.Namespace) -> int:
    """Serves until a signal ends it. Raises ExportError where it cannot begin."""
    try:
        from . import auth, landing, server  # noqa: PLC0415 - what only this command needs
        from .app import Collector  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ExportError(
            f"{error.name} is not installed; run: pip install 'edgeart-export[collector]'"
        ) from None
    check = auth.anyone if options.insecure_no_auth else auth.TokenFile(options.tokens)
    collector = Collector(
        landing.open_landing(options.landing),
        check,
        linger=options.linger,
        most_under_way=options.most_under_way,
    )
    server.serve(
        collector, host=options.host, port=options.port, drain=options.drain, as_json=options.json
    )
    return 0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _seconds(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 3600")
    return value


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)
