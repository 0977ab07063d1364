"""The one table of what can be set: section, key, environment variable, what it may be and what it does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

FILE_VARIABLE: Final = "TRAX_CONFIG_FILE"
"""Names the JSON file."""

_WORDS: Final = {
    "true": True, "1": True, "yes": True, "on": True,
    "false": False, "0": False, "no": False, "off": False,
}  # fmt: skip
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
JITTERS: Final = ("full", "equal", "decorrelated", "none")


class Kind:
    """What a value may be. `parse` takes text or a JSON value and raises ValueError for what is not allowed."""

    __slots__ = ("allowed", "parse")

    def __init__(self, allowed: str, parse: Callable[[Any], Any]) -> None:
        self.allowed = allowed
        self.parse = parse


class Field:
    """One key of one section."""

    __slots__ = ("kind", "meaning", "name", "section", "variable")

    def __init__(self, section: str, name: str, variable: str | None, kind: Kind, meaning: str) -> None:
        self.section = section
        self.name = name
        self.variable = variable
        self.kind = kind
        self.meaning = meaning

    @property
    def key(self) -> str:
        """`section.name`, as the JSON file nests it."""
        return f"{self.section}.{self.name}"


# --- Kinds -----------------------------------------------------------------------------------------------------------


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        return _WORDS[value.strip().lower()]
    raise ValueError


def _integer(least: int, most: int | None = None) -> Kind:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise ValueError
        number = int(value)
        if number < least or (most is not None and number > most):
            raise ValueError
        return number

    return Kind(f"a whole number, {least} or more" if most is None else f"a whole number from {least} to {most}", parse)


def _number(least: float, most: float | None = None, *, above: bool = False) -> Kind:
    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        number = float(value)
        if not math.isfinite(number) or number < least or (above and number == least):
            raise ValueError
        if most is not None and number > most:
            raise ValueError
        return number

    bounds = f"above {least:g}" if above else f"{least:g} or more"
    return Kind(f"a number {bounds}" if most is None else f"a number from {least:g} to {most:g}", parse)


def _choice(choices: Iterable[str], *, fold: Callable[[str], str] = str.lower) -> Kind:
    allowed = tuple(choices)

    def parse(value: Any) -> str:
        if not isinstance(value, str) or fold(value.strip()) not in allowed:
            raise ValueError
        return fold(value.strip())

    return Kind("one of " + ", ".join(allowed), parse)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError
    return value


def _optional(kind: Kind) -> Kind:
    def parse(value: Any) -> Any:
        if value is None or (isinstance(value, str) and value.strip().lower() in {"", "none", "never"}):
            return None
        return kind.parse(value)

    return Kind(f"{kind.allowed}, or none", parse)


def _jitter(value: Any) -> float | str | None:
    if value is None or (isinstance(value, str) and value.strip().lower() == "none"):
        return None
    if isinstance(value, str) and value.strip().lower() in JITTERS:
        return value.strip().lower()
    number: float = _number(0, 1).parse(value)
    return number


def _names(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise ValueError
    return tuple(part.strip() for part in parts if part.strip())


def _thresholds(value: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError
    for entry in value:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("metric"), str):
            raise ValueError
        if not {"above", "below"} & set(entry) or set(entry) - THRESHOLD_KEYS:
            raise ValueError
    return tuple(value)


THRESHOLD_KEYS: Final = {
    "metric", "above", "below", "clear_below", "clear_above", "for_seconds", "statistic", "attributes",
}  # fmt: skip


def _switch(value: Any) -> str:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    return "on" if _boolean(value) else "off"


BOOLEAN: Final = Kind("true or false", _boolean)
TEXT: Final = Kind("a text that is not empty", _text)
LEVEL: Final = _choice(LEVELS, fold=str.upper)
COLOUR: Final = _choice(("auto", "always", "never"))
SWITCH: Final = Kind("on, off or auto", _switch)
ROOT_SPANS: Final = _choice(("limited", "all"))
JITTER: Final = Kind("a fraction from 0 to 1, or one of " + ", ".join(JITTERS), _jitter)
NAMES: Final = Kind("a list of names, with commas between them", _names)
THRESHOLDS: Final = Kind(
    "a list of objects with `metric`, `above` or `below`, and optionally `clear_below`, `clear_above`, `for_seconds`, "
    "`statistic`, `attributes`",
    _thresholds,
)

# --- The table ----------------------------------------------------------------------------------------------------

FIELDS: Final[tuple[Field, ...]] = (
    Field("logging", "level", "TRAX_LOG_LEVEL", LEVEL, "The least level that is logged."),
    Field("logging", "log_to_console", "TRAX_LOG_TO_CONSOLE", BOOLEAN, "Write readable lines to stderr."),
    Field("logging", "log_to_file", "TRAX_LOG_TO_FILE", BOOLEAN, "Write a text file."),
    Field("logging", "log_to_json", "TRAX_LOG_TO_JSON", BOOLEAN, "Write a file of JSON lines."),
    Field("logging", "log_dir", "TRAX_LOG_DIR", TEXT, "The folder of the log files; made with mode 0700."),
    Field("logging", "max_file_size", "TRAX_MAX_LOG_SIZE", _integer(1024), "A file is rotated at this size, in bytes."),
    Field("logging", "backup_count", "TRAX_LOG_BACKUP_COUNT", _integer(0, 10_000),
          "Rotated files that are kept: so many by size, and as many by age."),
    Field("logging", "rotate_every", "TRAX_LOG_ROTATE_EVERY", _optional(_number(1)),
          "A file is rotated at the end of each period of so many seconds, in UTC."),
    Field("logging", "console_colour", "TRAX_LOG_COLOUR", COLOUR, "Colours: on a terminal, always or never."),
    Field("retry", "max_retries", "TRAX_MAX_RETRIES", _integer(0, 1_000), "Repeats after the first call."),
    Field("retry", "initial_delay", "TRAX_INITIAL_RETRY_DELAY", _number(0), "The first wait, in seconds."),
    Field("retry", "max_delay", "TRAX_MAX_RETRY_DELAY", _number(0), "The longest wait, in seconds."),
    Field("retry", "jitter", "TRAX_RETRY_JITTER", JITTER, "How far waits are spread."),
    Field("recovery", "enabled", "TRAX_RECOVERY_ENABLED", BOOLEAN, "Whether recovery is attempted at all."),
    Field("recovery", "max_fallbacks", "TRAX_RECOVERY_MAX_FALLBACKS", _integer(0, 1_000), "Fallbacks that are tried."),
    Field("recovery", "timeout", "TRAX_RECOVERY_TIMEOUT", _number(0, above=True), "Time for a recovery, in seconds."),
    Field("metrics", "enabled", "TRAX_METRICS_ENABLED", BOOLEAN, "Whether health is monitored."),
    Field("metrics", "health_monitor_interval", "TRAX_HEALTH_MONITOR_INTERVAL", _number(0, above=True),
          "Time between two looks at the system's health, in seconds."),
    Field("metrics", "export_enabled", "TRAX_METRICS_EXPORT_ENABLED", BOOLEAN,
          "Whether metrics leave the process; `export_all_metrics()` works either way."),
    Field("metrics", "thresholds", None, THRESHOLDS, "Limits that raise an event, a metric and a callback."),
    Field("metrics", "cardinality_limit", "TRAX_METRICS_CARDINALITY_LIMIT", _integer(1, 1_000_000),
          "Series that one metric, and operations that one process, may have."),
    Field("metrics", "operation_resources", "TRAX_OPERATION_RESOURCES", BOOLEAN,
          "Measure CPU and memory of every operation."),
    Field("runtime", "exit_timeout", "TRAX_EXIT_TIMEOUT", _number(0, 3_600),
          "Time that all telemetry together may take at the end of the process, in seconds."),
    Field("runtime", "flush_on_exit", "TRAX_FLUSH_ON_EXIT", BOOLEAN,
          "Deliver before `os._exit` and exec what this process made; held up by 0.5 s at the longest."),
    Field("runtime", "flush_each_request", "TRAX_FLUSH_EACH_REQUEST", SWITCH,
          "Deliver at the end of each request or message, for at most 0.5 s, where the process is frozen between them: "
          "`auto` does so on AWS Lambda; Cloud Run with CPU for requests only needs `on`."),
    Field("runtime", "quiet", "TRAX_QUIET", BOOLEAN, "Say nothing at the start."),
    Field("runtime", "debug", "TRAX_DEBUG", BOOLEAN, "Start in debug mode."),
    Field("runtime", "correlation_headers", "TRAX_CORRELATION_HEADERS", NAMES,
          "Inbound headers that carry a correlation id, the first found wins."),
    Field("runtime", "propagate_correlation", "TRAX_PROPAGATE_CORRELATION", BOOLEAN,
          "Send the correlation id with outbound requests."),
    Field("runtime", "root_spans", "TRAX_ROOT_SPANS", ROOT_SPANS,
          "Spans of databases, caches and templates that stand alone: one of a name in 10 s, and all that fail or are slow; or "
          "all."),
    Field("runtime", "detect_origin", "TRAX_DETECT_ORIGIN", BOOLEAN,
          "Find version, commit and environment of the service where nothing says them (docs/installing.md)."),
)  # fmt: skip

BY_KEY: Final = {field.key: field for field in FIELDS}
BY_VARIABLE: Final = {field.variable: field for field in FIELDS if field.variable}
SECTIONS: Final = tuple(dict.fromkeys(field.section for field in FIELDS))

OTHER_VARIABLES: Final = {
    FILE_VARIABLE: "The JSON file.",
    "TRAX_LOCAL_DB": "The embedded endpoint's database file.",
    "TRAX_STATE_URL": "The store of operations' state: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.",
}
"""Variables that name things outside the sections."""


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known name that `name` may have been meant as, or None. `likeness` is how alike they must be, up to 1."""
    import difflib  # only after a mistake

    by_lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=likeness)
    return by_lower[found[0]] if found else None
