"""What every store must do. A store joins the suite with one line in `STORES`; test_sqlite.py holds what its files promise."""

import asyncio
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from flyball.backends.store.sqlite import SqliteStore
from flyball.errors import BadInput, Conflict, Fenced, NotReady, TooLarge
from flyball.model.log import Change, Draw, Entry, Pass, Put, Settle


class Hand:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = 1_700_000_000.0

    def __call__(self) -> float:
        return self.at


def open_sqlite(place: Path, clock: Callable[[], float], **more: Any) -> SqliteStore:
    return SqliteStore.open(place / "state", now=clock, **more)


Reopen = Callable[..., SqliteStore]

STORES = {"sqlite": open_sqlite}


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture(params=sorted(STORES))
def reopen(request: pytest.FixtureRequest, tmp_path: Path, clock: Hand) -> Iterator[Reopen]:
    """Opens the store of one place; opening again closes the one before."""
    live: list[SqliteStore] = []

    def again(**more: Any) -> SqliteStore:
        while live:
            live.pop().close()
        live.append(STORES[request.param](tmp_path, clock, **more))
        return live[-1]

    yield again
    while live:
        live.pop().close()


@pytest.fixture
def store(reopen: Reopen) -> SqliteStore:
    return reopen()


def entry(name: str = "action.done", **more: Any) -> Entry:
    return Entry(name=name, who="agent:fixer", **more)


def put(id_: str = "a", expect: int = 0, table: str = "action", **more: Any) -> Put:
    return Put(table=table, id=id_, expect=expect, body=more.pop("body", {"n": expect}), **more)


async def test_entries_get_indexes_in_order_and_read_back_as_they_were(store: SqliteStore) -> None:
    body = {"b": [1, 2.5, None, True], "a": {"ü": "x"}}
    first = entry("session.opened", session="s-1", behalf="person:emma", origin="cli", body=body)
    assert await store.commit(Change(entries=(first, entry(session="s-1", action="s-1.1")))) == (0, 1)
    assert await store.commit(Change(entries=(entry(),))) == (2,)
    assert store.size() == 3
    assert [one.index for one in store.entries()] == [0, 1, 2]
    assert store.entries()[0].entry == first


async def test_a_leaf_is_canonical_json_of_exactly_these_keys(store: SqliteStore, clock: Hand) -> None:
    clock.at = 1_700_000_000.123456789
    await store.commit(Change(entries=(entry(session="s-1", action="s-1.1", body={"z": 1, "a": 2}),)))
    raw = store.entries()[0].raw
    assert raw == (
        b'{"action":"s-1.1","at":1700000000.123457,"behalf":"","body":{"a":2,"z":1},"i":0,"name":"action.done","origin":"",'
        b'"session":"s-1","v":1,"who":"agent:fixer"}'
    )
    assert raw == orjson.dumps(orjson.loads(raw), option=orjson.OPT_SORT_KEYS)


async def test_entries_are_filtered_by_every_part_given(store: SqliteStore) -> None:
    for at in range(6):
        await store.commit(Change(entries=(entry(f"n{at % 2}", session=f"s{at % 3}", action=f"a{at}"),)))
    assert [one.index for one in store.entries(session="s1")] == [1, 4]
    assert [one.index for one in store.entries(action="a3")] == [3]
    assert [one.index for one in store.entries(name="n1", after=1)] == [3, 5]
    assert [one.index for one in store.entries(name="n1", session="s1")] == [1]
    assert [one.index for one in store.entries(after=1, limit=2)] == [2, 3]


async def test_entries_of_an_action_are_found_however_it_is_named(store: SqliteStore) -> None:
    named = [
        ("s-1", "s-1.1"),
        ("s-1", "s-1.1e1"),
        ("s-1", "odd"),
        ("", "s-1.1"),
        ("s-2", "s-1.1"),
        ("s.x", "s.x.7"),
        ("", ".9"),
        ("s", "s"),
    ]
    for session, action in named:
        await store.commit(Change(entries=(entry(session=session, action=action),)))
    for action in {action for _session, action in named}:
        assert [one.index for one in store.entries(action=action)] == [at for at, one in enumerate(named) if one[1] == action]
    assert [one.index for one in store.entries(action="s-1.1", session="s-2")] == [4]
    assert [one.index for one in store.entries(action="s-1.1", after=0, limit=1)] == [3]
    assert store.entries(action="s-1.2") == ()


