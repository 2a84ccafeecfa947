"""The program that moves files: killed at every system call that leaves something behind, and offered everything it must refuse."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from flyball.errors import BadInput, NotReady, Unreachable
from flyball.kinds import file_quarantine
from flyball.kinds.file_quarantine import KIND
from flyball.model.action import Seen
from flyball.model.ids import Doc
from kindbox import hands, undoing

PROGRAM = str(Path(file_quarantine.__file__).parent / "box" / "quarantine.py")
DEADLY = """
import os, runpy, sys
left = int(sys.argv.pop())
def deadly(name, real):
    def call(*args, **kwargs):
        global left
        if left == 0:
            if name == "write":
                real(args[0], args[1][: len(args[1]) // 2])
            os._exit(9)
        left -= 1
        return real(*args, **kwargs)
    return call
for name in ("write", "fsync", "rename", "unlink", "link", "mkdir", "utime", "fchmod"):
    setattr(os, name, deadly(name, getattr(os, name)))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(question: dict[str, Any], die_at: int = -1) -> dict[str, Any] | None:
    """Give the program's answer, or None where it died."""
    argv = [sys.executable, "-I", "-c", DEADLY, PROGRAM, str(die_at)]
    ended = subprocess.run(argv, input=json.dumps(question).encode(), capture_output=True, check=False)
    assert ended.returncode in {0, 9}, ended.stderr.decode()
    return json.loads(ended.stdout) if ended.returncode == 0 else None


class Place:
    def __init__(self, home: Path, away: Path) -> None:
        self.logs, self.away = home / "logs", away
        shutil.rmtree(self.logs, ignore_errors=True)
        shutil.rmtree(self.away, ignore_errors=True)
        self.logs.mkdir()
        self.away.mkdir()
        for number in (1, 2):
            (self.logs / f"web.log.{number}").write_bytes(bytes([64 + number]) * 3000)
            os.utime(self.logs / f"web.log.{number}", (1_700_000_000, 1_700_000_000 + number))
        (self.logs / "web.log.1").chmod(0o640)
        self.question: dict[str, Any] = {"quarantine": str(away), "key": "s-x.1", "keep_until": 5.0}
        paths = [str(self.logs / f"web.log.{number}") for number in (1, 2)]
        planned = run({**self.question, "verb": "plan", "paths": paths})
        assert planned is not None
        assert planned["ok"], planned
        assert planned["other_file_system"] is (home.stat().st_dev != away.stat().st_dev)
        self.question["files"] = planned["files"]

    def ask(self, verb: str, die_at: int = -1) -> dict[str, Any] | None:
        return run({**self.question, "verb": verb}, die_at)

    def logs_now(self) -> dict[str, Any]:
        return {p.name: (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_mode) for p in self.logs.iterdir()}

    def kept(self) -> list[str]:
        return sorted(p.name for p in (self.away / "s-x.1").iterdir())


@pytest.fixture
def away() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))  # another file system than pytest's folders
    yield folder / "quarantine"
    shutil.rmtree(folder)


def bytes_of(place: Place) -> set[bytes]:
    """All contents that exist anywhere: nothing may ever be missing from it."""
    return {p.read_bytes() for folder in (place.logs, place.away) for p in folder.rglob("*") if p.is_file()}


def test_a_crash_anywhere_in_a_move_loses_nothing_and_ends_in_moved_once(tmp_path: Path, away: Path) -> None:
    for point in range(200):
        place = Place(tmp_path, away)
        died = place.ask("move", point) is None
        assert {b"A" * 3000, b"B" * 3000} <= bytes_of(place), point
        seen = place.ask("look")
        assert seen is not None
        assert set(seen["states"]) <= {"planned", "moved"}, (point, seen)
        again = place.ask("move")
        assert again is not None
        assert again["ok"], (point, again)
        assert place.logs_now() == {}
        assert place.kept() == ["0000-web.log.1", "0001-web.log.2", "manifest.json"]
        assert (place.away / "s-x.1" / "0001-web.log.2").read_bytes() == b"B" * 3000
        if not died:
            assert point > 15
            return
    raise AssertionError


@pytest.mark.parametrize("finished", [True, False])
def test_a_crash_anywhere_in_a_return_loses_nothing_and_ends_in_returned(tmp_path: Path, away: Path, finished: bool) -> None:
    for point in range(200):
        place = Place(tmp_path, away)
        before = place.logs_now()
        place.ask("move", -1 if finished else 13)
        died = place.ask("back", point) is None
        assert {b"A" * 3000, b"B" * 3000} <= bytes_of(place), point
        again = place.ask("back")
        assert again is not None
        assert again["ok"], (point, again)
        assert place.logs_now() == before
        assert place.kept() == ["manifest.json"]
        if not died:
            assert point > 10
            return
    raise AssertionError


