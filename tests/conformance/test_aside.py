"""Policies that are loaded aside: a process of its own does the work, and whatever becomes of it, the set that runs goes on."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import flyball
from flyball.backends import policy_aside, policy_native
from flyball.backends.bundle import Bundle, Seal, make
from flyball.backends.policy_answer import PolicyError
from flyball.backends.policy_aside import Aside, Wanted
from flyball.backends.policy_native import NativePolicy
from flyball.backends.policy_shelf import Place, Shelf
from flyball.errors import BadInput, NotReady
from live import until

SHIPPED = Path(flyball.__file__).parent / "defaults" / "policies"
BASE: Any = yaml.safe_load((SHIPPED / "cases" / "base.yaml").read_text())["base"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "policies"))


@pytest.fixture
async def shelf(folder: Path) -> AsyncIterator[Shelf]:
    made = Shelf(Place(folder=folder), policy_native.load(folder), None, lambda: 0.0)
    yield made
    made.close()


def edit(folder: Path, text: str = "# nothing more") -> None:
    (folder / "own.rego").write_text(f"package flyball\n\nimport rego.v1\n\n{text}\n")


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()]


def is_begun(pid: int) -> bool:
    """Whether a process is the one that loads, and not yet what it is started from."""
    return b"-c" in Path(f"/proc/{pid}/cmdline").read_bytes()


def is_tied(pid: int) -> bool:
    """Whether the process has come so far that it gives way: it has tied itself to the server right after."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[16] == "10"


def is_gone(pid: int) -> bool:
    path = Path(f"/proc/{pid}/stat")
    return not path.exists() or path.read_text().rpartition(")")[2].split()[0] == "Z"


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def files_of(pid: int | str) -> list[str]:
    return [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()]


async def child() -> int:
    """Wait for the process that loads."""
    for _ in range(2_000):
        if found := [pid for pid in children() if is_begun(pid)]:
            return found[0]
        await asyncio.sleep(0.005)
    raise AssertionError("no process came")


async def test_what_is_loaded_aside_is_what_is_loaded_here(folder: Path) -> None:
    here = policy_native.gated(policy_native.read(folder))
    found = await Aside().load(Wanted(folder=folder))
    assert found is not None
    assert (found.folder.digest, found.count, found.engine.digest) == (here.folder.digest, here.count, here.engine.digest)
    assert (found.folder.modules, found.folder.data) == (here.folder.modules, here.folder.data)
    assert (found.engine.limits, found.engine.entrypoints) == (here.engine.limits, here.engine.entrypoints)
    with_cases = policy_native.Loaded(here.folder, found.engine, found.count)
    assert [one for one in policy_native.run_cases(with_cases) if not one.passed] == []
    assert await Aside().load(Wanted(folder=folder, runs=here.folder.digest)) is None


async def test_a_bundle_is_read_and_verified_aside(folder: Path) -> None:
    seal = Seal("HS256", b"a secret of some length")
    held = policy_native.read(folder)
    raw = make(Bundle(held.modules, held.data, "r", ("flyball",)), seal)
    found = await Aside().load(Wanted(folder=folder, bundle=raw, seal=seal))
    assert found is not None
    assert NativePolicy(found).ask(BASE).effect == "allow"
    with pytest.raises(BadInput, match="the bundle's signature does not count"):
        await Aside().load(Wanted(folder=folder, bundle=raw, seal=Seal("HS256", b"another secret of some length")))


async def test_decisions_go_on_while_a_set_is_loaded(shelf: Shelf, folder: Path) -> None:
    before, seen, asked = shelf.native.digest, set(), 0
    edit(folder)
    loading = asyncio.create_task(shelf.reload("test"))
    while not loading.done():
        answer = shelf.native.ask(BASE)
        seen.add((answer.effect, answer.rule))
        asked += 1
        await asyncio.sleep(0.001)
    assert (await loading)["changed"] is True
    assert shelf.native.digest != before
    assert seen == {("allow", "zone.yellow")}
    assert asked > 10
    assert shelf.native.ask(BASE).effect == "allow"


async def test_every_mistake_is_told_as_it_is_here(shelf: Shelf, folder: Path) -> None:
    before = shelf.native.digest
    edit(folder, "yellow contains nobody\n\nzone := y")
    with pytest.raises(PolicyError) as here:
        policy_native.load(folder)
    with pytest.raises(PolicyError) as aside:
        await shelf.reload("test")
    assert aside.value.lines() == here.value.lines()
    assert aside.value.shown == here.value.shown
    assert len(aside.value.shown) > 1
    assert (shelf.native.digest, shelf.native.ask(BASE).effect) == (before, "allow")


