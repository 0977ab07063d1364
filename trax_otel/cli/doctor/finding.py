"""What a check says, and the secrets that nothing it says may show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple, get_args
from urllib.parse import unquote, urlsplit

from ...config.loading import SECRET_NAME

Status = Literal["ok", "warning", "error", "skipped"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
HIDDEN: Final = "…"
SHORTEST_SECRET: Final = 4
"""Characters; to look for shorter ones would tear words apart that have nothing to do with them."""

_USER: Final = re.compile(r"(?<=://)[^/@\s'\"]*@")


class Finding(NamedTuple):
    """One line of the report. `id` says which check, `subject` what it looked at, `advice` what to do."""

    id: str
    status: Status
    summary: str
    detail: str = ""
    advice: str = ""
    subject: str = ""


class Secrets:
    """Values of headers, passwords in URLs, and variables that are called so: none of them is printed."""

    def __init__(self, environ: Mapping[str, str], urls: Iterable[str] = ()) -> None:
        found: set[str] = set()
        for name, value in environ.items():
            if name.endswith("_HEADERS"):
                found.update(_header_secrets(value))
            elif name.startswith(("OTEL_", "TRAX_")) and re.search(SECRET_NAME, name):
                found.add(value)
            found.update(_password(value))
        for url in urls:
            found.update(_password(url))
        self._found = sorted((text for text in found if len(text) >= SHORTEST_SECRET), key=len, reverse=True)

    def hide(self, text: str) -> str:
        """The text without any of them, on one line and without what a terminal would act upon."""
        for secret in self._found:
            text = text.replace(secret, HIDDEN)
        text = " ".join(_USER.sub(f"{HIDDEN}@", text).split())
        return "".join(character if character.isprintable() else "�" for character in text)

    def hide_in(self, finding: Finding) -> Finding:
        """The finding without any of them."""
        return Finding(finding.id, finding.status, *(self.hide(text) for text in finding[2:]))


def _header_secrets(value: str) -> set[str]:
    found = set()
    for entry in value.split(","):
        text = entry.partition("=")[2].strip() or entry.strip()
        for form in (text, unquote(text)):
            found |= {form, *form.split()[1:]}  # `Bearer TOKEN`: the token by itself, too
    return found


def _password(value: str) -> set[str]:
    if "@" not in value or "://" not in value:
        return set()
    try:
        password = urlsplit(value).password
    except ValueError:
        return set()
    return {password, unquote(password)} if password else set()
