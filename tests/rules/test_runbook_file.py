"""Runbook files: what is refused when one is read, and what the static check finds in one that has the right shape."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Mapping

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import flyball.kinds
from flyball.brains.runbook import Finding, check, load
from flyball.brains.runbook.check import _implies
from flyball.brains.runbook.judge import confidence, holds
from flyball.brains.runbook.match import likeness, words
from flyball.brains.runbook.refer import Known, Unmet, fill, parse, settle
from flyball.brains.runbook.schema import Condition
from flyball.errors import BadInput
from flyball.model.action import Reach
from flyball.model.ids import Json
from flyball.model.kind import KindSpec
from runbook_world import SPECS, shipped, spec

GOOD = """\
name: small
title: Small
match: {alert: [A]}
symptoms: [it is small]
hypotheses:
  - name: one
    cause: Something
    prior: 0.5
    diagnose:
      - {id: df, kind: host.read, args: {command: df}}
    decide:
      - {when: [{value: df, at: /used_pct, op: ge, to: 90}], then: confirm, because: full}
    else: escalate
    actions:
      - kind: process.restart
        args: {service: web}
        why: because
        verify:
          - {kind: signal.resolved}
escalate: {to: owner, question: What now}
"""


def found(text: str, kinds: Mapping[str, KindSpec] = SPECS) -> list[tuple[str, str]]:
    (book,) = load({"a.yaml": text.encode()})
    findings = check(book, kinds)
    assert all(one.file == "a.yaml" and one.fix for one in findings)
    return [(one.pointer, one.what) for one in findings]


# ---- reading


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("    else: escalate\n", "", "line 6, /hypotheses/0", '"else" is a required property'),
        ("else: escalate", "else: shrug", "line 13, /hypotheses/0/else", '"shrug" is not one of'),
        ("prior: 0.5", "prior: 1.5", "line 8, /hypotheses/0/prior", "1.5 is greater than the maximum of 1"),
        ("prior: 0.5", "prior: .nan", "line 8, /hypotheses/0/prior", "NaN|number"),
        ("prior: 0.5", "prior: .5\n    prior: .6", "line 9", "the key 'prior' stands twice"),
        ("title: Small", "title: &x Small", "line 2", "anchors and aliases are not read here"),
        ("title: Small", "title: !!python/name:os.system x", "line 2", "tags are not read here"),
        ("title: Small", "on: Small", "line 2", "the key 'on' is not text"),
        ("title: Small", "title: 2026-01-01\nwhat: ever", "line 1, /", "'what' was unexpected"),
        ("title: Small", "title: [", "line 4", "expected"),
        ("kind: host.read", "kind: process.restart", "line 10, /hypotheses/0/diagnose/0/kind", '"process.restart" is not one of'),
        ("op: ge, to: 90", "op: ge, to: many", "line 12, /hypotheses/0/decide/0/when/0/to", '"many" is not of type "number"'),
        ("op: ge, to: 90", "op: in, to: 90", "line 12, /hypotheses/0/decide/0/when/0/to", 'is not of type "array"'),
        ("op: ge, to: 90", "op: like, to: 90", "line 12, /hypotheses/0/decide/0/when/0/op", '"like" is not one of'),
        ("      - {id: df", "      - dg\n      - {id: df", "line 10, /hypotheses/0/diagnose/0", "no diagnose step 'dg' stands further up"),
        ("    decide:", "      - {id: df, kind: host.read, args: {}}\n    decide:", "line 11", "the diagnose id 'df' is taken"),
        ("title: Small", "title: Cafe\u0301", "line 2, /title", "NFC"),
        ("{service: web}", "{service: web, n: 9007199254740993}", "line 16, /hypotheses/0/actions/0/args/n", ""),
        ("{service: web}", "{service: web, n: [1, .inf]}", "line 16, /hypotheses/0/actions/0/args/n/1", ""),
        ("{service: web}", "{service: web, n\u00e9: 1}", "line 16, /hypotheses/0/actions/0/args", "ASCII"),
        ("alert: [A]", "alert: []", "line 3, /match/alert", "[] has less than 1 item"),
    ],
)
def test_a_file_that_is_refused_names_its_line_and_place(old: str, new: str, where: str, what: str) -> None:
    assert old in GOOD
    with pytest.raises(BadInput) as refused:
        load({"a.yaml": GOOD.replace(old, new, 1).encode()})
    error = refused.value
    assert error.what.startswith(f"a.yaml, {where}"), error.what
    assert any(part in error.what for part in what.split("|")), error.what
    assert "\n" not in error.what
    assert error.why
    assert error.fix


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"", "null is not of type"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b"a\x00b", "special characters are not allowed"),
        (b"--- 1\n--- 2\n", "found another document"),
        (b"[" * 5000, "nested deeper than 24"),
        (b"x: " + b"[" * 40 + b"]" * 40, "nested deeper than 24"),
        (b"#" * 300_000, "300000 bytes"),
        (b"name: small", "is a required property"),
        (b"x: !!timestamp 2020-01-01", "tags are not read here"),
    ],
)
def test_junk_is_refused_in_one_line(raw: bytes, what: str) -> None:
    with pytest.raises(BadInput) as refused:
        load({"junk.yaml": raw})
    assert refused.value.what.startswith("junk.yaml")
    assert what in refused.value.what


@given(raw=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_no_bytes_get_past_as_anything_but_a_refusal(raw: bytes) -> None:
    with pytest.raises(BadInput):
        load({"x.yaml": raw})


def test_two_files_cannot_share_a_name() -> None:
    with pytest.raises(BadInput, match="the runbook name 'small' is taken by"):
        load({"a.yaml": GOOD.encode(), "b.yaml": GOOD.encode()})


def test_two_hypotheses_cannot_share_a_name() -> None:
    doc = yaml.safe_load(GOOD)
    doc["hypotheses"].append({**doc["hypotheses"][0], "diagnose": ["df"]})
    with pytest.raises(BadInput, match="/hypotheses/1/name: the hypothesis name 'one' stands twice"):
        load({"a.yaml": json.dumps(doc).encode()})


def test_a_digest_is_of_the_bytes() -> None:
    (one,), (other,) = load({"a.yaml": GOOD.encode()}), load({"a.yaml": GOOD.encode() + b"# x\n"})
    assert one.digest != other.digest
    assert one.branches == other.branches


# ---- the static check


def test_the_small_one_is_clean() -> None:
    assert found(GOOD) == []


ROW = "      - {when: [{value: df, at: /used_pct, op: ge, to: 90}], then: confirm, because: full}\n"


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        (ROW, ROW + ROW, "/hypotheses/0/decide/1", "never reached: whenever it holds, row 0 holds first"),
        (ROW, ROW + ROW.replace("90", "95"), "/hypotheses/0/decide/1", "never reached"),
        (ROW, ROW + ROW.replace("op: ge, to: 90", "op: eq, to: 91"), "/hypotheses/0/decide/1", "never reached"),
        (ROW, "      - {when: [], then: rule_out, because: always}\n" + ROW, "/hypotheses/0/decide/1", "never reached"),
        (ROW, ROW.replace("to: 90}", "to: 90}, {value: df, at: /used_pct, op: lt, to: 90}"), "/hypotheses/0/decide/0", "never holds"),
        (ROW, ROW.replace("then: confirm", "then: rule_out"), "/hypotheses/0/decide", "nothing confirms this hypothesis"),
        ("value: df,", "value: dg,", "/hypotheses/0/decide/0/when/0/value", "this hypothesis reads no 'dg'"),
        ("args: {service: web}", 'args: {service: "$value:dg/x"}', "/hypotheses/0/actions/0/args/service", "is not read before it"),
        ("args: {service: web}", 'args: {service: ["$signal/x"]}', "/hypotheses/0/actions/0/args/service/0", "is no reference"),
        ("args: {service: web}", 'args: {service: "$HOME"}', "/hypotheses/0/actions/0/args/service", "is no reference"),
        ("args: {command: df}", 'args: {command: "$value:df/x"}', "/hypotheses/0/diagnose/0/args/command", "is not read before it"),
        ("kind: process.restart", "kind: process.restrt", "/hypotheses/0/actions/0/kind", "there is no kind 'process.restrt'"),
        ("kind: process.restart", "kind: Process.restart", "", ""),
        ("{kind: signal.resolved}", "{kind: http.prob}", "/hypotheses/0/actions/0/verify/0/kind", "there is no kind 'http.prob'"),
        ("{kind: signal.resolved}", "{kind: git.revert}", "/hypotheses/0/actions/0/verify/0/kind", "git.revert changes something"),
        (
            "        why: because\n",
            "        why: because\n        irreversible: true\n",
            "/hypotheses/0/actions/0/irreversible",
            "can be undone",
        ),
    ],
)
def test_one_fault_gives_one_finding(old: str, new: str, where: str, what: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if not where:
        with pytest.raises(BadInput):
            load({"a.yaml": text.encode()})
        return
    findings = found(text)
    assert [pointer for pointer, _ in findings] == [where]
    assert what in findings[0][1]


def test_a_change_that_nothing_verifies_is_found() -> None:
    text = GOOD.replace("        verify:\n          - {kind: signal.resolved}\n", "")
    assert [what for _, what in found(text)] == [
        "process.restart changes something and nothing verifies it",
        "the plan's last step is verified by nothing",
    ]


def test_an_action_with_no_undo_must_say_that_it_is_irreversible() -> None:
    kinds = {**SPECS, "process.restart": spec("process.restart", reversible=False)}
    assert [what for _, what in found(GOOD, kinds)] == ["process.restart cannot be undone and the step does not say so"]
    assert found(GOOD.replace("        why: because\n", "        why: because\n        irreversible: true\n"), kinds) == []


def test_arguments_that_do_not_fit_their_kind_are_found_and_references_are_not() -> None:
    schema = {"type": "object", "properties": {"service": {"type": "string", "maxLength": 3}}, "additionalProperties": False}
    kinds = {**SPECS, "process.restart": KindSpec(name="process.restart", title="r", reach=Reach.WRITE, args=schema, result={})}
    assert found(GOOD, kinds) == []
    assert found(GOOD.replace("service: web", 'service: "$signal:/labels/service"'), kinds) == []
    assert [at for at, _ in found(GOOD.replace("service: web", "service: store"), kinds)] == ["/hypotheses/0/actions/0/args/service"]
    assert [at for at, _ in found(GOOD.replace("service: web", "servce: web"), kinds)] == ["/hypotheses/0/actions/0/args"]


@pytest.mark.parametrize("book", shipped(), ids=lambda book: book.name)
def test_what_is_shipped_checks_clean(book: object) -> None:
    assert check(book, SPECS) == ()  # type: ignore[arg-type]  # a Runbook, by the parameters


def test_what_is_shipped_fits_the_kinds_that_are_shipped() -> None:
    names = [one.name for one in pkgutil.iter_modules(flyball.kinds.__path__)]
    kinds = [getattr(importlib.import_module(f"flyball.kinds.{name}"), "KIND", None) for name in names]
    specs = {kind.spec.name: kind.spec for kind in kinds if kind is not None}
    assert {"host.read", "http.probe", "process.restart"} <= set(specs)
    findings: list[Finding] = [one for book in shipped() for one in check(book, specs)]
    assert findings == []


# ---- conditions


@pytest.mark.parametrize(
    ("op", "to", "body", "expected"),
    [
        ("eq", 1, {"x": 1}, True),
        ("eq", 1, {"x": 1.0}, True),
        ("eq", 1, {"x": True}, False),
        ("eq", None, {"x": None}, True),
        ("eq", None, {}, False),
        ("ne", None, {"x": "SIGKILL"}, True),
        ("ne", 1, {}, False),
        ("ge", 90, {"x": 90}, True),
        ("ge", 90, {"x": "95"}, False),
        ("lt", 90, {"x": 90}, False),
        ("in", ["a", "b"], {"x": "a"}, True),
        ("in", ["a", "b"], {"x": "c"}, False),
        ("contains", "b", {"x": "abc"}, True),
        ("contains", 80, {"x": [22, 80]}, True),
        ("contains", 80, {"x": [22, 8080]}, False),
        ("has_text", "open files", {"x": ["a", "too many open files"]}, True),
        ("has_text", "open files", {"x": {"y": [["open files"]]}}, True),
        ("has_text", "open files", {"x": []}, False),
        ("lacks_text", "open files", {"x": []}, True),
        ("lacks_text", "open files", {}, False),
        ("exists", True, {"x": None}, True),
        ("exists", True, {}, False),
        ("exists", False, {}, True),
        ("newer_than_s", 60, {"x": 950}, True),
        ("newer_than_s", 60, {"x": 940}, False),
        ("older_than_s", 60, {"x": 939}, True),
        ("older_than_s", 60, {"x": "939"}, False),
        ("unheard_of", 60, {"x": 60}, False),
    ],
)
def test_conditions(op: str, to: Json, body: Json, expected: bool) -> None:
    assert holds(Condition(value="v", at="/x", op=op, to=to), body, 1000.0) is expected


OPS = st.sampled_from(
    "eq ne lt le gt ge in contains has_text lacks_text exists newer_than_s older_than_s".split()  # noqa: SIM905 - shorter to read
)
SMALL = st.one_of(st.integers(0, 4), st.sampled_from(["a", "ab", "b"]), st.booleans(), st.none())


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    op = draw(OPS)
    to: Json
    if op == "in":
        to = draw(st.lists(SMALL, min_size=1, max_size=3))
    elif op == "exists":
        to = draw(st.booleans())
    elif op in {"has_text", "lacks_text"}:
        to = draw(st.sampled_from(["a", "ab", "b"]))
    elif op in {"eq", "ne", "contains"}:
        to = draw(SMALL)
    else:
        to = draw(st.integers(0, 4))
    return Condition(value="v", at="/x", op=op, to=to)


@given(
    one=conditions(),
    other=conditions(),
    body=st.one_of(st.just({}), SMALL.map(lambda x: {"x": x}), st.lists(SMALL).map(lambda x: {"x": x})),
)
def test_what_the_check_calls_unreachable_or_impossible_is_so(one: Condition, other: Condition, body: Json) -> None:
    from flyball.brains.runbook.check import _excludes

    if _implies(one, other) and holds(one, body, 3.0):
        assert holds(other, body, 3.0)
    if _excludes(one, other):
        assert not (holds(one, body, 3.0) and holds(other, body, 3.0))


# ---- references, confidence, likeness

KNOWN = Known(
    bodies={"s.signal": {"labels": {"service": "web"}}, "s.1.out": {"paths": ["/l/a"], "pid": None}},
    signal="s.signal",
    results={"ls": "s.1.out"},
    target={"log": "/var/log/web.log", "depends_on": ["store"]},
)


def test_references_become_refs_and_the_catalogue_is_written_out() -> None:
    args = {
        "a": "$signal:/labels/service",
        "b": ["$value:ls/paths", "plain"],
        "c": "$target:/log",
        "d": {"e": "$target:/depends_on/0"},
    }
    filled = fill(args, KNOWN)
    assert filled == {
        "a": {"$ref": "s.signal#/labels/service"},
        "b": [{"$ref": "s.1.out#/paths"}, "plain"],
        "c": "/var/log/web.log",
        "d": {"e": "store"},
    }
    assert settle(filled, KNOWN.bodies) == {"a": "web", "b": [["/l/a"], "plain"], "c": "/var/log/web.log", "d": {"e": "store"}}


@pytest.mark.parametrize("text", ["$signal:/labels/x", "$value:ls/pid", "$value:df/x", "$target:/x", "$value:/x", "$what:/x", "$"])
def test_a_reference_that_leads_nowhere_is_never_filled_in(text: str) -> None:
    with pytest.raises(Unmet):
        fill({"x": text}, KNOWN)


def test_what_is_no_reference_is_plain_text() -> None:
    assert parse("100 $") is None
    with pytest.raises(ValueError, match="HOME"):
        parse("$HOME")


@given(prior=st.floats(0, 1), tried=st.integers(-3, 1000), worked=st.integers(-3, 1000))
def test_confidence_stays_in_bounds_and_grows_with_success(prior: float, tried: int, worked: int) -> None:
    sure = confidence(prior, tried, worked)
    assert 0 <= sure <= 1
    assert confidence(prior, max(tried, 0) + 1, min(max(worked, 0), max(tried, 0)) + 1) >= sure - 1e-4


def test_confidence_is_the_prior_without_a_record_and_laplaces_rule_at_one_half() -> None:
    assert confidence(0.7, 0, 0) == 0.7
    assert confidence(0.5, 8, 6) == 0.7


def test_words_split_camel_case_and_drop_what_says_nothing() -> None:
    assert words("DiskAlmostFull: the HTTPProbe of web1 fails") == ["disk", "almost", "full", "http", "probe", "web", "1", "fail"]


def test_likeness_is_a_share_that_unknown_words_lower() -> None:
    texts = [words("disk full no space left"), words("service down no answer")]
    sure, _ = likeness(words("disk full"), texts)
    diluted, _ = likeness(words("disk full in warehouse eleven near gate seven"), texts)
    assert 0 < diluted < sure <= 1
    assert likeness(words("quantum"), texts) == [0.0, 0.0]
    assert likeness([], texts) == [0.0, 0.0]
    padded, _ = likeness(words("disk"), [words("disk " * 50), words("service down")])
    assert padded <= 1
