"""Processes that somebody outside the lab wants beside it, such as the server of the tour; and the lab's own namespace.

The command line calls this, because programs are started here and in the sandbox only. A child has a pid file like the
lab's own processes, so that one that was left behind is found and ended, and never a stranger with the same number.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from flyball.lab import estate
from flyball.lab.home import Lab, end_process, wait_until

Born = subprocess.Popen[bytes]
"""A child that this process has started."""


def enter_namespace(arguments: Sequence[str]) -> None:
    """Become the same program inside a user and mount namespace of its own, where a tmpfs can be mounted. Returns only if not needed."""
    if estate.needs_namespace():
        argv = [*estate.namespace_argv(), sys.executable, "-m", "flyball", *arguments]
        os.execvp(argv[0], argv)  # noqa: S606 no shell is wanted: the same program goes on under another name


def start(home: Path, name: str, argv: Sequence[str]) -> Born:
    """Start a child in a session of its own (Ctrl-C does not reach it); its output goes to ``home/NAME.out`` and ``NAME.err``."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / f"{name}.out").open("wb") as out, (home / f"{name}.err").open("wb") as err:
        born = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
    Lab(home.absolute()).claim(name, born.pid)
    return born


def end(home: Path, name: str, born: Born | None = None, grace_s: float = 8.0) -> None:
    """End a child by its pid file, politely and then not, whether or not this process has started it."""
    end_process(Lab(home.absolute()), name, grace_s=grace_s)
    if born is not None:
        born.wait(timeout=grace_s)


__all__ = ["Born", "end", "enter_namespace", "start", "wait_until"]
