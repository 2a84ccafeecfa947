"""What the figures were measured on: one line for the machine, one for the versions."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("uvicorn", "starlette", "fastapi", "orjson", "opentelemetry-sdk", "dbos", "sqlalchemy", "psycopg")


def machine(folder: Path) -> tuple[str, str]:
    """Give both lines; `folder` is where the stores were."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    system = f"{platform.system()} {platform.release()}"
    where = f"{os.cpu_count()} cores, {_cpu()}, {memory:.0f} GiB, {system}, {_disk(folder)}, load at the end {load}"
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return where, f"commit {_commit()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _disk(folder: Path) -> str:
    """Name the file system of a folder."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, at, sort, *_ = line.split(" ")
        if f"{folder.resolve()}/".startswith(at.rstrip("/") + "/") and len(at) >= len(best[0]):
            best = (at, sort)
    return best[1]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    argv = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    return ran.stdout.strip() or "unknown"
