"""Moves files to a quarantine folder and back, so that no crash at any point loses a byte or does anything twice.

Run by the kind `file.quarantine` as `python3 -I quarantine.py` inside the box. Reads one JSON object from standard input
(`verb`: plan, look, move or back) and writes one: `{"ok": true, ...}` or `{"ok": false, "error": "one line"}`.

Order of a move: manifest, copy, check of the copy, rename to its final name, unlink of the source, note in the manifest; each step is on
disk before the next. Order of a way back: copy beside the old place, check, hard link to the old name (which fails where something is),
note, unlink. Whatever step a crash hits, the next run sees from the two folders and the manifest where it stood.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

_CHUNK = 1_048_576  # bytes read at once
_SPARE = 1_048_576  # bytes left free in quarantine; on the way back a file system may be filled as it was before
_MANIFEST = "manifest.json"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PASS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC  # to go through a folder that may not be read


class Refused(Exception):
    """Not done; the message is the one line that says why."""


@dataclass(frozen=True)
class File:
    """One file of the manifest. `state`: planned, moved or restored."""

    path: str
    stored: str
    size: int
    sha256: str
    mtime_ns: str  # past 2**53: canonical JSON takes no such number
    mode: int
    uid: int
    gid: int
    inode: str
    state: str = "planned"


@contextmanager
def folder(path: str) -> Iterator[int]:
    """Open a folder, component by component, and follow no symlink. Raises Refused."""
    fd = os.open("/", _PASS)
    parts = [part for part in path.split("/") if part]
    try:
        for depth, part in enumerate(parts, 1):
            try:
                inner = os.open(part, _FOLDER if depth == len(parts) else _PASS, dir_fd=fd)
            except OSError as e:
                raise Refused(f"{path}: {part} is no plain folder ({e.strerror})") from None
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


@contextmanager
def regular(place: int, name: str) -> Iterator[int]:
    """Open a regular file for reading. Raises Refused for a symlink, a device, a second hard link and the like."""
    try:
        fd = os.open(name, _READ, dir_fd=place)
    except OSError as e:
        raise Refused(f"{name} cannot be opened as a plain file ({e.strerror})") from None
    try:
        seen = os.fstat(fd)
        if not stat.S_ISREG(seen.st_mode):
            raise Refused(f"{name} is no regular file")
        yield fd
    finally:
        os.close(fd)


def split(path: str) -> tuple[str, str]:
    """Give folder and name."""
    head, _, name = path.rpartition("/")
    return head, name


def here(place: int, name: str) -> os.stat_result | None:
    """Look at a name without following it."""
    with suppress(FileNotFoundError):
        return os.stat(name, dir_fd=place, follow_symlinks=False)
    return None


def digest(fd: int) -> str:
    """Give the SHA-256 of a whole file, in hex."""
    found, at = hashlib.sha256(), 0
    while part := os.pread(fd, _CHUNK, at):
        found.update(part)
        at += len(part)
    return found.hexdigest()


def hold(fd: int, name: str) -> None:
    """Take the write lease of a file, which the kernel gives only while nobody else has it open (fcntl(2)). Raises Refused.

    While it is held nobody can open the file without this program's letting go. It ends with the descriptor.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except BlockingIOError:
        raise Refused(f"{name} is open in a process") from None
    except OSError as e:
        raise Refused(f"whether a process has {name} open cannot be told here ({e.strerror})") from None


def release(fd: int) -> None:
    """Let go of the lease."""
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def room(place: int, size: int, what: str, spare: int = _SPARE) -> None:
    """Raise Refused where a folder's file system has no room for `size` bytes and some to spare."""
    seen = os.fstatvfs(place)
    if seen.f_bavail * seen.f_frsize < size + spare:
        raise Refused(f"no room for {size} bytes to {what}")


def write(fd: int, data: bytes) -> None:
    """Write all of `data`."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def copy(source: int, place: int, name: str, file: File) -> None:
    """Copy to `name`, on disk and checked by reading it again. Raises Refused where the bytes are not those of the manifest."""
    target = os.open(name, _WRITE, 0o600, dir_fd=place)
    try:
        at = 0
        while part := os.pread(source, _CHUNK, at):
            write(target, part)
            at += len(part)
        with suppress(OSError):  # owner and group are kept where this user may do so
            os.fchown(target, file.uid, file.gid)
        os.fchmod(target, file.mode)
        os.utime(target, ns=(int(file.mtime_ns), int(file.mtime_ns)))
        os.fsync(target)
    except OSError:
        os.unlink(name, dir_fd=place)
        raise
    finally:
        os.close(target)
    with regular(place, name) as written:
        if digest(written) != file.sha256:
            os.unlink(name, dir_fd=place)
            raise Refused(f"{file.path} is not what it was when this was planned")


def load(place: int) -> list[File] | None:
    """Give the manifest's files, or None where there is none yet."""
    if here(place, _MANIFEST) is None:
        return None
    with regular(place, _MANIFEST) as fd:
        said = json.loads(os.pread(fd, 16 * _CHUNK, 0))
    return [File(**each) for each in said["files"]]


