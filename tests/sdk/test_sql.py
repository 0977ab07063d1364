"""SQL without its literals, and what it does to which table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel.sdk.sql import MAX_LENGTH, described

SYSTEMS = ("", "sqlite", "postgresql", "mysql", "mssql", "oracle.db", "other_sql")
SECRET = "Zq7Secret"


@pytest.mark.parametrize(
    ("text", "system", "expected"),
    [
        ("SELECT * FROM users WHERE name = 'O''Brien' AND id = 5", "sqlite", "SELECT * FROM users WHERE name = ? AND id = ?"),
        ("SELECT 0xFF, 1.5e-3, -4, .5, 1_000", "postgresql", "SELECT ?, ?, -?, ?, ?"),
        ("SELECT N'a', E'it\\'s', x'ab', U&'d'", "postgresql", "SELECT ?, ?, ?, ?"),
        ("SELECT 'it\\'s', \"b\"", "mysql", "SELECT ?, ?"),
        ("SELECT 'C:\\', x, 'b'", "postgresql", "SELECT ?, x, ?"),
        ("SELECT $$it's$$, $a$ $$ $a$, $1, %s, :name, ?2, %(x)s", "postgresql", "SELECT ?, ?, $1, %s, :name, ?2, %(x)s"),
        ("SELECT a::int, t1.c2, \"d 1\" FROM t1", "postgresql", "SELECT a::int, t1.c2, \"d 1\" FROM t1"),
        ("SELECT a -- c\nFROM t /* d /* e */ f */ WHERE b", "postgresql", "SELECT a  \nFROM t   WHERE b"),
        ("SELECT a # c\nFROM t", "mysql", "SELECT a  \nFROM t"),
        ("SELECT a #> b FROM t", "postgresql", "SELECT a #> b FROM t"),
        ("SELECT a[1], ARRAY['x']", "postgresql", "SELECT a[?], ARRAY[?]"),
        ("SELECT [a 1] FROM [t]", "mssql", "SELECT [a 1] FROM [t]"),
        ("x IN (1, 2, 3) AND y IN (%s) AND z IN (SELECT 1)", "", "x IN (?) AND y IN (%s) AND z IN (SELECT ?)"),
        ("x IN (%s, %s)", "", "x IN (?)"),
        ("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, NULL)", "", "INSERT INTO t VALUES (?, ?), (?, NULL)"),
        ("INSERT INTO t VALUES (1), (2) ON CONFLICT DO NOTHING", "", "INSERT INTO t VALUES (?) ON CONFLICT DO NOTHING"),
        ("SELECT 'never ends", "", "SELECT ?"),
        ("SELECT /* never ends", "", "SELECT"),
        ("INSERT INTO t (a) VALUES (\"ann\")", "sqlite", "INSERT INTO t (a) VALUES (?)"),
        ("SELECT 1 FROM t WHERE a = \"ann\" AND \"t\".\"b\" = \"t\".\"c\"", "sqlite",
         "SELECT ? FROM t WHERE a = ? AND \"t\".\"b\" = \"t\".\"c\""),
    ],
)  # fmt: skip
def test_literals_and_comments_leave_the_text(text: str, system: str, expected: str) -> None:
    assert described(text, system).text == expected


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("select a from users", "SELECT users"),
        ("  (SELECT a FROM users)", "SELECT users"),
        ("SELECT a FROM \"public\".\"users\" u JOIN orders", "SELECT public.users"),
        ("SELECT extract(year FROM day) FROM orders", "SELECT orders"),
        ("SELECT (SELECT max(a) FROM b) FROM c", "SELECT c"),
        ("SELECT a FROM (SELECT * FROM inside) x", "SELECT inside"),
        ("SELECT 1", "SELECT"),
        ("SELECT substring(a FROM 2)", "SELECT"),
        ("WITH RECURSIVE q AS (SELECT 1 FROM base) SELECT * FROM q", "SELECT base"),
        ("WITH q AS (SELECT 1) INSERT INTO target SELECT * FROM q", "INSERT target"),
        ("INSERT OR REPLACE INTO users VALUES (1)", "INSERT users"),
        ("REPLACE INTO users VALUES (1)", "REPLACE users"),
        ("UPDATE ONLY users SET a = 1", "UPDATE users"),
        ("DELETE FROM `shop`.`users`", "DELETE shop.users"),
        ("MERGE INTO users USING x", "MERGE users"),
        ("CREATE TABLE IF NOT EXISTS users (a int)", "CREATE TABLE users"),
        ("CREATE UNIQUE INDEX i ON users (a)", "CREATE INDEX"),
        ("TRUNCATE TABLE users", "TRUNCATE TABLE users"),
        ("TRUNCATE users", "TRUNCATE users"),
        ("PRAGMA table_info('users')", "PRAGMA"),
        ("BEGIN", "BEGIN"),
        ("CALL refresh(1)", "CALL refresh"),
        ("/* a */ -- b\nSELECT a FROM users; DELETE FROM others", "SELECT users"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        ("", ""),
        ("???", ""),
        ("SELECT a FROM", "SELECT"),
        ("WITH", "WITH"),
    ],
)  # fmt: skip
def test_the_operation_and_its_table_name_it(text: str, summary: str) -> None:
    assert described(text, "mysql" if "`" in text else "postgresql").summary == summary


def test_a_very_long_statement_is_cut_off_and_hides_what_it_shows() -> None:
    text = described(f"INSERT INTO t VALUES ('{'x' * 2 * MAX_LENGTH}', 5)").text
    assert text == "INSERT INTO t VALUES (?…"


# --- Properties ------------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["SELECT", "FROM", "WHERE", "IN", "VALUES", "WITH", "(", ")", ",", ".", "'", '"', "`", "$$", "$a$", "--", "/*", "*/", "#",
     "[", "]", "::", ":a", "%s", "\\", "E'", "users", "1", "0x1f", ";", "=", "\n", " ", "é", "\ud800"]
)  # fmt: skip
STRINGS = {
    "single": lambda text: "'" + text.replace("'", "''") + "'",
    "escape": lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
    "dollar": lambda text: "$t$" + text.replace("$", "") + "$t$",
    "comment": lambda text: "/*" + text.replace("*", "").replace("/", "") + "*/",
    "line": lambda text: "--" + text.replace("\n", "") + "\n",
}


@given(st.lists(WORDS).map(" ".join) | st.lists(WORDS).map("".join) | st.text(), st.sampled_from(SYSTEMS))
def test_any_text_is_taken_and_a_second_time_changes_nothing(text: str, system: str) -> None:
    once = described(text, system).text
    assert described(once, system).text == once


@given(st.text(), st.sampled_from(sorted(STRINGS)), st.sampled_from(["postgresql", "other_sql", ""]), st.integers(0))
def test_no_literal_stays_and_what_follows_it_does(text: str, form: str, system: str, number: int) -> None:
    shown = described(f"SELECT a, {STRINGS[form](SECRET + text)}, {number} FROM users WHERE b", system)
    assert SECRET not in shown.text
    assert str(number + 10**9) not in described(f"SELECT {number + 10**9}", system).text
    assert shown.text.endswith("FROM users WHERE b")
    assert shown.collection == "users"


@given(st.text())
def test_mysqls_strings_do_not_stay_either(text: str) -> None:
    escaped = (SECRET + text).replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")
    for quote in "'\"":
        assert described(f"SELECT {quote}{escaped}{quote} FROM t", "mysql").text == "SELECT ? FROM t"


@pytest.mark.parametrize(
    "piece", ["'", '"', "/*", "*/", "$a$", "$", "(", "[ ", "IN (", "1,", "select from ", "with a as (", "\\'"]
)
def test_what_never_closes_takes_no_more_than_its_length(piece: str) -> None:
    """Repetitions of every opening, to the full length: what looked back again and again would never end here."""
    for system in SYSTEMS:
        described(piece * MAX_LENGTH, system)
        described("E'" + piece * MAX_LENGTH, system)
