"""docs/configuration.md, from the table of fields; nothing else loads it."""

from __future__ import annotations

from typing import Any, Final

from .fields import FIELDS, OTHER_VARIABLES, SECTIONS
from .sections import Settings

_HEAD: Final = """# Configuration

Generated from `trax_otel/config/fields.py` by `make docs`.

Four sources, the later one wins: defaults, the JSON file (`TRAX_CONFIG_FILE`), the environment, arguments. Every
`OTEL_*` variable and `OTEL_CONFIG_FILE` are honoured besides. A value that cannot be taken is named in one line with what
is allowed: `configure()` and `initialize_logging()` raise `InvalidConfigError`; under `trax-otel run` the line goes to
stderr, the default holds, and the service starts.
"""


def render_reference() -> str:
    """The page as Markdown."""
    import json

    defaults: dict[str, dict[str, Any]] = {name: section.as_dict() for name, section in Settings().as_dict().items()}
    lines = [_HEAD]
    for section in SECTIONS:
        lines += [f"## `{section}`", "", "| key | variable | default | allowed | meaning |", "|---|---|---|---|---|"]
        for field in FIELDS:
            if field.section == section:
                default = json.dumps(defaults[section][field.name])
                variable = f"`{field.variable}`" if field.variable else "–"
                lines.append(f"| `{field.name}` | {variable} | `{default}` | {field.kind.allowed} | {field.meaning} |")
        lines.append("")
    lines += ["## Besides", "", "| variable | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in OTHER_VARIABLES.items()]
    example = json.dumps({section: defaults[section] for section in SECTIONS}, indent=2)
    return "\n".join([*lines, "", "## The file with every default", "", "```json", example, "```", ""])
