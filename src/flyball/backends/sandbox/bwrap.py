"""The strongest level: bubblewrap namespaces, a minimal file system, a system call filter and resource limits.

What a program sees: /usr and its kin read-only, a few files of /etc, a new /proc and /dev, an empty /tmp of bounded size,
and the mounts that the run names. Nothing else of the host exists for it: no home, no server state, no sockets.

Who it is depends on who the server is:

* server without root: the server's own uid in a new user namespace, without capabilities on the host. What the server may
  read, a mount may show; what it may write, a write mount may change; with `host_pids` it may signal the server's own uid.
* server as root, a run that only reads: a uid of its own per run, outside all passwd files, with CAP_DAC_READ_SEARCH so that it
  reads what is mounted, and with mounts CAP_DAC_OVERRIDE so that it reaches their sockets; every mount of it is read-only. It is
  not root, because the kernel exempts root from RLIMIT_NPROC: a fork bomb of uid 0 has no bound but the time limit.
* server as root, a run that is meant to `write` or has a write mount: uid 0 without capabilities and without a user namespace,
  so that it may change what root owns, and only that. With `host_pids` and `write` it keeps CAP_KILL. RLIMIT_NPROC does not
  bind it: run the server as a user of its own where that matters.

`host_pids` shares the process namespace. Then no namespace gathers the children, so the filter keeps every process in the one
session that is killed at the end, and a run that is not meant to `write` may send no signals at all.

With `Net.HOST` the host's abstract unix sockets are in reach too: they belong to the network namespace.

Options go through a file descriptor, so that paths and environment values do not show in the host's process list.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from flyball.backends.sandbox.seccomp import build
from flyball.backends.sandbox.spawn import (
    PATH,
    SYSTEM,
    BoxRefused,
    Ended,
    Start,
    Walls,
    environment,
    etc,
    find_spare_uid,
    limits,
    memory_file,
    owns_all_uids,
)
from flyball.model.box import Level, Net

if TYPE_CHECKING:
    from flyball.model.box import Run

MISSING = "bubblewrap (bwrap) is not installed"
INSTALL = "apt install bubblewrap"
_SETUP_CAPS = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
_FLAGS = {
    resource.RLIMIT_CPU: "cpu",
    resource.RLIMIT_AS: "as",
    resource.RLIMIT_NOFILE: "nofile",
    resource.RLIMIT_NPROC: "nproc",
    resource.RLIMIT_FSIZE: "fsize",
    resource.RLIMIT_CORE: "core",
}
_EXIT = re.compile(rb'"exit-code":\s*(\d+)')
_SIGNALLED = 128  # bwrap says 128 + n for a program that signal n ended
# Not hangup and interrupt: no terminal sends them here, and programs end with 129 by themselves (git: wrong usage).
_DEADLY = {4, 5, 6, 7, 8, 9, 11, 13, 14, 15, 24, 25, 31}


class BwrapBox(Walls):
    """Runs programs under bubblewrap."""

    level = Level.BWRAP

    def __init__(self, path: str = PATH) -> None:
        """Find `bwrap`, `prlimit` and `setpriv` in `path`, colon-separated host folders.

        Raises:
            BoxRefused: one of them is missing, or this machine's system calls are not known.

        """
        found = shutil.which("bwrap", path=path)
        if found is None:
            raise BoxRefused("no bubblewrap on this host", MISSING, INSTALL)
        self._bwrap = found
        for tool in ("prlimit", "setpriv"):
            if shutil.which(tool, path=PATH) is None:
                raise BoxRefused("no bubblewrap level on this host", f"{tool} is not installed", "apt install util-linux")
        build()
        self._root = owns_all_uids()

    def start(self, run: Run, note: int) -> Start:
        """Give bubblewrap's argv, its options in a descriptor."""
        changes = run.write or any(mount.write for mount in run.mounts)
        owner = None if changes else find_spare_uid()
        filter_fd = memory_file(build(stay=run.host_pids, signals=run.write or not run.host_pids))
        options = [*_namespaces(run, user=not self._root), *_capabilities(run, owner=owner, root=self._root)]
        options += [*_files(run), "--clearenv"]
        for name, value in environment(run).items():
            options += ["--setenv", name, value]
        options += ["--seccomp", str(filter_fd), "--json-status-fd", str(note)]
        options_fd = memory_file(os.fsencode("\0".join(options)) + b"\0")
        argv = [self._bwrap, "--args", str(options_fd), "--"]
        if owner is not None:
            kept = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in _reading(run))])
            argv += ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups"]
            # Without this access(2) answers as if the capabilities were not there, and programs that ask first give up.
            argv += ["--securebits=+no_setuid_fixup"]
            argv += [f"--inh-caps={kept}", f"--ambient-caps={kept}", "--bounding-set=-all", "--"]
        argv += ["prlimit", *(f"--{_FLAGS[number]}={a}:{b}" for number, (a, b) in limits(run).items()), "--", *run.argv]
        return Start(tuple(argv), (filter_fd, options_fd), owner, note_group=run.host_pids)

    def verdict(self, run: Run, ended: Ended) -> tuple[int | None, int | None]:
        """Give (code, signal) from what bwrap noted.

        A signal that ended the program is told by bwrap as code 128 + n, and so given as that signal where it
        is one that ends programs unasked; a program that ends with such a code by itself cannot be told apart.
        """
        told = _EXIT.search(ended.note)
        if told is None and ended.status is not None and ended.status < 0:
            return None, -ended.status
        if told is None:
            why = ended.err.decode(errors="replace").strip().splitlines()[-1:] or [f"bwrap ended with {ended.status}"]
            raise BoxRefused(f"{run.argv[0]} was not run", f"the box could not be set up: {why[0]}", "run flyball doctor")
        code = int(told[1])
        return (None, code - _SIGNALLED) if code - _SIGNALLED in _DEADLY else (code, None)


