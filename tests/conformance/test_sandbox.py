"""What a boxed program can and cannot do, with the real bubblewrap, the real kernel and real children."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import psutil
import pytest
import uvloop

from flyball.backends.sandbox import BoxRefused, BwrapBox, LandlockBox, RefusingBox, choose, findings, probe, seccomp
from flyball.backends.sandbox import select as selection
from flyball.backends.sandbox.launch import abi
from flyball.backends.sandbox.probe import ROWS, interpreter
from flyball.model.box import Level, Mount, Net, Ran, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SRC = str(Path(__file__).parents[2] / "src")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
_marks = count(os.getpid() * 100)


def lacking(what: str) -> NoReturn:
    """Skip with the reason; on the build server a missing part is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture
def bwrap() -> BwrapBox:
    if shutil.which("bwrap") is None:
        lacking("bubblewrap is not installed")
    return BwrapBox()


@pytest.fixture
def landlock() -> LandlockBox:
    if abi() == 0:
        lacking("Landlock is not switched on")
    return LandlockBox()


@pytest.fixture(params=["bwrap", "landlock"])
def box(request: pytest.FixtureRequest) -> BwrapBox | LandlockBox:
    chosen: BwrapBox | LandlockBox = request.getfixturevalue(request.param)
    return chosen


def mark() -> str:
    """Give a number of seconds that no other sleep on this machine has."""
    return f"{30 + next(_marks)}.25"


def alive(word: str) -> list[int]:
    """Find the living processes, other than this one, with `word` among their arguments."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.info["pid"] != os.getpid() and process.info["status"] != psutil.STATUS_ZOMBIE and words[-1:] == [word]:
            found.append(process.info["pid"])
    return found


async def until(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


@contextmanager
def started(*argv: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process of the host and see to its end."""
    with subprocess.Popen(argv, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def zombies() -> list[int]:
    return [c.pid for c in psutil.Process().children() if c.status() == psutil.STATUS_ZOMBIE]


class Naked:
    """No isolation at all: what the probe must find fault with, row by row."""

    level = Level.BWRAP

    def __init__(self, path: str = "") -> None:
        self.path = path

    async def run(self, run: Run) -> Ran:
        fd = os.open("/dev/null", os.O_RDONLY)
        try:
            child = await asyncio.create_subprocess_exec(
                *run.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=(fd,)
            )
        finally:
            os.close(fd)
        out, err = await child.communicate(run.stdin)
        return Ran(child.returncode, None, out, err, False, False, 0.0, self.level, False)


# --- the probe -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", list(ROWS))
async def test_a_program_inside_is_held(box: BwrapBox | LandlockBox, row: str) -> None:
    assert (await probe(box))[row] == ""


@pytest.mark.parametrize("row", [row for row in ROWS if row != "limits"])
async def test_a_program_that_writes_is_held_as_well(bwrap: BwrapBox, row: str) -> None:
    assert (await probe(bwrap, write=True))[row] == ""


async def test_the_probe_sees_every_hole_of_a_box_without_walls() -> None:
    holes = {row for row, did in (await probe(Naked())).items() if did}
    # A host may forbid these two to everyone.
    assert set(ROWS) - {"namespace", "privileges"} <= holes


async def test_a_level_that_leaks_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "BwrapBox", Naked)
    chosen = await choose((Level.BWRAP,))
    assert isinstance(chosen, RefusingBox)
    with pytest.raises(BoxRefused) as refused:
        await chosen.run(Run(argv=("id",)))
    assert "bubblewrap: a program inside could" in refused.value.why
    assert "read a file of the host that was not mounted (read 7 bytes of" in refused.value.why


# --- what runs, and how it is told ---------------------------------------------------------------------------------


async def test_output_code_and_level_come_back(box: BwrapBox | LandlockBox) -> None:
    ran = await box.run(Run(argv=("sh", "-c", "echo out; echo err >&2; exit 7")))
    assert (ran.code, ran.signal, ran.out, ran.err) == (7, None, b"out\n", b"err\n")
    assert (ran.level, ran.timed_out, ran.out_truncated, ran.err_truncated) == (box.level, False, False, False)


