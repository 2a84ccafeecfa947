"""Runs that outlive the server, on a real bubblewrap box: begun once, found again, read, ended, bounded."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from flyball.backends.sandbox import BoxRefused, BwrapBox, LandlockBox, RefusingBox
from flyball.backends.sandbox.keep import KEPT_S, Keep, _locked, end_by_hand, going
from flyball.model.action import Seen
from flyball.model.box import Mount, Ran, Run
from live import until

WAITS = "echo begun >> $0/log; echo hello; read line < $0/gate; echo got $line; exit 3"


class Gate:
    """A program that waits until the test lets it go on."""

    def __init__(self, home: Path) -> None:
        self.home, self.runs = home / "gate", home / "runs"
        self.home.mkdir()
        os.mkfifo(self.home / "gate")
        self.keep = Keep(BwrapBox(), self.runs, lambda: True)

    def run(self, script: str = WAITS, **more: Any) -> Run:
        parts: dict[str, Any] = {"timeout_s": 60.0, "write": True} | more
        mounts = (Mount(str(self.home), str(self.home), write=True),)
        return Run(("/bin/sh", "-c", script, str(self.home)), mounts=mounts, **parts)

    def open(self, word: str = "on") -> None:
        (self.home / "gate").write_text(f"{word}\n")

    def count(self) -> int:
        log = self.home / "log"
        return log.read_text().count("begun") if log.exists() else 0

    def ended(self, name: str = "s-1.1") -> Ran:
        found = until(lambda: not_running(self.keep.find(name)), 20, "the end of the run")
        assert isinstance(found, Ran), found
        return found


def not_running(found: Ran | Seen) -> Ran | Seen | None:
    return None if found is Seen.RUNNING else found


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


async def test_a_run_goes_on_by_itself_and_is_told_how_it_ended(gate: Gate) -> None:
    assert gate.keep.find("s-1.1") is Seen.ABSENT
    await gate.keep.begin("s-1.1", gate.run())
    until(lambda: gate.keep.read("s-1.1", 0, 100) == b"hello\n", 10, "its first words")
    assert gate.keep.find("s-1.1") is Seen.RUNNING
    gate.open()
    ran = gate.ended()
    assert (ran.code, ran.signal, ran.timed_out, ran.out, ran.out_truncated) == (3, None, False, b"hello\ngot on\n", False)
    assert ran.level == "bubblewrap"
    assert gate.keep.read("s-1.1", 6, 3) == b"got"
    assert gate.keep.read("s-1.1", -3, 100) == b"on\n"
    assert gate.keep.read("s-1.1", 99, 100) == b""


async def test_a_name_is_begun_once(gate: Gate) -> None:
    await asyncio.gather(*(gate.keep.begin("s-1.1", gate.run()) for _ in range(5)))
    gate.open()
    gate.ended()
    await gate.keep.begin("s-1.1", gate.run())
    assert gate.count() == 1


BEGIN = textwrap.dedent("""
    import asyncio, os, sys
    from pathlib import Path
    from flyball.backends.sandbox import BwrapBox
    from flyball.backends.sandbox.keep import Keep
    from flyball.model.box import Mount, Run
    home, script = sys.argv[1:]
    mounts = (Mount(home, home, write=True),)
    run = Run(("/bin/sh", "-c", script, home), mounts=mounts, timeout_s=60.0, write=True)
    asyncio.run(Keep(BwrapBox(), Path(home).parent / "runs", lambda: True).begin("s-1.1", run))
    print("begun", flush=True)
    sys.stdin.read()
