"""Reasons: which rules fired with which values, why others did not, what was reached, and a record that replays."""

import json
from typing import Any

from flyball import rego
from flyball.rego import UNDEFINED, World
from flyball.rego.trace import Asked, Body, Trace

RULES = """package a

default allow := false

allow if {
	known
	input.confidence > 0.8
	not denied
}

known if data.agents[input.agent].active

denied if {
	some rule in data.rules
	rule.action == input.action
	rule.env == input.env
}

reasons contains msg if {
	some one in input.resources
	one.public
	msg := sprintf("%s is public", [one.name])
}

reasons contains "too many" if count(input.resources) > 3

level := "high" if {
	input.cost > 100
} else := "some" if {
	input.cost > 10
} else := "low"

twice(x) := x * 2

answer := {"allow": allow, "reasons": reasons, "level": level, "twice": twice(input.cost)}
"""
DATA = {"agents": {"a1": {"active": True}}, "rules": [{"action": "delete", "env": "prod"}, {"action": "scale", "env": "dev"}]}
GIVEN = {
    "agent": "a1",
    "confidence": 0.9,
    "action": "scale",
    "env": "prod",
    "cost": 50,
    "resources": [{"name": "x", "public": False}, {"name": "y", "public": True}],
}
POLICY = rego.compile({"a.rego": RULES}, entrypoints=["a/answer"])


def explain(**changes: Any) -> Trace:
    return POLICY.explain("a/answer", GIVEN | changes, DATA, World(now_ns=7, seed=8))


def asked(trace: Trace, rule: str) -> Asked:
    (one,) = [one for one in trace.rules if one.rule == f"data.a.{rule}"]
    return one


def told(body: Body) -> tuple[int, int, str, Any]:
    """The line of a body, how often it fired, and the last that is told of it."""
    place, what, values = body.values[-1]
    return place.row, body.fired, what, values


def test_the_answer_is_that_of_a_plain_evaluation() -> None:
    trace = explain()
    assert trace.result == POLICY.eval("a/answer", GIVEN, DATA)
    assert trace.result["allow"] is True
    assert trace.fault == ""


def test_a_rule_that_fired_says_where_and_with_which_values() -> None:
    (fired, other) = asked(explain(), "reasons").bodies
    assert (fired.place.row, fired.fired) == (19, 1)
    assert (22, "sprintf", ("%s is public", ["y"])) in [(place.row, what, values) for place, what, values in fired.values]
    assert told(fired) == (19, 1, "setadd", ("y is public",))
    assert (other.fired, other.missed) == (0, "the condition is false")
    assert told(other) == (25, 0, "gt", (2, 3))


def test_of_a_body_that_fired_more_than_once_the_first_way_is_told() -> None:
    both = [{"name": name, "public": True} for name in "xyz"]
    (fired, _) = asked(explain(resources=both), "reasons").bodies
    assert told(fired) == (19, 3, "setadd", ("x is public",))


def test_a_rule_that_did_not_fire_says_the_first_statement_that_failed() -> None:
    trace = explain(confidence=0.5)
    body = asked(trace, "allow").bodies[0]
    assert body.missed == "the condition is false"
    assert told(body) == (7, 0, "gt", (0.5, 0.8))
    assert not [one for one in trace.rules if one.rule == "data.a.denied"]


def test_a_body_that_goes_through_something_says_how_far_it_came() -> None:
    (body,) = asked(explain(), "denied").bodies
    assert body.missed == "the two are not equal"
    assert told(body) == (16, 0, "==", ("dev", "prod"))


def test_a_missing_key_is_named() -> None:
    (body,) = asked(explain(agent="a2"), "known").bodies
    assert body.missed == "there is nothing at this key"
    assert told(body) == (11, 0, ".", ("a2",))


def test_what_must_not_hold_is_said() -> None:
    body = asked(explain(action="delete"), "allow").bodies[0]
    assert body.missed == "what must not hold does hold"
    assert body.values[-1][0].row == 8


def test_the_branches_of_else_are_told_one_by_one() -> None:
    high, some, low = asked(explain(), "level").bodies
    assert (high.fired, high.missed) == (0, "the condition is false")
    assert (some.fired, told(some)[0]) == (1, 29)
    assert low.fired == 0
    assert low.missed == "what must not hold does hold"


def test_a_function_tells_its_operands() -> None:
    one = asked(explain(), "twice")
    assert (one.operands, one.value) == ((50,), 100)


def test_a_body_that_was_not_needed_is_said_to_be_not_asked() -> None:
    policy = rego.compile({"a.rego": "package a\np if input.x\np if input.y"})
    first, second = policy.explain("a/p", {"x": 1, "y": 1}).rules[0].bodies
    assert (first.fired, second.fired, second.missed) == (1, 0, "not asked: the answer was known already")


def test_coverage_says_which_lines_were_not_reached() -> None:
    missed = explain(confidence=0.5).uncovered()["a.rego"]
    assert {8, 14, 15, 16} <= set(missed)
    assert not {6, 7, 11, 20, 21} & set(missed)
    both = explain().reached | explain(action="delete").reached
    assert {("a.rego", row) for row in (8, 14, 15, 16, 22)} <= both


def test_a_fault_is_told_with_what_led_to_it() -> None:
    policy = rego.compile({"a.rego": "package a\np := x if some x in input.xs"})
    trace = policy.explain("a/p", {"xs": [1, 2]})
    assert trace.fault == "eval_conflict_error: complete rules must not produce multiple outputs"
    assert trace.result is UNDEFINED
    assert trace.rules[0].bodies[0].fired == 2


def test_a_record_replays_bit_for_bit() -> None:
    one, again = (json.dumps(explain().record()) for _ in range(2))
    assert one == again
    assert json.loads(one)["world"] == {"now_ns": 7, "seed": 8}
    anew = rego.compile({"a.rego": RULES}, entrypoints=["a/answer"]).explain("a/answer", json.loads(json.dumps(GIVEN)), DATA, World(7, 8))
    assert json.dumps(anew.record()) == one
    assert json.dumps(explain(cost=51).record()) != one


def test_a_record_stays_small() -> None:
    policy = rego.compile({"a.rego": "package a\nf(x) := x + 1\np := [y | some x in input; y := f(x)]"})
    trace = policy.explain("a/p", list(range(5_000)))
    assert trace.result == list(range(1, 5_001))
    assert len(trace.rules) == 1_000
    assert len(json.dumps(trace.record())) < 300_000
    assert ("a.rego", 2) in trace.reached


def test_what_is_printed_is_told() -> None:
    policy = rego.compile({"a.rego": 'package a\np if print("x", input.a)'})
    assert policy.explain("a/p", {"a": 1}).printed == ("x 1",)
