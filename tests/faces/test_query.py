"""SQL over a state folder: what the record knows, read-only, next to a server that has it open."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from desk import Desk, desk_at
from flyball.backends.store import query as asked
from flyball.backends.store.query import VIEWS, query
from flyball.errors import BadInput, NotFound


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_at(tmp_path) as made:
        yield made


@pytest.fixture
def state(desk: Desk, tmp_path: Path) -> Path:
    return next(path.parent for path in tmp_path.rglob("flyball.db"))


@pytest.mark.parametrize("table", sorted(VIEWS))
def test_every_table_has_its_rows(desk: Desk, state: Path, table: str) -> None:
    kept = {"entries": desk.house.plugs.store.size(), "calls": desk.house.plugs.store.count("action")}
    rows = query(state, f"SELECT * FROM {table}").rows  # noqa: S608 the names of the tables are ours
    assert len(rows) == kept.get(table, desk.house.plugs.store.count(table.removesuffix("s")))


def test_a_call_has_its_input_its_result_and_how_long_it_took(desk: Desk, state: Path) -> None:
    found = query(state, "SELECT action, args, result, took_s FROM calls WHERE result IS NOT NULL ORDER BY action")
    assert found.columns == ("action", "args", "result", "took_s")
    for name, args, result, took_s in found.rows:
        row = desk.house.plugs.store.find("action", name)
        assert row is not None
        value = desk.house.plugs.store.find("value", row.body["result"])
        assert value is not None
        assert (json.loads(args), json.loads(result)) == (row.body["action"]["args"], value.body["body"])
        assert took_s == row.body["outcome"]["took_s"]
    assert found.rows


def test_rows_that_are_left_off_are_told(state: Path) -> None:
    assert query(state, "SELECT idx FROM entries", 3).more
    assert not query(state, "SELECT idx FROM entries LIMIT 3", 3).more


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("DELETE FROM row", "readonly"),
        ("DROP VIEW calls", "readonly"),
        ("SELECT gone FROM calls", "no such column: gone"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("BEGIN", "within a transaction"),
        ("WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT max(n) FROM x", "it takes too long"),
    ],
)
def test_what_is_no_question_is_refused(state: Path, monkeypatch: pytest.MonkeyPatch, sql: str, why: str) -> None:
    monkeypatch.setattr(asked, "STEPS_MOST", 100)
    with pytest.raises(BadInput) as caught:
        query(state, sql)
    assert why in caught.value.why


def test_a_statement_without_an_answer_is_no_question(state: Path) -> None:
    with pytest.raises(BadInput, match="that is no question"):
        query(state, "PRAGMA query_only = OFF")
    with pytest.raises(NotFound):
        query(state / "nowhere", "SELECT 1")


def test_a_question_makes_no_file(state: Path, tmp_path: Path) -> None:
    for sql in (
        f"ATTACH '{tmp_path}/new.db' AS new",
        f"ATTACH 'file:{tmp_path}/new.db?mode=rwc' AS new",
        f"VACUUM INTO '{tmp_path}/new.db'",
    ):
        with pytest.raises(BadInput):
            query(state, sql)
    assert not (tmp_path / "new.db").exists()
    with pytest.raises(BadInput):
        query(state, "SELECT '\udcff'")  # what a terminal of another character set sends