def test_a_move_that_was_returned_is_not_done_again(tmp_path: Path, away: Path) -> None:
    place = Place(tmp_path, away)
    place.ask("move")
    place.ask("back")
    assert place.ask("move") == {"ok": False, "error": "this was put back already and is not done again"}


def test_a_new_file_of_the_same_name_stays_where_it_is(tmp_path: Path, away: Path) -> None:
    place = Place(tmp_path, away)
    place.ask("move")
    (place.logs / "web.log.2").write_text("new")
    again = place.ask("move")
    assert again is not None
    assert again["ok"]
    assert (place.logs / "web.log.2").read_text() == "new"
    back = place.ask("back")
    assert back == {"ok": False, "error": f"something new lies at {place.logs}/web.log.2"}
    assert [p.name for p in place.logs.iterdir()] == ["web.log.2"]


MEDDLING = """
import os, runpy, sys
name, path = sys.argv.pop(), sys.argv.pop()
real = getattr(os, name)
def call(*args, **kwargs):
    if not os.path.exists(path):
        with open(path, "w") as file:
            file.write("new")
    return real(*args, **kwargs)
setattr(os, name, call)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("call", ["link", "fchmod"])
def test_a_file_that_appears_in_the_last_moment_is_not_overwritten(tmp_path: Path, away: Path, call: str) -> None:
    place = Place(tmp_path, away)
    place.ask("move")
    new = place.logs / "web.log.1"
    argv = [sys.executable, "-I", "-c", MEDDLING, PROGRAM, str(new), call]
    ended = subprocess.run(argv, input=json.dumps({**place.question, "verb": "back"}).encode(), capture_output=True, check=True)
    assert json.loads(ended.stdout) == {"ok": False, "error": f"something new lies at {new}"}
    assert place.logs_now().keys() == {"web.log.1"}
    assert new.read_text() == "new"
    assert b"A" * 3000 in bytes_of(place)


def test_a_file_that_changed_since_the_plan_stays(tmp_path: Path, away: Path) -> None:
    place = Place(tmp_path, away)
    (place.logs / "web.log.2").write_bytes(b"C" * 3000)
    said = place.ask("move")
    assert said == {"ok": False, "error": f"{place.logs}/web.log.2 is not what it was when this was planned"}
    assert len(place.logs_now()) == 2


def test_a_tampered_copy_is_not_put_back(tmp_path: Path, away: Path) -> None:
    place = Place(tmp_path, away)
    place.ask("move")
    (place.away / "s-x.1" / "0001-web.log.2").write_bytes(b"C" * 3000)
    said = place.ask("back")
    assert said is not None
    assert said["error"] == f"the quarantined {place.logs}/web.log.2 is not what was moved"
    assert place.logs_now() == {}


@pytest.mark.root
def test_without_room_for_all_none_is_put_back(tmp_path: Path, away: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    home = tmp_path / "small"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(home)], check=True)
    try:
        place = Place(home, away)
        before = place.logs_now()
        place.ask("move")
        filler = home / "filler"
        filler.write_bytes(b"f" * 18_000)
        said = place.ask("back")
        assert said == {"ok": False, "error": f"no room for 8192 bytes to put {place.logs}/web.log.2 back"}
        assert place.logs_now() == {}
        filler.write_bytes(b"f" * 4_000)
        assert place.ask("back") == {"ok": True, "states": ["restored", "restored"]}
        assert place.logs_now() == before
    finally:
        subprocess.run(["umount", str(home)], check=True)


def test_an_open_file_stays(tmp_path: Path, away: Path) -> None:
    place = Place(tmp_path, away)
    with (place.logs / "web.log.2").open("rb"):
        said = place.ask("move")
        assert said == {"ok": False, "error": f"{place.logs}/web.log.2 is open in a process"}
        assert (place.logs / "web.log.2").exists()
        assert "0001-web.log.2" not in place.kept()
    said = place.ask("move")
    assert said is not None
    assert said["ok"]


# ---- the kind's own arguments


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, tmp_path / "away")  # no box shows a folder under /dev


def facts(place: Place) -> Doc:
    return {"paths": [str(place.logs)], "rotated": "web.log.*", "quarantine": str(place.away)}


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "{}/web.log",
        "{}/../web.log.1",
        "{}/./web.log.1",
        "{}//web.log.1",
        "{}x/web.log.1",
        "web.log.1",
        "{}/sub/../web.log.1",
        "{}/web.log.1\n",
        "{}/-rf",
        "",
        "/web.log.1",
    ],
)
async def test_paths_that_may_not_be_named(place: Place, path: str) -> None:
    given = hands("file.quarantine", {"service": "web", "paths": [path.format(place.logs)]}, facts(place))
    with pytest.raises(BadInput, match="may not move"):
        await KIND.plan(given)


async def test_symlinks_are_refused_at_every_component(place: Place, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (place.logs / "web.log.8").symlink_to(tmp_path / "secret")
    (place.logs / "real").mkdir()
    (place.logs / "real" / "web.log.9").write_text("x")
    (place.logs / "link").symlink_to("real")
    (place.logs / "web.log.7").mkdir()
    os.mkfifo(place.logs / "web.log.6")
    (place.logs / "web.log.5").hardlink_to(tmp_path / "secret")
    for name in ("web.log.8", "link/web.log.9", "web.log.7", "web.log.6", "web.log.5", "web.log.4"):
        given = hands("file.quarantine", {"service": "web", "paths": [str(place.logs / name)]}, facts(place))
        with pytest.raises(Unreachable):
            await KIND.plan(given)
    good = hands("file.quarantine", {"service": "web", "paths": [str(place.logs / "real" / "web.log.9")]}, facts(place))
    recipe = await KIND.plan(good)
    (place.logs / "real").rename(place.logs / "moved")
    (place.logs / "real").symlink_to("moved")
    assert not (await KIND.do(good, recipe)).ok
    assert (place.logs / "moved" / "web.log.9").exists()


@pytest.mark.parametrize("name", ["web.log.$(touch ran)", "web.log.;id", "web.log.-rf", "web.log.*", "web.log.a b", "web.log.'\""])
async def test_metacharacters_in_names_stay_literal(place: Place, name: str) -> None:
    (place.logs / name).write_text("odd")
    given = hands("file.quarantine", {"service": "web", "paths": [str(place.logs / name)]}, facts(place))
    recipe = await KIND.plan(given)
    assert (await KIND.do(given, recipe)).ok
    assert sorted(p.name for p in place.logs.iterdir()) == ["web.log.1", "web.log.2"]
    assert (await KIND.undo(undoing(given), recipe)).ok
    assert (place.logs / name).read_text() == "odd"


async def test_what_a_plan_shows(place: Place) -> None:
    paths = [str(place.logs / "web.log.1"), str(place.logs / "web.log.2")]
    recipe = await KIND.plan(hands("file.quarantine", {"service": "web", "paths": paths, "keep_s": 600}, facts(place)))
    assert recipe.blast == {"service": "web", "files": 2, "bytes": 6000, "other_file_system": False}
    assert recipe.keep_until == 1_800_000_600.0
    assert recipe.diff.splitlines()[0] == f"{paths[0]} -> {place.away}/s-test.1/0000-web.log.1"


async def test_a_missing_quarantine_and_other_services_are_refused(place: Place) -> None:
    paths = [str(place.logs / "web.log.1")]
    with pytest.raises(BadInput, match="names no quarantine"):
        await KIND.plan(hands("file.quarantine", {"service": "web", "paths": paths}, {**facts(place), "quarantine": None}))
    with pytest.raises(BadInput, match="not web"):
        await KIND.plan(hands("file.quarantine", {"service": "store", "paths": paths}, facts(place)))
    gone = hands("file.quarantine", {"service": "web", "paths": paths}, {**facts(place), "quarantine": str(place.away / "none")})
    with pytest.raises(NotReady):
        await KIND.plan(gone)


async def test_a_box_that_cannot_run_it_leaves_the_question_open(place: Place) -> None:
    given = hands("file.quarantine", {"service": "web", "paths": [str(place.logs / "web.log.1")]}, facts(place))
    recipe = await KIND.plan(given)
    shutil.rmtree(place.away)
    assert await KIND.probe(given, recipe) is Seen.UNSURE
    assert not (await KIND.do(given, recipe)).ok


def test_the_schema_refuses_what_is_malformed() -> None:
    schema = jsonschema_rs.validator_for(json.loads(json.dumps(KIND.spec.args)))
    assert schema.is_valid({"service": "web", "paths": ["/a/web.log.1"]})
    for paths in ([], ["a"], ["/a", "/a"], ["/a\n"], ["-rf"], "/a", [f"/{n}" for n in range(65)]):
        assert not schema.is_valid({"service": "web", "paths": paths}), paths
    for more in ({"force": True}, {"keep_s": 1}, {"service": "We b"}):
        assert not schema.is_valid({"service": "web", "paths": ["/a"], **more}), more