def save(place: int, files: list[File], keep_until: float) -> None:
    """Write the manifest whole, on disk on return."""
    fd = os.open(f"{_MANIFEST}.new", _WRITE, 0o600, dir_fd=place)
    try:
        write(fd, json.dumps({"version": 1, "keep_until": keep_until, "files": [asdict(file) for file in files]}, indent=1).encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(f"{_MANIFEST}.new", _MANIFEST, src_dir_fd=place, dst_dir_fd=place)
    os.fsync(place)


def same(file: File, seen: os.stat_result | None) -> bool:
    """Say whether what lies at the old place is still the very file that was planned for."""
    return seen is not None and (str(seen.st_ino), seen.st_size, str(seen.st_mtime_ns)) == (file.inode, file.size, file.mtime_ns)


def stands(file: File, box: int) -> str:
    """Say where a file stands: planned, moved, restored, or lost where neither place has it."""
    head, name = split(file.path)
    with folder(head) as place:
        seen, stored = here(place, name), here(box, file.stored)
        if file.state == "restored" or (file.state == "planned" and same(file, seen)):
            return file.state
        if stored is None:
            return "lost"
        return "restored" if seen is not None and _equal(place, name, file) else "moved"


def _equal(place: int, name: str, file: File) -> bool:
    """Say whether what lies at a name has the manifest's bytes."""
    try:
        with regular(place, name) as fd:
            return os.fstat(fd).st_size == file.size and digest(fd) == file.sha256
    except Refused:
        return False


def plan(asked: dict[str, Any]) -> dict[str, Any]:
    """Look at the files: size, digest, age. Changes nothing."""
    files, devices = [], set()
    for number, path in enumerate(asked["paths"]):
        head, name = split(path)
        with folder(head) as place, regular(place, name) as fd:
            seen = os.fstat(fd)
            if seen.st_nlink != 1:
                raise Refused(f"{path} has another hard link")
            _closed(fd, path)
            devices.add(seen.st_dev)
            files.append(
                File(
                    path=path,
                    stored=f"{number:04d}-{name[-200:]}",
                    size=seen.st_size,
                    sha256=digest(fd),
                    mtime_ns=str(seen.st_mtime_ns),
                    mode=stat.S_IMODE(seen.st_mode),
                    uid=seen.st_uid,
                    gid=seen.st_gid,
                    inode=str(seen.st_ino),
                )
            )
    with folder(asked["quarantine"]) as outer:
        room(outer, sum(file.size for file in files), "quarantine")
        other = os.fstat(outer).st_dev not in devices
    return {"ok": True, "files": [asdict(file) for file in files], "other_file_system": other}


def _closed(fd: int, path: str) -> None:
    """Raise Refused where a process has the file open. Who only looks may be nobody's user and get no lease: then the move will tell."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except BlockingIOError:
        raise Refused(f"{path} is open in a process") from None
    except OSError:
        return
    release(fd)


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """Say where each file stands. Changes nothing."""
    planned = [File(**each) for each in asked["files"]]
    with folder(asked["quarantine"]) as outer:
        if here(outer, asked["key"]) is None:
            return {"ok": True, "states": ["planned" for _ in planned]}
    with folder(f"{asked['quarantine']}/{asked['key']}") as box:
        files = load(box)
        return {"ok": True, "states": ["planned" for _ in planned] if files is None else [stands(file, box) for file in files]}


def move(asked: dict[str, Any]) -> dict[str, Any]:
    """Move every file that has not been moved yet."""
    planned = [File(**each) for each in asked["files"]]
    with folder(asked["quarantine"]) as outer:
        with suppress(FileExistsError):
            os.mkdir(asked["key"], 0o700, dir_fd=outer)
        os.fsync(outer)
    with folder(f"{asked['quarantine']}/{asked['key']}") as box:
        files = load(box)
        if files is None:
            for file in planned:
                _unchanged(file)
            room(box, sum(file.size for file in planned), "quarantine")
            files = planned
            save(box, files, asked["keep_until"])
        elif [replace(file, state="planned") for file in files] != planned:
            raise Refused("the quarantine holds another plan under this name")
        if any(file.state == "restored" for file in files):
            raise Refused("this was put back already and is not done again")
        for number, file in enumerate(files):
            if file.state == "planned":
                _move(file, box)
                files[number] = replace(file, state="moved")
                save(box, files, asked["keep_until"])
        return {"ok": True, "moved_bytes": sum(file.size for file in files), "states": [file.state for file in files]}


def _unchanged(file: File) -> None:
    head, name = split(file.path)
    with folder(head) as place:
        if not same(file, here(place, name)):
            raise Refused(f"{file.path} is not what it was when this was planned")


def _move(file: File, box: int) -> None:
    """Copy one file, then take it away from its place. What lies there by now and is another file stays."""
    head, name = split(file.path)
    with folder(head) as place:
        seen, stored = here(place, name), here(box, file.stored)
        if not same(file, seen):
            if stored is None:
                raise Refused(f"{file.path} is not what it was when this was planned")
            return
        with regular(place, name) as fd:
            hold(fd, file.path)
            release(fd)  # a long copy must not keep others from opening it
            if stored is None:
                copy(fd, box, f"{file.stored}.part", file)
                os.rename(f"{file.stored}.part", file.stored, src_dir_fd=box, dst_dir_fd=box)
                os.fsync(box)
            hold(fd, file.path)
            if not same(file, os.fstat(fd)) or not same(file, here(place, name)):
                raise Refused(f"{file.path} changed meanwhile")
            os.unlink(name, dir_fd=place)
            os.fsync(place)


def back(asked: dict[str, Any]) -> dict[str, Any]:
    """Put every moved file back; nothing is touched where only one of them cannot be."""
    with folder(asked["quarantine"]) as outer:
        if here(outer, asked["key"]) is None:
            return {"ok": True, "states": []}
    with folder(f"{asked['quarantine']}/{asked['key']}") as box:
        files = load(box)
        if files is None:
            return {"ok": True, "states": []}
        states = [stands(file, box) for file in files]
        for file, state in zip(files, states, strict=True):
            _may_return(file, state, box)
        _may_fit([file for file, state in zip(files, states, strict=True) if state == "moved"])
        for number, (file, state) in enumerate(zip(files, states, strict=True)):
            if state == "moved":
                _return(file, box, asked["key"])
            if file.state != "restored":
                files[number] = replace(file, state="restored")
                save(box, files, asked["keep_until"])
            _tidy(file, box, asked["key"])
        return {"ok": True, "states": [file.state for file in files]}


def _may_return(file: File, state: str, box: int) -> None:
    """Raise Refused where a file cannot be put back without touching what is not ours."""
    if state == "lost":
        raise Refused(f"{file.path} is neither at its place nor in quarantine")
    if state != "moved":
        return
    with regular(box, file.stored) as fd:
        if digest(fd) != file.sha256:
            raise Refused(f"the quarantined {file.path} is not what was moved")
    head, name = split(file.path)
    with folder(head) as place:
        if here(place, name) is not None:
            raise Refused(f"something new lies at {file.path}")


def _may_fit(files: list[File]) -> None:
    """Raise Refused where the places they came from have no room for all of them, so that not even the first is touched."""
    sizes: dict[int, int] = {}
    for file in files:
        with folder(split(file.path)[0]) as place:
            device, block = os.fstat(place).st_dev, os.fstatvfs(place).f_frsize
            sizes[device] = sizes.get(device, 0) + -(-file.size // block) * block
            room(place, sizes[device], f"put {file.path} back", spare=0)


def _return(file: File, box: int, key: str) -> None:
    """Put one file back under its name, which must be free."""
    head, name = split(file.path)
    part = f".{key}-{file.stored[:4]}.part"
    with folder(head) as place, regular(box, file.stored) as fd:
        copy(fd, place, part, file)
        try:
            os.link(part, name, src_dir_fd=place, dst_dir_fd=place, follow_symlinks=False)
        except FileExistsError:
            os.unlink(part, dir_fd=place)
            raise Refused(f"something new lies at {file.path}") from None
        os.fsync(place)


def _tidy(file: File, box: int, key: str) -> None:
    """Remove what is over once a file is back: its other name beside it, and its copy in quarantine."""
    head, _ = split(file.path)
    with folder(head) as place, suppress(FileNotFoundError):
        os.unlink(f".{key}-{file.stored[:4]}.part", dir_fd=place)
        os.fsync(place)
    for name in (file.stored, f"{file.stored}.part"):
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=box)
    os.fsync(box)


_VERBS = {"plan": plan, "look": look, "move": move, "back": back}


def main() -> int:
    """Answer the one question on standard input."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # what the kernel sends when somebody waits for a lease; its default ends the process
    os.umask(0o077)
    asked = json.load(sys.stdin)
    try:
        answer = _VERBS[asked["verb"]](asked)
    except Refused as e:
        answer = {"ok": False, "error": str(e)}
    except OSError as e:
        answer = {"ok": False, "error": f"{e.filename}: {e.strerror}" if e.filename else str(e.strerror)}
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
