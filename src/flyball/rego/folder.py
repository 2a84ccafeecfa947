"""Reads a folder of policies from disk: modules, tables, cases and their digest. Called by `backends/policy_*`.

The folder holds `*.rego` (Rego v1, also in folders below), `data.yaml` (the tables that the rules look up, under
`data`), `data.schema.json` (what the tables must look like, if it is there) and `cases/*.yaml`.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from flyball.rego.source import Finding


class FolderError(Exception):
    """A folder that cannot be read as policies. `finding` says where and why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Folder:
    """What a policy folder holds: texts of modules by file, tables and their schema, parsed cases by file.

    `digest` covers every byte of them.
    """

    modules: Mapping[str, str]
    data: Mapping[str, Any]
    data_schema: Mapping[str, Any]
    cases: Mapping[str, Any]
    digest: str


def read_folder(folder: Path, schema: bytes = b"") -> Folder:
    """Reads `folder`; the digest covers its modules, tables and cases, and `schema`.

    Raises:
        FolderError: it cannot be read, holds no module, or a YAML file is malformed.
    """
    try:
        texts = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.rego"))}
        tables = {path.name: path.read_bytes() for path in sorted(folder.glob("data.yaml"))}
        shapes = {path.name: path.read_bytes() for path in sorted(folder.glob("data.schema.json"))}
        cases = {f"cases/{path.name}": path.read_bytes() for path in sorted(folder.glob("cases/*.yaml"))}
    except OSError as fault:
        why = fault.strerror or "it cannot be read"
        raise FolderError(Finding(str(folder), 0, 0, "the policies cannot be read", why, "check the folder")) from fault
    if not texts:
        fix = "run `flyball init`, or name the folder that holds the policies"
        raise FolderError(Finding(str(folder), 0, 0, "no policies", "without a policy every action is denied", fix))
    digest = hashlib.sha256()
    for name, raw in [*texts.items(), *tables.items(), *shapes.items(), *cases.items(), ("input.schema.json", schema)]:
        digest.update(f"{name}\0{len(raw)}\0".encode() + raw)
    modules = {name: _decoded(name, raw) for name, raw in texts.items()}
    data = {name: _mapping(name, _parsed(name, raw)) for name, raw in {**tables, **shapes}.items()}
    parsed = {name: _parsed(name, raw) for name, raw in cases.items()}
    name = f"sha256:{digest.hexdigest()}"
    return Folder(modules, data.get("data.yaml", {}), data.get("data.schema.json", {}), parsed, name)


class _Loader(yaml.SafeLoader):
    """Plain YAML in which no key may stand twice: only the last one would count, unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - yaml's own signature
        """Builds a mapping, or refuses its second equal key."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key `{key.value}` stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _decoded(name: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as fault:
        line = raw[: fault.start].count(b"\n") + 1
        raise FolderError(Finding(name, line, 1, "not UTF-8", "the file has a broken character", "save it as UTF-8")) from fault


def _parsed(name: str, raw: bytes) -> Any:
    try:
        parsed = yaml.load(_decoded(name, raw), _Loader)  # noqa: S506 - it is a SafeLoader
        return _plain(name, parsed)
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark
        line, col = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        why = str(fault.problem or "it cannot be read")
        raise FolderError(Finding(name, line, col, "malformed YAML", why, "correct the file")) from fault
    except yaml.YAMLError as fault:
        raise FolderError(Finding(name, 1, 1, "malformed YAML", "it cannot be read", "correct the file")) from fault


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    raise FolderError(Finding(name, 1, 1, "no tables", "the file is no mapping of names to tables", "correct the file"))


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
    raise FolderError(Finding(name, 1, 1, what, why, "quote the text, or give the time a zone (2026-12-24T00:00:00Z)"))
