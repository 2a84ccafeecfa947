"""The kill switch as files: one JSON file per freeze in `<state>/freeze`. Works with the server down; read at every decision."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path

import orjson

from flyball import wire
from flyball.errors import BadInput, NotReady
from flyball.model.grant import Freeze
from flyball.rules.checks.freeze import is_scope

MOST_TEXT = 2_000  # characters of a reason: it goes into entries of the log that have no room for more
Mark = tuple[tuple[str, int, int], ...]


class FileFreezer:
    """Meets `ports.Freezer`."""

    def __init__(self, state: Path) -> None:
        """Make the folder. Raises NotReady where it cannot be made."""
        self._folder = state / "freeze"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise NotReady(f"the folder {self._folder} cannot be made", str(fault), "give the server a writable state folder") from fault
        self._mark: Mark | None = None
        self._seen: tuple[Freeze, ...] = ()

    def freezes(self) -> tuple[Freeze, ...]:
        """Give every freeze on file. Files are replaced by rename, so name, inode and time say whether one changed."""
        try:
            with os.scandir(self._folder) as found:
                mark = tuple(sorted((one.name, one.inode(), one.stat().st_mtime_ns) for one in found if one.name.endswith(".json")))
            if mark != self._mark:
                self._seen = tuple(self._read(self._folder / name) for name, _, _ in mark)
                self._mark = mark
        except (OSError, ValueError, BadInput) as fault:
            self._mark = None
            raise NotReady("freezes cannot be read, so nothing may run", str(fault), f"look at {self._folder}") from fault
        return self._seen

    @staticmethod
    def _read(path: Path) -> Freeze:
        """Read one that anybody may have written. Raises BadInput for a scope that would stop nothing."""
        found = wire.parse(Freeze, orjson.loads(path.read_bytes()))
        if not is_scope(found.scope):
            raise BadInput(f"{path} freezes nothing", "a scope is all, agent:NAME, target:NAME or kind:NAME", "mend or remove the file")
        return replace(found, **{name: getattr(found, name)[:MOST_TEXT] for name in ("reason", "by", "thawed_by", "thaw_reason")})

    def freeze(self, freeze: Freeze) -> None:
        """Write one; durable on return."""
        path = self._folder / f"{freeze.id}.json"
        part = path.with_suffix(".part")
        with part.open("wb") as out:
            out.write(orjson.dumps(asdict(freeze), option=orjson.OPT_INDENT_2))
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
        self._sync()

    def lift(self, freeze_id: str) -> None:
        """Remove one for good."""
        (self._folder / f"{freeze_id}.json").unlink(missing_ok=True)
        self._sync()

    def _sync(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
