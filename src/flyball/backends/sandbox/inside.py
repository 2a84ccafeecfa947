"""The probe program: tries what a boxed program must not be able to do. Run by `probe` inside the box, never imported there.

It reads a JSON document from standard input and prints one: {row: what it managed to do, or ""}. Standard library only.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_CLONE_NEWUSER = 0x1000_0000
_PR_GET_NO_NEW_PRIVS = 39
_WAIT_S = 2.0
_FIRST_FD, _LAST_FD = 3, 1024
_TIMES = 4  # so much more than allowed, because a limit by user lets others of that user come and go


def _write(paths: list[str]) -> str:
    for path in paths:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            Path(path).unlink()
        except OSError:
            continue
        return f"wrote {path}"
    return ""


def _read(path: str) -> str:
    try:
        return f"read {len(Path(path).read_bytes())} bytes of {path}"
    except OSError:
        return ""


def _connect(family: int, address: Any) -> str:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(_WAIT_S)
            client.connect(address)
    except OSError:
        return ""
    return f"connected to {address!r}"


def _start_time(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _see(pid: int, started: str) -> str:
    seen = _start_time(pid)
    if seen == started:
        return f"saw process {pid} of the host"
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "" if seen else f"may signal process {pid} of the host"  # seen: another process with that number, in here


def _inherited() -> str:
    found = []
    for fd in range(_FIRST_FD, _LAST_FD):
        try:
            os.fstat(fd)
        except OSError:
            continue
        found.append(str(fd))
    return f"descriptors {', '.join(found)} are open" if found else ""


def _privileges() -> str:
    held = ctypes.CDLL(None).prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
    return "" if held == 1 else "may gain privileges from setuid programs"


def _limits(processes: int) -> str:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if (soft, hard) != (0, 0):
        return "may dump core"
    return _forks(processes * _TIMES)


def _forks(most: int) -> str:
    """Start `most` processes that wait for this one, unless something stops that."""
    waiting, ours = os.pipe()
    children = []
    try:
        for _ in range(most):
            child = os.fork()
            if child == 0:
                os.close(ours)
                os.read(waiting, 1)
                os._exit(0)
            children.append(child)
    except OSError:
        return ""
    finally:
        os.close(ours)
        for child in children:
            os.waitpid(child, 0)
    return f"started {most} processes"


def _namespace() -> str:
    return "made a user namespace" if ctypes.CDLL(None).unshare(_CLONE_NEWUSER) == 0 else ""


def main() -> None:
    """Try everything and print what worked."""
    plan = json.load(sys.stdin)
    rows: dict[str, Callable[[], str]] = {
        "write": lambda: _write(plan["write"]),
        "secret": lambda: _read(plan["secret"]),
        "network": lambda: _connect(socket.AF_INET, ("127.0.0.1", plan["port"])),
        "abstract": lambda: _connect(socket.AF_UNIX, "\0" + plan["abstract"]),
        "processes": lambda: _see(plan["pid"], plan["started"]),
        "descriptors": _inherited,
        "privileges": _privileges,
        "limits": lambda: _limits(plan["processes"]),
        "namespace": _namespace,
    }
    json.dump({name: attempt() for name, attempt in rows.items()}, sys.stdout)


if __name__ == "__main__":
    main()
