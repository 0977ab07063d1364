"""`trax-otel state`: the state of operations for people: what runs, what was interrupted, what is dead."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ..recovery.state import OperationRecord, Recovery, StateRecoveryManager

HELP: Final = "operations whose state is kept: list, show, recover"
FAILED: Final = 1
MISUSED: Final = 2
STATUSES: Final = ("running", "interrupted", "completed", "failed", "dead")
_EPILOG: Final = """\
The store is --store URL, else TRAX_STATE_URL, else the SQLite file in the user's state folder.

  trax-otel state list                                what there is, newest first
  trax-otel state list --status interrupted           what ought to run and does not
  trax-otel state show transcription_123              arguments, checkpoints, steps, result
  trax-otel state dead                                what was recovered too often
  trax-otel state recover transcription_123           queue a dead or failed one anew
  trax-otel state recover --import app.jobs --all     run the recovery functions that app.jobs registers

Recovery functions are registered on a StateRecoveryManager in your code. --import MODULE imports it, with the current
folder on the path, and uses the one manager that it holds, with that manager's own store; MODULE:NAME says which one.

exit status: 0 done, 1 nothing found or something could not be recovered, 2 usage
"""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command and its views."""
    parser = subparsers.add_parser(
        "state", help=HELP, description=HELP, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    listing = _action(actions, "list", "operations, newest first")
    listing.add_argument("--status", choices=STATUSES, help="only those of this status")
    _add_filters(listing)
    shown = _action(actions, "show", "one operation with all that is kept of it")
    shown.add_argument("id", help="the operation's id")
    recover = _action(actions, "recover", "recover operations, or queue dead and failed ones anew")
    recover.add_argument("ids", nargs="*", metavar="ID", help="the operations' ids")
    recover.add_argument("--all", action="store_true", help="all interrupted ones that have a recovery function")
    recover.add_argument(
        "--import", dest="module", metavar="MODULE[:NAME]", help="where recovery functions are registered"
    )
    _add_filters(_action(actions, "dead", "operations that were recovered too often"))


def _action(actions: Any, name: str, meaning: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=meaning, description=meaning)
    parser.add_argument("--store", metavar="URL", help="sqlite:///FILE or postgresql://USER@HOST/DATABASE")
    parser.add_argument("--json", action="store_true", help="JSON for programs")
    return parser


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--type", action="append", metavar="TYPE", help="only operations of this type; may be repeated")
    parser.add_argument("--limit", type=_count, default=100, metavar="N", help="at most so many (default: %(default)s)")


def _count(written: str) -> int:
    try:
        number = int(written)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{written!r} is no whole number from 1 on")
    return number


def run(options: argparse.Namespace) -> int:
    """Do it; returns the exit status."""
    from ..errors import TraxError

    try:
        if options.action == "recover":
            return _recover(options)
        manager = _manager_of_store(options.store)
        try:
            return _show(manager, options) if options.action == "show" else _list(manager, options)
        finally:
            manager.sync.close()
    except TraxError as error:
        return _fail(str(error))


# --- Views ------------------------------------------------------------------------------------------------------------


def _list(manager: StateRecoveryManager, options: argparse.Namespace) -> int:
    status = "dead" if options.action == "dead" else options.status
    from .state_views import print_table

    records = manager.sync.list_operations(status, options.type, options.limit)
    if options.json:
        _print_json([_plain(record) for record in records])
    elif records:
        print_table(records)
    if not records:
        kind = f"{status} operations" if status else "operations"
        print(f"There are no {kind}{' of this type' if options.type else ''} in {_address(manager)}.", file=sys.stderr)
    return 0 if records else FAILED


def _show(manager: StateRecoveryManager, options: argparse.Namespace) -> int:
    from .state_views import print_one

    record = manager.sync.get_operation(options.id)
    if record is None:
        return _fail(f"{_address(manager)} has no operation {options.id!r}: see trax-otel state list")
    if options.json:
        _print_json(_plain(record))
    else:
        print_one(record)
    return 0


# --- Recovering -------------------------------------------------------------------------------------------------------


def _recover(options: argparse.Namespace) -> int:
    if bool(options.ids) == options.all:
        return _misuse("recover takes ids, or --all")
    if options.module is None:
        if options.all:
            return _misuse("--all needs --import MODULE: only your code knows how its operations are recovered")
        return _queue(_manager_of_store(options.store), options)
    if options.store is not None:
        return _misuse("--store and --import exclude each other: the imported manager has a store of its own")
    manager = _imported(options.module)
    if isinstance(manager, str):
        return _fail(manager)

    import asyncio

    return asyncio.run(_run(manager, options))


def _queue(manager: StateRecoveryManager, options: argparse.Namespace) -> int:
    """Let dead and failed operations be taken by the next `recover_all` of whoever runs them."""
    from ..recovery.state import StateError, StateStoreError

    outcomes = []
    try:
        for operation_id in options.ids:
            try:
                manager.sync.queue_operation(operation_id)
                outcomes.append((operation_id, "queued", ""))
            except StateStoreError:
                raise
            except StateError as error:
                outcomes.append((operation_id, "refused", str(error)))
    finally:
        manager.sync.close()
    return _tell(options, outcomes)


async def _run(manager: StateRecoveryManager, options: argparse.Namespace) -> int:
    try:
        if options.all:
            done = await manager.recover_all()
            return _tell(options, [_outcome(recovery) for recovery in done])
        outcomes = []
        for operation_id in options.ids:
            try:
                outcomes.append((operation_id, *await _recover_one(manager, operation_id)))
            except Exception as error:  # a recovery function's: the other ids have their turn
                outcomes.append((operation_id, "failed", f"{type(error).__name__}: {error}"))
        return _tell(options, outcomes)
    finally:
        await manager.close()


async def _recover_one(manager: StateRecoveryManager, operation_id: str) -> tuple[str, str]:
    record = await manager.get_operation(operation_id)
    if record is None:
        return "refused", f"the store has no operation {operation_id!r}"
    if not manager.recovers(record.operation_type):
        return "refused", f"no recovery function is registered for {record.operation_type!r}"
    if record.status in ("dead", "failed"):
        await manager.queue_operation(operation_id)
    after = await manager.recover_operation(operation_id)
    if after is None:
        return "refused", f"it is {record.status}, and not to be recovered"
    return ("recovered", "") if after.status == "completed" else (after.status, after.error or "")


def _outcome(recovery: Recovery) -> tuple[str, str, str]:
    error = recovery.error
    return recovery.operation_id, recovery.outcome, "" if error is None else f"{type(error).__name__}: {error}"


def _tell(options: argparse.Namespace, outcomes: Sequence[tuple[str, str, str]]) -> int:
    if options.json:
        _print_json([{"operation_id": one, "outcome": outcome, "reason": reason} for one, outcome, reason in outcomes])
    else:
        for operation_id, outcome, reason in outcomes:
            print(f"{outcome:<10} {operation_id}{f'  ({reason})' if reason else ''}")
    if not outcomes:
        print("There was nothing to recover.", file=sys.stderr)
    return 0 if all(outcome in ("recovered", "queued") for _, outcome, _ in outcomes) else FAILED


def _imported(target: str) -> StateRecoveryManager | str:
    """The manager that a module holds, or what is wrong."""
    from ..recovery.state import StateRecoveryManager

    module_name, _, name = target.partition(":")
    sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the user's module does
        return f"{module_name} cannot be imported: {type(error).__name__}: {error}"
    found = {key: value for key, value in vars(module).items() if isinstance(value, StateRecoveryManager)}
    if name:
        return (
            found.get(name) or f"{module_name} holds no StateRecoveryManager named {name!r} (it has: {_names(found)})"
        )
    managers = {id(manager): manager for manager in found.values()}
    if len(managers) != 1:
        return f"{module_name} holds {len(managers)} managers ({_names(found)}): say which with --import {module_name}:NAME"
    return next(iter(managers.values()))


def _names(found: dict[str, Any]) -> str:
    return ", ".join(sorted(found)) or "none"


# --- Odds and ends ----------------------------------------------------------------------------------------------------


def _manager_of_store(url: str | None) -> StateRecoveryManager:
    import logging

    from ..recovery.state import SQLStorage, StateRecoveryManager, StateStoreError

    # The error is our answer on stderr; logged to nobody it would be there twice.
    logging.getLogger("trax_otel.recovery.state").addHandler(logging.NullHandler())
    storage = SQLStorage(url)
    if storage.file is not None and not storage.file.exists():  # looking at it must not make it
        raise StateStoreError(f"{storage.file} does not exist: nobody has kept an operation's state there yet")
    return StateRecoveryManager(storage)


def _address(manager: StateRecoveryManager) -> str:
    return str(getattr(manager.sync.core.storage, "address", "the store"))


def _plain(record: OperationRecord) -> dict[str, Any]:
    return {**record._asdict(), "steps": dict(record.steps)}


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def _fail(problem: str) -> int:
    print(f"trax-otel state: {problem}", file=sys.stderr)
    return FAILED


def _misuse(problem: str) -> int:
    print(f"trax-otel state: {problem} (trax-otel state -h explains)", file=sys.stderr)
    return MISUSED
