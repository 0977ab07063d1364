# ruff: noqa: PT012  (what raises is the end of a block that does something)
"""Sessions, connections and context managers that take part in a transaction."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager

import pytest
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from trax_otel.errors import InvalidConfigError
from trax_otel.recovery import transaction


async def test_a_block_that_succeeds_is_committed(blocks, database):
    async with database.opened() as resource:
        async with blocks.enter(transaction(resource)):
            await database.insert(resource, 1)
        assert database.rows() == [1]


async def test_a_block_that_fails_is_rolled_back(blocks, database):
    async with database.opened() as resource:
        with pytest.raises(LookupError):
            async with blocks.enter(transaction(resource)):
                await database.insert(resource, 1)
                raise LookupError("no")
        assert not resource.in_transaction()
    assert database.rows() == []


async def test_savepoints_nest(blocks, database):
    undone: list[str] = []
    async with database.opened() as resource, blocks.enter(transaction(resource)) as outer:
        await database.insert(resource, 1)
        with pytest.raises(LookupError):
            async with blocks.enter(outer.savepoint()) as inner:
                inner.undo(undone.append, "inner")
                await database.insert(resource, 2)
                async with blocks.enter(inner.savepoint()) as innermost:
                    innermost.undo(undone.append, "innermost")
                    await database.insert(resource, 3)
                raise LookupError("no")
        async with blocks.enter(outer.savepoint()):
            await database.insert(resource, 4)
    assert database.rows() == [1, 4]
    assert undone == ["innermost", "inner"]


async def test_what_a_savepoint_did_belongs_to_the_outer_block(blocks, database):
    undone: list[str] = []
    with pytest.raises(LookupError):
        async with database.opened() as resource, blocks.enter(transaction(resource)) as outer:
            async with blocks.enter(outer.savepoint()) as inner:
                await database.insert(resource, 1)
                inner.undo(undone.append, "inner")
            raise LookupError("no")
    assert (database.rows(), undone) == ([], ["inner"])


async def test_a_transaction_that_was_there_before_is_its_owners(blocks, database):
    async with database.opened() as resource:
        await database.insert(resource, 1)
        with pytest.raises(LookupError):
            async with blocks.enter(transaction(resource)):
                await database.insert(resource, 2)
                raise LookupError("no")
        async with blocks.enter(transaction(resource)):
            await database.insert(resource, 3)
        assert database.rows() == []
        committed = resource.commit()
        if blocks.asynchronous:
            await committed
    assert database.rows() == [1, 3]


async def test_what_joins_later_takes_part(blocks, database):
    with pytest.raises(LookupError):
        async with database.opened() as resource, blocks.enter(transaction()) as current:
            assert await blocks.call(current, "join", resource) is resource
            await database.insert(resource, 1)
            raise LookupError("no")
    assert database.rows() == []


async def test_what_the_database_refuses_inside_a_savepoint_ends_only_that(blocks, database):
    async with database.opened() as resource, blocks.enter(transaction(resource)) as outer:
        await database.insert(resource, 1)
        with pytest.raises(IntegrityError) as raised:
            async with blocks.enter(outer.savepoint()):
                await database.insert(resource, 1)
        assert not hasattr(raised.value, "cleanup_failures")
        async with blocks.enter(outer.savepoint()):
            await database.insert(resource, 2)
    assert database.rows() == [1, 2]


async def test_a_commit_inside_the_block_is_told(blocks, database):
    async with database.opened() as resource:
        with pytest.raises(SQLAlchemyError, match=r"closed|inactive"):
            async with blocks.enter(transaction(resource)):
                await database.insert(resource, 1)
                committed = resource.commit()
                if blocks.asynchronous:
                    await committed
        assert not resource.in_transaction()
    assert database.rows() == [1]


async def test_a_commit_that_fails_rolls_the_rest_back(blocks):
    done: list[str] = []

    class Refusing:
        def commit(self):
            raise sqlite3.OperationalError("database or disk is full")

        def rollback(self):
            done.append("rollback")

    current = transaction(Refusing())
    with pytest.raises(sqlite3.OperationalError, match="full"):
        async with blocks.enter(current):
            current.undo(done.append, "undo")
    assert done == ["undo", "rollback"]


def test_a_plain_connection_is_committed_or_rolled_back(tmp_path):
    with closing(sqlite3.connect(tmp_path / "plain.db")) as connection:
        connection.execute("create table t (x)")
        with transaction(connection):
            connection.execute("insert into t values (1)")
        with pytest.raises(LookupError), transaction(connection):
            connection.execute("insert into t values (2)")
            raise LookupError("no")
        assert connection.execute("select x from t").fetchall() == [(1,)]


async def test_a_context_manager_is_told_how_the_block_ended(blocks):
    told: list[str] = []

    @contextmanager
    def managed():
        try:
            yield "entered"
        except LookupError as error:
            told.append(f"failed: {error}")
            raise
        else:
            told.append("ended")

    async with blocks.enter(transaction()) as current:
        assert await blocks.call(current, "join", managed()) == "entered"
    with pytest.raises(LookupError):
        async with blocks.enter(transaction(managed())):
            raise LookupError("no")
    assert told == ["ended", "failed: no"]


async def test_a_resource_that_cannot_begin_takes_the_others_back(blocks):
    done: list[str] = []

    class Broken:
        def __enter__(self):
            raise LookupError("not there")

        def __exit__(self, *told):
            done.append("never")

    @contextmanager
    def managed():
        try:
            yield
        finally:
            done.append("left")

    with pytest.raises(LookupError, match="not there"):
        async with blocks.enter(transaction(managed(), Broken())):
            done.append("never")
    assert done == ["left"]


@pytest.mark.parametrize("wrong", [3, "session", object(), sqlite3.Connection])
def test_what_cannot_take_part_is_refused(wrong):
    with pytest.raises(InvalidConfigError, match="resource="), transaction(wrong):
        pass
    with pytest.raises(InvalidConfigError, match="function=3"):
        transaction().undo(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidConfigError, match="name=''"):
        transaction(name="")
