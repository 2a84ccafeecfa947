"""Boxes of a server that was pushed aside: what it had under way is ended. Called by `compose`; `keep` sees that it begins nothing more.

An effect that goes on after the next server has looked whether it happened would be recorded as one that did not.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path


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