async def test_a_signal_is_told_as_a_signal(bwrap: BwrapBox) -> None:
    ran = await bwrap.run(Run(argv=("sh", "-c", "kill -TERM $$")))
    assert (ran.code, ran.signal, ran.timed_out) == (None, signal.SIGTERM, False)


async def test_stdin_arrives_whole(box: BwrapBox | LandlockBox) -> None:
    body = os.urandom(3_000_000)
    ran = await box.run(Run(argv=("sha256sum",), stdin=body))
    assert ran.out.split()[0].decode() == hashlib.sha256(body).hexdigest()
    assert (await box.run(Run(argv=("wc", "-c")))).out.strip() == b"0"


async def test_shell_characters_stay_literal(box: BwrapBox | LandlockBox) -> None:
    words = ("$(id)", "`id`", "; rm -rf /", "a && b | c > d", "*", "$HOME", "-n", "--", "new\nline", "'\"\\")
    ran = await box.run(Run(argv=("printf", "%s\\0", *words)))
    assert ran.out.decode().split("\0")[:-1] == list(words)


async def test_mounts_show_what_they_say_and_nothing_else(bwrap: BwrapBox, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("seen ")
    script = "cat /data/a; echo x > /data/b; ls /"
    ran = await bwrap.run(Run(argv=("sh", "-c", script), mounts=(Mount(str(tmp_path), "/data"),), cwd="/data"))
    seen, *folders = ran.out.decode().split()
    assert seen == "seen"
    assert not (tmp_path / "b").exists()
    usual = {"bin", "data", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "tmp", "usr"}
    assert {"data", "usr", "proc"} <= set(folders) <= usual


async def test_a_write_mount_is_written_as_the_server(bwrap: BwrapBox, tmp_path: Path) -> None:
    run = Run(argv=("sh", "-c", "echo new > /data/f"), mounts=(Mount(str(tmp_path), "/data", write=True),), write=True)
    assert (await bwrap.run(run)).code == 0
    assert (tmp_path / "f").read_text() == "new\n"
    assert (tmp_path / "f").stat().st_uid == os.getuid()


async def test_a_run_that_reads_reaches_what_only_the_server_may(bwrap: BwrapBox, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    (folder / "secret").write_text("seen")
    (folder / "secret").chmod(0o600)
    python, needed = interpreter()
    mounts = (Mount(str(folder), "/data"), *needed)
    script = "test -r /data/secret && cat /data/secret; echo x >> /data/secret; touch /data/new; rm /data/secret"
    assert (await bwrap.run(Run(argv=("sh", "-c", script), mounts=mounts))).out == b"seen"
    assert (folder / "secret").read_text() == "seen"
    assert not (folder / "new").exists()
    server = await asyncio.start_unix_server(lambda _, writer: writer.close(), folder / "control")
    (folder / "control").chmod(0o600)
    # os.access asks for the real user, which a capability without more does not convince.
    connect = "import os, socket; socket.socket(socket.AF_UNIX).connect('/data/control'); assert os.access('/data/secret', 4)"
    async with server:
        ran = await bwrap.run(Run(argv=(python, "-I", "-S", "-c", connect), mounts=mounts))
        assert (ran.code, ran.err) == (0, b"")


@pytest.mark.parametrize("write", [False, True])
async def test_the_kernels_settings_are_read_only(bwrap: BwrapBox, write: bool) -> None:
    script = "echo 1 > /proc/self/oom_score_adj; echo x > /proc/sys/kernel/hostname"
    for host_pids in (False, True):
        ran = await bwrap.run(Run(argv=("sh", "-c", script), write=write, host_pids=host_pids))
        assert ran.err.count(b"Read-only file system") == 2


async def test_a_code_that_no_signal_explains_stays_a_code(box: BwrapBox | LandlockBox) -> None:
    for code in (126, 128, 129, 130, 200, 255):
        ran = await box.run(Run(argv=("sh", "-c", f"exit {code}")))
        assert (ran.code, ran.signal) == (code, None)


async def test_a_program_whose_interpreter_is_missing_gives_the_shells_code(box: BwrapBox | LandlockBox, tmp_path: Path) -> None:
    (tmp_path / "junk").write_text("#!/flyball-none\n")
    (tmp_path / "junk").chmod(0o755)
    ran = await box.run(Run(argv=(str(tmp_path / "junk"),), mounts=(Mount(str(tmp_path), str(tmp_path)),)))
    assert ran.code == 127
    assert b"failed to execute" in ran.err
    assert b"Traceback" not in ran.err


async def test_a_program_may_reopen_its_own_output(bwrap: BwrapBox) -> None:
    ran = await bwrap.run(Run(argv=("sh", "-c", "cat /dev/stdin > /dev/stdout; echo e > /dev/stderr"), stdin=b"in"))
    assert (ran.out, ran.err) == (b"in", b"e\n")


async def test_no_run_holds_capabilities_beyond_its_need(bwrap: BwrapBox, tmp_path: Path) -> None:
    override, read_all, kill = 1 << 1, 1 << 2, 1 << 5  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_KILL
    shown = (Mount(str(tmp_path), "/data"),)
    mounts = (Mount(str(tmp_path), "/data", write=True),)
    argv = ("grep", "CapEff", "/proc/self/status")
    for run, allowed in (
        (Run(argv=argv), read_all),
        (Run(argv=argv, host_pids=True), read_all),
        (Run(argv=argv, mounts=shown), read_all | override),
        (Run(argv=argv, mounts=mounts), 0),
        (Run(argv=argv, write=True), 0),
        (Run(argv=argv, write=True, host_pids=True), kill),
    ):
        held = int((await bwrap.run(run)).out.split()[1], 16)
        assert held & ~allowed == 0


@pytest.mark.root
async def test_under_root_only_a_run_that_writes_is_root(bwrap: BwrapBox) -> None:
    if os.geteuid() != 0:
        pytest.skip("the server is not root here")
    first, second = [(await bwrap.run(Run(argv=("id", "-u")))).out for _ in range(2)]
    assert b"0" not in {first.strip(), second.strip()}
    assert first != second
    assert (await bwrap.run(Run(argv=("id", "-u"), write=True))).out == b"0\n"


async def test_many_at_once(bwrap: BwrapBox) -> None:
    rans = await asyncio.gather(*(bwrap.run(Run(argv=("echo", str(n)))) for n in range(12)))
    assert [ran.out for ran in rans] == [f"{n}\n".encode() for n in range(12)]
    assert zombies() == []


def test_runs_on_uvloop_too(box: BwrapBox | LandlockBox) -> None:
    ran = uvloop.run(box.run(Run(argv=("echo", "hi"))))
    assert ran.out == b"hi\n"
    slow = uvloop.run(box.run(Run(argv=("sleep", "30"), timeout_s=0.3)))
    assert slow.timed_out
    assert zombies() == []


async def test_no_descriptor_is_left_behind(box: BwrapBox | LandlockBox) -> None:
    await box.run(Run(argv=("true",), stdin=b"x"))
    before = psutil.Process().num_fds()
    for _ in range(3):
        await box.run(Run(argv=("true",), stdin=b"x"))
        await box.run(Run(argv=("sleep", "30"), timeout_s=0.1))
    assert psutil.Process().num_fds() == before


# --- secrets -------------------------------------------------------------------------------------------------------


async def test_the_environment_is_what_the_run_names(box: BwrapBox | LandlockBox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYBALL_PLANTED", "secret-of-the-server")
    ran = await box.run(Run(argv=("env",), env=(("TOKEN", "given"),)))
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert set(ran.out.decode().splitlines()) - {"PWD=/"} == {path, "LANG=C.UTF-8", "TOKEN=given"}


async def test_no_process_inside_shows_another_ones_environment(bwrap: BwrapBox) -> None:
    with started("sleep", mark(), env={"FLYBALL_PLANTED": "secret-of-the-server"}):
        for host_pids in (False, True):
            script = "cat /proc/[0-9]*/environ /proc/self/environ | tr '\\0' '\\n'"
            ran = await bwrap.run(Run(argv=("sh", "-c", script), host_pids=host_pids))
            assert b"secret-of-the-server" not in ran.out
            assert b"PATH=" in ran.out


async def test_host_processes_show_no_environment_files_or_memory_of_the_server(bwrap: BwrapBox) -> None:
    pid = os.getpid()
    script = f"cat /proc/{pid}/environ; (cd /proc/{pid}/root && ls); readlink /proc/{pid}/fd/0; head -c 1 /proc/{pid}/mem"
    for write in (False, True):
        ran = await bwrap.run(Run(argv=("sh", "-c", script), host_pids=True, write=write))
        assert ran.out == b""


async def test_environment_values_do_not_show_in_the_hosts_process_list(box: BwrapBox | LandlockBox) -> None:
    seconds = mark()
    running = asyncio.create_task(box.run(Run(argv=("sleep", seconds), env=(("TOKEN", "planted-token"),), timeout_s=60)))
    assert await until(lambda: bool(alive(seconds)))
    assert not any("planted-token" in " ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_inherited_descriptors_are_closed(box: BwrapBox | LandlockBox, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("planted")
    fd = os.open(tmp_path / "secret", os.O_RDONLY)
    os.set_inheritable(fd, True)
    try:
        ran = await box.run(Run(argv=("bash", "-c", f"cat <&{fd}")))
    finally:
        os.close(fd)
    assert ran.code == 1
    assert ran.out == b""
    assert b"Bad file descriptor" in ran.err


# --- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host_pids", [False, True])
async def test_a_timeout_kills_grandchildren_too(box: BwrapBox | LandlockBox, host_pids: bool) -> None:
    seconds = mark()
    script = f"setsid sleep {seconds} & (sleep {seconds} & ) ; nohup sleep {seconds} & sleep {seconds}"
    began = time.monotonic()
    ran = await box.run(Run(argv=("sh", "-c", script), timeout_s=0.5, host_pids=host_pids))
    assert time.monotonic() - began < 20, "it waited for a grandchild"
    assert (ran.code, ran.signal, ran.timed_out) == (None, signal.SIGKILL, True)
    assert await until(lambda: not alive(seconds))
    assert zombies() == []


@pytest.mark.parametrize("host_pids", [False, True])
async def test_what_stays_behind_at_the_end_is_killed(box: BwrapBox | LandlockBox, host_pids: bool) -> None:
    seconds = mark()
    script = f"sleep {seconds} & (sleep {seconds} &) ; echo done"
    ran = await box.run(Run(argv=("sh", "-c", script), host_pids=host_pids))
    assert (ran.code, ran.out) == (0, b"done\n")
    assert ran.took_s < 20
    assert await until(lambda: not alive(seconds))


@pytest.mark.parametrize("host_pids", [False, True])
async def test_a_cancelled_run_kills_its_children(box: BwrapBox | LandlockBox, host_pids: bool) -> None:
    seconds = mark()
    run = Run(argv=("sh", "-c", f"sleep {seconds} & sleep {seconds}; true"), timeout_s=60, host_pids=host_pids)
    running = asyncio.create_task(box.run(run))
    assert await until(lambda: len(alive(seconds)) == 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await until(lambda: not alive(seconds))
    assert await until(lambda: zombies() == [])


async def test_children_die_with_the_server(box: BwrapBox | LandlockBox) -> None:
    seconds = mark()
    script = (
        "import asyncio\n"
        "from flyball.backends.sandbox import BwrapBox, LandlockBox\n"
        "from flyball.model.box import Run\n"
        f"asyncio.run({type(box).__name__}().run(Run(argv=('sleep', '{seconds}'), timeout_s=60)))\n"
    )
    with started(sys.executable, "-c", script, env={"PYTHONPATH": SRC}) as server:
        assert await until(lambda: bool(alive(seconds)), 10)
        server.kill()
        server.wait()
        assert await until(lambda: not alive(seconds))


async def test_a_flood_is_cut_and_does_not_fill_memory(box: BwrapBox | LandlockBox) -> None:
    script = "head -c 80000000 /dev/zero; head -c 5000 /dev/zero >&2"
    tracemalloc.start()
    try:
        ran = await box.run(Run(argv=("sh", "-c", script), max_output=1000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(ran.out), len(ran.err), ran.out_truncated, ran.err_truncated) == (1000, 1000, True, True)
    assert ran.code == 0
    assert peak < 4_000_000
    exact = await box.run(Run(argv=("head", "-c", "1000", "/dev/zero"), max_output=1000))
    assert (len(exact.out), exact.out_truncated) == (1000, False)


async def test_a_fork_bomb_meets_its_bound(box: BwrapBox | LandlockBox) -> None:
    seconds = mark()
    script = f"i=0; while [ $i -lt 250 ]; do sleep {seconds} & i=$((i+1)); done; echo all"
    ran = await box.run(Run(argv=("sh", "-c", script), processes=20, timeout_s=10))
    assert b"all" not in ran.out
    assert b"fork" in ran.err
    assert await until(lambda: not alive(seconds))


async def test_processor_time_is_limited(box: BwrapBox | LandlockBox) -> None:
    ran = await box.run(Run(argv=("sh", "-c", "while :; do :; done"), cpu_s=1, timeout_s=30))
    assert (ran.code, ran.signal, ran.timed_out) == (None, signal.SIGXCPU, False)


async def test_memory_is_limited(box: BwrapBox | LandlockBox) -> None:
    argv = ("dd", "if=/dev/zero", "of=/dev/null", "bs=300M", "count=1")
    assert (await box.run(Run(argv=argv, memory_bytes=200 << 20))).code == 1
    assert (await box.run(Run(argv=argv, memory_bytes=600 << 20))).code == 0


async def test_files_and_the_temporary_folder_are_limited(bwrap: BwrapBox) -> None:
    one = await bwrap.run(Run(argv=("dd", "if=/dev/zero", "of=/tmp/a", "bs=1M", "count=3"), file_bytes=2 << 20))
    assert one.signal == signal.SIGXFSZ
    script = "for n in 1 2 3; do dd if=/dev/zero of=/tmp/$n bs=1M count=1 || exit 9; done"
    assert (await bwrap.run(Run(argv=("sh", "-c", script), file_bytes=2 << 20))).code == 9


# --- host processes and network ------------------------------------------------------------------------------------


async def test_host_processes_are_seen_and_signalled_only_by_a_run_that_writes(bwrap: BwrapBox) -> None:
    seconds = mark()
    with started("sleep", seconds) as target:
        look = ("ps", "-o", "args=", "-p", str(target.pid))
        assert (await bwrap.run(Run(argv=look, host_pids=True))).out.decode().split() == ["sleep", seconds]
        assert seconds not in (await bwrap.run(Run(argv=look))).out.decode()
        kill = ("sh", "-c", f"kill {target.pid}")
        assert (await bwrap.run(Run(argv=kill, host_pids=True))).code != 0
        assert target.poll() is None
        assert (await bwrap.run(Run(argv=kill, host_pids=True, write=True))).code == 0
        assert target.wait(5) == -signal.SIGTERM


async def test_the_hosts_network_is_there_only_when_asked_for(bwrap: BwrapBox) -> None:
    python, mounts = interpreter()
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    argv = (python, "-I", "-S", "-c", f"import socket; socket.create_connection(('127.0.0.1', {port}), 2).close()")
    async with server:
        assert (await bwrap.run(Run(argv=argv, mounts=mounts, net=Net.HOST))).code == 0
        assert (await bwrap.run(Run(argv=argv, mounts=mounts))).code == 1


# --- the system call filter ----------------------------------------------------------------------------------------

ALLOW, KILL, ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
COLUMN = {"x86_64": 0, "aarch64": 1}


def answer(code: bytes, number: int, arch: int, arguments: tuple[int, ...] = ()) -> int:
    """Run a filter as the kernel would (the instructions it uses) and give its return value."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    place, held = 0, 0
    while True:
        operation, yes, no, value = struct.unpack_from("=HBBI", code, place * 8)
        place += 1
        if operation == 0x06:
            return int(value)
        if operation == 0x20:
            held = struct.unpack_from("=I", data, value)[0]
            continue
        hit = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[operation]
        place += yes if hit else no


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_answers_each_call_as_it_should(machine: str) -> None:
    code, arch, column = seccomp.build(machine=machine), ARCH[machine], COLUMN[machine]
    read, clone, clone3, ioctl, sockets = (pair[column] for pair in ((0, 63), (56, 220), (435, 435), (16, 29), (41, 198)))
    for name, numbers in seccomp.DENIED.items():
        number = numbers[column]
        if number is not None:
            assert answer(code, number, arch) == ERRNO | 1, name
    assert answer(code, read, arch) == ALLOW
    assert answer(code, read, 0x4000_0003) == KILL
    assert answer(code, clone3, arch) == ERRNO | 38
    assert answer(code, clone, arch, (0x0120_0011,)) == ALLOW
    for flag in (0x20000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000, 0x80):
        assert answer(code, clone, arch, (flag | 17,)) == ERRNO | 1
    assert answer(code, ioctl, arch, (0, 0x5412)) == ERRNO | 1
    assert answer(code, ioctl, arch, (0, 0xFFFF_FFFF_0000_5412)) == ERRNO | 1
    assert answer(code, ioctl, arch, (0, 0x5401)) == ALLOW
    for family, allowed in ((1, True), (2, True), (10, True), (16, True), (40, False), (38, False), (17, False)):
        assert (answer(code, sockets, arch, (family,)) == ALLOW) is allowed
    none = seccomp.build(machine=machine, sockets=seccomp.Sockets.NONE, stay=True, signals=False)
    assert answer(none, sockets, arch, (1,)) == ERRNO | 97
    for numbers in (*seccomp.STAY.values(), *seccomp.SIGNALS.values()):
        assert answer(code, numbers[column] or 0, arch) == ALLOW
        assert answer(none, numbers[column] or 0, arch) == ERRNO | 1
    if machine == "x86_64":
        assert answer(code, 0x4000_0000, arch) == KILL


@pytest.mark.parametrize(
    ("column", "header"),
    [(0, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), (1, "/usr/include/asm-generic/unistd.h")],
)
def test_the_numbers_are_the_kernels(column: int, header: str) -> None:
    if not Path(header).is_file():
        pytest.skip(f"{header} is not on this host")
    known = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", Path(header).read_text()))
    checked = 0
    for name, numbers in (seccomp.DENIED | seccomp.STAY | seccomp.SIGNALS).items():
        if numbers[column] is not None and name in known:
            assert known[name] == str(numbers[column]), name
            checked += 1
    assert checked > 40


async def test_the_kernel_refuses_each_call_inside(bwrap: BwrapBox) -> None:
    column = COLUMN[os.uname().machine]
    numbers = {name: pair[column] for name, pair in seccomp.DENIED.items() if pair[column] is not None}
    script = (
        "import ctypes, json, sys\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def call(number):\n"
        "    ctypes.set_errno(0)\n"
        "    return libc.syscall(number, 0, 0, 0, 0, 0), ctypes.get_errno()\n"
        "calls = json.load(sys.stdin)\n"
        "print(json.dumps({name: call(number) for name, number in calls.items()}))\n"
    )
    python, mounts = interpreter()
    calls = json.dumps({**numbers, "clone3": 435}).encode()
    ran = await bwrap.run(Run(argv=(python, "-I", "-S", "-c", script), mounts=mounts, stdin=calls))
    answers = json.loads(ran.out)
    assert answers.pop("clone3") == [-1, 38]
    assert {name for name, told in answers.items() if told != [-1, 1]} == set()


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(BoxRefused, match="no system call filter for riscv64"):
        seccomp.build(machine="riscv64")


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (Run(argv=()), "the argv is empty"),
        (Run(argv=("flyball-no-such",)), "there is no program flyball-no-such in the box"),
        (Run(argv=("/opt/flyball-no-such",)), "there is no program /opt/flyball-no-such in the box"),
        (Run(argv=("id", "a\0b")), "a word holds a null byte, half a character or 128 KiB"),
        (Run(argv=("id", "\ud800")), "a word holds a null byte, half a character or 128 KiB"),
        (Run(argv=("id",), env=(("A=B", "c"),)), "an environment name is empty or holds '='"),
        (Run(argv=("id",), mounts=(Mount("relative", "/x"),)), "relative is not an absolute path"),
        (Run(argv=("id",), mounts=(Mount("/usr", "/a/../../etc"),)), "/a/../../etc is not an absolute path"),
        (Run(argv=("id",), mounts=(Mount("/flyball-none", "/x"),)), "/flyball-none does not exist on this host"),
        (Run(argv=("id",), mounts=(Mount("/", "/"),)), "a mount would replace / of the box"),
        (Run(argv=("id",), mounts=(Mount("/proc", "/proc"),)), "a mount would replace /proc of the box"),
        (Run(argv=("id",), cwd="/flyball-none"), "the box could not be set up: bwrap: Can't chdir to /flyball-none"),
    ],
)
async def test_a_run_that_cannot_be_meant_is_refused(bwrap: BwrapBox, run: Run, why: str) -> None:
    with pytest.raises(BoxRefused) as refused:
        await bwrap.run(run)
    assert why in refused.value.why
    assert refused.value.fix


async def test_landlock_refuses_what_changes_something(landlock: LandlockBox, tmp_path: Path) -> None:
    with pytest.raises(BoxRefused) as refused:
        await landlock.run(Run(argv=("touch", "/tmp/x"), write=True))
    assert refused.value.lines() == (
        "touch was not run\n"
        "why: it is meant to change something, and this host has Landlock only: that level runs what reads\n"
        "next: apt install bubblewrap, then run flyball doctor"
    )
    with pytest.raises(BoxRefused, match="id was not run"):
        await landlock.run(Run(argv=("id",), mounts=(Mount(str(tmp_path), str(tmp_path), write=True),)))


async def test_landlock_shows_a_mount_where_it_lies_and_nowhere_else(landlock: LandlockBox, tmp_path: Path) -> None:
    with pytest.raises(BoxRefused) as refused:
        await landlock.run(Run(argv=("id",), mounts=(Mount(str(tmp_path), "/elsewhere"),)))
    assert refused.value.why == f"Landlock cannot show {tmp_path} as /elsewhere"
    (tmp_path / "a").write_text("seen")
    same = Mount(str(tmp_path), str(tmp_path))
    assert (await landlock.run(Run(argv=("cat", str(tmp_path / "a")), mounts=(same,)))).out == b"seen"
    assert (await landlock.run(Run(argv=("cat", str(tmp_path / "a"))))).code == 1


async def test_without_bubblewrap_the_next_level_is_taken(landlock: LandlockBox) -> None:
    assert (await choose(path="/nonexistent")).level is landlock.level


async def test_without_any_level_every_run_is_refused() -> None:
    chosen = await choose((Level.BWRAP,), path="/nonexistent")
    assert chosen.level is Level.NONE
    with pytest.raises(BoxRefused) as refused:
        await chosen.run(Run(argv=("id",)))
    assert refused.value.lines() == (
        "id was not run: no isolation on this host\nwhy: bubblewrap: bubblewrap (bwrap) is not installed\nnext: apt install bubblewrap"
    )
    nothing = await choose((Level.NONE, Level.SANDLOCK))
    with pytest.raises(BoxRefused) as refused:
        await nothing.run(Run(argv=("id",)))
    assert refused.value.why == "none: this version has no such box; sandlock: this version has no such box"


async def test_a_bubblewrap_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    broken.chmod(0o755)
    chosen = await choose((Level.BWRAP,), path=str(tmp_path))
    with pytest.raises(BoxRefused) as refused:
        await chosen.run(Run(argv=("id",)))
    assert refused.value.why == "bubblewrap: the box could not be set up: bwrap: setting up uid map: Permission denied"
    assert refused.value.fix == "install bubblewrap 0.6 or later, and let this user make user namespaces"


async def test_the_doctor_hears_of_every_level(bwrap: BwrapBox) -> None:
    first, second, who = await findings((Level.BWRAP, Level.SANDLOCK))
    assert (first.check, first.ok, first.fix) == ("bubblewrap", True, "")
    assert (second.check, second.ok) == ("sandlock", False)
    assert who.check == "identity"
    assert (await choose()).level is bwrap.level


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor profile"),
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    ],
)
def test_a_blocked_user_namespace_is_named(tmp_path: Path, name: str, value: str, fix: str) -> None:
    place = tmp_path / name
    place.parent.mkdir()
    place.write_text("7\n")
    assert selection.find_block(tmp_path, euid=1000) is None
    place.write_text(f"{value}\n")
    blocked = selection.find_block(tmp_path, euid=1000)
    assert blocked is not None
    assert fix in blocked[1]
    assert selection.find_block(tmp_path, euid=0) is None


# --- without root --------------------------------------------------------------------------------------------------

AS_NOBODY = """
import asyncio, json, os, subprocess, sys
from flyball.backends.sandbox import BwrapBox, LandlockBox, choose, probe
from flyball.model.box import Mount, Run

async def main(folder):
    told = {"level": (await choose()).level, "uid": os.getuid()}
    for box in (BwrapBox(), LandlockBox()):
        told[box.level] = {row: did for row, did in (await probe(box)).items() if did}
        bomb = "i=0; while [ $i -lt 250 ]; do sleep 8 & i=$((i+1)); done; echo all"
        ran = await box.run(Run(argv=("sh", "-c", bomb), processes=20, timeout_s=8))
        told[box.level + "-bomb"] = b"all" in ran.out or b"fork" not in ran.err
    box = BwrapBox()
    target = subprocess.Popen(["sleep", "60"])
    kill = ("sh", "-c", f"kill {target.pid}")
    told["read-kill"] = (await box.run(Run(argv=kill, host_pids=True))).code
    told["write-kill"] = (await box.run(Run(argv=kill, host_pids=True, write=True))).code
    told["killed"] = target.wait(5)
    run = Run(argv=("touch", "/data/f"), mounts=(Mount(folder, "/data", write=True),), write=True)
    told["touched"] = (await box.run(run)).code
    environ = await box.run(Run(argv=("cat", f"/proc/{os.getpid()}/environ"), host_pids=True, write=True))
    told["environ"] = environ.out.decode()
    print(json.dumps(told))

asyncio.run(main(sys.argv[1]))
"""


def python_for_nobody(env: dict[str, str]) -> str:
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        # setpriv may start a program that nobody could not: it gives up its capabilities only by starting it.
        test = "import os, sys, flyball.backends.sandbox as s; s.probe; sys.exit(not os.access(sys.argv[1], os.X_OK))"
        if subprocess.run([*NOBODY, python, "-c", test, python], env=env, check=False, capture_output=True).returncode == 0:
            return python
    lacking("no Python of this host is readable to nobody")


@pytest.mark.root
def test_the_same_holds_for_a_server_without_root(bwrap: BwrapBox, landlock: LandlockBox) -> None:
    if os.geteuid() != 0:
        pytest.skip("this whole file ran without root already")
    env = {"PYTHONPATH": SRC, "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin", "FLYBALL_PLANTED": "secret"}
    python = python_for_nobody(env)
    folder = Path("/tmp") / f"flyball-nobody-{next(_marks)}"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    try:
        argv = [*NOBODY, python, "-c", AS_NOBODY, str(folder)]
        done = subprocess.run(argv, env=env, check=False, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        assert (folder / "f").stat().st_uid == 65534
    finally:
        shutil.rmtree(folder)
    told = json.loads(done.stdout)
    assert told.pop("read-kill") != 0
    assert told == {
        "level": bwrap.level,
        "uid": 65534,
        bwrap.level: {},
        f"{bwrap.level}-bomb": False,
        landlock.level: {},
        f"{landlock.level}-bomb": False,
        "write-kill": 0,
        "killed": -signal.SIGTERM,
        "touched": 0,
        "environ": "",
    }
