"""The registry of error codes: what each means, why it happens, what to do.

Codes are stable and registered once. The first seven are the specification's; what none of them fits has its own number from
TRAX-008 on. Users add theirs with `register_error_code` (`ACME-…`).
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

Severity = Literal["warning", "error", "critical"]

NETWORK: Final = "network"
API: Final = "api"
FILESYSTEM: Final = "filesystem"
VALIDATION: Final = "validation"
PROCESSING: Final = "processing"
CONFIGURATION: Final = "configuration"
CATEGORIES: Final = (NETWORK, API, FILESYSTEM, VALIDATION, PROCESSING, CONFIGURATION)

GENERIC: Final = frozenset({"TRAX-017", "TRAX-021"})
"""Codes which say no more than that something failed."""

_FORM: Final = r"[A-Z][A-Z0-9]{1,15}-[0-9]{3,5}"


class ErrorCode(NamedTuple):
    """One code. `cause` says why it happens, `remedy` what to do; both stand in docs/error-codes.md."""

    code: str
    title: str
    category: str
    retryable: bool
    cause: str
    remedy: str
    severity: Severity = "error"


_registry: dict[str, ErrorCode] = {}


def register_error_code(
    code: str,
    title: str,
    *,
    category: str,
    cause: str,
    remedy: str,
    retryable: bool = False,
    severity: Severity = "error",
) -> ErrorCode:
    """Add a code of one's own (`ACME-001`); raises ValueError for a bad form, a text left empty or a code that exists."""
    if not re.fullmatch(_FORM, code):
        raise ValueError(f"{code!r} is no error code: capitals, a hyphen and three to five digits, such as ACME-001")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", category):
        raise ValueError(f"{code}: the category {category!r} must be lower case letters, digits and underscores")
    for name, text in (("title", title), ("cause", cause), ("remedy", remedy)):
        if not text.strip():
            raise ValueError(f"{code}: its {name} is empty; whoever meets the code needs it")
    entry = ErrorCode(code, title, category, retryable, cause, remedy, severity)
    if _registry.setdefault(code, entry) != entry:
        raise ValueError(f"{code} is registered already: {_registry[code].title}")
    return entry


def error_code(code: str) -> ErrorCode | None:
    """What is registered under a code."""
    return _registry.get(code)


def error_codes() -> tuple[ErrorCode, ...]:
    """Every registered code, in order."""
    return tuple(_registry[code] for code in sorted(_registry))


