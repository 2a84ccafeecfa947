"""The kind suite: every kind that changes something is done twice, undone twice and crashed at every point, on real parts."""

import itertools
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import jsonschema_rs
import pytest

from flyball.kinds import file_quarantine, git_revert, host_read, http_probe, notify, process_restart
from flyball.model.action import Outcome, Seen
from flyball.model.ids import Doc
from flyball.ports import Kind
from kindbox import BwrapBox, Crash, CrashingBox, Recording, Service, hands, undoing

ALL = {module.KIND.spec.name: module.KIND for module in (file_quarantine, git_revert, host_read, http_probe, notify, process_restart)}


class Stage(Protocol):
    """A small world in which one kind can act."""

    args: Doc
    facts: Doc

    async def world(self) -> Any:
        """Everything that the kind could touch, as one comparable value."""

    async def once(self) -> bool:
        """Whether the deed is done exactly once."""

    async def tamper(self) -> None:
        """Somebody else changes what the deed left."""


class RestartStage:
    def __init__(self, service: Service) -> None:
        self.args: Doc = {"service": "web"}
        self.service, self.facts = service, service.facts()

    async def status(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(await self.service.ask("status"))
        return said

    async def world(self) -> Any:
        return (await self.status())["state"] in {"crashed", "stopped"}

    async def once(self) -> bool:
        said = await self.status()
        return said["state"] == "running" and said["restarts"] == 1


class QuarantineStage:
    def __init__(self, home: Path, away: Path) -> None:
        self.logs, self.away = home / "logs", away
        self.logs.mkdir(parents=True)
        self.away.mkdir(exist_ok=True)
        for number in (1, 2, 3):
            (self.logs / f"web.log.{number}").write_bytes(bytes([64 + number]) * 3000)
        (self.logs / "web.log").write_text("in use\n")
        paths = [str(self.logs / f"web.log.{number}") for number in (1, 2)]
        self.args: Doc = {"service": "web", "paths": paths}
        self.facts: Doc = {"paths": [str(self.logs)], "rotated": "web.log.*", "quarantine": str(self.away)}

    async def world(self) -> Any:
        return {p.name: (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_mode) for p in self.logs.iterdir()}

    async def once(self) -> bool:
        kept = sorted(p.name for p in (self.away / "s-test.1").iterdir() if p.name != "manifest.json")
        left = sorted(p.name for p in self.logs.iterdir())
        whole = (self.away / "s-test.1" / "0001-web.log.2").read_bytes() == b"B" * 3000
        return kept == ["0000-web.log.1", "0001-web.log.2"] and left == ["web.log", "web.log.3"] and whole

    async def tamper(self) -> None:
        (self.logs / "web.log.2").write_text("rotated meanwhile\n")


def git(repo: Path, *argv: str) -> str:
    who = ["-c", "user.name=Emma", "-c", "user.email=emma@localhost"]
    return subprocess.run(["git", *who, "-C", str(repo), *argv], check=True, capture_output=True, text=True).stdout.strip()


def commit(repo: Path, text: str, subject: str) -> str:
    (repo / "web.toml").write_text(text)
    git(repo, "add", "web.toml")
    git(repo, "commit", "-q", "-m", subject)
    return git(repo, "rev-parse", "HEAD")


class RevertStage:
    def __init__(self, home: Path) -> None:
        self.repo = home / "config"
        self.repo.mkdir(parents=True)
        git(self.repo, "init", "-q")
        commit(self.repo, "port = 1\nname = 'a'\n" + "\n" * 8 + "last = 1\n", "Begin")
        self.bad = commit(self.repo, "port = oops\nname = 'a'\n" + "\n" * 8 + "last = 1\n", "Break it")
        self.head = commit(self.repo, "port = oops\nname = 'a'\n" + "\n" * 8 + "last = 2\n", "Something else")
        self.args: Doc = {"service": "web", "commit": self.bad}
        self.facts: Doc = {"repo": str(self.repo)}

    async def world(self) -> Any:
        return (self.repo / "web.toml").read_text(), git(self.repo, "status", "--porcelain"), git(self.repo, "rev-parse", "HEAD^{tree}")

    async def once(self) -> bool:
        since = git(self.repo, "log", "--format=%B", f"{self.head}..HEAD")
        fixed = (self.repo / "web.toml").read_text() == "port = 1\nname = 'a'\n" + "\n" * 8 + "last = 2\n"
        return fixed and since.count("Flyball-Action: s-test.1") == 1 and not git(self.repo, "status", "--porcelain")

    async def tamper(self) -> None:
        commit(self.repo, "port = 7\n", "Somebody else's work")


Opener = Callable[[Path], Any]


@asynccontextmanager
async def restart_stage(home: Path) -> AsyncIterator[RestartStage]:
    async with Service(home) as service:
        await service.ask("start")
        await service.crash()
        yield RestartStage(service)


@asynccontextmanager
async def quarantine_stage(home: Path) -> AsyncIterator[QuarantineStage]:
    yield QuarantineStage(home, home / "away")


@asynccontextmanager
async def revert_stage(home: Path) -> AsyncIterator[RevertStage]:
    yield RevertStage(home)


STAGES: dict[str, Opener] = {"process.restart": restart_stage, "file.quarantine": quarantine_stage, "git.revert": revert_stage}
each_kind = pytest.mark.parametrize("name", sorted(STAGES))


def well_formed(kind: Kind, outcome: Outcome) -> None:
    assert outcome.ok, outcome.error
    assert jsonschema_rs.is_valid(kind.spec.result, outcome.result), outcome.result


@each_kind
async def test_planning_changes_nothing(name: str, tmp_path: Path) -> None:
    async with STAGES[name](tmp_path / "a") as stage:
        box = Recording(BwrapBox())
        before = await stage.world()
        recipe = await ALL[name].plan(hands(name, stage.args, stage.facts, box))
        assert await stage.world() == before
        assert box.runs
        assert not any(run.write for run in box.runs)
        assert recipe.undo
        assert recipe.argv
        given = hands(name, stage.args, stage.facts)
        assert await ALL[name].probe(given, recipe) is Seen.ABSENT
        assert await stage.world() == before


@each_kind
async def test_done_twice_is_done_once(name: str, tmp_path: Path) -> None:
    async with STAGES[name](tmp_path / "a") as stage:
        given = hands(name, stage.args, stage.facts)
        recipe = await ALL[name].plan(given)
        for _ in range(2):
            well_formed(ALL[name], await ALL[name].do(given, recipe))
            assert await stage.once()
            assert await ALL[name].probe(given, recipe) is Seen.HAPPENED
            assert await ALL[name].undone(undoing(given), recipe) is Seen.ABSENT


@each_kind
async def test_undone_twice_is_undone_once(name: str, tmp_path: Path) -> None:
    async with STAGES[name](tmp_path / "a") as stage:
        given = hands(name, stage.args, stage.facts)
        before = await stage.world()
        recipe = await ALL[name].plan(given)
        well_formed(ALL[name], await ALL[name].do(given, recipe))
        for _ in range(2):
            outcome = await ALL[name].undo(undoing(given), recipe)
            assert outcome.ok, outcome.error
            assert await stage.world() == before
            assert await ALL[name].undone(undoing(given), recipe) is Seen.HAPPENED


@each_kind
async def test_undo_of_what_was_never_done_is_well(name: str, tmp_path: Path) -> None:
    async with STAGES[name](tmp_path / "a") as stage:
        given = hands(name, stage.args, stage.facts)
        before = await stage.world()
        recipe = await ALL[name].plan(given)
        assert (await ALL[name].undo(undoing(given), recipe)).ok
        assert await ALL[name].undone(undoing(given), recipe) is Seen.HAPPENED
        assert await stage.world() == before


async def crashed(name: str, home: Path, verb: str, then: Callable[[Any, Any, Any], Awaitable[None]]) -> int:
    """Crash `verb` between all of its runs, each time in a world of its own; gives how many points there were."""
    for point in itertools.count():
        async with STAGES[name](home / str(point)) as stage:
            given = hands(name, stage.args, stage.facts)
            stage.before = await stage.world()
            recipe = await ALL[name].plan(given)
            if verb == "undo":
                assert (await ALL[name].do(given, recipe)).ok
            box = CrashingBox(BwrapBox(), point)
            dying = hands(name, stage.args, stage.facts, box)
            try:
                await (ALL[name].do(dying, recipe) if verb == "do" else ALL[name].undo(undoing(dying), recipe))
            except Crash:
                await then(stage, given, recipe)
            else:
                return point
    raise AssertionError


@each_kind
async def test_a_crash_anywhere_in_the_deed_ends_in_done_once(name: str, tmp_path: Path) -> None:
    async def then(stage: Any, given: Any, recipe: Any) -> None:
        if await ALL[name].probe(given, recipe) is not Seen.HAPPENED:
            well_formed(ALL[name], await ALL[name].do(given, recipe))
        assert await ALL[name].probe(given, recipe) is Seen.HAPPENED
        assert await stage.once()

    assert await crashed(name, tmp_path, "do", then) >= 2


@each_kind
async def test_a_crash_anywhere_in_the_deed_can_be_undone(name: str, tmp_path: Path) -> None:
    async def then(stage: Any, given: Any, recipe: Any) -> None:
        outcome = await ALL[name].undo(undoing(given), recipe)
        assert outcome.ok, outcome.error
        assert await ALL[name].undone(undoing(given), recipe) is Seen.HAPPENED
        assert await stage.world() == stage.before

    assert await crashed(name, tmp_path, "do", then) >= 2


@each_kind
async def test_a_crash_anywhere_in_the_undo_ends_in_undone(name: str, tmp_path: Path) -> None:
    async def then(stage: Any, given: Any, recipe: Any) -> None:
        outcome = await ALL[name].undo(undoing(given), recipe)
        assert outcome.ok, outcome.error
        assert await ALL[name].undone(undoing(given), recipe) is Seen.HAPPENED
        assert await stage.world() == stage.before

    assert await crashed(name, tmp_path, "undo", then) >= 2


@pytest.mark.parametrize("name", ["file.quarantine", "git.revert"])
async def test_undo_does_not_overwrite_what_changed_since(name: str, tmp_path: Path) -> None:
    async with STAGES[name](tmp_path / "a") as stage:
        given = hands(name, stage.args, stage.facts)
        recipe = await ALL[name].plan(given)
        assert (await ALL[name].do(given, recipe)).ok
        await stage.tamper()
        after = await stage.world()
        outcome = await ALL[name].undo(undoing(given), recipe)
        assert not outcome.ok
        assert "new" in outcome.error
        assert await stage.world() == after
        assert await ALL[name].undone(undoing(given), recipe) is not Seen.HAPPENED


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_contract_is_whole(name: str) -> None:
    spec = ALL[name].spec
    assert spec.args["additionalProperties"] is False
    for schema in (spec.args, spec.result):
        jsonschema_rs.meta.validate(json.loads(json.dumps(schema)))
    for pointer in (*spec.sinks, *spec.endorse):
        assert pointer[1:] in spec.args["properties"]
    assert set(spec.endorse) <= set(spec.sinks)
    assert spec.errors
    assert spec.timeout_s > 0
    assert not spec.destructive


def test_the_suite_covers_every_kind_that_changes_something() -> None:
    writing = {name for name, kind in ALL.items() if kind.spec.reach == "write" and kind.spec.reversible}
    assert writing == set(STAGES)
