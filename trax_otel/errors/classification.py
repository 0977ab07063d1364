"""From any exception to what it means: its class here, and whether the same call may succeed.

The order: what must never be caught or retried; users' classifiers; our own errors; groups; third-party types by the names
along their MRO (no library is imported); builtins. The first that can tell wins.
"""

from __future__ import annotations

import builtins
import errno
from collections.abc import Callable
from typing import Final

from ..signals.stacktrace import message_of
from .awaiting import is_coroutine_function
from .base import TraxError
from .codes import Severity, error_code
from .control_flow import depends_on_registrations, is_control_flow, is_time_limit, leaves, members
from .hierarchy import (
    APIError,
    ConnectionError,
    CorruptedFileError,
    DiskSpaceError,
    DNSResolutionError,
    EnvironmentError,
    FileNotFoundError,
    FileSystemError,
    FormatError,
    InvalidInputError,
    PermissionError,
    ProcessingError,
    StreamError,
    TimeoutError,
)
from .libraries import RULES
from .verdict import Always, Rule, Verdict

Classifier = Callable[[BaseException], "TraxError | type[TraxError] | None"]
"""A user's own: an error or a class of the hierarchy, or None where it cannot tell."""

_classifiers: list[tuple[type[BaseException], Classifier]] = []
_rules: dict[type, tuple[Rule, ...]] = {}
_fixed: dict[type, Verdict] = {}
depends_on_registrations(_rules, _fixed)

SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "error", "warning")
UNKNOWN: Final = Verdict(TraxError, False)
TIME_IS_OVER: Final = Verdict(TimeoutError, False)

_NETWORK_ERRNOS: Final = {
    getattr(errno, name)
    for name in ("ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN",
                 "EHOSTDOWN", "ENOTCONN", "EADDRNOTAVAIL")
    if hasattr(errno, name)
}  # fmt: skip
_FILE_ERRNOS: Final = {errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY, errno.EXDEV, errno.ELOOP,
                       errno.ENAMETOOLONG, errno.ENODEV, getattr(errno, "ESTALE", errno.EROFS),
                       getattr(errno, "ETXTBSY", errno.EROFS)}  # fmt: skip
"""Only files and folders have these; others that name no file are a stream's."""
_FULL_ERRNOS: Final = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}
_PASSING_ERRNOS: Final = {errno.EAGAIN, errno.EINTR, errno.EMFILE, errno.ENFILE, errno.EBUSY,
                          getattr(errno, "ESTALE", errno.EAGAIN)}  # fmt: skip


def register_classifier(exception_type: type[BaseException], classifier: Classifier) -> Callable[[], None]:
    """Ask `classifier` first for exceptions of this type (the latest registered first); returns the way to end it.

    One that raises, or returns something else than its type allows, is passed over.
    """
    if is_coroutine_function(classifier):
        raise TypeError(f"{classifier!r} is a coroutine function; a classifier is called, not awaited")
    entry = (exception_type, classifier)
    _classifiers.insert(0, entry)

    def unregister() -> None:
        if entry in _classifiers:
            _classifiers.remove(entry)

    return unregister


def classify_error(error: BaseException) -> TraxError:
    """The exception as an error of the hierarchy: itself where it is one, else one that wraps it. Never raises."""
    if isinstance(error, TraxError):
        return error
    custom = _custom(error)
    if isinstance(custom, TraxError):
        return custom
    verdict = judge(error)
    made = verdict.kind(
        message_of(error) or type(error).__name__,
        original_error=error,
        retryable=_retryable(verdict),
        retry_after=verdict.retry_after,
    )
    for name in ("errno", "filename", "strerror"):
        if isinstance(made, OSError) and isinstance(error, OSError):
            setattr(made, name, getattr(error, name, None))
    if verdict.status_code is not None and isinstance(made, APIError):
        made.status_code = verdict.status_code
    return made


def is_retryable_error(error: BaseException) -> bool:
    """Whether the call that raised it may succeed when it is made again."""
    if isinstance(error, TraxError):
        return error.retryable
    custom = _custom(error)
    if isinstance(custom, TraxError):
        return custom.retryable
    return _retryable(judge(error))


def _retryable(verdict: Verdict) -> bool:
    if verdict.retryable is not None:
        return verdict.retryable
    registered = error_code(verdict.kind.default_code)
    return registered is not None and registered.retryable


def judge(error: BaseException) -> Verdict:
    """The verdict on an exception that is not one of ours. Never raises."""
    fixed = _fixed.get(type(error))
    if fixed is not None and not _classifiers:
        return fixed
    try:
        return _judge(error)
    except Exception:  # a foreign exception whose attributes raise
        return UNKNOWN


def _judge(error: BaseException) -> Verdict:
    kind = type(error)
    rules = _rules.get(kind)
    if rules is None:
        if not isinstance(error, Exception) or is_control_flow(kind):
            if is_time_limit(kind):
                return TIME_IS_OVER
            return _group(error) if members(error) else UNKNOWN
        if isinstance(error, TraxError):
            return Verdict(kind, error.retryable, error.retry_after)  # type: ignore[arg-type]
        rules = _rules[kind] = (_group,) if members(error) else _rules_of(kind)
        if rules and isinstance(rules[0], Always):
            _fixed[kind] = rules[0].verdict
    if _classifiers:
        custom = _custom(error)
        if isinstance(custom, TraxError):
            return Verdict(type(custom), custom.retryable, custom.retry_after)
        if custom is not None:
            return Verdict(custom)
    for rule in rules:
        found = rule(error)
        if found is not None:
            return found
    return UNKNOWN


