"""Runbooks as nouns, and how a YAML file becomes one. Called by the composition, `flyball runbook check` and the tests.

The file's shape is `defaults/runbooks/runbook.schema.json`. Only plain YAML is read: no tags, no anchors, no duplicate keys, no
dates; so a file means what it shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import jsonschema_rs
import yaml

from flyball.errors import BadInput
from flyball.model.action import Expect
from flyball.model.ids import Digest, Doc, Json
from flyball.rules.digest import NotCanonical, canonical, even
from flyball.rules.pointer import parts

MAX_BYTES = 262_144
MAX_DEPTH = 24
SCHEMA = "runbooks/runbook.schema.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One test on the result of the diagnose step `value`: what stands at the JSON pointer `at`, compared by `op` with `to`."""

    value: str
    at: str
    op: str
    to: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a decision table: holds when every condition holds. `then` is confirm or rule_out."""

    when: tuple[Condition, ...]
    then: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnose:
    """One read. `fresh`: look again after a fix was tried. `target`: empty for the session's, else a reference."""

    id: str
    kind: str
    args: Doc
    target: str = ""
    why: str = ""
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """One step of a plan that changes something, and what must be seen after it."""

    kind: str
    args: Doc
    why: str
    target: str = ""
    irreversible: bool = False
    verify: tuple[Expect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One hypothesis: how to tell, and what to do if it is so. `otherwise` is escalate or rule_out; `look` 1 is gathered first.

    It has a plan or, where nothing needs doing, the words to close with (`finish` is resolved or escalated).
    """

    name: str
    cause: str
    prior: float
    diagnose: tuple[Diagnose, ...]
    decide: tuple[Row, ...]
    otherwise: str
    look: int = 1
    plan: tuple[Deal, ...] = ()
    finish: str = ""
    summary: str = ""
    reused: frozenset[str] = frozenset()  # diagnose ids that were written at an earlier hypothesis


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """A whole runbook. `digest` is the SHA-256 of the file as it was read."""

    name: str
    title: str
    file: str
    digest: Digest
    alerts: tuple[str, ...]
    symptoms: tuple[str, ...]
    branches: tuple[Branch, ...]
    escalate_to: str
    question: str
    labels: Mapping[str, str] = field(default_factory=dict)
    undo: str = ""


class _NotPlainError(Exception):
    """YAML that is not read here; `line` counts from 1."""

    def __init__(self, what: str, line: int) -> None:
        """Keep what and where."""
        super().__init__(what)
        self.line = line


class _Loader(yaml.SafeLoader):
    """Safe YAML without duplicate keys and dates."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own class attribute, narrowed
        first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse anchors, tags and deep nesting before anything is built from them."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it without types
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _NotPlainError("anchors and aliases are not read here", _line_of(event))
        if getattr(event, "tag", None) not in {None, "!"}:
            raise _NotPlainError("tags are not read here", _line_of(event))
        if self.depth >= MAX_DEPTH:
            raise _NotPlainError(f"nested deeper than {MAX_DEPTH}", _line_of(event))
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Refuse a key that stands twice or is not text."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise _NotPlainError(f"the key {key.value!r} is not text: put it in quotes", _line_of(key))
            if key.value in seen:
                raise _NotPlainError(f"the key {key.value!r} stands twice", _line_of(key))
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _line_of(part: yaml.Node | yaml.Event) -> int:
    return part.start_mark.line + 1 if part.start_mark else 1


def load(files: Mapping[str, bytes]) -> tuple[Runbook, ...]:
    """Read every file, by name. Raises BadInput that names the file, the line and the place in it."""
    books: dict[str, Runbook] = {}
    for file in sorted(files):
        book = _read(file, files[file])
        if book.name in books:
            raise BadInput(
                f"{file}: the runbook name {book.name!r} is taken by {books[book.name].file}.",
                "A session, its record and its log entries name the runbook.",
                "Give one of them another name.",
            )
        books[book.name] = book
    return tuple(books.values())


def _read(file: str, raw: bytes) -> Runbook:
    if len(raw) > MAX_BYTES:
        raise BadInput(f"{file}: {len(raw)} bytes.", f"A runbook has at most {MAX_BYTES} bytes.", "Split it.")
    try:
        root, doc = _parse(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput(f"{file}: byte {error.start} is not UTF-8.", "Runbooks are UTF-8 text.", "Save it as UTF-8.") from None
    except _NotPlainError as error:
        raise BadInput(f"{file}, line {error.line}: {error}.", "The file is not plain YAML.", "Correct that line.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise BadInput(f"{file}{line}: {error.problem}.", "The file is not plain YAML.", "Correct that line.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise BadInput(f"{file}: {_first_line(error)}.", "The file is not plain YAML.", "Correct it.") from None
    for fault in _schema().iter_errors(doc):
        raise _bad(file, root, tuple(fault.instance_path), _first_line(fault.message))
    try:
        canonical(even(doc))  # all of it may end in an action's digest or in the log
    except NotCanonical as fault:
        raise _bad(file, root, parts(fault.path), fault.why) from None
    return _runbook(file, raw, doc, root)


def _parse(text: str) -> tuple[yaml.Node | None, Any]:
    """Give the tree, for its line numbers, and the values."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _first_line(error: object) -> str:
    lines = str(error).splitlines() or [""]
    return lines[0].rstrip(".")[:300]


@cache
def _schema() -> jsonschema_rs.Draft202012Validator:
    text = resources.files("flyball.defaults").joinpath(SCHEMA).read_text(encoding="utf-8")
    return jsonschema_rs.Draft202012Validator(json.loads(text))


def pointer(path: tuple[str | int, ...]) -> str:
    """Write a path as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _line(node: yaml.Node | None, path: tuple[str | int, ...]) -> int:
    """Give the line, counted from 1, of the deepest part of `path` that exists."""
    line = 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == part]
        elif isinstance(node, yaml.SequenceNode) and int(part) < len(node.value):
            found = [(node.value[int(part)], node.value[int(part)])]
        else:
            found = []
        if not found:
            break
        line, node = _line_of(found[0][0]), found[0][1]
    return line


def _bad(file: str, root: yaml.Node | None, path: tuple[str | int, ...], problem: str) -> BadInput:
    return BadInput(
        f"{file}, line {_line(root, path)}, {pointer(path) or '/'}: {problem}.",
        "It does not have the shape of runbook.schema.json.",
        "Correct it, then run: flyball runbook check",
    )


def _runbook(file: str, raw: bytes, doc: dict[str, Any], root: yaml.Node | None) -> Runbook:
    known: dict[str, Diagnose] = {}
    branches: list[Branch] = []
    for index, part in enumerate(doc["hypotheses"]):
        diagnose: list[Diagnose] = []
        reused: list[str] = []
        for position, item in enumerate(part["diagnose"]):
            path = ("hypotheses", index, "diagnose", position)
            if isinstance(item, str):
                if item not in known:
                    raise _bad(file, root, path, f"no diagnose step {item!r} stands further up")
                reused.append(item)
                diagnose.append(known[item])
                continue
            step = Diagnose(**item)
            if step.id in known:
                raise _bad(file, root, (*path, "id"), f"the diagnose id {step.id!r} is taken; to use it again write its name alone")
            known[step.id] = step
            diagnose.append(step)
        branches.append(_branch(part, tuple(diagnose), frozenset(reused)))
    names = [branch.name for branch in branches]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise _bad(file, root, ("hypotheses", index, "name"), f"the hypothesis name {name!r} stands twice")
    return Runbook(
        name=doc["name"],
        title=doc["title"],
        file=file,
        digest=Digest("sha256:" + hashlib.sha256(raw).hexdigest()),
        alerts=tuple(doc["match"]["alert"]),
        labels=doc["match"].get("labels", {}),
        symptoms=tuple(doc["symptoms"]),
        undo=doc.get("undo", ""),
        branches=tuple(branches),
        escalate_to=doc["escalate"]["to"],
        question=doc["escalate"]["question"].strip(),
    )


def _branch(part: dict[str, Any], diagnose: tuple[Diagnose, ...], reused: frozenset[str]) -> Branch:
    finish = part.get("finish", {})
    return Branch(
        name=part["name"],
        cause=part["cause"],
        prior=float(part["prior"]),
        look=part.get("look", 1),
        diagnose=diagnose,
        reused=reused,
        decide=tuple(_row(row) for row in part["decide"]),
        otherwise=part["else"],
        plan=tuple(_deal(step) for step in part.get("actions", ())),
        finish=finish.get("outcome", ""),
        summary=finish.get("summary", "").strip(),
    )


def _row(part: dict[str, Any]) -> Row:
    when = tuple(Condition(value=one["value"], at=one.get("at", ""), op=one["op"], to=one["to"]) for one in part["when"])
    return Row(when=when, then=part["then"], because=part["because"])


def _deal(part: dict[str, Any]) -> Deal:
    verify = tuple(Expect(**one) for one in part.get("verify", ()))
    return Deal(**{**part, "verify": verify})
