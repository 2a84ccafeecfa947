"""Follows log files and gives the lines that match, each once: over rotation, truncation and restarts. Called by `compose`.

What was there before a file was first followed is history and not looked at. The place in each file is kept in `<state>/tails.json`,
written after what was found is durable in the inbox; a crash in between reads the same lines again, and the inbox knows them by
their digest or counts a repeat.

Whoever writes a log is not trusted with more than its lines: what is no regular file is not read, and a link only where its owner could
have read the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from flyball.backends.plain_file import open_plain
from flyball.errors import BadInput
from flyball.rego.error import OverLimit
from flyball.rego.expression.machine import Budget, Regex, compiled

MOST_BYTES = 262_144  # a look at one file; what is left is for the next look
LINE_MAX = 4_096  # a longer line is looked at in pieces
SHOWN = 5  # matching lines that are passed on; the rest is counted


@dataclass(slots=True)
class Followed:
    """One file that is followed. `told` is what every delivery says of it; `held` the open file, which outlives its name."""

    name: str
    path: Path
    match: Regex
    told: dict[str, Any]
    held: BinaryIO | None = None
    inode: int = 0
    offset: int = 0
    known: bool = False  # whether it was followed before: then a new file is read from its start
    rest: bytes = field(default=b"", repr=False)


class FileTail:
    """The files of a project's `tails`."""

    def __init__(self, state: Path, tails: Iterable[Any], now: Callable[[], float]) -> None:
        """Take up where the last server left off. `tails` are `config.Tail`; `now` gives Unix seconds."""
        self._kept, self._now = state / "tails.json", now
        self._found: list[bytes] = []  # not delivered yet
        self._files = [
            Followed(one.name, Path(one.path), _pattern(one), {"target": one.target, "alert": one.alert, "agent": one.agent})
            for one in tails
        ]
        try:
            places = orjson.loads(self._kept.read_bytes())
        except (OSError, ValueError):
            places = {}
        for one in self._files:
            place = places.get(one.name)
            if isinstance(place, list) and place[:1] == [str(one.path)]:
                one.inode, one.offset, one.known = int(place[1]), int(place[2]), True

    def read(self) -> list[bytes]:
        """Look at every file once. Gives one delivery for each that had matching lines; a file that cannot be read is looked at again.

        What it gave is given again, and nothing else, until `save` is called: a full disk may have refused it.
        """
        if not self._found:
            self._found = [found for one in self._files if (found := self._look(one))]
        return list(self._found)

    def save(self) -> None:
        """Keep the places. Call it when what `read` gave is durable. Raises OSError."""
        self._found = []
        places = {one.name: [str(one.path), one.inode, one.offset - len(one.rest)] for one in self._files if one.known}
        text = orjson.dumps(places)
        if not places or (self._kept.exists() and self._kept.read_bytes() == text):
            return
        part = self._kept.with_suffix(".part")
        part.write_bytes(text)
        part.replace(self._kept)

    def close(self) -> None:
        """Let go of the files."""
        for one in self._files:
            _let_go(one)

    def _look(self, one: Followed) -> bytes:
        start, found = one.offset - len(one.rest), list[str]()
        try:
            if one.held is None and not self._open(one):
                return b""
            start = one.offset - len(one.rest)
            found = self._lines(one)
            last = one.rest
            if self._moved(one) and self._open(one):  # the old file is read to its end: go on with the new one
                found += [*_matching(one, [last]), *self._lines(one)]
        except OSError:
            _let_go(one)
        if not found:
            return b""
        return orjson.dumps(
            {
                "name": one.name,
                "file": str(one.path),
                "inode": one.inode,
                "offset": start,
                "at": self._now(),
                "count": len(found),
                "lines": found[:SHOWN],
                **one.told,
            }
        )

    def _open(self, one: Followed) -> bool:
        """Open the file by its name; True if it is there. The first time ever it is followed from its end."""
        try:
            held = open_plain(one.path, links=True)
        except FileNotFoundError:
            one.known = True  # it will be new when it comes
            return False
        seen = os.fstat(held.fileno())
        if one.held is not None:
            one.held.close()
        same = one.inode == seen.st_ino and one.offset <= seen.st_size
        if not same:
            one.offset = 0 if one.known else seen.st_size
        one.held, one.inode, one.known, one.rest = held, seen.st_ino, True, b""
        return True

    def _lines(self, one: Followed) -> list[str]:
        """Give the matching ones of the whole lines that came since the last look."""
        if one.held is None:
            return []
        if os.fstat(one.held.fileno()).st_size < one.offset:  # cut short in place
            one.offset, one.rest = 0, b""
        one.held.seek(one.offset)
        fresh = one.held.read(MOST_BYTES)
        one.offset += len(fresh)
        *whole, one.rest = (one.rest + fresh).split(b"\n")
        while len(one.rest) > LINE_MAX:
            whole, one.rest = [*whole, one.rest[:LINE_MAX]], one.rest[LINE_MAX:]
        return _matching(one, whole)

    def _moved(self, one: Followed) -> bool:
        """Whether the name now stands for another file and the old one has nothing left."""
        if one.held is None or os.fstat(one.held.fileno()).st_size > one.offset:
            return False
        try:
            return one.path.stat().st_ino != one.inode
        except FileNotFoundError:
            return False


def _matching(one: Followed, lines: Iterable[bytes]) -> list[str]:
    """Give the matching ones of some lines, in pieces where they are long. What is too costly to look at counts as one."""
    pieces = (line[at : at + LINE_MAX] for line in lines for at in range(0, len(line) or 1, LINE_MAX))
    texts = (piece.decode(errors="replace").rstrip("\r") for piece in pieces)
    budget = Budget("tails[].match")
    return [text for text in texts if _matches(one.match, text, budget)]


def _matches(pattern: Regex, text: str, budget: Budget) -> bool:
    try:
        return pattern.matches(text, budget)
    except OverLimit:
        return True


def _pattern(one: Any) -> Regex:
    """Read a tail's pattern. Whoever writes to a log chooses what it is held against, so it is matched within a number of steps."""
    found = compiled(one.match)
    if not isinstance(found, Regex):
        why = f"{one.match!r} is no regular expression of RE2: {found}"
        raise BadInput(f"the tail {one.name} cannot be followed", why, "correct tails[].match in flyball.yaml")
    return found


def _let_go(one: Followed) -> None:
    """Close a file; what was read of a line that has no end yet is read again."""
    if one.held is not None:
        one.held.close()
    one.held, one.offset, one.rest = None, one.offset - len(one.rest), b""