def _custom(error: BaseException) -> TraxError | type[TraxError] | None:
    for kind, classifier in _classifiers:
        if not isinstance(error, kind):
            continue
        try:
            answer = classifier(error)
        except Exception:  # a user's classifier is not allowed to hide the error it was asked about
            continue
        if isinstance(answer, TraxError) or (isinstance(answer, type) and issubclass(answer, TraxError)):
            return answer
    return None


def _group(error: BaseException) -> Verdict:
    """A group is what the gravest of its leaves is, in whatever order they stand: one that is not retryable before one that
    is, what is known before what is not. It is retryable only if all its leaves are, after the longest of their waits."""
    verdicts = [(leaf, judge(leaf)) for leaf in leaves(error)]
    gravest = min(verdicts, key=lambda entry: _gravity(*entry))[1]
    waits = [verdict.retry_after for _, verdict in verdicts if verdict.retry_after is not None]
    again = all(_retryable(verdict) for _, verdict in verdicts)
    return Verdict(gravest.kind, again, max(waits) if again and waits else None)


def _gravity(error: BaseException, verdict: Verdict) -> tuple[bool, bool, int, str]:
    """What orders the leaves of a group, the gravest first."""
    severity = SEVERITIES.index(_severity(error, verdict))
    return _retryable(verdict), verdict.kind is TraxError, severity, verdict.kind.__name__


def _severity(error: BaseException, verdict: Verdict) -> Severity:
    if isinstance(error, TraxError):
        return error.severity
    registered = error_code(verdict.kind.default_code)
    return "error" if registered is None else registered.severity


def _rules_of(kind: type) -> tuple[Rule, ...]:
    """The rules for a type, most specific first: third-party ones along the MRO, then the builtins' own."""
    foreign: list[Rule] = []
    for base in kind.__mro__:
        table = RULES.get(str(base.__module__).partition(".")[0])
        if table is not None and base.__name__ in table:
            foreign.append(table[base.__name__])
    own = [rule for types, rule in _BUILTINS if _is(kind, types)]
    return (*foreign, *own)


# --- Builtins ------------------------------------------------------------------------------------------------------------


def _os_error(error: builtins.OSError) -> Verdict:
    code = error.errno
    if code in _FULL_ERRNOS:
        return Verdict(DiskSpaceError, False)
    if code in _NETWORK_ERRNOS:
        return Verdict(ConnectionError, True)
    if code == errno.ETIMEDOUT:
        return Verdict(TimeoutError, True)
    kind = FileSystemError if error.filename is not None or code in _FILE_ERRNOS else StreamError
    return Verdict(kind, code in _PASSING_ERRNOS)


def _name_resolution(error: builtins.OSError) -> Verdict:
    import socket

    return Verdict(DNSResolutionError, error.errno in {socket.EAI_AGAIN, getattr(socket, "EAI_SYSTEM", None)})


def _tls(error: builtins.OSError) -> Verdict:
    return Verdict(ConnectionError, type(error).__name__ in {"SSLZeroReturnError", "SSLEOFError", "SSLWantReadError"})


def _is(kind: type, types: tuple[type | str, ...]) -> bool:
    """Whether it is one of these classes; those that would cost an import are given by their names."""
    return any(
        any(found == f"{base.__module__}.{base.__name__}" for base in kind.__mro__)
        if isinstance(found, str)
        else issubclass(kind, found)
        for found in types
    )


_BUILTINS: Final[tuple[tuple[tuple[type | str, ...], Rule], ...]] = (
    (("ssl.SSLCertVerificationError",), Always(ConnectionError, False)),
    (("ssl.SSLError",), _tls),
    (("socket.gaierror", "socket.herror"), _name_resolution),
    (("zipfile.BadZipFile", "tarfile.ReadError", "zlib.error", "lzma.LZMAError", "gzip.BadGzipFile"),
     Always(CorruptedFileError, False)),
    (("subprocess.TimeoutExpired", "queue.Empty", "queue.Full"), Always(TimeoutError, True)),
    (("subprocess.CalledProcessError",), Always(ProcessingError, False)),
    (("binascii.Error", "configparser.Error", "tomllib.TOMLDecodeError", "xml.etree.ElementTree.ParseError",
            "json.decoder.JSONDecodeError", "csv.Error", "_csv.Error", "struct.error", "pickle.PickleError"),
     Always(FormatError, False)),
    ((builtins.ConnectionError,), Always(ConnectionError, True)),
    (("asyncio.exceptions.TimeoutError", "concurrent.futures._base.TimeoutError", "multiprocessing.TimeoutError"),
     Always(TimeoutError, True)),
    ((builtins.TimeoutError,), Always(TimeoutError, True)),
    ((builtins.FileNotFoundError,), Always(FileNotFoundError, False)),
    ((builtins.PermissionError,), Always(PermissionError, False)),
    ((OSError,), _os_error),
    (("asyncio.exceptions.IncompleteReadError",), Always(ConnectionError, True)),
    ((EOFError,), Always(StreamError, False)),
    ((UnicodeError,), Always(FormatError, False)),
    ((ImportError,), Always(EnvironmentError, False)),
    ((ValueError,), Always(InvalidInputError, False)),
    ((SyntaxError, LookupError, ArithmeticError, AttributeError, NameError, TypeError, AssertionError, RuntimeError, BufferError,
      ReferenceError, SystemError), Always(ProcessingError, False)),
)  # fmt: skip