async def test_mapping_proxies_and_tuples_are_json_and_sets_are_not(store: SqliteStore) -> None:
    frozen = types.MappingProxyType({"t": (1, 2), "deep": types.MappingProxyType({"x": 1})})
    await store.commit(Change(entries=(entry(body=frozen),), puts=(put(body=frozen),)))
    assert store.entries()[0].entry.body == {"t": [1, 2], "deep": {"x": 1}}
    assert store.find("action", "a").body == {"t": [1, 2], "deep": {"x": 1}}
    with pytest.raises(BadInput):
        await store.commit(Change(entries=(entry(body={"s": {1}}),)))
    with pytest.raises(BadInput):
        await store.commit(Change(puts=(put("b", body={"s": {1}}),)))
    assert store.size() == 1


async def test_an_entry_that_no_bundle_could_hold_is_refused(store: SqliteStore) -> None:
    with pytest.raises(TooLarge):
        await store.commit(Change(entries=(entry(body={"x": "y" * 65_536}),)))
    await store.commit(Change(entries=(entry(body={"x": "y" * 60_000}),)))
    assert store.size() == 1


@pytest.mark.parametrize(
    "bad",
    [
        Change(puts=(put("x\ud800"),)),
        Change(puts=(put("x", body={"n": 2**70}),)),
        Change(draws=(Draw(account="x", amount=2**70, cap=2**80),)),
        Change(settles=(Settle(account="x", held=0, spent=-5),)),
        Change(puts=(put("x", due_at=float("nan")),)),
        Change(puts=(put("x", table="session", body={"epoch": "7"}),)),
        Change(entries=(entry(),), puts=(put("x", session=object()),)),
        Change(entries=(entry(session="\ud800"),)),
    ],
)
async def test_a_change_that_cannot_be_stored_harms_only_itself(store: SqliteStore, bad: Change) -> None:
    answers = await asyncio.gather(
        store.commit(Change(entries=(entry(),), puts=(put("before"),))),
        store.commit(bad),
        store.commit(Change(entries=(entry(),), puts=(put("after"),))),
        return_exceptions=True,
    )
    assert answers[0] == (0,)
    assert isinstance(answers[1], BadInput)
    assert answers[2] == (1,)
    assert store.count("action") == 2
    assert store.counter("x") == (0, 0)


async def test_time_never_runs_backwards_in_the_log(store: SqliteStore, clock: Hand) -> None:
    await store.commit(Change(entries=(entry(),)))
    clock.at -= 100
    await store.commit(Change(entries=(entry(),)))
    clock.at += 200
    await store.commit(Change(entries=(entry(),)))
    assert [one.at for one in store.entries()] == [1_700_000_000.0, 1_700_000_000.0, 1_700_000_100.0]


async def test_a_row_is_written_only_at_the_version_expected(store: SqliteStore) -> None:
    await store.commit(Change(puts=(put(state="open", session="s-1", due_at=5.0),)))
    with pytest.raises(Conflict) as met:
        await store.commit(Change(puts=(put(),)))
    assert met.value.what == "row:action/a"
    await store.commit(Change(puts=(put(expect=1, state="done"),)))
    row = store.find("action", "a")
    assert (row.version, row.state, row.session, row.due_at, row.body) == (2, "done", "", 0.0, {"n": 1})
    with pytest.raises(Conflict):
        await store.commit(Change(puts=(put(expect=1),)))
    with pytest.raises(Conflict):
        await store.commit(Change(puts=(put("never", expect=3),)))
    assert store.find("action", "never") is None


async def test_a_row_may_be_written_twice_in_one_change(store: SqliteStore) -> None:
    await store.commit(Change(puts=(put(expect=0), put(expect=1, state="done"))))
    assert store.find("action", "a").version == 2
    with pytest.raises(Conflict):
        await store.commit(Change(puts=(put(expect=2), put(expect=2))))
    assert store.find("action", "a").version == 2


BROKEN = {
    "put": Change(puts=(put("taken"),)),
    "draw": Change(draws=(Draw(account="money", amount=11, cap=100),)),
    "pass": Change(passes=(Pass(bucket="calls", now=1000.0, burst=1, interval_s=10.0),)),
    "fence": Change(fence=("s-1", 6)),
}


