"""Where the values of an action came from: references resolved, literals labelled, typed endorsement (DESIGN section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from flyball.model.grant import Target
from flyball.model.ids import Doc, Json
from flyball.model.kind import KindSpec
from flyball.model.provenance import Integrity, Origin, Value
from flyball.rules import pointer

REF = "$ref"
COMMIT_HEX = 40


class BadRefError(Exception):
    """A reference that names no value or leads nowhere in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How far the proposer's own words are trusted: the label of every literal it writes."""

    origin: str
    integrity: Integrity


def resolve(args: Doc, find: Callable[[str], Value | None], words: Words) -> tuple[dict[str, Json], dict[str, Origin]]:
    """Replace every reference by the value it names and label every leaf.

    Raises BadRefError. A literal takes the label of the words; a referenced leaf takes the label of its value.
    """
    labels: dict[str, Origin] = {}

    def walk(node: Json, at: str) -> Json:
        if not node or isinstance(node, (str, int, float)):
            labels[at] = Origin(origin=words.origin, integrity=words.integrity)
            return node
        if not isinstance(node, Mapping):
            return [walk(item, pointer.join(at, index)) for index, item in enumerate(node)]
        if REF not in node:
            return {name: walk(item, pointer.join(at, name)) for name, item in node.items()}
        found, label = _follow(node, at, find)
        labels.update((leaf, label) for leaf, _ in pointer.leaves(found, at))
        return found

    return {name: walk(item, pointer.join("", name)) for name, item in args.items()}, labels


def _follow(node: Mapping[str, Json], at: str, find: Callable[[str], Value | None]) -> tuple[Json, Origin]:
    """Give what a reference names, with the label of its value."""
    ref = node[REF]
    if len(node) != 1 or not isinstance(ref, str):
        raise BadRefError(f'{at}: a reference is exactly {{"$ref": "<value>#<pointer>"}}')
    name, _, where = ref.partition("#")
    value = find(name)
    if value is None:
        raise BadRefError(f"{at}: no value {name!r} in this session")
    try:
        found = pointer.look(value.body, where)
    except pointer.MissingError as missing:
        raise BadRefError(f"{at}: {missing} in value {name!r}") from missing
    return found, Origin(origin=f"value:{ref}", integrity=value.integrity)


def lowest(labels: Mapping[str, Origin]) -> Integrity:
    """Join labels: the minimum, PRINCIPAL for none."""
    return min((label.integrity for label in labels.values()), default=Integrity.PRINCIPAL)


def _in_catalogue(value: Json, _target: Target, catalogue: Mapping[str, Target]) -> bool:
    return isinstance(value, str) and value in catalogue


def _rotated(value: Json, target: Target, _catalogue: Mapping[str, Target]) -> bool:
    glob, log = target.facts.get("rotated"), target.facts.get("log")
    if not (isinstance(value, str) and isinstance(glob, str) and isinstance(log, str)):
        return False
    folder, _, name = value.rpartition("/")
    return folder == log.rpartition("/")[0] and fnmatchcase(name, glob)


def _commit(value: Json, _target: Target, _catalogue: Mapping[str, Target]) -> bool:
    return isinstance(value, str) and len(value) == COMMIT_HEX and all(digit in "0123456789abcdef" for digit in value)


def _channel(value: Json, target: Target, _catalogue: Mapping[str, Target]) -> bool:
    channels = target.facts.get("channels")
    return value == "log" or (isinstance(channels, Mapping) and isinstance(value, str) and value in channels)


def _choice(value: Json, target: Target, _catalogue: Mapping[str, Target]) -> bool:
    named: Any = target.facts.get("commands", {})
    rules = [rule for entry in named.values() for rule in entry["args"].values()]
    within = isinstance(value, int) and any(rule["max"] is not None and rule["min"] <= value <= rule["max"] for rule in rules)
    return value == {} or within or (isinstance(value, str | int) and (value in named or any(value in rule["enum"] for rule in rules)))


VALIDATORS: dict[str, Callable[[Json, Target, Mapping[str, Target]], bool]] = {
    "catalogue:service": _in_catalogue,
    "target:rotated": _rotated,
    "git:commit": _commit,
    "target:channel": _channel,
    "target:choice": _choice,
}
"""Named validators. Each says that a value is a member of a closed set from a trusted source."""


def endorse(spec: KindSpec, args: Doc, labels: Mapping[str, Origin], target: Target, catalogue: Mapping[str, Target]) -> dict[str, Origin]:
    """Mark leaves that the kind's named validators vouch for. Integrity stays: endorsement is shown beside it."""
    marked = dict(labels)
    for upper, name in spec.endorse.items():
        check = VALIDATORS.get(name)
        for leaf in pointer.within(args, upper) if check else ():
            label = marked.get(leaf)
            if check and label and not label.endorsed and check(pointer.look(args, leaf), target, catalogue):
                marked[leaf] = replace(label, endorsed=True, endorser=name)
    return marked


def untrusted(spec: KindSpec, args: Doc, labels: Mapping[str, Origin]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the observed, unendorsed leaves: those under a sink, and those under none. A leaf without a label is observed."""
    found: tuple[list[str], list[str]] = [], []
    for leaf, _ in pointer.leaves(args) if args else ():  # no arguments: nothing was chosen
        label = labels.get(leaf)
        if label is None or not (label.endorsed or label.integrity > Integrity.OBSERVED):
            found[not any(pointer.covers(sink, leaf) for sink in spec.sinks)].append(leaf)
    return tuple(found[0]), tuple(found[1])
