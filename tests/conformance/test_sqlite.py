"""What the files of the SQLite store promise: one server, nothing half written, nothing acknowledged and lost."""

import asyncio
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flyball.backends.store import audit
from flyball.backends.store.sqlite import SqliteStore
from flyball.errors import Fenced, NotReady, StoreFull
from flyball.model.log import Change, Draw, Entry, Put

CHILD = Path(__file__).with_name("storechild.py")


class Child:
    """A server process: see storechild.py."""

    def __init__(self, state: Path) -> None:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=env
        )
        assert self.hear() == "ready"

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, line: str) -> str:
        self.tell(line)
        return self.hear()

    def kill(self) -> list[str]:
        """End it at once; give what it had still said."""
        self.process.kill()
        said, _ = self.process.communicate()
        return [line for line in said.splitlines(keepends=True) if line.endswith("\n")]


@pytest.fixture
def child() -> Iterator[Callable[[Path], Child]]:
    live: list[Child] = []

    def start(state: Path) -> Child:
        live.append(Child(state))
        return live[-1]

    yield start
    for one in live:
        one.kill()


def change(number: int = 0) -> Change:
    return Change(entries=(Entry(name="n", who="agent:x", body={"n": number}),), puts=(Put(table="t", id=str(number), expect=0, body={}),))


async def test_a_second_server_is_refused_and_told_who_has_it(tmp_path: Path, child: Callable[[Path], Child]) -> None:
    first = child(tmp_path)
    with pytest.raises(NotReady) as met:
        SqliteStore.open(tmp_path, now=time.time)
    assert met.value.what == f"another server already uses {tmp_path}"
    assert met.value.why == f"pid {first.process.pid} holds the lock"
    assert "--takeover" in met.value.fix
    first.kill()
    SqliteStore.open(tmp_path, now=time.time).close()


def test_two_stores_of_one_process_are_refused_too(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, now=time.time)
    with pytest.raises(NotReady, match="another server"):
        SqliteStore.open(tmp_path, now=time.time)
    store.close()
    SqliteStore.open(tmp_path, now=time.time).close()


async def test_a_stopped_server_that_wakes_after_a_takeover_writes_nothing(tmp_path: Path, child: Callable[[Path], Child]) -> None:
    stopped = child(tmp_path)
    assert stopped.ask("commit 1") == "0"
    stopped.process.send_signal(signal.SIGSTOP)
    with pytest.raises(NotReady):
        SqliteStore.open(tmp_path, now=time.time)
    store = SqliteStore.open(tmp_path, now=time.time, takeover=True)
    assert await store.commit(change()) == (1,)
    stopped.tell("commit 2")
    stopped.process.send_signal(signal.SIGCONT)
    assert stopped.hear().startswith("Fenced: ")
    assert stopped.ask("commit 3").startswith("Fenced: ")
    assert stopped.ask("close") == "closed"
    assert [one.entry.body["n"] for one in store.entries()] == [1, 0]
    assert await store.commit(change(5)) == (2,)
    with pytest.raises(NotReady, match="another server"):
        SqliteStore.open(tmp_path, now=time.time)
    store.close()
    assert audit.verify(tmp_path).size == 3


async def test_the_server_that_was_taken_over_leaves_the_checkpoint_alone(tmp_path: Path) -> None:
    old = SqliteStore.open(tmp_path, now=time.time)
    await old.commit(change(1))
    new = SqliteStore.open(tmp_path, now=time.time, takeover=True)
    await new.commit(change(2))
    with pytest.raises(Fenced):
        await old.commit(change(3))
    newest = new.checkpoint()
    new.close()
    old._writer._outside.write("an older checkpoint")
    old.close()
    assert (tmp_path / "checkpoint").read_text() == newest


def test_a_takeover_from_a_server_stopped_within_a_write_says_so(tmp_path: Path) -> None:
    SqliteStore.open(tmp_path, now=time.time).close()
    writing = sqlite3.connect(tmp_path / "flyball.db", isolation_level=None)
    writing.execute("BEGIN IMMEDIATE")
    with pytest.raises(NotReady) as met:
        SqliteStore.open(tmp_path, now=time.time, takeover=True)
    assert "locked" in met.value.why
    assert "end that process" in met.value.fix
    writing.close()
    SqliteStore.open(tmp_path, now=time.time).close()


@pytest.mark.parametrize("trial", range(3))
async def test_kill_in_the_middle_of_a_stream_loses_nothing_acknowledged(
    tmp_path: Path, child: Callable[[Path], Child], trial: int
) -> None:
    one = child(tmp_path)
    one.tell("stream")
    said = [one.hear() for _ in range(150 + 100 * trial)] + one.kill()
    store = SqliteStore.open(tmp_path, now=time.time)
    there = {entry.index: entry.entry.body["n"] for entry in store.entries(limit=100_000)}
    for line in said:
        index, number = line.split()
        assert there[int(index)] == int(number)
        assert store.find("action", f"a-{number}") is not None
    assert store.counter("m") == (0, len(there))
    assert store.count("action") == len(there) == store.size()
    assert await store.commit(change()) == (len(there),)
    store.close()
    assert audit.verify(tmp_path).ok


