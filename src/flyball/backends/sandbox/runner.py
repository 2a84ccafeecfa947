"""Sees one long run to its end: started by `keep` as `python -I -S runner.py FD`, outlives the server, holds nothing but the run.

FD holds a JSON document; nothing but the standard library is needed. In the run's folder it writes `began` (its pid, before the
program starts), `out` (what the program says, up to a bound) and `end` (how it ended). It holds the lock of the folder as long as it
lives, and the program dies with it. SIGTERM ends the program; so does the time limit.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

_END_BYTES = 512  # set aside at the beginning, so that a full disk cannot keep the end from being told
_CHUNK = 65_536
_AGAIN_S = 0.1
_PR_SET_CHILD_SUBREAPER = 36
_ASKED = {signal.SIGTERM: "asked", signal.SIGALRM: "time"}


class Runner:
    """One run."""

    def __init__(self, plan: dict[str, object]) -> None:
        """Keep the plan: argv, fds, timeout_s, max_output."""
        self._plan = plan
        self._why = ""  # why it was ended, where it did not end by itself
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, waiting: int) -> None:
        """Start the program, write down what it says, and how it ended. Closes `waiting` once it can be found and ended."""
        end = os.open("end", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.posix_fallocate(end, 0, _END_BYTES)
        for number in _ASKED:
            signal.signal(number, self._stop)
        _durably("began", str(os.getpid()))
        os.close(waiting)
        plan = self._plan
        self._child = subprocess.Popen(  # type: ignore[call-overload]  # the plan is JSON of our own
            plan["argv"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={},
            cwd="/",
            pass_fds=plan["fds"],
            start_new_session=True,
        )
        signal.setitimer(signal.ITIMER_REAL, float(str(plan["timeout_s"])))
        if self._why:  # asked for between `began` and here
            self._kill()
        said = self._copy(int(str(plan["max_output"])))
        os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOWAIT)
        for number in _ASKED:
            signal.signal(number, signal.SIG_IGN)  # from here on its number may belong to somebody else
        told = {"status": self._child.wait(), "why": self._why, "said": said}
        os.pwrite(end, json.dumps(told).encode(), 0)
        os.fsync(end)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self._why = self._why or _ASKED[signal.Signals(number)]
        self._kill()

    def _kill(self) -> None:
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            for pid in _orphans():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            signal.setitimer(
                signal.ITIMER_REAL, _AGAIN_S
            )  # a box that is just being built may leave a child behind: again until it is silent

    def _copy(self, most: int) -> int:
        """Copy the first `most` bytes of what the program says, and throw the rest away; gives how many it said."""
        assert self._child is not None  # noqa: S101 - started in `run`, for the type checker
        assert self._child.stdout is not None  # noqa: S101 - a pipe was asked for
        out, said = os.open("out", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), 0
        while chunk := os.read(self._child.stdout.fileno(), _CHUNK):
            kept = chunk[: max(0, most - said)]
            said += len(chunk)
            try:
                while kept:
                    kept = kept[os.write(out, kept) :]
            except OSError:  # a full disk: what it says from here on is lost, and told as cut
                most = 0
        return said


def _orphans() -> list[int]:
    """What is left of a box whose first process was killed before the others were tied to it: `main` has them handed to this process."""
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:  # a kernel without that file
        return []


def _durably(name: str, text: str) -> None:
    fd = os.open(f"{name}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    os.write(fd, text.encode())
    os.fsync(fd)
    os.close(fd)
    Path(f"{name}.new").rename(name)
    place = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(place)
    os.close(place)


def main(fd: int) -> None:
    """Leave the server, then run what the plan says."""
    with open(fd, encoding="utf-8") as file:
        plan = json.load(file)
    os.chdir(plan["place"])
    begins, waiting = os.pipe()
    if os.fork() == 0:  # the server waits for the first process only: it never becomes a zombie of the server's
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        Runner(plan).run(waiting)
    else:
        os.close(waiting)
        os.read(begins, 1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