@pytest.mark.parametrize("part", sorted(BROKEN))
async def test_a_change_with_one_broken_part_leaves_nothing_behind(store: SqliteStore, part: str) -> None:
    await store.commit(
        Change(
            entries=(entry(),),
            puts=(put("taken"), put("s-1", table="session", body={"epoch": 7})),
            draws=(Draw(account="money", amount=90, cap=100),),
            passes=(Pass(bucket="calls", now=1000.0, burst=1, interval_s=10.0),),
        )
    )
    broken = BROKEN[part]
    with pytest.raises((Conflict, Fenced)):
        await store.commit(
            Change(
                entries=(entry(), entry()),
                puts=(put("fresh"), *broken.puts),
                draws=(Draw(account="other", amount=1, cap=1), *broken.draws),
                settles=(Settle(account="money", held=90, spent=90),),
                passes=(Pass(bucket="fresh", now=1000.0, burst=1, interval_s=10.0), *broken.passes),
                fence=broken.fence,
            )
        )
    assert store.size() == 1
    assert store.find("action", "fresh") is None
    assert store.counter("other") == (0, 0)
    assert store.counter("money") == (0, 90)
    assert store.bucket("fresh") == 0.0
    assert await store.commit(Change(entries=(entry(),), puts=(put("fresh"),), draws=(Draw(account="other", amount=1, cap=1),))) == (1,)


