"""Where values come from: references by value, labels on every leaf, endorsement only by named validators."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.config import Command, Rule
from flyball.model.action import Reach
from flyball.model.grant import Target
from flyball.model.ids import Digest, ValueId
from flyball.model.kind import KindSpec
from flyball.model.provenance import Integrity, Origin, Value
from flyball.rules.pointer import leaves, look
from flyball.rules.provenance import BadRefError, Words, endorse, lowest, resolve, untrusted

WORDS = Words(origin="brain:x", integrity=Integrity.CONFIG)
SCALAR = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "web", "db"])
JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c~/"]), inner, max_size=3), max_leaves=6
)
ARGS = st.dictionaries(st.sampled_from(["x", "y"]), JSON, max_size=2)


def value(body: Any, integrity: Integrity = Integrity.OBSERVED) -> Value:
    return Value(id=ValueId("v1"), digest=Digest("d"), origin="kind:host.read@web", integrity=integrity, body=body)


def find(body: Any, integrity: Integrity = Integrity.OBSERVED) -> Any:
    return lambda name: value(body, integrity) if name == "v1" else None


@given(ARGS, st.sampled_from(list(Integrity)))
def test_every_literal_leaf_takes_the_label_of_the_words(args: Any, integrity: Integrity) -> None:
    found, labels = resolve(args, find(None), Words(origin="o", integrity=integrity))
    assert found == args
    if args:
        assert set(labels) == {leaf for leaf, _ in leaves(found)}
    assert {label.integrity for label in labels.values()} <= {integrity}


@given(JSON, st.sampled_from(list(Integrity)))
def test_a_referenced_leaf_takes_the_label_of_its_value_whatever_the_words(body: Any, integrity: Integrity) -> None:
    found, labels = resolve({"x": {"$ref": "v1#"}, "y": 1}, find(body, integrity), WORDS)
    assert found == {"x": body, "y": 1}
    assert {label.integrity for at, label in labels.items() if at.startswith("/x")} == {integrity}
    assert labels["/y"].integrity is Integrity.CONFIG


@pytest.mark.parametrize(
    "args",
    [
        {"x": {"$ref": "gone#/a"}},
        {"x": {"$ref": "v1#/none"}},
        {"x": {"$ref": "v1#a"}},
        {"x": {"$ref": "v1", "and": 1}},
        {"x": {"$ref": 3}},
        {"x": [{"y": {"$ref": None}}]},
    ],
)
def test_a_reference_that_names_nothing_is_refused(args: Any) -> None:
    with pytest.raises(BadRefError):
        resolve(args, find({"a": 1}), WORDS)


def test_a_reference_inside_a_value_is_text_not_a_reference() -> None:
    found, labels = resolve({"x": {"$ref": "v1#/a"}}, find({"a": {"$ref": "v1#/b"}, "b": "secret"}), WORDS)
    assert found == {"x": {"$ref": "v1#/b"}}
    assert labels["/x/$ref"].integrity is Integrity.OBSERVED


def test_the_lowest_label_is_the_minimum_and_nothing_at_all_is_trusted() -> None:
    labels = {str(one): Origin(origin="o", integrity=one) for one in Integrity}
    assert lowest(labels) is Integrity.OBSERVED
    assert lowest({}) is Integrity.PRINCIPAL


SPEC = KindSpec(name="k", title="k", reach=Reach.WRITE, args={}, result={}, sinks=("/where", "/files"))
RULES: list[dict[str, Any]] = [{"enum": ["users"]}, {"min": 1, "max": 10}, {"pattern": "[a-z]+"}]
COMMANDS = {"reindex": Command(argv=["x"], args={f"a{n}": Rule(**rule) for n, rule in enumerate(RULES)}).model_dump()}
TARGET = Target(name="web", env="lab", facts={"log": "/var/log/web/app.log", "rotated": "app.log.*", "commands": COMMANDS})
CATALOGUE = {"web": TARGET, "db": Target(name="db", env="lab")}
OBSERVED = Origin(origin="o", integrity=Integrity.OBSERVED)


@pytest.mark.parametrize(
    ("name", "found", "vouched"),
    [
        ("catalogue:service", "web", True),
        ("catalogue:service", "Web", False),
        ("catalogue:service", 3, False),
        ("target:rotated", "/var/log/web/app.log.1", True),
        ("target:rotated", "/var/log/web/app.log", False),
        ("target:rotated", "/var/log/web/../app.log.1", False),
        ("target:rotated", "/etc/app.log.1", False),
        ("target:rotated", "/var/log/web/app.log.1/../../../etc/passwd", False),
        ("target:rotated", 1, False),
        ("target:channel", "log", True),
        ("target:channel", "nowhere", False),
        ("target:channel", 1, False),
        ("git:commit", "a" * 40, True),
        ("git:commit", "A" * 40, False),
        ("git:commit", "a" * 39, False),
        ("git:commit", "HEAD", False),
        ("git:commit", None, False),
        ("target:choice", "reindex", True),
        ("target:choice", "users", True),
        ("target:choice", "secrets", False),
        ("target:choice", "abc", False),  # what only a pattern lets in is nobody's choice but the proposer's
        ("target:choice", 1, True),
        ("target:choice", 11, False),
        ("target:choice", {}, True),
        ("target:choice", [], False),
        ("target:choice", None, False),
        ("no:such", "web", False),
    ],
)
def test_a_named_validator_vouches_for_members_of_its_set_only(name: str, found: Any, vouched: bool) -> None:
    spec = replace(SPEC, endorse={"/where": name})
    marked = endorse(spec, {"where": found}, {"/where": OBSERVED}, TARGET, CATALOGUE)
    assert (marked["/where"].endorsed, marked["/where"].endorser) == (vouched, name if vouched else "")
    assert marked["/where"].integrity is Integrity.OBSERVED
    assert untrusted(spec, {"where": found}, marked) == ((() if vouched else ("/where",)), ())


def test_a_target_without_facts_vouches_for_no_rotated_log() -> None:
    spec = replace(SPEC, endorse={"/where": "target:rotated"})
    marked = endorse(spec, {"where": "/var/log/web/app.log.1"}, {"/where": OBSERVED}, CATALOGUE["db"], CATALOGUE)
    assert not marked["/where"].endorsed


def test_endorsement_reaches_the_leaves_below_keeps_what_is_and_labels_nothing_new() -> None:
    spec = replace(SPEC, endorse={"/files": "catalogue:service"})
    before = {"/files/0": OBSERVED, "/files/1": replace(OBSERVED, endorsed=True, endorser="person:emma")}
    marked = endorse(spec, {"files": ["web", "web", "db", "x"]}, before, TARGET, CATALOGUE)
    assert [marked[at].endorser for at in ("/files/0", "/files/1")] == ["catalogue:service", "person:emma"]
    assert set(marked) == {"/files/0", "/files/1"}
    assert untrusted(spec, {"files": ["web", "web", "db", "x"]}, marked) == (("/files/2", "/files/3"), ())


@given(ARGS, st.sampled_from([Integrity.SYSTEM, Integrity.CONFIG, Integrity.PRINCIPAL]))
def test_what_is_trusted_throughout_has_no_untrusted_leaf_and_without_labels_every_leaf_is(args: Any, integrity: Integrity) -> None:
    spec = replace(SPEC, sinks=("/x",))
    labels = {leaf: Origin(origin="o", integrity=integrity) for leaf, _ in leaves(args)}
    assert untrusted(spec, args, labels) == ((), ())
    sinks, others = untrusted(spec, args, {})
    bare = (*sinks, *others)
    assert set(bare) == ({leaf for leaf, _ in leaves(args)} if args else set())
    for leaf in bare:
        look(args, leaf)
