"""The weakest level that runs anything: Landlock, a system call filter, no new privileges and limits; reading runs only.

For hosts without user namespaces. No namespace hides the host here: paths are the host's own, so a mount must show a path
where it lies; processes share the host's numbers, so the filter forbids signals and leaving the session that is killed at
the end. With `Net.NONE` no socket can be made at all; with `Net.HOST` none to a daemon of this host (unix sockets).
A program that ignores the kernel's PDEATHSIG by forking lives on if the server is killed: the other level has no such gap.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flyball.backends.sandbox.launch import abi
from flyball.backends.sandbox.seccomp import Sockets, build
from flyball.backends.sandbox.spawn import (
    SYSTEM,
    BoxRefused,
    Start,
    Walls,
    check,
    environment,
    etc,
    find_program,
    find_spare_uid,
    limits,
    memory_file,
)
from flyball.model.box import Level, Net

if TYPE_CHECKING:
    from flyball.backends.sandbox.spawn import Ended
    from flyball.model.box import Run

MISSING = "Landlock is not switched on in this kernel"
SWITCH_ON = "boot a kernel of 5.13 or later with lsm=landlock,... on its command line"


class LandlockBox(Walls):
    """Runs programs that only read, under Landlock."""

    level = Level.LANDLOCK

    def __init__(self) -> None:
        """Ask the kernel.

        Raises:
            BoxRefused: it has no Landlock, or this machine's system calls are not known.

        """
        if abi() == 0:
            raise BoxRefused("no Landlock on this host", MISSING, SWITCH_ON)
        build()

    def check(self, run: Run) -> None:
        """Refuse what is meant to write, and what shows a path elsewhere."""
        _check(run)

    def start(self, run: Run, note: int) -> Start:
        """Give the argv of the launcher, its plan in a descriptor."""
        sockets = Sockets.INTERNET if run.net is Net.HOST else Sockets.NONE
        paths = [name for name in SYSTEM if Path(name).is_dir()] + etc(run) + [mount.source for mount in run.mounts]
        owner = find_spare_uid()
        # The kernel counts RLIMIT_NPROC over all that its user runs on the host, so that has to be added.
        extra = _threads_of(os.getuid()) if owner is None else 0
        bounds = limits(run, processes=run.processes + extra)
        plan = {
            "program": find_program(run),
            "argv": run.argv,
            "cwd": run.cwd,
            "env": environment(run),
            "limits": [(number, soft, hard) for number, (soft, hard) in bounds.items()],
            "paths": [*paths, "/proc"] if run.host_pids else paths,
            "network": run.net is Net.HOST,
            "filter": base64.b64encode(build(stay=True, signals=False, sockets=sockets)).decode("ascii"),
            "owner": owner,
            "parent": os.getpid(),
            "note": note,
        }
        fd = memory_file(json.dumps(plan).encode())
        launcher = str(Path(__file__).with_name("launch.py"))
        return Start((os.path.realpath(sys.executable), "-I", "-S", launcher, str(fd)), (fd,), owner)

    def verdict(self, run: Run, ended: Ended) -> tuple[int | None, int | None]:
        """Give (code, signal); the launcher notes that it is ready just before it becomes the program."""
        status = ended.status or 0
        if b"ready" not in ended.note:
            why = ended.err.decode(errors="replace").strip().splitlines()[-1:] or [f"it ended with {status}"]
            raise BoxRefused(f"{run.argv[0]} was not run", f"the box could not be set up: {why[0]}", "run flyball doctor")
        return (None, -status) if status < 0 else (status, None)


def _check(run: Run) -> None:
    name = run.argv[0] if run.argv else "nothing"
    if run.write or any(mount.write for mount in run.mounts):
        raise BoxRefused(
            f"{name} was not run",
            "it is meant to change something, and this host has Landlock only: that level runs what reads",
            "apt install bubblewrap, then run flyball doctor",
        )
    for mount in run.mounts:
        if os.path.normpath(mount.source) != os.path.normpath(mount.target):
            raise BoxRefused(
                f"{name} was not run",
                f"Landlock cannot show {mount.source} as {mount.target}",
                "apt install bubblewrap, then run flyball doctor",
            )
    check(run)


def _threads_of(uid: int) -> int:
    """Count the threads of a user on this host."""
    total = 0
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdecimal() and place.stat().st_uid == uid:
                total += len(list((place / "task").iterdir()))
        except OSError:  # it has ended meanwhile
            continue
    return total
