"""`command.run` on a real box: what may be run, with which words, and how its end is told."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from flyball.backends.sandbox import BwrapBox
from flyball.backends.sandbox.keep import Keep
from flyball.config import Command
from flyball.errors import BadInput
from flyball.kinds.command_run import KIND
from flyball.model.action import Outcome, Recipe, Seen
from flyball.ports import Hands
from kindbox import hands
from live import until


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    place.mkdir()
    os.mkfifo(place / "gate")
    return place


def given(home: Path, said: Mapping[str, Any], /, **entry: Any) -> Hands:
    """Hands for one command of a catalogue, as the configuration reads it."""
    whole = {"mounts": [{"source": str(home), "write": True}], "timeout_s": 30, **entry}
    facts = {"commands": {"reindex": Command.model_validate(whole).model_dump()}}
    keep: Any = Keep(BwrapBox(), home.parent / "runs", lambda: True)
    return hands("command.run", {"command": "reindex", "args": {}, **said}, facts, keep)


def script(home: Path, text: str) -> list[str]:
    return ["/bin/sh", "-c", text, str(home)]


async def through(hold: Hands) -> Outcome:
    """Do it and look until it has ended."""
    recipe = await KIND.plan(hold)
    assert await KIND.do(hold, recipe) is None
    return await ended(hold, recipe)


async def ended(hold: Hands, recipe: Recipe) -> Outcome:
    until(lambda: hold.box.find(hold.key) is not Seen.RUNNING, 20, "its end")
    seen = await KIND.probe(hold, recipe)
    assert isinstance(seen, Outcome), seen
    assert jsonschema_rs.is_valid(KIND.spec.result, seen.result)
    return seen


RULES = {"table": {"enum": ["users", "orders"]}, "rows": {"min": 1, "max": 10}, "tag": {"pattern": "[a-z -]{1,20}"}}


async def test_values_stay_in_their_words(home: Path) -> None:
    argv = [*script(home, 'for one in "$@"; do echo "[$one]"; done'), "--table={table}", "{rows}", "{tag}"]
    hold = given(home, {"args": {"table": "users", "rows": 7, "tag": "a -b c"}}, argv=argv, args=RULES)
    recipe = await KIND.plan(hold)
    assert recipe.argv[0][4:] == ("--table=users", "7", "a -b c")
    assert recipe.undo == {}
    outcome: Any = await through(hold)
    assert outcome.ok
    assert outcome.result["tail"] == "[--table=users]\n[7]\n[a -b c]\n"
    assert (outcome.result["code"], outcome.level) == (0, "bubblewrap")


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        ({"table": "users", "rows": 1}, "tag is missing"),
        ({"table": "users", "rows": 1, "tag": "a", "more": 1}, "more is not known"),
        ({"table": "secrets", "rows": 1, "tag": "a"}, "table does not fit"),
        ({"table": "users", "rows": 11, "tag": "a"}, "rows does not fit"),
        ({"table": "users", "rows": 0, "tag": "a"}, "rows does not fit"),
        ({"table": "users", "rows": "1", "tag": "a"}, "rows does not fit"),
        ({"table": "users", "rows": 1, "tag": "--force"}, "tag does not fit"),
        ({"table": "users", "rows": 1, "tag": "a\n"}, "tag does not fit"),
        ({"table": "users", "rows": 1, "tag": 5}, "tag does not fit"),
    ],
)
async def test_a_value_that_does_not_fit_is_refused(home: Path, args: dict[str, Any], fault: str) -> None:
    hold = given(home, {"args": args}, argv=["/bin/true", "{table}", "{rows}", "{tag}"], args=RULES)
    with pytest.raises(BadInput, match=fault):
        await KIND.plan(hold)


@pytest.mark.parametrize(("value", "fits"), [("a" * 60, True), ("a" * 60 + "!", False)])
async def test_a_pattern_that_goes_back_and_forth_ends(home: Path, value: str, fits: bool) -> None:
    hold = given(home, {"args": {"tag": value}}, argv=["/bin/true", "{tag}"], args={"tag": {"pattern": "(a+)+"}})
    signal.alarm(30)  # the pattern is held against an agent's word on the event loop
    try:
        with nullcontext() if fits else pytest.raises(BadInput, match="tag does not fit"):
            await KIND.plan(hold)
    finally:
        signal.alarm(0)


async def test_only_what_the_catalogue_names_may_run(home: Path) -> None:
    hold = given(home, {"command": "other"}, argv=["/bin/true"])
    with pytest.raises(BadInput, match="web has no command other"):
        await KIND.plan(hold)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"argv": []}, "at least 1 item"),
        ({"argv": ["/bin/true", "{gone}"]}, r"the argv names \{gone\}"),
        ({"argv": ["/bin/true"], "args": {"a": {}}}, "give one of"),
        ({"argv": ["/bin/true"], "args": {"a": {"enum": ["x"], "pattern": "x"}}}, "give one of"),
        ({"argv": ["/bin/true"], "args": {"a": {"pattern": "("}}}, "missing"),
        ({"argv": ["/bin/true"], "shell": True}, "Extra inputs"),
    ],
)
def test_a_command_that_is_not_well_formed_stops_the_start(entry: dict[str, Any], fault: str) -> None:
    with pytest.raises(Exception, match=fault):
        Command.model_validate(entry)


async def test_it_goes_on_until_it_ends_and_is_begun_once(home: Path) -> None:
    hold = given(home, {}, argv=script(home, "echo begun >> $0/log; read line < $0/gate; echo $line; exit 4"), ok=[0, 4])
    recipe = await KIND.plan(hold)
    assert await KIND.probe(hold, recipe) is Seen.ABSENT
    for _ in range(2):
        assert await KIND.do(hold, recipe) is None
        assert await KIND.probe(hold, recipe) is Seen.RUNNING
    (home / "gate").write_text("on\n")
    outcome: Any = await ended(hold, recipe)
    assert (outcome.ok, outcome.result["code"], outcome.result["tail"]) == (True, 4, "on\n")
    assert (home / "log").read_text() == "begun\n"


@pytest.mark.parametrize(
    ("text", "more", "error"),
    [
        ("exit 3", {}, "reindex ended with 3"),
        ("kill -9 $$", {}, "reindex ended with signal 9"),
        ("exec sleep 100", {"timeout_s": 0.2}, "reindex took too long"),
    ],
)
async def test_how_it_failed_is_told(home: Path, text: str, more: dict[str, Any], error: str) -> None:
    outcome = await through(given(home, {}, argv=script(home, f"echo last words; {text}"), **more))
    assert (outcome.ok, outcome.error, outcome.transient) == (False, error, False)


async def test_what_is_called_off_ends(home: Path) -> None:
    hold = given(home, {}, argv=script(home, "read line < $0/gate"))
    recipe = await KIND.plan(hold)
    await KIND.do(hold, recipe)
    await KIND.end(hold, recipe)
    outcome = await ended(hold, recipe)
    assert outcome.error == "reindex ended with signal 15"


async def test_a_program_that_is_not_there_is_refused(home: Path) -> None:
    hold = given(home, {}, argv=["/usr/bin/no-such-program"])
    outcome: Any = await KIND.do(hold, await KIND.plan(hold))
    assert not outcome.ok
    assert "there is no program /usr/bin/no-such-program in the box" in outcome.error
    assert await KIND.probe(hold, await KIND.plan(hold)) is Seen.ABSENT


async def test_what_left_the_catalogue_meanwhile_still_ends(home: Path) -> None:
    hold = given(home, {}, argv=script(home, "exit 0"))
    recipe = await KIND.plan(hold)
    await KIND.do(hold, recipe)
    bare = dataclasses.replace(hold, target=dataclasses.replace(hold.target, facts={}))
    assert (await ended(bare, recipe)).ok


async def test_targets_and_cost_are_told_before(home: Path) -> None:
    recipe = await KIND.plan(given(home, {}, argv=["/bin/true"], targets=["store", "web"], cost_micros=2_500_000))
    assert recipe.blast == {"targets": ["store", "web"], "cost_micros": 2_500_000, "timeout_s": 30}


async def test_nothing_is_put_back(home: Path) -> None:
    hold = given(home, {}, argv=["/bin/true"])
    recipe = await KIND.plan(hold)
    assert not (await KIND.undo(hold, recipe)).ok
    assert await KIND.undone(hold, recipe) is Seen.UNSURE