async def test_refused_and_accepted_changes_of_one_batch_do_not_touch_each_other(store: SqliteStore) -> None:
    changes = [Change(entries=(entry(action=f"a{at}"),), puts=(put("one", expect=at // 2),)) for at in range(20)]
    answers = await asyncio.gather(*(store.commit(one) for one in changes), return_exceptions=True)
    assert [type(one).__name__ for one in answers] == ["tuple", "Conflict"] * 10
    assert [one.entry.action for one in store.entries()] == [f"a{at}" for at in range(0, 20, 2)]
    assert store.find("action", "one").version == 10


async def test_draws_stop_at_the_cap_and_settles_give_back(store: SqliteStore) -> None:
    await store.commit(Change(draws=(Draw(account="m", amount=60, cap=100),)))
    with pytest.raises(Conflict) as met:
        await store.commit(Change(draws=(Draw(account="m", amount=41, cap=100),)))
    assert met.value.what == "account:m"
    await store.commit(Change(settles=(Settle(account="m", held=60, spent=10),)))
    assert store.counter("m") == (10, 0)
    await store.commit(Change(draws=(Draw(account="m", amount=90, cap=100),)))
    assert store.counter("m") == (10, 90)
    with pytest.raises(Conflict):
        await store.commit(Change(draws=(Draw(account="none", amount=1, cap=0),)))
    with pytest.raises(Conflict):
        await store.commit(Change(draws=(Draw(account="m", amount=-5, cap=1000),)))


async def test_two_draws_of_one_change_count_together(store: SqliteStore) -> None:
    with pytest.raises(Conflict):
        await store.commit(Change(draws=(Draw(account="m", amount=60, cap=100), Draw(account="m", amount=60, cap=100))))
    assert store.counter("m") == (0, 0)


async def test_a_pass_takes_a_token_while_there_is_one(store: SqliteStore) -> None:
    def once(at: float) -> Change:
        return Change(passes=(Pass(bucket="b", now=at, burst=2, interval_s=10.0),))

    await store.commit(once(1000.0))
    await store.commit(once(1000.0))
    with pytest.raises(Conflict) as met:
        await store.commit(once(1001.0))
    assert met.value.what == "bucket:b"
    await store.commit(once(1010.0))
    assert store.bucket("b") == 1030.0


async def test_the_fence_holds_only_for_the_epoch_that_stands(store: SqliteStore, reopen: Reopen) -> None:
    await store.commit(Change(puts=(put("s-1", table="session", body={"epoch": 3}),)))
    await store.commit(Change(entries=(entry(),), fence=("s-1", 3)))
    for session, epoch in (("s-1", 2), ("s-1", 4), ("s-none", 0)):
        with pytest.raises(Fenced):
            await store.commit(Change(entries=(entry(),), fence=(session, epoch)))
    await store.commit(Change(puts=(put("s-1", expect=1, table="session", body={"epoch": 4}),), fence=("s-1", 3)))
    with pytest.raises(Fenced):
        await store.commit(Change(entries=(entry(),), fence=("s-1", 3)))
    store = reopen()
    with pytest.raises(Fenced):
        await store.commit(Change(entries=(entry(),), fence=("s-1", 3)))
    await store.commit(Change(entries=(entry(),), fence=("s-1", 4)))
    assert store.size() == 2


async def test_rows_are_filtered_and_ordered_by_due_time_then_id(store: SqliteStore) -> None:
    due = {"a": 30.0, "b": 10.0, "c": 0.0, "d": 10.0, "e": 20.0}
    for name, at in due.items():
        await store.commit(Change(puts=(put(name, state="on" if name < "d" else "off", session=f"s-{name < 'c'}", due_at=at),)))
    await store.commit(Change(puts=(put("z", table="other", due_at=1.0),)))

    def ids(**more: Any) -> str:
        return "".join(row.id for row in store.rows("action", **more))

    assert ids() == "cbdea"
    assert ids(limit=2) == "cb"
    assert ids(state="on") == "cba"
    assert ids(session="s-True") == "ba"
    assert ids(due_by=20.0) == "bde"
    assert ids(due_by=20.0, state="on") == "b"
    assert (store.count("action"), store.count("action", "on"), store.count("none")) == (5, 3, 0)


async def test_two_hundred_at_once_lose_nothing_and_share_their_writes(store: SqliteStore) -> None:
    await store.commit(Change(puts=(put("shared"),)))

    async def one(at: int) -> tuple[int, ...]:
        got = await store.commit(
            Change(
                entries=(entry("action.intended", session=f"s{at}"), entry("action.done", session=f"s{at}")),
                puts=(put(f"row{at}"),),
                draws=(Draw(account="all", amount=1, cap=150),),
            )
        )
        while True:
            have = store.find("action", "shared")
            try:
                await store.commit(Change(puts=(put("shared", expect=have.version),)))
            except Conflict:
                continue
            return got

    before = store.commits
    answers = await asyncio.gather(*(one(at) for at in range(200)), return_exceptions=True)
    good = [answer for answer in answers if isinstance(answer, tuple)]
    assert len(good) == 150
    assert all(isinstance(answer, Conflict) for answer in answers if not isinstance(answer, tuple))
    assert sorted(index for pair in good for index in pair) == list(range(300))
    assert all(second == first + 1 for first, second in good)
    assert store.find("action", "shared").version == 151
    assert store.counter("all") == (0, 150)
    assert store.commits - before < 200


async def test_everything_stands_after_a_new_start(store: SqliteStore, reopen: Reopen) -> None:
    await store.commit(
        Change(
            entries=(entry(session="s-1"),),
            puts=(put(state="x"),),
            draws=(Draw(account="m", amount=7, cap=10),),
            passes=(Pass(bucket="b", now=50.0, burst=1, interval_s=5.0),),
        )
    )
    was = (store.entries(), store.find("action", "a"), store.counter("m"), store.bucket("b"))
    store = reopen()
    assert (store.entries(), store.find("action", "a"), store.counter("m"), store.bucket("b")) == was
    with pytest.raises(Conflict):
        await store.commit(Change(draws=(Draw(account="m", amount=4, cap=10),)))
    with pytest.raises(Conflict):
        await store.commit(Change(passes=(Pass(bucket="b", now=51.0, burst=1, interval_s=5.0),)))
    assert await store.commit(Change(entries=(entry(),))) == (1,)


async def test_watchers_hear_the_size_until_they_stop(store: SqliteStore) -> None:
    heard: list[int] = []
    end = store.watch(heard.append)
    await store.commit(Change(entries=(entry(), entry())))
    await store.commit(Change(puts=(put(),)))
    await store.commit(Change(entries=(entry(),)))
    assert heard == [2, 3]
    end()
    end()
    await store.commit(Change(entries=(entry(),)))
    assert heard == [2, 3]


async def test_an_empty_change_is_fine_and_writes_nothing(store: SqliteStore) -> None:
    before = store.commits
    assert await store.commit(Change()) == ()
    assert store.commits == before


async def test_a_caller_that_gives_up_does_not_hold_up_the_others(store: SqliteStore) -> None:
    given_up = asyncio.ensure_future(store.commit(Change(entries=(entry(),))))
    await asyncio.sleep(0)
    given_up.cancel()
    await store.commit(Change(entries=(entry(),)))
    assert given_up.cancelled()
    assert store.size() == 2


async def test_a_closed_store_says_so(store: SqliteStore) -> None:
    await store.commit(Change(entries=(entry(),)))
    store.close()
    store.close()
    with pytest.raises(NotReady):
        await store.commit(Change(entries=(entry(),)))
    with pytest.raises(NotReady):
        store.size()


async def test_what_was_queued_when_the_store_closes_is_written(store: SqliteStore, reopen: Reopen) -> None:
    waiting = asyncio.gather(*(store.commit(Change(entries=(entry(),))) for _ in range(50)))
    await asyncio.sleep(0)
    store.close()
    assert sorted(await waiting) == [(at,) for at in range(50)]
    assert reopen().size() == 50