""")


def test_a_run_outlives_the_process_that_began_it(gate: Gate) -> None:
    argv = [sys.executable, "-c", BEGIN, str(gate.home), WAITS]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PYTHONPATH": os.pathsep.join(sys.path)}) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"begun\n"
        server.kill()
        server.wait(10)
    assert gate.keep.find("s-1.1") is Seen.RUNNING
    gate.open("after")
    assert gate.ended().out.endswith(b"got after\n")


async def test_a_run_that_is_called_off_is_dead(gate: Gate) -> None:
    await gate.keep.begin("s-1.1", gate.run("echo begun >> $0/log; (sleep 1000 &) ; exec sleep 1000"))
    until(gate.count, 10, "its beginning")
    await gate.keep.end("s-1.1")
    ran = gate.keep.find("s-1.1")
    assert isinstance(ran, Ran)
    assert (ran.code, ran.signal, ran.timed_out) == (None, signal.SIGTERM, False)
    await gate.keep.end("s-1.1")
    await gate.keep.end("s-1.none")


async def test_a_server_that_stands_still_right_after_the_start_holds_no_lock(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    wait, held = subprocess.Popen.wait, []

    def stalled(popen: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        held.extend(one for one in Path("/proc/self/fd").iterdir() if os.path.realpath(one) == str(gate.runs / "s-1.1" / "lock"))
        return wait(popen, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", stalled)
    await gate.keep.begin("s-1.1", gate.run())
    assert held == []
    assert gate.keep.find("s-1.1") is Seen.RUNNING
    await gate.keep.end("s-1.1")


async def test_a_run_is_ended_by_hand_while_its_server_stands_still_with_the_lock(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    flock, held = fcntl.flock, []

    def shared(fd: int, how: int) -> None:
        flock(fd, how)
        if how == fcntl.LOCK_EX:
            held.append(os.dup(fd))

    monkeypatch.setattr(fcntl, "flock", shared)
    await gate.keep.begin("s-1.1", gate.run())
    try:
        assert going(gate.runs) == ["s-1.1"]
        assert await end_by_hand(gate.runs, "s-1.1")
        assert going(gate.runs) == ["s-1.1"], "the lock was free: this test shows nothing"
        assert await end_by_hand(gate.runs, "s-1.1"), "one that has ended is no fault"
    finally:
        os.close(*held)
    assert gate.ended().signal == signal.SIGTERM


async def test_the_time_limit_needs_no_server(gate: Gate) -> None:
    await gate.keep.begin("s-1.1", gate.run("exec >&- 2>&-; exec sleep 1000", timeout_s=0.3))
    ran = gate.ended()
    assert (ran.code, ran.signal, ran.timed_out) == (None, signal.SIGKILL, True)


async def test_output_is_bounded(gate: Gate) -> None:
    await gate.keep.begin("s-1.1", gate.run("head -c 3000000 /dev/zero; echo end", max_output=1000))
    ran = gate.ended()
    assert (ran.code, len(ran.out), ran.out_truncated) == (0, 1000, True)
    assert len(gate.keep.read("s-1.1", 0, 10_000)) == 1000


async def test_nobody_guesses_about_a_runner_that_was_killed(gate: Gate) -> None:
    await gate.keep.begin("s-1.1", gate.run())
    until(gate.count, 10, "its beginning")
    os.kill(int((gate.runs / "s-1.1" / "began").read_text()), signal.SIGKILL)
    found = until(lambda: not_running(gate.keep.find("s-1.1")), 10, "the end of the runner")
    assert found is Seen.UNSURE


async def test_a_server_that_died_between_folder_and_runner_began_nothing(gate: Gate) -> None:
    (gate.runs / "s-1.1").mkdir(parents=True)
    assert gate.keep.find("s-1.1") is Seen.ABSENT
    (gate.runs / "s-1.1" / "lock").touch()
    assert gate.keep.find("s-1.1") is Seen.ABSENT


async def test_a_box_that_cannot_be_set_up_began_nothing(gate: Gate) -> None:
    await gate.keep.begin("s-1.1", gate.run(cwd="/nowhere"))
    assert until(lambda: not_running(gate.keep.find("s-1.1")), 10, "its end") is Seen.ABSENT


async def test_what_may_not_run_is_refused_before_a_folder_is_made(gate: Gate) -> None:
    aside = Keep(BwrapBox(), gate.runs, lambda: False)
    for keep in (aside, Keep(LandlockBox(), gate.runs, lambda: True), Keep(RefusingBox(()), gate.runs, lambda: True)):
        with pytest.raises(BoxRefused):
            await keep.begin("s-1.1", gate.run())
    for call in (aside.run(gate.run("true")), aside.end("s-1.1")):
        with pytest.raises(BoxRefused) as refused:
            await call
        assert refused.value.why == "another server has taken this state over"
    for name in ("..", "a/b", "", ".x"):
        with pytest.raises(BoxRefused, match="names no run"):
            await gate.keep.begin(name, gate.run())
    assert not gate.runs.exists()


async def test_old_runs_are_removed_and_young_ones_kept(gate: Gate) -> None:
    for name in ("old", "young", "last"):
        if name == "last":
            until(lambda: not _locked(gate.runs / "old"), 10, "the end of the old run's runner")
            long_ago = (gate.runs / "old" / "end").stat().st_mtime - KEPT_S - 100
            os.utime(gate.runs / "old" / "end", (long_ago, long_ago))
        await gate.keep.begin(name, gate.run("true"))
        gate.ended(name)
    assert sorted(place.name for place in gate.runs.iterdir()) == ["last", "young"]


async def test_a_clock_that_jumps_forgets_no_end_that_was_not_told(gate: Gate) -> None:
    await gate.keep.begin("old", gate.run("true"))
    until(lambda: not _locked(gate.runs / "old"), 10, "the end of the old run's runner")
    long_ago = (gate.runs / "old" / "end").stat().st_mtime - KEPT_S - 100
    os.utime(gate.runs / "old" / "end", (long_ago, long_ago))
    await gate.keep.begin("next", gate.run("true"))
    assert gate.ended("old").code == 0
    await gate.keep.begin("last", gate.run("true"))
    assert sorted(place.name for place in gate.runs.iterdir()) == ["last", "next"]


async def test_the_program_is_given_no_lock_and_no_descriptor(gate: Gate) -> None:
    await gate.keep.begin("s-1.1", gate.run("ls /proc/self/fd | wc -l; env | cut -d= -f1 | sort | tr '\\n' ' '"))
    lines = gate.ended().out.decode().splitlines()
    assert int(lines[0]) <= 4  # 0, 1, 2 and the folder that ls reads
    assert set(lines[1].split()) <= {"LANG", "PATH", "PWD", "SHLVL", "_", "OLDPWD"}
