"""`file.quarantine`: moves rotated log files to a folder on another file system, from which they can be put back. Called by the door.

The moving itself is `box/quarantine.py`, run inside the box with the files' folders and the quarantine bound. This file decides by text
alone which paths may be named, and turns the program's answers into the port's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from flyball.errors import BadInput, Unreachable, UserError
from flyball.model.action import Outcome, Reach, Recipe, Seen
from flyball.model.box import Mount, Ran, Run
from flyball.model.ids import Doc
from flyball.model.kind import KindSpec
from flyball.ports import Hands

_ENV = (("LC_ALL", "C.UTF-8"), ("PATH", "/usr/local/bin:/usr/bin:/bin"))
_PROGRAM = str(Path(__file__).parent / "box" / "quarantine.py")
_ARGV = ("python3", "-I", _PROGRAM)
_MOST = 64  # files in one action
_LARGEST = 17_179_869_184  # bytes of one file, 16 GiB
_DAY_S = 86_400


class FileQuarantine:
    """Move rotated logs away; undo puts them back where nothing new lies there."""

    spec = KindSpec(
        name="file.quarantine",
        title="Move rotated log files to quarantine",
        reach=Reach.WRITE,
        args={
            "type": "object",
            "properties": {
                "service": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_.-]{0,63}$", "maxLength": 64},
                "paths": {
                    "type": "array",
                    "items": {"type": "string", "pattern": r"^/[^\x00-\x1f\x7f]*$", "maxLength": 1024},
                    "minItems": 1,
                    "maxItems": _MOST,
                    "uniqueItems": True,
                },
                "keep_s": {"type": "integer", "minimum": 60, "maximum": 30 * _DAY_S},
            },
            "required": ["service", "paths"],
            "additionalProperties": False,
        },
        result={
            "type": "object",
            "properties": {
                "moved": {"type": "array", "items": {"type": "string"}, "maxItems": _MOST},
                "moved_bytes": {"type": "integer", "minimum": 0},
                "quarantine": {"type": "string"},
            },
            "required": ["moved", "moved_bytes", "quarantine"],
            "additionalProperties": False,
        },
        sinks=("/service", "/paths"),
        endorse={"/service": "catalogue:service", "/paths": "target:rotated"},
        reversible=True,
        destructive=False,
        idempotent=True,
        timeout_s=150.0,
        errors=(
            "path not allowed: outside facts.paths, or not of the form facts.rotated",
            "not a plain file: a symlink at any component, a device, a second hard link",
            "open in a process",
            "changed since it was planned",
            "no room in quarantine, or on the way back",
            "something new lies at the old place: undo refuses",
        ),
    )

    async def plan(self, hands: Hands) -> Recipe:
        """Write down size and digest of every file.

        Raises BadInput for paths that may not be named, Unreachable for files that cannot be moved as they are.
        """
        paths = _paths(hands)
        said = await _ask(hands, {"verb": "plan", "paths": paths, "quarantine": _quarantine(hands)}, paths, write=False)
        size = sum(int(file["size"]) for file in said["files"])
        kept = hands.action.args.get("keep_s")
        return Recipe(
            before={"files": said["files"]},
            undo={"do": "put back", "from": f"{_quarantine(hands)}/{hands.action.id}"},
            argv=(_ARGV,),
            diff="".join(f"{file['path']} -> {_quarantine(hands)}/{hands.action.id}/{file['stored']}\n" for file in said["files"]),
            blast={"service": hands.target.name, "files": len(paths), "bytes": size, "other_file_system": said["other_file_system"]},
            keep_until=hands.now + (kept if isinstance(kept, int) else hands.keep_s),
        )

    async def do(self, hands: Hands, recipe: Recipe) -> Outcome:
        """Move what has not been moved yet."""
        outcome, said = await _act(hands, recipe, "move")
        if said is None:
            return outcome
        place = f"{_quarantine(hands)}/{hands.action.id}"
        result: Doc = {"moved": [file["path"] for file in _files(recipe)], "moved_bytes": said["moved_bytes"], "quarantine": place}
        return Outcome(ok=True, result=result, took_s=outcome.took_s, level=outcome.level)

    async def probe(self, hands: Hands, recipe: Recipe) -> Seen:
        """Happened: every file is in quarantine. Absent: every file is at its place. Else a person looks."""
        return await _seen(hands, recipe, happened={"moved"}, absent={"planned"})

    async def undo(self, hands: Hands, recipe: Recipe) -> Outcome:
        """Put every file back, or none where something new lies at one of the places."""
        return (await _act(hands, recipe, "back"))[0]

    async def undone(self, hands: Hands, recipe: Recipe) -> Seen:
        """Look whether every file is at its place again."""
        return await _seen(hands, recipe, happened={"restored", "planned"}, absent={"moved"})


async def _act(hands: Hands, recipe: Recipe, verb: str) -> tuple[Outcome, dict[str, Any] | None]:
    """Move or put back; the answer is None where that failed."""
    try:
        question = {"verb": verb, **_question(hands, recipe)}
        said = await _ask(hands, question, [str(file["path"]) for file in _files(recipe)], write=True)
    except UserError as e:
        return Outcome(ok=False, error=f"{e.what}: {e.why}", level=hands.box.level), None
    return Outcome(ok=True, took_s=float(said["took_s"]), level=hands.box.level), said


async def _seen(hands: Hands, recipe: Recipe, *, happened: set[str], absent: set[str]) -> Seen:
    """Look where every file stands."""
    try:
        question = {"verb": "look", **_question(hands, recipe)}
        states = set((await _ask(hands, question, [str(file["path"]) for file in _files(recipe)], write=False))["states"])
    except UserError:
        return Seen.UNSURE
    if states <= happened:
        return Seen.HAPPENED
    return Seen.ABSENT if states <= absent else Seen.UNSURE


def _question(hands: Hands, recipe: Recipe) -> dict[str, Any]:
    return {"key": str(hands.action.id), "quarantine": _quarantine(hands), "files": _files(recipe), "keep_until": recipe.keep_until}


def _files(recipe: Recipe) -> list[dict[str, Any]]:
    """Give the files as the plan found them."""
    files = recipe.before.get("files")
    return [dict(file) for file in files if isinstance(file, Mapping)] if isinstance(files, Sequence) else []


def _quarantine(hands: Hands) -> str:
    """Give the quarantine folder. Raises BadInput."""
    place = hands.target.facts.get("quarantine")
    if not isinstance(place, str) or not place.startswith("/"):
        raise BadInput(
            "the catalogue entry names no quarantine", "files are moved there", "add facts.quarantine, a folder on another file system"
        )
    return place.rstrip("/")


def _paths(hands: Hands) -> list[str]:
    """Give the paths to move. Raises BadInput where one may not be named."""
    service, given = hands.action.args.get("service"), hands.action.args.get("paths")
    if service != hands.target.name:
        raise BadInput(f"the service is not {hands.target.name}", "the argument and the target differ", "name the target itself")
    pattern = hands.target.facts.get("rotated")
    paths = [path for path in given if isinstance(path, str)] if isinstance(given, list | tuple) else []
    if not paths or len(set(paths)) != len(paths) or len(paths) > _MOST:
        raise BadInput("the paths do not serve", f"1 to {_MOST} different paths are moved at once", "name rotated files of the service")
    for path in paths:
        name = path.rpartition("/")[2]
        plain = path.isprintable() and not {"", ".", ".."} & set(path.split("/")[1:])
        if not plain or not _prefix(hands, path) or not isinstance(pattern, str) or not fnmatchcase(name, pattern):
            shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path)
            why = "it is no rotated file under a path that the catalogue entry names"
            raise BadInput(f"file.quarantine may not move {shown}", why, "see facts.paths and facts.rotated")
    return paths


def _prefix(hands: Hands, path: str) -> str:
    """Give the longest allowed prefix that holds `path`, or an empty string. By text alone: the program follows no symlink below it."""
    allowed = hands.target.facts.get("paths")
    known = [p.rstrip("/") for p in allowed if isinstance(p, str)] if isinstance(allowed, list | tuple) else []
    return max((p for p in known if p and path.startswith(f"{p}/")), key=len, default="")


async def _ask(hands: Hands, question: dict[str, Any], paths: Sequence[str], *, write: bool) -> dict[str, Any]:
    """Ask the program in the box. Raises Unreachable with its one line where it refuses or fails."""
    # The operator's prefixes are bound, never a file's own folder: a bind follows symlinks, the program does not.
    folders = {_prefix(hands, path) for path in paths} | {_quarantine(hands)}
    nested = [place for place in sorted(folders) if place and not any(other and place.startswith(f"{other}/") for other in folders)]
    ran = await hands.box.run(
        Run(
            _ARGV,
            mounts=(Mount(_PROGRAM, _PROGRAM), *(Mount(place, place, write=write) for place in nested)),
            env=_ENV,
            stdin=json.dumps(question).encode(),
            timeout_s=140.0 if write else 60.0,
            cpu_s=130,
            file_bytes=_LARGEST,
            write=write,
        )
    )
    said = _answer(ran)
    if said.get("ok") is not True:
        raise Unreachable(str(said.get("error"))[:500], "the files cannot be moved as they are", "look at the files and plan again")
    return {**said, "took_s": ran.took_s}


def _answer(ran: Ran) -> dict[str, Any]:
    """Give what the program wrote, or an error in its form."""
    if ran.timed_out:
        return {"error": "moving took too long; what was begun is finished or put back by doing it again"}
    try:
        said = json.loads(ran.out)
    except ValueError:
        last = ran.err.decode("utf-8", "backslashreplace").strip().split("\n")[-1][:300]
        return {"error": f"python3 ended with {ran.code}: {''.join(c if c.isprintable() else ascii(c)[1:-1] for c in last)}"}
    return said if isinstance(said, dict) else {"error": "python3 wrote no object"}


KIND = FileQuarantine()
