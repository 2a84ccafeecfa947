"""Opens what others may have put there, without waiting and without being led elsewhere. Called by `tail_file` and `compose`."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_plain(path: Path, *, links: bool = False) -> BinaryIO:
    """Open a regular file: a pipe would hold the server up, a link lead it elsewhere.

    With `links` a symbolic link counts where whoever made it may read the file: root, this user, or the file's owner. Raises OSError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        seen, there = os.fstat(fd), path.lstat()  # in this order: what is put there in between is not believed
        led = links and stat.S_ISLNK(there.st_mode) and there.st_uid in (0, os.geteuid(), seen.st_uid)
        if not stat.S_ISREG(seen.st_mode) or not (led or os.path.samestat(seen, there)):
            raise PermissionError(f"{path} is no plain file")
        return os.fdopen(fd, "rb")
    except OSError:
        os.close(fd)
        raise
