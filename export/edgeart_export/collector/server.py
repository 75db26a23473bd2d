# SPDX-License-Identifier: Apache-2.0
"""Runs the collector with uvicorn: logs of one line an event, and a shutdown that loses nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
from datetime import datetime, timezone
from types import FrameType

import uvicorn
from prometheus_client import disable_created_metrics

from .app import Collector

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn, which on SIGTERM goes on answering for a while before it closes its socket.

    drain: seconds during which new batches get 503 with Retry-After and `/health` says draining,
    so that a load balancer turns away; batches that had begun are answered. A second signal, and
    SIGINT, end that at once.
    """

    def __init__(self, config: uvicorn.Config, collector: Collector, *, drain: float) -> None:
        super().__init__(config)
        self._collector = collector
        self._drain = drain
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Says where it listens, once it does."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            log.info("ready", extra={"fields": {"host": host, "port": port}})

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """The signal handler. Raises nothing; the process ends with exit code 0."""
        if self.should_exit:
            self.force_exit = True
        elif self._collector.draining or sig == signal.SIGINT or self._loop is None:
            self._end()
        else:
            self._loop.call_soon_threadsafe(self._begin_to_drain, self._loop)

    def _begin_to_drain(self, loop: asyncio.AbstractEventLoop) -> None:
        log.info("draining", extra={"fields": {"seconds": self._drain}})
        self._collector.drain()
        loop.call_later(self._drain, self._end)

    def _end(self) -> None:
        self.should_exit = True


class LineFormatter(logging.Formatter):
    """Time, event and fields on one line, as words or as a JSON object."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        moment = datetime.fromtimestamp(record.created, tz=timezone.utc)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if self._as_json:
            return json.dumps(line, ensure_ascii=False)
        words = " ".join(f"{key}={_quoted(value)}" for key, value in list(line.items())[3:])
        return f"{line['time']} {line['level']} {line['event']} {words}".rstrip()


def _quoted(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)


def serve(
    collector: Collector, *, host: str, port: int, drain: float = 5.0, as_json: bool = False
) -> None:
    """Serves until SIGTERM or SIGINT, then returns when every batch begun has been answered.

    Raises OSError where it cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(as_json=as_json))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # They would be a third more lines, and nothing here needs them.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    config = uvicorn.Config(
        collector.application(),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=60,
    )
    Server(config, collector, drain=drain).run(sockets=[listener])
    log.info("stopped")