async def test_a_process_that_dies_is_told_and_the_set_that_runs_goes_on(shelf: Shelf, folder: Path) -> None:
    before = shelf.native.digest
    edit(folder)
    loading = asyncio.create_task(shelf.reload("test"))
    os.kill(await child(), signal.SIGKILL)
    with pytest.raises(NotReady) as told:
        await loading
    assert told.value.lines() == (
        "the policies were not loaded again\nwhy: the process that loads them failed: ended by signal 9: it said nothing\n"
        "next: the policies that ran before still run: load them again, or start the server anew"
    )
    assert (shelf.native.digest, shelf.native.ask(BASE).effect) == (before, "allow")
    assert (await shelf.reload("test"))["changed"] is True


async def test_a_process_that_takes_too_long_is_ended(shelf: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_aside, "LIMIT_S", 0.05)
    edit(folder)
    with pytest.raises(NotReady) as told:
        await shelf.reload("test")
    assert told.value.why == "the process that loads them failed: it took longer than 0.05 s"
    assert children() == []


@pytest.mark.parametrize(("limit", "why"), [("RLIMIT_AS", "emory"), ("RLIMIT_FSIZE", "File too large")])
async def test_a_process_has_limits(shelf: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch, limit: str, why: str) -> None:
    import resource

    most = {"RLIMIT_AS": 1, "RLIMIT_FSIZE": 100_000}[limit]
    monkeypatch.setitem(policy_aside.LIMITS_OF_CHILD, getattr(resource, limit), most)
    edit(folder)
    with pytest.raises(NotReady) as told:
        await shelf.reload("test")
    assert why in f"{told.value.what}: {told.value.why}"  # where the memory ends first decides who tells of it
    assert shelf.native.ask(BASE).effect == "allow"


async def test_a_program_that_was_changed_on_the_disk_is_not_believed(shelf: Shelf, folder: Path) -> None:
    shelf._aside._print = b"of an older version"
    edit(folder)
    with pytest.raises(NotReady) as told:
        await shelf.reload("test")
    assert told.value.why == "the program on the disk is not the one that this server runs"


async def test_two_that_want_it_at_the_same_time_wait_for_each_other(shelf: Shelf, folder: Path) -> None:
    edit(folder)
    both = [asyncio.create_task(shelf.reload(name)) for name in ("one", "two")]
    most = 0
    while not all(one.done() for one in both):
        most = max(most, len(children()))
        await asyncio.sleep(0.005)
    assert [one.result()["changed"] for one in both] == [True, False]
    assert most == 1


async def test_a_reload_that_is_called_off_leaves_nothing_behind(shelf: Shelf, folder: Path) -> None:
    before = len(files_of("self"))
    for _ in range(2):
        loading = asyncio.create_task(shelf.reload("test"))
        edit(folder)
        await child()
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        assert children() == []
    assert (await shelf.reload("test"))["changed"] is True
    assert len(files_of("self")) == before


async def test_the_process_is_given_nothing_but_its_orders(shelf: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYBALL_SECRET", "s-1")
    with (folder / "data.yaml").open("rb") as held:
        os.set_inheritable(held.fileno(), True)
        edit(folder)
        loading = asyncio.create_task(shelf.reload("test"))
        pid = await child()
        assert environment_of(pid) == b""
        assert not [name for name in files_of(pid) if name.startswith("socket") or name.endswith("data.yaml")]
        await loading


BEGIN = """
import asyncio, sys
from pathlib import Path
from flyball.backends.policy_aside import Aside, Wanted
async def main():
    loading = asyncio.create_task(Aside().load(Wanted(folder=Path(sys.argv[1]))))
    me = Path(f"/proc/self/task/{__import__('os').getpid()}/children")
    while not (found := me.read_text().split()):
        await asyncio.sleep(0.001)
    print(found[0], flush=True)
    await loading
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_the_process_ends_with_the_server(folder: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", BEGIN, str(folder)], stdout=subprocess.PIPE, env=env) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        try:
            until(lambda: is_tied(pid), 10, "the process that loads")
            os.kill(pid, signal.SIGSTOP)  # it does not end by itself
            server.kill()
            until(lambda: is_gone(pid), 10, "its end")
        finally:
            server.kill()
            if not is_gone(pid):
                os.kill(pid, signal.SIGKILL)
