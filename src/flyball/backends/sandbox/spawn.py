"""Starts one process, reads what it says up to a cap, and sees to it that nothing of it stays. Called by the levels.

No thread and no SIGCHLD handler is involved: a pidfd tells the event loop when the process has ended, whichever loop it is.
Limits are not set by a `preexec_fn` (Python code between fork and exec can deadlock in a process with threads) and not
from outside after the start (that races with the program); the started argv sets them itself before it becomes the program.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import signal
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from flyball.errors import NotReady
from flyball.model.box import Net, Ran

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flyball.model.box import Level, Run

GRACE_S = 0.5  # between the end of the process and the end of its pipes
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What of the host's file system is always in a box, read-only.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki/tls/certs",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
)
_ETC_NET = ("/etc/hosts", "/etc/resolv.conf", "/etc/services", "/etc/gai.conf")
_FIRST_UID, _UIDS = 1_879_048_192, 65_536  # above every range that systemd's UIDS-GIDS page hands out
_CHUNK = 65_536
_NOTE_CAP = 4_096
_MAX_WORD = 131_072  # the kernel's limit for one argument
_CHILD = re.compile(rb'"child-pid":\s*(\d+)')


_spare = count(os.getpid() * 64)


class BoxRefused(NotReady):
    """This box may not run it, or the program is not in it. Nothing was started."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the first process ended. `status` is negative where a signal ended it, None where the time was up."""

    status: int | None
    out: bytes
    err: bytes
    out_truncated: bool
    err_truncated: bool
    note: bytes
    took_s: float


class Tap:
    """One pipe, read to its end; the first `cap` bytes are kept and the rest is thrown away unread by anyone."""

    def __init__(self, cap: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._cap = cap
        self._source, self.sink = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._source, False)
        self.kept = bytearray()
        self.truncated = False
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._source, self._read)

    def _read(self) -> None:
        try:
            chunk = os.read(self._source, _CHUNK)
        except BlockingIOError:
            return
        if chunk:
            room = self._cap - len(self.kept)
            self.kept += chunk[:room]
            self.truncated = self.truncated or len(chunk) > room
            return
        self._loop.remove_reader(self._source)
        if not self.ended.done():
            self.ended.set_result(None)

    def close_sink(self) -> None:
        """Let go of the writing end, which the process has its own copy of."""
        if self.sink >= 0:
            os.close(self.sink)
            self.sink = -1

    def close(self) -> None:
        """Stop reading."""
        self.close_sink()
        self._loop.remove_reader(self._source)
        os.close(self._source)
        self.ended.cancel()


@dataclass(frozen=True, slots=True)
class Start:
    """How a level starts a run: a host argv and the file descriptors that it names; `spawn` closes them.

    `owner` is the uid that the program runs as where that is not the server's, so that it may reopen its own output.
    What the first process says about the run goes to the note; with `note_group` it names the leader of a second process group.
    """

    argv: tuple[str, ...]
    fds: tuple[int, ...] = ()
    owner: int | None = None
    note_group: bool = False


