"""The file: who may read it, what stays in it, and what two processes on it do to each other."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.otlp_data import counter, logs, metrics, record, span, traces
from trax_otel import clock
from trax_otel.local.decode import from_message
from trax_otel.local.eviction import Bounds
from trax_otel.local.queries import Queries
from trax_otel.local.schema import connect, default_path
from trax_otel.local.store import Store

DAY = 86_400


def put(store: Store, *requests: object) -> None:
    for request in requests:
        name = type(request).__name__
        store.write(
            [from_message("traces" if "Trace" in name else "metrics" if "Metrics" in name else "logs", request)]
        )


def totals(store: Store) -> tuple[int, int, int]:
    queries = Queries(store.path)
    found = queries.totals()
    queries.close()
    return found.spans, found.logs, found.points


def drain(store: Store) -> int:
    gone = 0
    while step := store.evict():
        gone += step
    return gone


def test_the_file_and_its_folder_are_the_owners_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "state" / "local.db")
    put(store, traces(span()))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert set(modes) == {"local.db", "local.db-wal", "local.db-shm"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    store.close()


def test_the_place_is_the_users_state_folder_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "trax-otel" / "local.db"
    monkeypatch.setenv("TRAX_LOCAL_DB", "~/elsewhere.db")
    assert default_path() == Path("~/elsewhere.db").expanduser()


def test_data_stays_between_starts_unless_fresh(tmp_path: Path) -> None:
    path = tmp_path / "local.db"
    for expected in (1, 2):
        store = Store(path)
        put(store, traces(span()))
        assert totals(store)[0] == expected
        store.close()
    store = Store(path, fresh=True)
    assert totals(store) == (0, 0, 0)
    put(store, traces(span()), metrics(counter()))
    assert totals(store) == (1, 0, 1)
    store.close()


def test_an_older_file_of_ours_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "local.db"
    Store(path).close()
    connection = connect(path)
    connection.execute("PRAGMA user_version = 1")
    connection.execute("ALTER TABLE span DROP COLUMN more")
    connection.close()
    store = Store(path)
    put(store, traces(span()))
    assert totals(store)[0] == 1
    store.close()


def test_another_applications_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (name TEXT)")
    connection.commit()
    connection.close()
    for fresh in (False, True):
        with pytest.raises(sqlite3.DatabaseError, match="something else"):
            Store(path, fresh=fresh)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("customers",)]
    connection.close()


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but long enough to look at" * 40)
    with pytest.raises(sqlite3.DatabaseError):
        Store(path, fresh=True)
    assert path.read_text().startswith("not a database")


def test_a_repeated_request_counts_once(tmp_path: Path) -> None:
    """A sender that had no answer sends again."""
    store = Store(tmp_path / "local.db")
    one, two = span("one", trace=b"\x01" * 16, error=True), span("two", trace=b"\x01" * 16)
    put(store, traces(one), traces(one, two), traces(one, two))
    queries = Queries(store.path)
    (summary,) = queries.traces()
    assert (summary.spans, summary.errors) == (2, 1)
    assert len(queries.trace(summary.trace_id)) == 2
    queries.close()
    store.close()


def test_two_spans_that_bear_one_id_by_mistake_are_both_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "local.db")
    ids = {"trace": b"\x01" * 16, "id": b"\x02" * 8}
    put(store, traces(span("client", start=1_000, **ids), span("server", start=2_000, **ids)))
    assert totals(store)[0] == 2
    store.close()


# --- Bounds ----------------------------------------------------------------------------------------------------------------


def test_the_oldest_rows_go_when_there_are_too_many(tmp_path: Path) -> None:
    store = Store(tmp_path / "local.db", bounds=Bounds(spans=100, logs=50, points=20))
    for number in range(30):
        put(store, traces(*(span(f"span {number}") for _ in range(10))), logs(*(record(f"{number}") for _ in range(10))),
            metrics(counter(value=number)))  # fmt: skip
        store.evict()
    queries = Queries(store.path)
    found = queries.totals()
    assert (found.spans, found.logs, found.points) == (100, 50, 20)
    assert found.evicted == 200 + 250 + 10
    assert {summary.root for summary in queries.traces()} == {f"span {number}" for number in range(20, 30)}
    assert queries.logs()[0].body == "29"
    (series,) = queries.metric("requests")
    assert [point.value for point in series.points] == [float(number) for number in range(10, 30)]
    queries.close()
    store.close()


def test_a_trace_that_lost_some_spans_says_how_many_are_left(tmp_path: Path) -> None:
    store = Store(tmp_path / "local.db", bounds=Bounds(spans=3))
    put(store, traces(*(span(f"{number}", trace=b"\x01" * 16, error=number < 2) for number in range(5))))
    assert drain(store) == 2
    queries = Queries(store.path)
    (summary,) = queries.traces()
    assert (summary.spans, summary.errors, len(queries.trace(summary.trace_id))) == (3, 0, 3)
    queries.close()
    store.close()


def test_bytes_are_bounded(tmp_path: Path) -> None:
    bound = 2_000_000
    store = Store(tmp_path / "local.db", bounds=Bounds(bytes=bound))
    for _ in range(60):
        put(store, traces(*(span(attributes={"blob": "x" * 10_000}) for _ in range(10))))
        store.evict()
    assert store.size() < bound * 1.2
    assert 20 < totals(store)[0] < 300
    assert store.path.stat().st_size < bound * 2
    store.close()


class _Later(clock.SystemClock):
    """The system's clock, some days on."""

    def __init__(self, days: float) -> None:
        super().__init__()
        self._seconds = days * DAY

    def time_ns(self) -> int:
        return super().time_ns() + int(self._seconds * 1e9)

    def monotonic(self) -> float:
        return super().monotonic() + self._seconds


