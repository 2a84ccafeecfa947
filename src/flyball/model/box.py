"""One argv vector to run inside a box, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Isolation levels, strongest first."""

    BWRAP = "bubblewrap"
    SANDLOCK = "sandlock"
    LANDLOCK = "landlock"
    NONE = "none"


class Net(StrEnum):
    """What of the network a run sees."""

    NONE = "none"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Mount:
    """A bind mount; both paths absolute."""

    source: str
    target: str
    write: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One argv vector, never a shell, with everything it may see and use."""

    argv: tuple[str, ...]
    cwd: str = "/"
    mounts: tuple[Mount, ...] = ()
    net: Net = Net.NONE
    host_pids: bool = False  # sees the host's processes
    env: tuple[tuple[str, str], ...] = ()  # the only environment
    stdin: bytes = b""
    timeout_s: float = 10.0
    max_output: int = 262_144  # bytes kept of each stream
    cpu_s: int = 10
    memory_bytes: int = 536_870_912
    files: int = 256
    processes: int = 64
    file_bytes: int = 268_435_456
    write: bool = False  # meant to change something


@dataclass(frozen=True, slots=True)
class Ran:
    """How it ended. `code` is None when the time limit or a signal ended it."""

    code: int | None
    signal: int | None
    out: bytes
    err: bytes
    out_truncated: bool
    err_truncated: bool
    took_s: float
    level: Level
    timed_out: bool