def memory_file(content: bytes) -> int:
    """Give a descriptor of an unnamed file with `content`, at its beginning. The caller closes it."""
    fd = os.memfd_create("flyball", os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


@lru_cache(maxsize=1)
def owns_all_uids() -> bool:
    """Tell whether this is root with every uid to give: false for the root of a rootless container."""
    if os.geteuid() != 0:
        return False
    for line in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines():
        inside, _, length = (int(word) for word in line.split())
        if inside <= _FIRST_UID and inside + length >= _FIRST_UID + _UIDS:
            return True
    return False


def find_spare_uid() -> int | None:
    """Give a uid that nobody has, for one run, where this is root; else None: the run has the server's own.

    Not root, because the kernel exempts root from RLIMIT_NPROC; not one for all, because it counts by uid.
    """
    return _FIRST_UID + next(_spare) % _UIDS if owns_all_uids() else None


def limits(run: Run, processes: int | None = None) -> dict[int, tuple[int, int]]:
    """Give {RLIMIT_*: (soft, hard)} for a run, never above what the server itself may have.

    `processes` replaces the run's own count where the kernel counts more than the run.
    """
    most = run.processes if processes is None else processes
    wanted = {
        resource.RLIMIT_CPU: (run.cpu_s, run.cpu_s + 1),  # first SIGXCPU, a second later SIGKILL
        resource.RLIMIT_AS: (run.memory_bytes, run.memory_bytes),
        resource.RLIMIT_NOFILE: (run.files, run.files),
        resource.RLIMIT_NPROC: (most, most),
        resource.RLIMIT_FSIZE: (run.file_bytes, run.file_bytes),
        resource.RLIMIT_CORE: (0, 0),
    }
    ceilings = {number: resource.getrlimit(number)[1] for number in wanted}
    return {
        number: (soft, hard) if ceilings[number] == resource.RLIM_INFINITY else (min(soft, ceilings[number]), min(hard, ceilings[number]))
        for number, (soft, hard) in wanted.items()
    }


def environment(run: Run) -> dict[str, str]:
    """Give the whole environment of a run: PATH and LANG, and what the run names."""
    return {"PATH": PATH, "LANG": "C.UTF-8", **dict(run.env)}


def etc(run: Run) -> list[str]:
    """Give the files and folders of the host's /etc that a run may read: those of the list that exist."""
    return [name for name in (*_ETC, *(_ETC_NET if run.net is Net.HOST else ())) if Path(name).exists()]


def check(run: Run) -> None:
    """Refuse a run that cannot be meant: relative mounts, null bytes, a program that is not in the box.

    Raises:
        BoxRefused: with the part that is wrong.

    """
    words = [*run.argv, run.cwd, *(w for m in run.mounts for w in (m.source, m.target)), *(w for e in run.env for w in e)]
    if not run.argv or not run.argv[0]:
        raise BoxRefused("nothing to run", "the argv is empty", "name a program")
    if not all(_fits(word) for word in words):
        raise BoxRefused(f"{run.argv[0]!r} was not run", "a word holds a null byte, half a character or 128 KiB", "send it as stdin")
    if any(not name or "=" in name for name, _ in run.env):
        raise BoxRefused(f"{run.argv[0]} was not run", "an environment name is empty or holds '='", "correct the name")
    for path in (run.cwd, *(p for m in run.mounts for p in (m.source, m.target))):
        if not path.startswith("/") or ".." in path.split("/"):
            raise BoxRefused(f"{run.argv[0]} was not run", f"{path} is not an absolute path", "write it from the root")
    for mount in run.mounts:
        if os.path.normpath(mount.target) == "/" or f"{mount.target}/".startswith(("/proc/", "/dev/")):
            raise BoxRefused(f"{run.argv[0]} was not run", f"a mount would replace {mount.target} of the box", "choose another target")
        if not os.path.lexists(mount.source):
            raise BoxRefused(f"{run.argv[0]} was not run", f"{mount.source} does not exist on this host", "correct the mount")
    if find_program(run) is None:
        raise BoxRefused(
            f"{run.argv[0]} was not run",
            f"there is no program {run.argv[0]} in the box",
            "install it under /usr, or mount the folder that holds it",
        )


def _fits(word: str) -> bool:
    try:
        return "\0" not in word and len(os.fsencode(word)) < _MAX_WORD
    except UnicodeEncodeError:
        return False


def find_program(run: Run) -> str | None:
    """Give the host path of the program that `run` would start, as the box sees it, or None."""
    name = run.argv[0]
    if "/" in name:
        places: Iterable[str] = (str(Path(run.cwd, name)),)
    else:
        places = (f"{folder}/{name}" for folder in environment(run)["PATH"].split(":") if folder.startswith("/"))
    for place in places:
        host = _on_host(run, os.path.normpath(place))
        if host is not None and Path(host).is_file() and Path(host).stat().st_mode & 0o111:
            return host
    return None


def _on_host(run: Run, path: str) -> str | None:
    for mount in sorted(run.mounts, key=lambda m: len(m.target), reverse=True):
        target = mount.target.rstrip("/")
        if path == target or path.startswith(target + "/"):
            return mount.source.rstrip("/") + path[len(target) :]
    return path if path.startswith(tuple(f"{folder}/" for folder in SYSTEM)) else None


class _Child:
    """The first process and those that it leads."""

    def __init__(self, popen: subprocess.Popen[bytes], note: Tap | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._popen = popen
        self._note = note
        self._pidfd = os.pidfd_open(popen.pid)
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(self._pidfd, self._reap)

    def kill(self) -> None:
        """Kill all that is left. Until `_reap` has waited for the leader, its number cannot belong to anyone else."""
        inner = _CHILD.search(bytes(self._note.kept)) if self._note else None
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)
        if inner:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(inner[1]), signal.SIGKILL)

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.kill()
        status = self._popen.wait()
        if not self.ended.done():
            self.ended.set_result(status)