def _namespaces(run: Run, *, user: bool) -> list[str]:
    options = ["--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--die-with-parent", "--new-session"]
    options += ["--hostname", "box"]
    if user:
        options += ["--unshare-user"]
    if run.net is not Net.HOST:
        options += ["--unshare-net"]
    if not run.host_pids:
        options += ["--unshare-pid"]
    return options


def _reading(run: Run) -> tuple[str, ...]:
    return ("CAP_DAC_READ_SEARCH", *(("CAP_DAC_OVERRIDE",) if run.mounts else ()))


def _capabilities(run: Run, *, owner: int | None, root: bool) -> list[str]:
    options = ["--cap-drop", "ALL"]
    if owner is not None:  # the step down to `owner` needs some that setpriv then takes away
        for name in (*_SETUP_CAPS, *_reading(run)):
            options += ["--cap-add", name]
    elif root and run.host_pids and run.write:
        options += ["--cap-add", "CAP_KILL"]
    return options


def _files(run: Run) -> list[str]:
    options: list[str] = []
    for name in SYSTEM:
        place = Path(name)
        if place.is_symlink():
            options += ["--symlink", str(place.readlink()), name]
        elif place.is_dir():
            options += ["--ro-bind", name, name]
    options += ["--perms", "0755", "--dir", "/etc"]
    for name in etc(run):
        options += ["--ro-bind", name, name]
    options += ["--ro-bind", "/proc", "/proc"] if run.host_pids else ["--proc", "/proc"]
    options += ["--dev", "/dev", "--perms", "1777", "--size", str(run.file_bytes), "--tmpfs", "/tmp"]  # noqa: S108 - the box has its own /tmp
    for parent in _parents(run):
        options += ["--perms", "0755", "--dir", parent]
    for mount in sorted(run.mounts, key=lambda m: len(m.target)):
        options += ["--bind" if mount.write else "--ro-bind", mount.source, mount.target]
    return [*options, "--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", run.cwd]


def _parents(run: Run) -> list[str]:
    """Folders above the mounts, to be made open: bwrap would copy a closed mode, and access(2) of the spare user would fail there."""
    made = {str(parent) for mount in run.mounts for parent in Path(mount.target).parents}
    inside = {mount.target for mount in run.mounts} | {"/", "/tmp", "/etc", "/proc", "/dev", *SYSTEM}  # noqa: S108 - the box has its own /tmp
    return sorted(one for one in made if one not in inside and not any(one.startswith(f"{name}/") for name in SYSTEM))
