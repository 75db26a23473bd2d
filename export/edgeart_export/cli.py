# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export`: collect, audit, attribute, train, evaluate off-policy, export."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import edgeart

from .collector import cli as collector_cli
from .commands import attribute, audit, evaluate, export, promote, train
from .commands.parts import EXIT_FAILED, Run, command
from .errors import ExportError
from .publish import cli as publish_cli

_EPILOG = """\
example, with the Open Bandit Dataset's files (docs/tutorial.md):
  edgeart-export train random_men.csv.gz --items random_men_items.csv --half first \\
      --lambda 100 -o model/
  edgeart-export export model/ --bundle policy.edgeart --onnx policy.onnx \\
      --explorer squarecb:gamma=50,floor=0.002
  edgeart-export evaluate random_men.csv.gz --half second --policy policy.edgeart

exit codes: 0 done; 1 failed, the message says where and what to do; 2 wrong usage;
3 done, but in doubt: a mean importance weight is off 1 by more than three standard errors, or a
decision does not repeat; promote: 0 yes, 3 doubt, 4 no, 5 undecided
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = _parser().parse_args(arguments)
    run: Run = options.run
    try:
        return run(options)
    except (ExportError, edgeart.EdgeartError, OSError) as error:
        print(f"edgeart-export {options.command}: {error}", file=sys.stderr)
        return EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgeart-export",
        description="Trains, evaluates and exports the artwork policies that edgeart runs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for part in (
        *(collector_cli, audit, attribute, publish_cli),
        *(train, export, evaluate, promote),
    ):
        part.register(commands)
    demo = command(
        commands,
        "demo",
        _demo,
        "Decides, explains, trains and evaluates on a simulated audience.",
        "demo --output demo-output",
    )
    demo.add_argument("--output", type=Path, default=Path("demo-output"), help="folder to write to")
    return parser


def _demo(options: argparse.Namespace) -> int:
    from .demo.__main__ import main as demo  # noqa: PLC0415 - only this command needs it

    return demo(["--output", str(options.output)])


if __name__ == "__main__":
    sys.exit(main())
