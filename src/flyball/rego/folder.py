"""Reads a folder of policies from disk: modules, tables, cases and their digest. Called by `backends/policy_*`.

The folder holds `*.rego` (Rego v1, also in folders below), `data.yaml` (the tables that the rules look up, under
`data`), `data.schema.json` (what the tables must look like, if it is there) and `cases/*.yaml`.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from flyball.rego.bundle import PLAN, Contents
from flyball.rego.error import Mistake, Place, Refused

CODE = "rego_load_error"
MOST_ALIASES, MOST_DEPTH = 32, 200


@dataclass(frozen=True, slots=True)
class Folder:
    """What a policy folder holds: texts of modules by file, tables and their schema, parsed cases by file.

    `digest` covers every byte of them. `plan` is what counts instead of the modules, where a bundle has one.
    """

    modules: Mapping[str, str]
    data: Mapping[str, Any]
    data_schema: Mapping[str, Any]
    cases: Mapping[str, Any]
    digest: str
    plan: bytes = b""


def of_bundle(held: Contents, schema: bytes = b"") -> Folder:
    """What somebody else has packed, as a folder without cases."""
    texts = [(name, text.encode()) for name, text in sorted(held.modules.items())]
    tables = json.dumps(held.data, sort_keys=True, separators=(",", ":")).encode()
    plan = [(PLAN, held.plan)] if held.plan else []
    digest = _digest([*texts, *plan, ("data.json", tables), ("input.schema.json", schema)])
    return Folder(held.modules, held.data, {}, {}, digest, held.plan)


def read_folder(folder: Path, schema: bytes = b"") -> Folder:
    """Reads `folder`; the digest covers its modules, tables and cases, and `schema`.

    Raises:
        Refused: it cannot be read, holds no module, or a YAML file is malformed.
    """
    try:
        texts = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.rego"))}
        tables = {path.name: path.read_bytes() for path in sorted(folder.glob("data.yaml"))}
        shapes = {path.name: path.read_bytes() for path in sorted(folder.glob("data.schema.json"))}
        cases = {f"cases/{path.name}": path.read_bytes() for path in sorted(folder.glob("cases/*.yaml"))}
    except OSError as fault:
        raise _refused(str(folder), 0, 0, f"the policies cannot be read: {fault.strerror or fault}", "check the folder") from fault
    if not texts:
        fix = "run `flyball init`, or name the folder that holds the policies: without a policy every action is denied"
        raise _refused(str(folder), 0, 0, "no policies", fix)
    named = [*texts.items(), *tables.items(), *shapes.items(), *cases.items(), ("input.schema.json", schema)]
    modules = {name: _decoded(name, raw) for name, raw in texts.items()}
    data = {name: _mapping(name, _parsed(name, raw)) for name, raw in {**tables, **shapes}.items()}
    parsed = {name: _parsed(name, raw) for name, raw in cases.items()}
    return Folder(modules, data.get("data.yaml", {}), data.get("data.schema.json", {}), parsed, _digest(named))


def read_document(name: str, raw: bytes) -> Any:
    """One file of YAML or JSON as plain values, without nulls: a null counts as true in Rego.

    Several documents are a list, without the empty ones.

    Raises:
        Refused: it is malformed, or holds a value that JSON does not have.
    """
    try:
        parts = _documents(name, _decoded(name, raw))
        found = [_plain(name, without_nulls(one)) for one in [one for one in parts if one is not None] or parts]
    except yaml.YAMLError as fault:
        raise _malformed(name, fault) from fault
    except RecursionError as fault:
        raise _refused(name, 1, 1, "nested too deeply, or within itself", "write it flat") from fault
    return found[0] if len(parts) == 1 else found


def without_nulls(value: Any) -> Any:
    """A document without what is null: a key whose value is null is as good as none."""
    if isinstance(value, dict):
        return {name: without_nulls(held) for name, held in value.items() if held is not None}
    if isinstance(value, list):
        return [without_nulls(held) for held in value if held is not None]
    return value.isoformat() if isinstance(value, date) else value


def _digest(files: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, raw in files:
        digest.update(f"{name}\0{len(raw)}\0".encode() + raw)
    return f"sha256:{digest.hexdigest()}"


if TYPE_CHECKING:
    _Safe = yaml.SafeLoader
else:  # libyaml where it is there: the same grammar, ten times as fast
    _Safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):
    """Plain YAML in which no key may stand twice: only the last one would count, unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - yaml's own signature
        """Builds a mapping, or refuses its second equal key."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key `{key.value}` stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _documents(name: str, text: str) -> list[Any]:
    """The documents of a YAML text. Few aliases, lest they multiply each other, and not too deep for the reader's stack."""
    aliases = depth = 0
    for event in yaml.parse(text, _Safe):
        aliases += isinstance(event, yaml.AliasEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if aliases > MOST_ALIASES or depth > MOST_DEPTH:
            many = f"more than {MOST_ALIASES} aliases" if aliases > MOST_ALIASES else f"more than {MOST_DEPTH} levels"
            row, col = (event.start_mark.line + 1, event.start_mark.column + 1) if event.start_mark else (1, 1)
            raise _refused(name, row, col, f"malformed YAML: {many}", "correct the file")
    return list(yaml.load_all(text, _Loader))


def _refused(file: str, row: int, col: int, what: str, fix: str) -> Refused:
    return Refused([Mistake(Place(file, row, col), CODE, what, fix)])


def _decoded(name: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as fault:
        row = raw[: fault.start].count(b"\n") + 1
        raise _refused(name, row, 1, "not UTF-8: the file has a broken character", "save it as UTF-8") from fault


def _parsed(name: str, raw: bytes) -> Any:
    try:
        found = _documents(name, _decoded(name, raw))
        if len(found) > 1:
            raise yaml.MarkedYAMLError(problem="expected a single document in the stream")
        return _plain(name, found[0] if found else None)
    except yaml.YAMLError as fault:
        raise _malformed(name, fault) from fault


def _malformed(name: str, fault: yaml.YAMLError) -> Refused:
    mark = fault.problem_mark if isinstance(fault, yaml.MarkedYAMLError) else None
    row, col = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    why = str(getattr(fault, "problem", "") or "it cannot be read")
    return _refused(name, row, col, f"malformed YAML: {why}", "correct the file")


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    raise _refused(name, 1, 1, "no tables: the file is no mapping of names to tables", "correct the file")


def _plain(name: str, value: Any) -> Any:
    """JSON values only; a time becomes Unix seconds. Null is refused: it counts as true in Rego."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.timestamp()
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(name, held) for key, held in value.items()}
    if isinstance(value, list):
        return [_plain(name, held) for held in value]
    if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    what = f"a value that policies cannot read: {value!r}"
    why = "keys are texts; values are texts, numbers, booleans, lists, mappings or times with a zone; never null"
    raise _refused(name, 1, 1, what, f"{why}: quote the text, or give the time a zone (2026-12-24T00:00:00Z)")
