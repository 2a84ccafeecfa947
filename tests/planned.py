"""Bundles as `opa build -t plan` makes them, for tests: a plan written by hand, packed as OPA packs it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any


def packed(files: Mapping[str, bytes]) -> bytes:
    """A gzipped tar of these files."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as made:
        for name, raw in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            made.addfile(info, io.BytesIO(raw))
    return gzip.compress(tar.getvalue(), mtime=0)


def bundle(plan: Any, data: Any, **more: bytes) -> bytes:
    """A bundle of a plan and one document of data, with an empty manifest; `more` are other files."""
    files = {"/data.json": json.dumps(data).encode(), "/plan.json": json.dumps(plan).encode()}
    return packed({**files, "/.manifest": b'{"revision":"r-1","roots":[""]}', **more})


class _Planner:
    """Makes a constant document of statements; a text that begins with `data.` is looked up."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self.stmts: list[dict[str, Any]] = []
        self.local = 1

    def add(self, kind: str, **fields: Any) -> None:
        self.stmts.append({"type": kind, "stmt": {**fields, "file": 0, "col": 1, "row": 1}})

    def text(self, text: str) -> dict[str, Any]:
        self.strings.append(text)
        return {"type": "string_index", "value": len(self.strings) - 1}

    def fresh(self) -> int:
        self.local += 1
        return self.local

    def make(self, value: Any) -> dict[str, Any]:
        if isinstance(value, bool):
            return {"type": "bool", "value": value}
        if isinstance(value, str) and not value.startswith("data."):
            return self.text(value)
        target = self.fresh()
        if isinstance(value, str):
            source = 1
            for name in value.split(".")[1:]:
                target = self.fresh()
                self.add("DotStmt", source={"type": "local", "value": source}, key=self.text(name), target=target)
                source = target
        elif isinstance(value, int):
            self.add("MakeNumberIntStmt", value=value, target=target)
        elif isinstance(value, dict):
            self.add("MakeObjectStmt", target=target)
            for name, held in value.items():
                self.add("ObjectInsertStmt", key=self.text(name), value=self.make(held), object=target)
        else:
            self.add("MakeArrayStmt", target=target)
            for held in value:
                self.add("ArrayAppendStmt", value=self.make(held), array=target)
        return {"type": "local", "value": target}


def plan(entrypoint: str, value: Any) -> dict[str, Any]:
    """The plan of one entrypoint that is worth this; texts such as `data.a.b` are looked up in data."""
    planner = _Planner()
    made = planner.make({"result": value})
    planner.add("ResultSetAddStmt", value=made["value"])
    return {
        "static": {"strings": [{"value": one} for one in planner.strings], "files": [{"value": "own.rego"}]},
        "plans": {"plans": [{"name": entrypoint, "blocks": [{"stmts": planner.stmts}]}]},
        "funcs": {},
    }
