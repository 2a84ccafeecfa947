"""Boxes of a server that was pushed aside: what it had under way is ended, and it begins nothing more. Called by `compose`.

An effect that goes on after the next server has looked whether it happened would be recorded as one that did not.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from flyball.backends.sandbox.spawn import BoxRefused
from flyball.model.box import Level, Ran, Run
from flyball.ports import Box


class Leash:
    """A box that runs programs only as long as this server holds its state. Meets `ports.Box`."""

    def __init__(self, box: Box, held: Callable[[], bool]) -> None:
        """Wrap a box; `held` says whether the state is still this server's."""
        self._box, self._held = box, held
        self.level: Level = box.level

    async def run(self, run: Run) -> Ran:
        """Run one program. Raises BoxRefused where another server has taken the state over, and as the box does."""
        if not self._held():
            raise BoxRefused(f"{run.argv[0]} was not run", "another server has taken this state over", "look there")
        return await self._box.run(run)


def end_boxes_of(server: int) -> int:
    """Kill every child of a server that hangs; its boxes die with the process that holds them. Gives how many there were."""
    count = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            pid, parent = int(stat.parent.name), int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == server:
                os.kill(pid, signal.SIGKILL)
                count += 1
    return count
