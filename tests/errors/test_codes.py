"""The registry of codes: stable, documented, extensible; no class without a registered and documented code."""

from __future__ import annotations

from pathlib import Path

import pytest

from trax_otel import errors, retry
from trax_otel.errors import TraxError, codes, error_code, error_codes, reference, register_error_code
from trax_otel.recovery import state

PAGE = Path(__file__).parents[2] / "docs" / "error-codes.md"
OWN = {"title": "Warehouse closed", "category": "warehouse", "cause": "It is night.", "remedy": "Wait for the morning."}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "_registry", dict(codes._registry))


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for room in (errors, retry, state)
        for name in room.__all__
        if isinstance(kind := getattr(room, name), type) and issubclass(kind, TraxError)
    ],
    ids=lambda kind: kind.__name__,
)
def test_every_class_has_a_registered_and_documented_code_of_its_category(kind: type[TraxError]) -> None:
    entry = error_code(kind.default_code)
    assert entry is not None
    assert f"## {entry.code}" in PAGE.read_text(encoding="utf-8")
    assert f"`{kind.__name__}`" in PAGE.read_text(encoding="utf-8")


def test_codes_are_numbered_without_gaps_and_say_what_to_do() -> None:
    ours = [entry for entry in error_codes() if entry.code.startswith("TRAX-")]
    assert [entry.code for entry in ours] == [f"TRAX-{n:03d}" for n in range(1, len(ours) + 1)]
    for entry in ours:
        assert entry.category in codes.CATEGORIES
        assert len(entry.cause) > 30
        assert len(entry.remedy) > 30
    assert len({entry.title for entry in ours}) == len(ours)


def test_the_page_is_what_the_registry_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference.render()


@pytest.mark.usefixtures("registry")
def test_users_register_their_own_and_use_them() -> None:
    entry = register_error_code("ACME-001", retryable=True, **OWN)
    assert register_error_code("ACME-001", retryable=True, **OWN) == entry
    error = TraxError("closed", error_code="ACME-001")
    assert (error.category, error.retryable, error.severity) == ("warehouse", True, "error")
    assert errors.error_facts(error).attributes["trax.error.category"] == "warehouse"
    assert "ACME-001" not in reference.render()


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("code", "change", "message"),
    [
        ("acme-1", {}, "'acme-1' is no error code"),
        ("ACME-001", {"title": " "}, "its title is empty"),
        ("ACME-001", {"category": "Ware House"}, "must be lower case"),
        ("TRAX-001", {}, "TRAX-001 is registered already: Network connection failed"),
    ],
)
def test_a_bad_registration_is_refused_with_its_reason(code: str, change: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        register_error_code(code, **{**OWN, **change})


def test_an_unknown_code_falls_back_on_its_class() -> None:
    error = errors.NetworkError("x", error_code="NOPE-999")
    assert (error.error_code, error.category) == ("NOPE-999", "network")