def test_age_counts_from_arrival_whatever_the_senders_clock_says(tmp_path: Path) -> None:
    store = Store(tmp_path / "local.db", bounds=Bounds(age=7 * DAY))
    put(store, traces(span("from 1970", start=1), span("now")), logs(record(at=5)), metrics(counter()))
    assert drain(store) == 0
    with clock.use(_Later(3)):
        put(store, traces(span("three days later")))
        assert drain(store) == 0
    with clock.use(_Later(8)):
        assert drain(store) == 4
    queries = Queries(store.path)
    assert [summary.root for summary in queries.traces()] == ["three days later"]
    assert queries.metrics() == []
    queries.close()
    store.close()


def test_eviction_is_done_in_small_steps(tmp_path: Path) -> None:
    store = Store(tmp_path / "local.db", bounds=Bounds(spans=1_000))
    put(store, *(traces(*(span() for _ in range(1_000))) for _ in range(30)))
    store.evict()
    assert totals(store)[0] == 1_000
    big = Store(tmp_path / "local.db", bounds=Bounds(spans=1_000))
    put(store, *(traces(*(span() for _ in range(1_000))) for _ in range(20)))
    first = big.evict()
    assert 0 < first < 20_000
    drain(big)
    assert totals(store)[0] == 1_000
    store.close()
    big.close()


# --- Several processes -------------------------------------------------------------------------------------------------------

_WRITE = """
import sys
from support.otlp_data import counter, metrics, span, traces
from trax_otel.local.decode import from_message
from trax_otel.local.store import Store
store = Store(sys.argv[1])
for number in range(100):
    store.write([from_message("traces", traces(span(f"{sys.argv[2]} {number}"), service=sys.argv[2]))])
    store.write([from_message("metrics", metrics(counter(value=number), service=sys.argv[2]))])
    store.evict()
store.close()
"""


@pytest.mark.servers
def test_two_processes_on_one_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "local.db"
    tests = str(Path(__file__).parent.parent)
    workers = [
        subprocess.Popen([sys.executable, "-c", _WRITE, str(path), name], env={"PYTHONPATH": tests})
        for name in ("a", "b")
    ]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    queries = Queries(path)
    assert {entry.service: entry.spans for entry in queries.services()} == {"a": 100, "b": 100}
    assert sorted((series.service, len(series.points)) for series in queries.metric("requests")) == [
        ("a", 100),
        ("b", 100),
    ]
    queries.close()


def test_what_another_process_let_go_is_made_anew(tmp_path: Path) -> None:
    """Ids of services and series that one store remembers are void once another one has deleted them."""
    first = Store(tmp_path / "local.db")
    put(first, metrics(counter(value=1)), traces(span()))
    second = Store(tmp_path / "local.db", fresh=True)
    put(first, metrics(counter(value=2)), traces(span()))
    queries = Queries(first.path)
    (series,) = queries.metric("requests")
    assert [point.value for point in series.points] == [2.0]
    assert [entry.spans for entry in queries.services()] == [1]
    queries.close()
    first.close()
    second.close()


def test_a_failed_transaction_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store(tmp_path / "local.db")
    good, bad = from_message("traces", traces(span("good"))), from_message("traces", traces(span("bad")))
    spans = bad.resources[0].spans
    spans[0] = (*spans[0][:3], object(), *spans[0][4:])
    with pytest.raises(sqlite3.Error):
        store.write([good, bad])
    assert totals(store)[0] == 0
    store.write([good])
    assert totals(store)[0] == 1
    store.close()