_OURS: Final = (
    ErrorCode(
        "TRAX-001", "Network connection failed", NETWORK, True,
        "The peer refused or dropped the connection, or no route leads to it: it is down, restarting, behind a closed port or "
        "a firewall.",
        "Look whether the peer is up and listening on the address and port of the message; retry with back-off. If only one "
        "host sees it, look at that host's routes and firewall.",
    ),
    ErrorCode(
        "TRAX-002", "API authentication failed", API, False,
        "The API answered 401 or 403: the credential is missing, expired, revoked, or does not grant what was asked.",
        "Renew the credential or its permissions. Repeating the call with the same credential will fail again and may lock "
        "the account.",
    ),
    ErrorCode(
        "TRAX-003", "File not found", FILESYSTEM, False,
        "The path does not exist for this process: it is misspelt, relative to another folder, not mounted, or was removed.",
        "Compare the path with the process's working directory and mounts. If another process makes the file, wait for it.",
    ),
    ErrorCode(
        "TRAX-004", "Invalid input format", VALIDATION, False,
        "What was given does not have the form that is expected: a wrong type, a missing field, text that does not parse.",
        "Correct what is sent; the message names what was wrong with it. The same input will fail each time.",
        "warning",
    ),
    ErrorCode(
        "TRAX-005", "Processing timeout", NETWORK, True,
        "The answer did not come in time: the peer is overloaded or hangs, the network drops packets, or the limit is too "
        "short for this work.",
        "Open a slow trace of the operation and see where its time goes. Retry what is safe to repeat; raise the limit only "
        "where the work really needs longer.",
    ),
    ErrorCode(
        "TRAX-006", "Configuration error", CONFIGURATION, False,
        "A setting is missing, has a value that is not allowed, or the environment lacks what the program needs (a module, a "
        "credential, a database of that name).",
        "Set what the message names. Retrying cannot help; a deployment that just changed is the likely origin.",
        "critical",
    ),
    ErrorCode(
        "TRAX-007", "Recovery failed", PROCESSING, False,
        "An operation failed, and so did every way to recover from it.",
        "Read the causes that the error carries, one for each strategy: the first is the original failure, the last the "
        "reason why nothing could stand in for it.",
        "critical",
    ),
    ErrorCode(
        "TRAX-008", "Name resolution failed", NETWORK, False,
        "The host name could not be turned into an address: it is misspelt, not in this DNS zone, or the resolver is out of "
        "reach (then it is retryable).",
        "Resolve the name from the same host or container. A temporary failure points to the resolver, a permanent one to "
        "the name.",
    ),
    ErrorCode(
        "TRAX-009", "API request failed", API, False,
        "The API refused the request (a 4xx without a code of its own here, gRPC's NOT_FOUND or UNIMPLEMENTED), or broke the "
        "protocol.",
        "Read status and body: another request is asked for.",
    ),
    ErrorCode(
        "TRAX-010", "Rate limit exceeded", API, True,
        "More calls were made than the API allows in a span of time (429, RESOURCE_EXHAUSTED, throttling).",
        "Wait as long as Retry-After says; make fewer or larger calls, or ask for a higher limit. Retries without back-off "
        "make it worse.",
        "warning",
    ),
    ErrorCode(
        "TRAX-011", "Quota exceeded", API, False,
        "The amount that the plan or account allows is used up, until it is raised or renewed.",
        "Raise the quota or wait for its renewal; a retry within the same period fails too.",
    ),
    ErrorCode(
        "TRAX-012", "Service unavailable", API, True,
        "The service is known to be there but cannot answer now: overload, deployment, a failing backend (502, 503, 504, "
        "UNAVAILABLE).",
        "Retry with back-off, honour Retry-After, and let a circuit breaker stop the calls while it lasts. Look at the "
        "service's own health.",
    ),
    ErrorCode(
        "TRAX-013", "File operation failed", FILESYSTEM, False,
        "The operating system refused a file operation: an I/O error, a read-only file system, a path that is a folder.",
        "The message has the system's own reason (errno). I/O errors ask for a look at the disk and the kernel's log.",
    ),
    ErrorCode(
        "TRAX-014", "Permission denied", FILESYSTEM, False,
        "The user that runs the process may not do this to the file, folder, port or device.",
        "Compare the process's user with owner and mode; in containers, with the volume's owner and a read-only root.",
    ),
    ErrorCode(
        "TRAX-015", "Disk space exhausted", FILESYSTEM, False,
        "The file system is full, or the quota of the user or container is used up (ENOSPC, EDQUOT).",
        "Free space or enlarge the volume; find what grew. Inodes may be used up while bytes are left.",
        "critical",
    ),
    ErrorCode(
        "TRAX-016", "Corrupted file", FILESYSTEM, False,
        "The content is not what its format promises: a truncated download or write, a wrong checksum, a damaged disk.",
        "Get or write the file anew and compare checksums; if it happens again, look at what writes it.",
    ),
    ErrorCode(
        "TRAX-017", "Processing failed", PROCESSING, False,
        "The program itself failed at the work: a defect, an exhausted resource, a case that nobody foresaw.",
        "Open the trace and read the innermost frame of the application. Errors of one fingerprint have one origin; a new "
        "fingerprint with a new `service.version` is a regression.",
    ),
    ErrorCode(
        "TRAX-018", "Transcription failed", PROCESSING, False,
        "The recogniser could not turn the audio into text.",
        "Look at the audio's format, length and level, and at the original error of the recogniser.",
    ),
    ErrorCode(
        "TRAX-019", "Enhancement failed", PROCESSING, False,
        "A step that improves a result (punctuation, summary, denoising) failed; the result before it may still be usable.",
        "Fall back to the result before the step; look at the original error.",
        "warning",
    ),
    ErrorCode(
        "TRAX-020", "Media processing failed", PROCESSING, False,
        "Audio or video could not be read, converted or written: an unknown codec, a damaged container, a missing tool.",
        "Probe the file with the media tool by hand; look whether the codec is installed.",
    ),
    ErrorCode(
        "TRAX-021", "Unclassified error", PROCESSING, False,
        "Nothing that is known of the exception tells its category.",
        "Register a classifier for its type (`register_classifier`), or raise an error of the hierarchy in its place.",
    ),
    ErrorCode(
        "TRAX-022", "Circuit breaker open", API, True,
        "A circuit breaker rejected the call without making it, because calls before it failed or were slow, or because "
        "somebody isolated it.",
        "Follow the rejected span's link to the span that tripped the breaker: the cause is there. The breaker tries "
        "again by itself after its open time; `retry_after` says when.",
        "warning",
    ),
    ErrorCode(
        "TRAX-023", "Operation state lost", PROCESSING, False,
        "An operation could not renew its lease or save its state: the store was away or full, or another process has "
        "taken the operation over in the meantime.",
        "Look at the store (disk, connection) and at `trax-otel state show` for who holds the operation now. What the "
        "store had recorded is resumed there; steps are run at least once, recorded results never twice.",
    ),
    ErrorCode(
        "TRAX-024", "Database connection failed", NETWORK, True,
        "The database refused or dropped the connection, is starting or shutting down, or has no connection left to give; for"
        " SQLite: the file could not be opened.",
        "Look whether the database is up, its address, and how many connections it has and allows. After a restart, "
        "connections of a pool are stale: let the pool test them (`pool_pre_ping`).",
    ),
    ErrorCode(
        "TRAX-025", "Database constraint violated", VALIDATION, False,
        "The data contradict a constraint: a key that exists already, a reference to a row that does not, a value that is "
        "missing or not allowed.",
        "The message names the constraint. Where two writers race for one key, write what holds for both (`ON CONFLICT`), or "
        "answer the second one.",
        "warning",
    ),
    ErrorCode(
        "TRAX-026", "Database query refused", PROCESSING, False,
        "The database does not accept the statement: its syntax, a table, column or function that is not there, a wrong "
        "number of parameters, a read-only database.",
        "Compare the statement with the schema: a deployment whose migration did not run is the likely origin. Repeating it "
        "cannot help.",
    ),
    ErrorCode(
        "TRAX-027", "Database lock not obtained", API, True,
        "Another transaction was in the way: a lock that was not released in time, a deadlock, a serialization failure.",
        "Repeat the whole transaction with back-off. If it happens often: shorter transactions, and rows in one order "
        "everywhere.",
        "warning",
    ),
    ErrorCode(
        "TRAX-028", "Database timeout", NETWORK, True,
        "The statement was cancelled for its time limit, the database did not answer in time, or the pool had no free "
        "connection.",
        "Open a slow trace and see which statement takes the time, and whether connections are held while something else is "
        "done. Raise the limit or the pool only after that.",
    ),
    ErrorCode(
        "TRAX-029", "API server error", API, False,
        "The API failed at answering: a 500 or another 5xx that says no more, gRPC's INTERNAL, UNKNOWN or DATA_LOSS.",
        "The cause is on the other side: follow the trace into it, or ask its operator. Whether to repeat depends on what the"
        " call does.",
    ),
    ErrorCode(
        "TRAX-030", "Stream failed", PROCESSING, False,
        "A stream, pipe, terminal or socket could not be read or written any further: closed, of another kind than was "
        "expected, not ready, or ended early.",
        "The message has the reason. Look who closes the other end, and whether something is used after it was closed.",
    ),
    ErrorCode(
        "TRAX-031", "Database error", PROCESSING, False,
        "The database reports a failure that none of its other codes tells: an internal error, an unsupported operation.",
        "Read the message and the database's own log.",
    ),
)  # fmt: skip

for _entry in _OURS:
    _registry[_entry.code] = _entry