def _popen(start: Start, run: Run, out: Tap, err: Tap, note: Tap) -> subprocess.Popen[bytes]:
    stdin = memory_file(run.stdin) if run.stdin else os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    if start.owner is not None:
        for sink in (out.sink, err.sink):
            os.fchown(sink, start.owner, -1)
    try:
        return subprocess.Popen(
            start.argv,
            stdin=stdin,
            stdout=out.sink,
            stderr=err.sink,
            env={},
            cwd="/",
            close_fds=True,
            pass_fds=(*start.fds, note.sink),
            start_new_session=True,
        )
    except OSError as error:
        raise BoxRefused(f"{run.argv[0]} was not run", f"{start.argv[0]} did not start: {error.strerror}", "run flyball doctor") from error
    finally:
        os.close(stdin)


async def spawn(start: Start, run: Run, note: Tap) -> Ended:
    """Run `start.argv` to its end, at most `run.timeout_s` seconds; all of it is dead when this returns or is cancelled.

    Raises:
        BoxRefused: the first program of `start.argv` could not be started.

    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    with contextlib.ExitStack() as stack:
        with contextlib.ExitStack() as given:
            for fd in start.fds:
                given.callback(os.close, fd)
            out = Tap(run.max_output)
            stack.callback(out.close)
            err = Tap(run.max_output)
            stack.callback(err.close)
            taps = [out, err, note]
            child = _Child(_popen(start, run, out, err, note), note if start.note_group else None)
        for tap in taps:
            tap.close_sink()
        try:
            done, _ = await asyncio.wait({child.ended}, timeout=run.timeout_s)
        finally:
            child.kill()
            if not child.ended.done():
                await asyncio.wait({child.ended}, timeout=GRACE_S)
        await asyncio.wait({tap.ended for tap in taps}, timeout=GRACE_S)
        return Ended(
            status=child.ended.result() if done else None,
            out=bytes(out.kept),
            err=bytes(err.kept),
            out_truncated=out.truncated,
            err_truncated=err.truncated,
            note=bytes(note.kept),
            took_s=loop.time() - began,
        )


class Walls(ABC):
    """What the levels share: a run is checked, started and read. Each says how: `check`, `start`, `verdict`."""

    level: Level

    def check(self, run: Run) -> None:
        """Refuse a run that this level may not run. Raises BoxRefused."""
        check(run)

    @abstractmethod
    def start(self, run: Run, note: int) -> Start:
        """Give the host argv of a run; what the first process says about it goes to the descriptor `note`. Raises BoxRefused."""

    @abstractmethod
    def verdict(self, run: Run, ended: Ended) -> tuple[int | None, int | None]:
        """Give (code, signal) of a run that was not out of time. Raises BoxRefused where it never began."""

    async def run(self, run: Run) -> Ran:
        """Run one argv vector; every process of it is dead when this returns or is cancelled.

        Raises:
            BoxRefused: this level may not run it, it is not well formed, its program is missing, or the box could not be set up.

        """
        self.check(run)
        note = Tap(_NOTE_CAP)
        with contextlib.closing(note):
            return self.read(run, await spawn(self.start(run, note.sink), run, note))

    def read(self, run: Run, ended: Ended) -> Ran:
        """Give how a run ended. Raises BoxRefused where it never began."""
        code, signal = (None, 9) if ended.status is None else self.verdict(run, ended)
        return Ran(
            code=code,
            signal=signal,
            out=ended.out,
            err=ended.err,
            out_truncated=ended.out_truncated,
            err_truncated=ended.err_truncated,
            took_s=ended.took_s,
            level=self.level,
            timed_out=ended.status is None,
        )
