"""Turns of the event loop: one snapshot for the reads of a turn, one write for its changes, and nothing that outlives the turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flyball.backends.store.reader import MOST_SEEN
from flyball.backends.store.sqlite import SqliteStore
from flyball.model.log import Change, Entry, Put


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore.open(tmp_path, now=time.time)
    yield made
    made.close()


def change(name: str) -> Change:
    return Change(entries=(Entry(name="x", who="w"),), puts=(Put(table="t", id=name, expect=0, body={}),))


async def test_changes_of_one_turn_are_one_write(store: SqliteStore) -> None:
    before = store.commits
    indexes = await asyncio.gather(*(store.commit(change(f"r{number}")) for number in range(20)))
    assert store.commits == before + 1
    assert [one[0] for one in indexes] == list(range(20))


async def test_whoever_is_answered_reads_what_was_written(store: SqliteStore) -> None:
    assert store.find("t", "a") is None  # a snapshot is open now
    await store.commit(change("a"))
    assert store.find("t", "a") is not None


async def test_a_snapshot_ends_with_its_turn(store: SqliteStore) -> None:
    store.size()
    assert store._reading.in_transaction
    await asyncio.sleep(0)
    assert not store._reading.in_transaction


async def test_reads_of_one_turn_see_one_state_and_the_next_turn_a_newer_one(store: SqliteStore) -> None:
    assert store.size() == 0
    store._files.writing.execute("INSERT INTO account VALUES ('a', 1, 2)")  # as if the writer were done in mid-turn
    assert store.counter("a") == (0, 0)
    await asyncio.sleep(0)
    assert store.counter("a") == (1, 2)


async def test_a_turn_that_goes_through_everything_does_not_keep_all_of_it(store: SqliteStore) -> None:
    for number in range(MOST_SEEN * 2 + 1):
        assert store.find("t", str(number)) is None
    assert 0 < len(store._turn._read) <= MOST_SEEN


async def test_what_a_turn_has_read_it_does_not_ask_again(store: SqliteStore) -> None:
    asked: list[str] = []
    store._reading.set_trace_callback(asked.append)
    for _ in range(2):
        assert (store.find("t", "a"), store.counter("a"), store.bucket("a"), store.rows("t", session="s")) == (None, (0, 0), 0.0, ())
        assert store.find("t", "b") is None
    assert sum(one.startswith("SELECT") for one in asked) == 5
    await asyncio.sleep(0)
    store.find("t", "a")
    assert sum(one.startswith("SELECT") for one in asked) == 6


def test_outside_of_a_loop_every_read_is_asked(store: SqliteStore) -> None:
    assert store.counter("a") == (0, 0)
    store._files.writing.execute("INSERT INTO account VALUES ('a', 1, 2)")
    assert store.counter("a") == (1, 2)


def test_a_loop_that_ended_in_mid_turn_leaves_no_past_behind(store: SqliteStore) -> None:
    loop = asyncio.new_event_loop()

    async def look() -> int:
        loop.call_soon(loop.stop)  # the turn's end is never reached
        return store.size()

    running = loop.create_task(look())
    loop.run_until_complete(running)
    loop.close()
    asyncio.run(_commit(store))
    assert store.size() == 1


async def _commit(store: SqliteStore) -> None:
    await store.commit(change("b"))
    assert store.size() == 1


def test_a_caller_that_is_gone_has_its_change_written_nonetheless(store: SqliteStore) -> None:
    async def ask() -> None:
        asked = asyncio.create_task(store.commit(change("c")))
        await asyncio.sleep(0)
        asked.cancel()

    asyncio.run(ask())
    store.close()
    again = SqliteStore.open(store._files.state, now=time.time)
    assert again.find("t", "c") is not None
    again.close()


async def test_what_gathered_is_written_before_the_store_closes(store: SqliteStore) -> None:
    asked = asyncio.create_task(store.commit(change("d")))
    await asyncio.sleep(0)
    store.close()
    assert await asked == (0,)
