"""The small log file system: a real tmpfs where one may be mounted, else a folder whose quota the lab keeps itself.

Called by the supervisor (mount), the services (how full), the faults and the estate (which sort is possible here).
"""

import errno
import os
import shutil
import subprocess
from pathlib import Path

from flyball.lab.home import LOGFS_BYTES, SEARCH_PATH, LabError

CAP_SYS_ADMIN = 21  # capabilities(7)


def may_mount() -> bool:
    """Say whether this process holds CAP_SYS_ADMIN over its own mount namespace."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_ADMIN & 1)
    return False


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    program = shutil.which(argv[0], path=SEARCH_PATH)
    if program is None:
        raise LabError(f"{argv[0]} is not installed. Install util-linux.")
    return subprocess.run([program, *argv[1:]], capture_output=True, text=True, check=False, timeout=10)


def can_unshare() -> bool:
    """Say whether an unprivileged process may make a user and mount namespace of its own and mount in it."""
    try:
        return _run(["unshare", "-Urm", "--", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).returncode == 0
    except LabError:
        return False


def mounted(path: Path) -> bool:
    """Say whether something is mounted at `path` in this mount namespace."""
    return path.is_dir() and os.path.ismount(path)


def mount(path: Path) -> None:
    """Mount an 8 MB tmpfs at `path`, in place of whatever is left there.

    Raises:
        LabError: the kernel refused.
    """
    unmount(path)
    path.mkdir(parents=True, exist_ok=True)
    options = f"size={LOGFS_BYTES},mode=0755,nosuid,nodev,noexec"
    done = _run(["mount", "-t", "tmpfs", "-o", options, "flyball-lab", str(path)])
    if done.returncode:
        raise LabError(f"Cannot mount the lab's log file system at {path}: {done.stderr.strip()}")


def unmount(path: Path) -> None:
    """Unmount what is mounted at `path`; lazily if it is still in use. Nothing to do if nothing is."""
    while mounted(path):
        if _run(["umount", str(path)]).returncode and _run(["umount", "-l", str(path)]).returncode:
            raise LabError(f"Cannot unmount {path}. Unmount it by hand: umount -l {path}")


def usage(path: Path, sort: str) -> tuple[int, int]:
    """Give (used bytes, size in bytes) of the log file system."""
    if sort == "tmpfs":
        seen = os.statvfs(path)
        return (seen.f_blocks - seen.f_bfree) * seen.f_frsize, seen.f_blocks * seen.f_frsize
    used = 0
    for entry in os.scandir(path):
        try:
            used += entry.stat().st_size
        except FileNotFoundError:
            continue
    return used, LOGFS_BYTES


def _used(path: Path) -> int:
    """Give what a folder holds; nothing where there is no descriptor left to look with: a tmpfs needs none to be written to either."""
    try:
        return usage(path, "quota")[0]
    except OSError as error:
        if error.errno not in {errno.EMFILE, errno.ENFILE}:
            raise
        return 0


def append(fd: int, text: bytes, path: Path, sort: str) -> None:
    """Append all of `text` to an open log.

    Raises:
        OSError: ENOSPC if it does not fit, whichever sort keeps the limit.
    """
    if sort == "quota" and _used(path.parent) + len(text) > LOGFS_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    if os.write(fd, text) < len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
