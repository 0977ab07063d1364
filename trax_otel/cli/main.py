"""`trax-otel`: the command line.

Each sub-command is a module of this package with `add_parser(subparsers)` and `run(args) -> status`; only the one that is
called is imported, so that `trax-otel run` costs a service's start next to nothing.

Exit status: 0 done · 1 failed, and stderr says why · 2 the command line cannot be understood · 126 and 127 from `run`: the
command cannot be run, or was not found · 130 ended by Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from ..version import __version__

COMMANDS: Final = {
    "run": "run a command with telemetry, its code unchanged",
    "local": "the embedded endpoint on this machine, and what it received",
    "state": "operations whose state is kept: list, show, recover",
    "demo": "see it all on a third-party service, in under a minute",
    "bootstrap": "install the instrumentations that this environment can use",
    "doctor": "check the way from this process to the store, and say what to do",
}
"""Every sub-command and what it is for; the name is also its module's."""

FAILED: Final = 1
MISUSED: Final = 2
INTERRUPTED: Final = 130

_EXTRAS: Final = {
    **dict.fromkeys(("google", "grpc", "jinja2", "rich", "starlette", "uvicorn"), "local"),
    **dict.fromkeys(("aiosqlite", "greenlet", "psycopg", "sqlalchemy"), "state"),
    **dict.fromkeys(("gunicorn", "httpbin", "requests"), "demo"),
}
"""The extra that brings what a sub-command may find missing."""

_EPILOG: Final = """examples:
  trax-otel demo                                  what you get, shown on httpbin
  trax-otel local &                               an endpoint on 127.0.0.1 with a page
  trax-otel run --local -- gunicorn app:app       your service, unchanged, seen there
  trax-otel local errors                          why it fails, by code

`trax-otel COMMAND -h` explains a command.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (by default the process's own) and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = next((word for word in words if not word.startswith("-")), None)
    if command is not None and command not in COMMANDS:
        return _misused(f"there is no command {command!r}", command)
    parser = _parser(command)
    if command is None:
        parser.parse_args(words)  # ends the process for -h, --version and options that do not exist
        parser.print_help(sys.stderr)
        return MISUSED
    try:
        status = importlib.import_module(f"{__package__}.{command}").run(parser.parse_args(words))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except ModuleNotFoundError as error:
        lacking = (error.name or "").partition(".")[0]
        extra = _EXTRAS.get(lacking)
        if extra is None:
            raise
        sys.stderr.write(f"trax-otel {command}: {lacking} is not installed: pip install 'trax-otel[{extra}]'\n")
        return FAILED
    except BrokenPipeError:
        # The reader (`| head`) has had enough. The interpreter's own last flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return int(status)


def _parser(command: str | None) -> argparse.ArgumentParser:
    """The parser: whole for the command that was called, one line of help for the others."""
    parser = argparse.ArgumentParser(
        prog="trax-otel",
        description="See what a Python service does and why it fails, in OpenTelemetry's own terms.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"trax-otel {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        if name == command:
            importlib.import_module(f"{__package__}.{name}").add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary, add_help=False)
    return parser


def _misused(problem: str, word: str) -> int:
    import difflib

    near = difflib.get_close_matches(word, COMMANDS, 1, 0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(COMMANDS)}."
    sys.stderr.write(f"trax-otel: {problem}; {hint} (trax-otel -h explains)\n")
    if _could_be_run(word):
        sys.stderr.write(f"To run it with telemetry: trax-otel run -- {word} …\n")
    return MISUSED


def _could_be_run(word: str) -> bool:
    import shutil

    return shutil.which(word) is not None


if __name__ == "__main__":
    sys.exit(main())
