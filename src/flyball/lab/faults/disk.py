"""Rotated logs that nobody pruned fill web's log file system to the last byte.

Really broken: web.log.3 to web.log.N take every free block, so web cannot log, and what it cannot log it answers with
503.
Heals by: moving or deleting rotated logs (web.log.*); web goes on by itself, no restart is needed.
"""

import errno
import os
import time
from pathlib import Path

from flyball.lab import logfs
from flyball.lab.home import Lab

ALERTS = (("DiskAlmostFull", "web"),)
EACH_BYTES = 1024 * 1024
FIRST = 3  # web itself keeps web.log.1 and .2
ALMOST = 0.9


def break_(lab: Lab) -> None:
    """Write rotated logs until nothing more fits, then fill the last page of web.log too."""
    sort = lab.settings().logfs
    for number in range(FIRST, 100):
        if not _fill(lab.logfs / f"web.log.{number}", EACH_BYTES, number, sort):
            break
    _fill(lab.web_log, EACH_BYTES, 0, sort)


def _fill(path: Path, size: int, days: int, sort: str) -> bool:
    """Append old access lines until `path` has `size` bytes more (True) or the file system is full (False)."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - days * 86400))
    line = f'{stamp}.000Z INFO web GET / 200 3ms agent="visitor/1.0"\n'.encode()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        for part in (line * 1000, line, b"\n"):
            while size > 0:
                try:
                    logfs.append(fd, part, path, sort)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    break
                size -= len(part)
    finally:
        os.close(fd)
    return size <= 0


def heal(lab: Lab) -> None:
    """Delete the rotated logs."""
    for path in lab.logfs.glob("web.log.*"):
        path.unlink(missing_ok=True)


def broken(lab: Lab) -> bool:
    """The log file system is almost full, and rotated logs are what fills it."""
    used, size = logfs.usage(lab.logfs, lab.settings().logfs)
    rotated = sum(path.stat().st_size for path in lab.logfs.glob("web.log.*"))
    return used >= size * ALMOST and rotated > size / 2
