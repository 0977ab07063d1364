"""docs/error-codes.md, from the registry and the hierarchy."""

from __future__ import annotations

from typing import Final

from .. import semconv
from .base import TraxError
from .codes import CATEGORIES, ErrorCode, error_codes

PACKAGE: Final = f"{__name__.partition('.')[0]}."

_HEAD: Final = """# Error codes

Generated from `trax_otel/errors/codes.py` by `make docs`.

Every error that trax_otel records carries a code, on the span (`trax.error.code`), on the log record and on the counter
`trax.errors`. Codes are stable: an alert or a runbook may name them. Errors of one code group further by
`trax.error.fingerprint` (code, type, and the application's innermost functions; outside the application, the library's and the
message without its values).

An error that a sampled span tells of is found by TraceQL; every other by LogQL, which leaves out records that repeat what was
told before (`trax.error.recorded`). `trax-otel local errors` knows both. Exceptions that are joined (`__cause__`, `__context__`,
a library's `orig`) are one error, under its most specific code; each error counts once in PromQL.
"""


def classes_of(code: str) -> list[type[TraxError]]:
    """The package's classes that bear a code by default, of the rooms that are loaded."""
    return [kind for kind in _family(TraxError) if kind.default_code == code]


def _family(kind: type[TraxError]) -> list[type[TraxError]]:
    """The class and those below it, in the order of their definition; users' own and doubles in diamonds left out."""
    members = {kind: None}
    for child in kind.__subclasses__():
        if child.__module__.startswith(PACKAGE):
            members.update(dict.fromkeys(_family(child)))
    return list(members)


def render() -> str:
    """The page as Markdown: only our own codes, whoever has registered more in this process."""
    codes = [entry for entry in error_codes() if entry.code.startswith("TRAX-") and entry.category in CATEGORIES]
    lines = [_HEAD, "| code | meaning | category | retryable | severity | classes |", "|---|---|---|---|---|---|"]
    for entry in codes:
        classes = ", ".join(f"`{kind.__name__}`" for kind in classes_of(entry.code))
        lines.append(
            f"| [{entry.code}](#{entry.code.lower()}) | {entry.title} | {entry.category} | {_yes(entry.retryable)} | "
            f"{entry.severity} | {classes} |"
        )
    for entry in codes:
        lines += ["", *_section(entry)]
    return "\n".join([*lines, ""])


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _logql(name: str) -> str:
    return name.replace(".", "_")


_IS_ERROR: Final = f'{_logql(semconv.EXCEPTION_TYPE)} != "" or severity_text =~ "ERROR|FATAL"'
_TELLING: Final = f'{_IS_ERROR} | {_logql(semconv.ERROR_RECORDED)} != "true"'
"""LogQL: the records that tell of an error, each error once; events that only bear a code (a retry to come) are none."""


def _section(entry: ErrorCode) -> list[str]:
    attribute = semconv.ERROR_CODE
    metric = semconv.ERRORS.name.replace(".", "_")
    return [
        f"## {entry.code}",
        "",
        f"**{entry.title}** · {entry.category} · retryable: {_yes(entry.retryable)} · {entry.severity}",
        "",
        f"*Cause.* {entry.cause}",
        "",
        f"*What to do.* {entry.remedy}",
        "",
        "*Find it.*",
        "",
        "```",
        f"trax-otel local errors --code {entry.code}",
        f'TraceQL:  {{ span.{attribute} = "{entry.code}" }}',
        f'LogQL:    {{service_name=~".+"}} | {_logql(attribute)} = "{entry.code}" | {_TELLING}',
        f'PromQL:   sum by (service_name, error_type) (rate({metric}_total{{trax_error_code="{entry.code}"}}[5m]))',
        "```",
    ]