def test_a_file_that_may_not_grow_refuses_everything_until_it_may_again(tmp_path: Path, child: Callable[[Path], Child]) -> None:
    one = child(tmp_path)
    assert one.ask("commit 0") == "0"
    assert one.ask("limit 200000") == "ok"
    answers = [one.ask(f"commit {number}") for number in range(1, 60)]
    full = [number for number, answer in enumerate(answers, 1) if not answer.isdigit()]
    assert full
    assert all(answers[number - 1].startswith("StoreFull: nothing was written") for number in full)
    assert one.ask("limit 0") == "ok"
    written = 60 - len(full)
    assert one.ask(f"commit {full[0]}") == str(written)
    assert one.ask("close") == "closed"
    assert audit.verify(tmp_path).ok
    store = SqliteStore.open(tmp_path, now=time.time)
    assert store.size() == store.count("action") == store.counter("m")[1] == written + 1
    store.close()


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    place = tmp_path / "tiny"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.root
async def test_a_full_disk_refuses_whole_batches_and_frees_up_again(tiny: Path) -> None:
    ballast = tiny / "ballast"
    store = SqliteStore.open(tiny / "state", now=time.time)
    await store.commit(change(0))
    free = shutil.disk_usage(tiny).free
    ballast.write_bytes(b"x" * (free - 100_000))
    fill = {"fill": "y" * 4000}

    def big(number: int) -> Change:
        return Change(
            entries=(Entry(name="n", who="w", body=fill),),
            puts=(Put(table="t", id=f"b{number}", expect=0, body=fill), Put(table="t", id="one", expect=number, body={})),
            draws=(Draw(account="m", amount=1, cap=100),),
        )

    answers = await asyncio.gather(*(store.commit(big(number)) for number in range(40)), return_exceptions=True)
    assert all(isinstance(answer, StoreFull) for answer in answers)
    assert "full" in str(answers[0])
    assert (store.size(), store.count("t"), store.counter("m")) == (1, 1, (0, 0))
    ballast.unlink()
    assert await asyncio.gather(*(store.commit(big(number)) for number in range(40))) == [(at,) for at in range(1, 41)]
    assert store.counter("m") == (0, 40)
    store.close()
    assert audit.verify(tiny / "state").ok


async def test_a_clock_behind_the_log_is_refused_unless_accepted(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, now=lambda: 2000.0)
    await store.commit(change(1))
    store.close()
    with pytest.raises(NotReady) as met:
        SqliteStore.open(tmp_path, now=lambda: 1990.0)
    assert met.value.what == "the clock is 10 s behind the log"
    SqliteStore.open(tmp_path, now=lambda: 1996.0).close()
    store = SqliteStore.open(tmp_path, now=lambda: 1000.0, accept=("clock",))
    await store.commit(change(2))
    assert [one.at for one in store.entries()] == [2000.0, 2000.0]
    store.close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    SqliteStore.open(tmp_path, now=time.time).close()
    conn = sqlite3.connect(tmp_path / "flyball.db")
    conn.execute("PRAGMA user_version = 99")
    conn.close()
    before = (tmp_path / "flyball.db").read_bytes()
    with pytest.raises(NotReady) as met:
        SqliteStore.open(tmp_path, now=time.time)
    assert "newer Flyball" in met.value.what
    assert "version 99" in met.value.why
    assert (tmp_path / "flyball.db").read_bytes() == before
    with pytest.raises(NotReady):
        audit.verify(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flyball.db").write_bytes(b"this is not a database, whatever it says" * 100)
    with pytest.raises(NotReady, match="cannot be opened") as met:
        SqliteStore.open(tmp_path, now=time.time)
    assert "not a database" in met.value.why


def test_a_folder_that_cannot_be_written_is_told_in_three_lines(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotReady) as met:
        SqliteStore.open(tmp_path / "file" / "state", now=time.time)
    assert met.value.lines().count("\n") == 2
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o555)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)  # root may write everywhere
    try:
        with pytest.raises(NotReady) as met:
            SqliteStore.open(shut, now=time.time)
    finally:
        os.seteuid(was)
    assert met.value.what == f"the state folder {shut} cannot be used"
    assert "Permission denied" in met.value.why


def test_the_files_are_for_the_owner_only(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "state", now=time.time)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    store.close()
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert {name for name, mode in modes.items() if mode & 0o077} == {"log.vkey", "checkpoint"}


async def test_no_read_by_session_action_or_due_time_scans_a_table(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, now=time.time)
    asked: list[str] = []
    store._files.reading.set_trace_callback(asked.append)
    store.entries(session="s-1")
    store.entries(action="s-1.2")
    store.entries(action="s-1.2", session="s-1", name="x")
    store.entries(after=5)
    store.rows("approval", state="waiting", due_by=5.0)
    store.rows("approval", session="s-1")
    store.rows("approval", due_by=5.0)
    store.count("approval", "waiting")
    store.find("approval", "a")
    store.size()
    store._files.reading.set_trace_callback(None)
    asked.remove("BEGIN")  # one snapshot for all of them
    assert len(asked) == 10
    for sql in asked:
        plan = [line[3] for line in store._files.reading.execute(f"EXPLAIN QUERY PLAN {sql}")]
        assert not [line for line in plan if line.startswith("SCAN") and "SUBQUERY" not in line], (sql, plan)
    store.close()
