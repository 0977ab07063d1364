"""Where settings come from, which source wins, and that each value that cannot be taken is one clear line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel import config
from trax_otel.config import FIELDS, UNSET, Settings, load

SPEC_FILE = {
    "logging": {
        "level": "INFO", "log_to_console": True, "log_to_file": True, "log_to_json": True, "log_dir": "logs",
        "max_file_size": 10485760, "backup_count": 5,
    },
    "retry": {"max_retries": 3, "initial_delay": 1.0, "max_delay": 30.0, "jitter": 0.1},
    "recovery": {"enabled": True, "max_fallbacks": 3, "timeout": 30.0},
    "metrics": {"enabled": True, "health_monitor_interval": 60, "export_enabled": True},
}  # fmt: skip
SPEC_ENVIRONMENT = {
    "TRAX_LOG_LEVEL": "INFO", "TRAX_LOG_TO_CONSOLE": "true", "TRAX_LOG_TO_FILE": "true", "TRAX_LOG_DIR": "logs",
    "TRAX_MAX_LOG_SIZE": "10485760", "TRAX_LOG_BACKUP_COUNT": "5", "TRAX_MAX_RETRIES": "3",
    "TRAX_INITIAL_RETRY_DELAY": "1.0", "TRAX_MAX_RETRY_DELAY": "30.0", "TRAX_RETRY_JITTER": "0.1",
    "TRAX_HEALTH_MONITOR_INTERVAL": "60", "TRAX_METRICS_EXPORT_ENABLED": "true",
}  # fmt: skip


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def only(problems: tuple[config.Problem, ...]) -> str:
    (problem,) = problems
    assert "\n" not in str(problem)
    return str(problem)


def test_the_specifications_file_and_environment_are_the_defaults(tmp_path: Path) -> None:
    assert load(environ={}) == (Settings(), ())
    assert load(environ=SPEC_ENVIRONMENT) == (Settings(), ())
    assert load(environ={}, path=written(tmp_path / "trax.json", SPEC_FILE)) == (Settings(), ())


def test_arguments_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = written(tmp_path / "trax.json", {"logging": {"level": "ERROR", "log_dir": "file", "backup_count": 9}})
    environ = {"TRAX_CONFIG_FILE": str(file), "TRAX_LOG_LEVEL": "WARNING", "TRAX_LOG_DIR": "environment"}
    settings, problems = load({"logging": {"level": "debug", "log_dir": UNSET}}, environ)
    assert problems == ()
    assert settings.logging.level == "DEBUG"
    assert settings.logging.log_dir == "environment"
    assert settings.logging.backup_count == 9
    assert settings.logging.max_file_size == 10 * 1024 * 1024


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("TRAX_LOG_LEVEL", "LOUD", "'LOUD' is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("TRAX_LOG_TO_FILE", "perhaps", "'perhaps' is not true or false"),
        ("TRAX_MAX_RETRIES", "-1", "'-1' is not a whole number from 0 to 1000"),
        ("TRAX_MAX_RETRIES", "3.5", "'3.5' is not a whole number from 0 to 1000"),
        ("TRAX_INITIAL_RETRY_DELAY", "nan", "'nan' is not a number 0 or more"),
        ("TRAX_RETRY_JITTER", "2", "'2' is not a fraction from 0 to 1, or one of full, equal, decorrelated, none"),
        ("TRAX_HEALTH_MONITOR_INTERVAL", "0", "'0' is not a number above 0"),
        ("TRAX_MAX_LOG_SIZE", "10MB", "'10MB' is not a whole number, 1024 or more"),
    ],
)
def test_a_bad_variable_names_itself_its_value_and_what_is_allowed(variable: str, value: str, message: str) -> None:
    settings, problems = load(environ={variable: value})
    assert only(problems) == f"environment: {variable}: {message}"
    assert settings == Settings()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"loging": {}}, "loging: no such section; did you mean logging?"),
        ({"logging": {"levl": "INFO"}}, "logging.levl: no such key; did you mean level?"),
        ({"logging": {"zzz": 1}}, "logging.zzz: no such key; there are level, log_to_console"),
        ({"logging": []}, "logging: is a list, not an object"),
        ({"retry": {"max_retries": True}}, "retry.max_retries: True is not a whole number from 0 to 1000"),
        (
            {"metrics": {"thresholds": [{"metric": "x"}]}},
            "metrics.thresholds: [{'metric': 'x'}] is not a list of objects",
        ),
        ([1], "holds a list, not an object with logging, retry, recovery, metrics, runtime"),
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
    ],
)
def test_a_bad_file_is_told_where_and_why(tmp_path: Path, content: object, message: str) -> None:
    settings, problems = load(environ={}, path=written(tmp_path / "trax.json", content))
    assert message in only(problems)
    assert str(tmp_path) in only(problems)
    assert settings == Settings()


@pytest.mark.parametrize("make", ["missing", "folder"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, make: str) -> None:
    path = tmp_path if make == "folder" else tmp_path / "missing.json"
    assert "cannot be read" in only(load(environ={"TRAX_CONFIG_FILE": str(path)})[1])


def test_one_bad_value_does_not_take_its_neighbours_along() -> None:
    settings, problems = load(environ={"TRAX_LOG_LEVEL": "LOUD", "TRAX_LOG_DIR": "elsewhere"})
    assert len(problems) == 1
    assert settings.logging.log_dir == "elsewhere"


def test_a_misspelt_variable_names_its_nearest_and_foreign_ones_are_left_alone() -> None:
    environ = {"TRAX_LOG_LEVL": "INFO", "TRAX_BACKEND_URL": "x", "TRAX_DATABASE_URL": "x", "OTEL_SERVICE_NAME": "shop"}
    assert (
        only(load(environ=environ)[1]) == "environment: TRAX_LOG_LEVL: no such variable; did you mean TRAX_LOG_LEVEL?"
    )


def test_an_empty_variable_is_an_unset_one() -> None:
    assert load(environ={"TRAX_LOG_LEVEL": ""}) == (Settings(), ())


def test_what_may_be_secret_is_not_shown() -> None:
    _, problems = load(environ={"TRAX_LOG_LEVEL": "postgres://ada:hunter2@db"})
    assert "hunter2" not in only(problems)


@pytest.mark.parametrize("text", ["1", "TRUE", "Yes", "on"])
def test_booleans_are_read_as_people_write_them(text: str) -> None:
    assert load(environ={"TRAX_QUIET": text})[0].runtime.quiet is True


def test_every_field_exists_in_its_section_and_takes_its_own_default() -> None:
    defaults = Settings()
    for field in FIELDS:
        default = getattr(getattr(defaults, field.section), field.name)
        assert field.kind.parse(default) == default, field.key
    assert len({field.variable for field in FIELDS if field.variable}) == len([f for f in FIELDS if f.variable])


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["logging", "retry", "metrics", "runtime", "x"]), json_values, max_size=4))
def test_no_content_makes_loading_raise(content: dict[str, Any]) -> None:
    _, problems = load(content, {})
    assert all("\n" not in str(problem) for problem in problems)


@given(st.sampled_from([field.variable for field in FIELDS if field.variable]), st.text(max_size=20))
def test_no_variable_makes_loading_raise(variable: str, value: str) -> None:
    settings, _ = load(environ={variable: value})
    assert isinstance(settings, Settings)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("retry", "max_retries", "3"), ("logging", "log_to_json", "yes"), ("recovery", "timeout", "30"),
     ("logging", "rotate_every", "60")],
)  # fmt: skip
def test_a_text_is_no_number_and_no_boolean_but_in_the_environment(tmp_path, section, key, value):
    field = next(field for field in FIELDS if field.key == f"{section}.{key}")
    path = tmp_path / "trax.json"
    path.write_text(json.dumps({section: {key: value}}))
    settings, problems = load(environ={}, path=path)
    assert str(problems[0]).endswith(f"{value!r} is not {field.kind.allowed}")
    assert getattr(getattr(settings, section), key) == getattr(getattr(Settings(), section), key)
    settings, problems = load(environ={field.variable: value})
    assert problems == ()
