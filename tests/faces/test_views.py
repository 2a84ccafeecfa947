"""The views: a session's document folded into tree, timeline, figures, explanation, report, steps, feedback, shadow and permits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import flyball.defaults
from desk import BEGIN, NASTY, SID, TRIED, WANTED, Desk, closed, desk_at
from flyball.model.log import Change, Entry, Put
from flyball.rules.digest import trace_of
from flyball.views import approval, permit, session, span, tree
from flyball.views.explain import explain
from flyball.views.feedback import feedback
from flyball.views.report import markdown
from flyball.views.shadow import shadow
from flyball.views.steps import FIELDS, steps
from flyball.views.thought import hypotheses

SCHEMAS = Path(flyball.defaults.__file__).parent / "schemas"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_at(tmp_path) as made:
        yield made


def doc_of(desk: Desk) -> dict[str, Any]:
    doc = session.page(desk.house.plugs.store, SID)
    assert doc is not None
    return doc


def every(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for one in node["nodes"]:
        yield from every(one)


def schema(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads((SCHEMAS / f"{name}.schema.json").read_text()))


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda one: dict(one) if hasattr(one, "keys") else list(one)))


async def test_the_tree_shows_what_was_tried_chosen_and_ruled_out(desk: Desk) -> None:
    root = tree.tree(doc_of(desk))
    found = {node["title"]: node for node in every(root)}
    assert root["title"] == "WebDown"
    assert found["Stale"]["state"] == "refuted"
    assert not found["Stale"]["chosen"]
    assert [node["sort"] for node in every(found["Stale"])] == ["hypothesis", "action", "gate", "check"]
    assert found["Config"]["chosen"]
    assert found["Disk"]["note"] == "42 % are free"
    gate = next(node for node in every(found["Config"]) if node["sort"] == "gate")
    assert (gate["state"], gate["note"]) == ("asks", "waits for sre")
    assert gate["detail"]["rule"] == "rule.red"


async def test_the_tree_of_a_closed_session_ends_with_its_outcome(desk: Desk) -> None:
    await closed(desk.house)
    nodes = list(every(tree.tree(doc_of(desk))))
    assert [node["title"] for node in nodes if node["sort"] == "outcome"] == ["Fixed and verified"]


async def test_the_tree_of_a_session_that_is_left_to_a_person_ends_with_its_outcome(desk: Desk) -> None:
    held = {**HELD, "because": "it answers us", "evidence": []}
    doc = await left_to_a_person(desk, held, NONE_OF_IT)
    doc["session"]["outcome"] = "escalated"
    look = tree.tree(doc)["nodes"][0]
    assert [[one["title"] for one in every(node)] for node in look["nodes"]] == [["Probe", "Escalated"], ["Killed"]]
    doc["log"][-1]["body"]["thought"]["hypotheses"] = [NONE_OF_IT]
    assert [one["title"] for one in tree.tree(doc)["nodes"][0]["nodes"]] == ["Escalated", "Killed"]


def titles(node: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["title"], one["note"]) for one in every(node)]


async def test_the_tree_shows_what_an_agent_elsewhere_did_though_it_told_no_hypothesis(desk: Desk) -> None:
    await closed(desk.house)
    doc = doc_of(desk)
    doc["steps"], doc["log"][-1]["body"]["thought"] = [], {}
    for deed in doc["deeds"]:
        deed["action"]["hypothesis"] = ""
    first, branch = tree.tree(doc)["nodes"][0]["nodes"]
    assert (first["state"], [one["title"] for one in every(first)][:3]) == (
        "refuted",
        ["No cause stated", "conf.revert", "Policy: yellow zone"],
    )
    assert (branch["state"], list(every(branch))[-1]["title"]) == ("chosen", "Fixed and verified")
    for deed in doc["deeds"]:
        deed["action"]["hypothesis"] = "mine"
    (branch,) = tree.tree(doc)["nodes"][0]["nodes"]
    assert [one["title"] for one in every(branch)].count("conf.revert") == 2
    doc["deeds"][-1].update(verified=False)
    outcome, branch = tree.tree(doc)["nodes"][0]["nodes"]
    assert (outcome["sort"], branch["title"], branch["state"], branch["chosen"]) == ("outcome", "Mine", "refuted", False)


async def test_an_agent_elsewhere_is_told_in_its_own_words_and_as_such(desk: Desk) -> None:
    doc = await ended_without(desk, status="denied", decision="grant", why="outside")
    doc["steps"], doc["log"][-1]["body"]["thought"] = [], {}
    words = "o hypothesis was told; of conf.revert on web its agent says: see whether a fresh start is enough"
    assert explain(doc)["why"] == f"n{words}", "of the change that was made, not of the one that was denied"
    assert report_of(doc)["Root cause"] == f"N{words}"


async def test_a_look_that_was_denied_is_no_look(desk: Desk) -> None:
    doc = doc_of(desk)
    doc["deeds"][0].update(status="denied", value=None)
    assert span.figures(doc, BEGIN + 90)["looks"] == 0
    assert tree.tree(doc)["nodes"][0]["note"] == "nothing looked at yet"


async def test_the_tree_names_every_alert(desk: Desk) -> None:
    doc = doc_of(desk)
    doc["signals"] = [{**doc["signals"][0], "seen": 3}, {**doc["signals"][0], "name": "WebSlow", "seen": 1}]
    assert tree.tree(doc)["title"] == "WebDown, WebSlow", "how often is counted over all sessions"


@pytest.mark.parametrize(
    ("last", "card", "gate"),
    [
        ({"status": "denied", "decision": "freeze", "why": "frozen"}, {"votes": []}, ("Denied by freeze", "frozen")),
        (
            {"status": "denied", "decision": "freeze", "why": "frozen"},
            {"state": "approved"},
            ("Denied by freeze", "ada approved; frozen"),
        ),
        ({"status": "denied", "decision": "shadow", "why": "shown"}, None, ("Shadow mode", "shown")),
        ({"status": "denied", "decision": "approval"}, {"votes": [], "state": "expired"}, ("Policy: red zone", "nobody answered in time")),
        ({"status": "held", "decision": "freeze", "why": "frozen"}, None, ("Held by freeze", "frozen")),
        (
            {"status": "held", "decision": "pace", "why": "too often"},
            {"state": "approved"},
            ("Policy: red zone", "ada approved, waits: too often"),
        ),
        ({"status": "done"}, None, ("Policy: red zone", "allowed beforehand")),
    ],
)
async def test_the_gate_of_an_action_says_who_or_what_let_it_pass_or_not(
    desk: Desk, last: dict[str, Any], card: dict[str, Any] | None, gate: tuple[str, str]
) -> None:
    doc = await ended_without(desk, **last)
    vote = {**VOTE, "verb": "approve"}
    doc["approvals"] = [] if card is None else [{**doc["approvals"][0], "votes": [vote], **card}]
    nodes = {node["title"]: node for node in every(tree.tree(doc))}
    assert gate in titles(nodes["Config"])


async def test_many_alternatives_are_folded_into_one_node(desk: Desk) -> None:
    doc = doc_of(desk)
    thought = doc["steps"][-1]["answer"]["thought"]
    more = [{**thought["hypotheses"][2], "name": f"down/x{number}"} for number in range(20)]
    doc["steps"] = [
        {
            **doc["steps"][-1],
            "answer": {**doc["steps"][-1]["answer"], "thought": {**thought, "hypotheses": [*thought["hypotheses"], *more]}},
        }
    ]
    titles = [node["title"] for node in tree.tree(doc)["nodes"][0]["nodes"]]
    assert titles[-1] == "17 more"
    assert len(hypotheses(doc)) == 23


async def test_figures_are_told_from_the_log(desk: Desk) -> None:
    waiting = span.figures(doc_of(desk), BEGIN + 90)
    assert waiting["detect_s"] == pytest.approx(5)
    assert waiting["decide_s"] == pytest.approx(20)
    assert waiting["fix_s"] is None
    assert waiting["waited_s"] == pytest.approx(60)
    assert (waiting["looks"], waiting["changes"], waiting["undone"], waiting["interventions"]) == (1, 1, 1, 0)
    await closed(desk.house)
    assert span.figures(doc_of(desk), BEGIN + 1000)["fix_s"] == pytest.approx(409)


def spans_of(*parts: tuple[str, float, float]) -> list[dict[str, Any]]:
    return [{"sort": sort, "start": start, "end": end} for sort, start, end in parts]


def test_a_long_wait_is_cut_and_its_true_length_is_told() -> None:
    places, cuts = span.axis(spans_of(("look", 0, 10), ("wait", 10, 4000), ("act", 4000, 4010)))
    assert [(cut["seconds"], cut["width"]) for cut in cuts] == [(3990, span.CUT)]
    assert places[10] == pytest.approx((1000 - span.CUT) / 2)
    assert places[4010] == pytest.approx(1000)


def test_work_is_never_cut_however_long() -> None:
    _, cuts = span.axis(spans_of(("look", 0, 10), ("act", 10, 4000), ("act", 4000, 4010)))
    assert cuts == []


async def test_a_wait_that_goes_on_is_marked(desk: Desk) -> None:
    found = span.timeline(doc_of(desk), BEGIN + 90)
    waits = [one for one in found["spans"] if one["sort"] == "wait"]
    assert [(one["title"], one["going"]) for one in waits] == [("Approval", True)]
    assert all(one["x"] >= 0 and one["x"] + one["width"] <= 1000.01 for one in found["spans"])
    assert [one["sort"] for one in found["spans"]] == ["look", "act", "check", "undo", "wait"]


async def test_explain_says_what_why_who_and_names_its_proof(desk: Desk) -> None:
    told = explain(doc_of(desk))
    assert "conf.revert on web (did not help, put back)" in told["what"]
    assert told["why"].startswith("The last change is wrong: its log says so (confidence 0.62, prior 0.60, no record yet)")
    assert "nobody has answered yet" in told["who"]
    assert told["runbook"]["digest"] == "sha256:book"
    assert told["evidence"][0]["digest"] == "sha256:v"
    assert {one["name"] for one in told["ruled_out"]} == {"down/stale", "down/disk"}
    assert told["policy"][-1]["rule"] == "rule.red"
    assert told["range"][0] < told["range"][1]


async def test_explain_tells_the_summary_of_a_closed_session_once(desk: Desk) -> None:
    await closed(desk.house)
    doc = doc_of(desk)
    doc["steps"], doc["deeds"] = [], []  # as where no cause was settled on
    doc["log"][-1]["body"]["thought"]["hypotheses"] = []
    doc["session"]["summary"] = doc["log"][-1]["body"]["summary"] = "for the owner"
    told = explain(doc)
    assert told["why"] == "no cause was settled on"
    assert str(told).count("for the owner") == 1
    assert told["chain"][-1].endswith("(fixed)")


HELD = {
    "name": "down/probe",
    "cause": "The way there is broken",
    "state": "chosen",
    "confidence": 0.1,
    "prior": 0.1,
    "tried": 0,
    "worked": 0,
}
NONE_OF_IT = {**HELD, "name": "down/killed", "cause": "It was killed", "state": "ruled_out", "because": "it answers", "evidence": []}
MAYBE = {**NONE_OF_IT, "name": "down/net", "cause": "The network is slow", "state": "open", "because": "nothing tells"}


async def left_to_a_person(desk: Desk, *nouns: dict[str, Any]) -> dict[str, Any]:
    """A session in which nothing was done and the thought that closes it is the only one."""
    await closed(desk.house)
    doc = doc_of(desk)
    doc["deeds"] = [one for one in doc["deeds"] if one["action"]["purpose"] == "diagnose"]
    doc["steps"], doc["approvals"] = [], []
    doc["log"][-1]["body"]["thought"]["hypotheses"] = list(nouns)
    return doc


async def test_a_cause_that_is_left_to_a_person_is_told_with_its_proof(desk: Desk) -> None:
    held = {**HELD, "because": "it answers us", "evidence": ["s-one.1.out"]}
    doc = await left_to_a_person(desk, held, NONE_OF_IT, MAYBE)
    told = explain(doc)
    assert told["why"] == (
        "The way there is broken: it answers us (confidence 0.10, prior 0.10, no record yet); "
        "1 piece of evidence; others: 1 ruled out, 1 left open"
    )
    assert [one["digest"] for one in told["evidence"]] == ["sha256:v"]
    assert ([one["name"] for one in told["ruled_out"]], [one["name"] for one in told["open"]]) == (["down/killed"], ["down/net"])
    text = markdown(doc, span.figures(doc, BEGIN + 500))
    assert "**The way there is broken**: it answers us (`down/probe`, confidence 0.10" in text
    assert "- evidence `s-one.1.out`: see what it said last; kind:look.at@web, `sha256:v`" in text
    assert "\nLeft open:\n\n- The network is slow: nothing tells\n\nRuled out:\n\n- It was killed: it answers\n" in text


async def test_where_no_cause_is_left_all_that_was_seen_is_told(desk: Desk) -> None:
    told = explain(await left_to_a_person(desk, NONE_OF_IT, MAYBE))
    assert told["why"] == "no cause was settled on: 1 ruled out, 1 left open"
    assert [one["id"] for one in told["evidence"]] == ["s-one.1.out"]


async def test_what_was_tried_in_vain_is_no_cause_though_its_brain_never_thought_again(desk: Desk) -> None:
    await closed(desk.house)
    doc = doc_of(desk)
    doc["log"][-1]["body"]["thought"]["hypotheses"] = []
    last = [one for one in doc["deeds"] if one["action"]["hypothesis"] == "down/config"][-1]
    last.update(status="undone", verified=False, verify_note="the page is still down")
    told = explain(doc)
    assert told["why"] == "no cause was settled on: 2 tried and refuted, 1 ruled out"
    because = next(one["because"] for one in told["ruled_out"] if one["name"] == "down/config")
    assert because == "its log says so; but the page is still down"


async def test_explain_names_who_acted_where_nobody_was_asked(desk: Desk) -> None:
    doc = doc_of(desk)
    doc["approvals"] = []
    who = explain(doc)["who"]
    assert who.startswith("agent:mender, by itself inside its grant (")
    assert who.endswith("nobody was asked")


async def ended_without(desk: Desk, **last: Any) -> dict[str, Any]:
    """The session closed without a fix: what became of its last change is given, its brain did not think again."""
    await closed(desk.house)
    doc = doc_of(desk)
    doc["session"].update(outcome="escalated", summary="for the owner")
    doc["log"] = [one for one in doc["log"] if not (one["action"] == WANTED.id and one["name"] in ("action.intended", "action.done"))]
    doc["log"] = [one for one in doc["log"] if not (one["action"] == WANTED.id and one["name"] == "action.verified")]
    doc["log"][-1]["body"]["thought"]["hypotheses"] = []
    change = next(one for one in doc["deeds"] if one["action"]["id"] == WANTED.id)
    change.update({"verified": None, "verify_note": "", "outcome": None, "intended_at": 0.0, "settled_at": 0.0, **last})
    return doc


VOTE = {"by": "person:ada", "verb": "reject", "reason": "not at night", "at": BEGIN + 50}
NOT_DONE = [
    ({"status": "denied", "decision": "freeze", "why": "frozen"}, "denied by freeze: frozen"),
    ({"status": "denied", "decision": "session", "why": "session s-one is closed"}, "withdrawn: the session was closed"),
    ({"status": "failed", "outcome": {"error": "not started", "transient": True}}, "failed: not started"),
]


@pytest.mark.parametrize(("last", "words"), NOT_DONE)
async def test_a_fix_that_never_ran_neither_refutes_its_cause_nor_counts_as_done(desk: Desk, last: dict[str, Any], words: str) -> None:
    doc = await ended_without(desk, **last)
    doc["deeds"].insert(0, {**doc["deeds"][0], "result": "s-one.0.out"})
    told = explain(doc)
    assert f"Not done: conf.revert on web ({words})." in told["what"]
    assert "What was done: conf.revert on web (did not help, put back)." in told["what"]
    but = f"not done: {words}" if last["status"] == "denied" else words
    assert told["why"] == (
        f"not proven, suspected: The last change is wrong: its log says so; but {but}; others: 1 tried and refuted, 1 ruled out"
    )
    assert [one["name"] for one in told["open"]] == ["down/config"]
    assert [one["id"] for one in told["evidence"]] == ["s-one.1.out"], "what the suspicion stands on"
    assert [(one["action"], one["until"]) for one in told["changes"]] == [(TRIED.id, 0.0)], "only what was made can be put back, and once"
    doc["deeds"] = [one for one in doc["deeds"] if one["action"]["id"] != TRIED.id]
    assert "Nothing was changed. Not done: conf.revert" in explain(doc)["what"]


async def test_a_brain_that_takes_a_no_for_a_refutation_is_not_followed(desk: Desk) -> None:
    doc = await ended_without(desk, status="denied", decision="approval", why="rejected")
    refuted = {**hypotheses(doc)[1], "state": "refuted", "because": "it was not allowed: not at night"}
    doc["log"][-1]["body"]["thought"]["hypotheses"] = [refuted]
    held = next(one for one in hypotheses(doc) if one["name"] == "down/config")
    assert (held["state"], held["because"]) == ("open", "its log says so; but not done: rejected")


async def test_what_a_person_put_back_before_its_proof_is_not_refuted(desk: Desk) -> None:
    doc = await ended_without(desk, status="undone")
    refuted = {**hypotheses(doc)[1], "state": "refuted", "because": "it was undone"}
    doc["log"][-1]["body"]["thought"]["hypotheses"] = [refuted]
    held = next(one for one in hypotheses(doc) if one["name"] == "down/config")
    assert (held["state"], held["because"]) == ("open", "its log says so; but its fix was put back")


async def test_whoever_edited_an_action_stands_in_the_explanation_of_what_took_its_place(desk: Desk) -> None:
    doc = await ended_without(desk, status="denied", decision="approval", why="superseded by s-one.3e1")
    edited = next(one for one in doc["deeds"] if one["action"]["id"] == WANTED.id)
    new = {**edited, "status": "done", "verified": True, "action": {**edited["action"], "id": "s-one.3e1", "digest": "sha256:new"}}
    doc["deeds"].append(new)
    doc["approvals"] = [{**doc["approvals"][0], "state": "edited", "votes": [{**VOTE, "verb": "edit"}]}]
    doc["log"].append({**doc["log"][-1], "name": "session.pause", "action": "", "who": "person:ada", "body": {"reason": "wait"}})
    told = explain(doc, "s-one.3e1")
    assert told["who"] == "agent:mender proposed; person:ada edited: not at night"
    assert [one["verb"] for one in told["people"]] == ["edit"], "what was said of the session stands there"
    assert "conf.revert on web (superseded" not in explain(doc)["what"]
    doc["steps"] = []
    assert [row["action"].get("id") for row in steps(doc)] == ["s-one.1", TRIED.id, "s-one.3e1", None]


async def test_a_change_of_which_nobody_knows_does_not_refute_its_cause(desk: Desk) -> None:
    told = explain(await ended_without(desk, status="stuck", why="nobody can tell"))
    assert told["why"].startswith("The last change is wrong: its log says so; but stuck: nobody can tell (confidence 0.62")
    assert "then conf.revert on web (stuck: nobody can tell)" in told["what"]


async def test_shadow_mode_speaks_neither_for_nor_against_a_cause(desk: Desk) -> None:
    doc = await ended_without(desk, status="denied", decision="shadow", why="nothing is carried out in shadow mode")
    doc["deeds"] = [one for one in doc["deeds"] if one["action"]["id"] != TRIED.id]
    told = explain(doc)
    assert told["why"].startswith("The last change is wrong: its log says so (confidence 0.62")
    doc["log"][-1]["body"]["thought"]["hypotheses"] = [{**told["hypothesis"], "state": "confirmed"}]
    assert explain(doc)["hypothesis"]["state"] == "chosen", "nothing was done that could confirm it"
    assert "Nothing was changed. Not done: conf.revert on web (shadow mode: only shown)." in told["what"]


async def test_what_a_person_put_back_after_its_proof_did_help(desk: Desk) -> None:
    doc = await ended_without(desk, status="undone", verified=True)
    doc["session"]["outcome"] = "fixed"
    doc["log"].append({**doc["log"][-1], "name": "action.undoing", "who": "person:ada", "action": WANTED.id, "body": {"why": "by mistake"}})
    told = explain(doc)
    assert "then conf.revert on web (put back)" in told["what"]
    assert told["why"].startswith("The last change is wrong: its log says so; but its fix was put back (confidence")
    assert "person:ada rolled back s-one.3: by mistake" in told["who"]
    assert {"by": "person:ada", "verb": "rolled back", "about": WANTED.id, "reason": "by mistake"}.items() <= told["people"][-1].items()


async def test_the_figures_of_a_cause_are_those_that_it_was_chosen_by(desk: Desk) -> None:
    await closed(desk.house)
    doc = doc_of(desk)
    after = doc["log"][-1]["body"]["thought"]["hypotheses"][1]
    after.update(confidence=0.75, tried=1, worked=1)
    assert (after["name"], after["state"]) == ("down/config", "confirmed")
    assert "(confidence 0.62, prior 0.60, no record yet)" in explain(doc)["why"]
    assert "confidence 0.62, prior 0.60, own record: no record yet" in markdown(doc, span.figures(doc, BEGIN + 500))


@pytest.mark.parametrize(
    ("state", "votes", "words"),
    [
        ("expired", [], "nobody answered in time"),
        ("void", [], "withdrawn before anybody answered"),
        ("expired", [{**VOTE, "verb": "approve"}], "person:ada approved: not at night; then its time ran out"),
        ("rejected", [VOTE], "person:ada rejected: not at night"),
        ("waiting", [{**VOTE, "verb": "approve"}], "person:ada approved: not at night; 1 of 2 have answered"),
    ],
)
async def test_whoever_was_asked_is_told_also_where_nobody_answered(
    desk: Desk, state: str, votes: list[dict[str, Any]], words: str
) -> None:
    doc = await ended_without(desk, status="denied", decision="approval", why="no")
    doc["approvals"] = [{**doc["approvals"][0], "state": state, "votes": votes, "quorum": 2}]
    assert explain(doc)["who"] == f"agent:mender proposed; {words}"
    doc["approvals"] *= 2
    assert explain(doc)["who"] == f"agent:mender proposed; {words}", "the same is not said twice"


async def test_a_question_that_nobody_answered_was_asked(desk: Desk) -> None:
    doc = await ended_without(desk, status="denied", decision="grant", why="no")
    doc["approvals"], doc["deeds"] = [], []
    ask = {"number": 4, "at": BEGIN + 40, "answer": {"is": "ask", "question": "what?", "options": []}, "reply": "", "replied_by": ""}
    doc["steps"] = [ask]
    assert explain(doc)["who"] == "agent:mender asked; nobody answered the question"
    doc["steps"] = [{**ask, "reply": "none of these", "replied_by": "person:ada"}]
    assert explain(doc)["who"] == "agent:mender asked; person:ada answered: none of these"
    doc["steps"] = []
    assert explain(doc)["who"] == "agent:mender, has done nothing; nobody was asked"


async def test_whoever_stepped_in_and_whoever_gave_a_standing_grant_is_told(desk: Desk) -> None:
    doc = await ended_without(desk, status="done")
    doc["approvals"] = []
    meant = {**doc["log"][-1], "name": "action.intended", "action": WANTED.id, "who": "agent:mender", "body": {"standing": "g7"}}
    stop = {**doc["log"][-1], "name": "session.cancel", "action": "", "who": "person:ada", "body": {"reason": "I do it by hand"}}
    doc["log"] = [*doc["log"][:-1], meant, stop]
    who = explain(doc)["who"]
    assert who == "agent:mender proposed; standing grant g7 said yes beforehand; person:ada cancelled: I do it by hand"


async def test_a_claim_that_is_not_proven_is_told_as_one(desk: Desk) -> None:
    doc = await ended_without(desk, status="done")
    doc["session"].update(outcome="unproven", summary="fixed and verified")
    assert explain(doc)["what"].endswith("It ended as unproven, claimed to be fixed: fixed and verified")
    doc["session"].update(outcome="fixed")
    assert explain(doc)["what"].endswith("It ended as fixed: fixed and verified")


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ({"waiting": "approval"}, "It waits for a person's yes or no."),
        ({"waiting": "approval", "paused": True}, "It is paused."),
        ({"phase": "open", "waiting": ""}, "It is at work."),
        ({"waiting": "brain"}, "It waits for the next action of its agent."),
        ({"waiting": "others"}, "It waits for another session that works on what its target depends on."),
        ({"waiting": "budget"}, "It is held by budget."),
    ],
)
async def test_what_an_open_session_waits_for_is_told(desk: Desk, head: dict[str, Any], words: str) -> None:
    doc = doc_of(desk)
    doc["session"].update(head)
    assert explain(doc)["what"].endswith(words)
    assert words.removeprefix("It ") in markdown(doc, span.figures(doc, BEGIN + 90))


async def test_a_look_that_is_held_or_denied_is_told_with_its_reason(desk: Desk) -> None:
    doc = doc_of(desk)
    doc["session"].update(waiting="freeze")
    doc["deeds"], doc["approvals"] = [one for one in doc["deeds"] if one["action"]["purpose"] == "diagnose"], []
    assert explain(doc)["who"] == "agent:mender, only looked; nobody was asked"
    doc["deeds"][0].update(status="held", decision="freeze", why="frozen (all) by person:ada: night")
    decided = next(one for one in doc["log"] if one["name"] == "action.decided")
    decided["body"] = {"verdict": "hold", "check": "freeze", "why": "frozen (all)"}
    told = explain(doc)
    assert told["what"].endswith("Nothing was changed. It waits for the end of a freeze: frozen (all) by person:ada: night.")
    assert told["who"] == "agent:mender, has done nothing; nobody was asked"
    assert any("s-one.1: hold by freeze: frozen (all)" in one for one in told["chain"])
    parts = report_of(doc)
    assert parts["Summary"] == "Still open: it waits for the end of a freeze: frozen (all) by person:ada: night."
    assert "- Look why it is held: frozen (all) by person:ada: night." in parts["Follow-ups"]


async def test_the_log_lines_of_people_say_which_way_they_answered(desk: Desk) -> None:
    doc = doc_of(desk)
    first = doc["log"][-1]
    for name, body in (
        ("approval.answered", {"verb": "reject", "reason": "not at night"}),
        ("review.answered", {"verdict": "wrong", "reason": "too much", "correction": "reload it"}),
        ("action.ruled", {"verdict": "failed", "reason": "I looked"}),
        ("action.undoing", {"why": "it did not help"}),
        ("approval.void", {}),
    ):
        doc["log"].append({**first, "name": name, "body": body})
    said = [one.partition(": ")[2] for one in explain(doc)["chain"][-5:]]
    assert said == [
        "answered the approval (rejected: not at night)",
        "reviewed (wrong: too much: reload it)",
        "settled by a person (failed: I looked)",
        "undo begun (it did not help)",
        "the question was withdrawn",
    ]


def report_of(doc: dict[str, Any]) -> dict[str, str]:
    """The parts of a report by their headings."""
    parts = markdown(doc, span.figures(doc, BEGIN + 500)).split("\n## ")
    return {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in parts}


async def test_the_report_counts_as_made_only_what_was_done(desk: Desk) -> None:
    doc = await ended_without(desk, status="denied", decision="freeze", why="frozen")
    told = report_of(doc)
    assert told["Impact"].endswith("\n- 1 change was made, 1 put back.")
    assert "seen once in all, still firing" in told["Impact"]
    assert told["What was done"].splitlines() == [
        "- `s-one.2` conf.revert on `web` (yellow): did not help, put back. not met: status eq 200: saw 0",
        "- `s-one.3` conf.revert on `web` (red): denied by freeze: frozen.",
    ]
    assert told["Root cause"].startswith(
        "No cause was proven.\n\nLeft open:\n\n- The last change is wrong: its log says so; but not done: denied by"
    )
    doc["deeds"] = [one for one in doc["deeds"] if one["action"]["id"] != TRIED.id]
    assert "- Nothing was changed." in report_of(doc)["Impact"]
    assert report_of(doc)["What was done"].endswith("\n\nNothing was changed.")


async def test_the_report_names_whom_nobody_answered_and_who_put_something_back(desk: Desk) -> None:
    doc = await ended_without(desk, status="undone", verified=True)
    first = doc["log"][-1]
    said = report_of(doc)["People"]
    assert "`agent:mender` asked for approval s-one.3" in said
    doc["log"].append({**first, "name": "approval.expired", "action": WANTED.id, "who": "service:clock", "body": {}})
    doc["log"].append({**first, "name": "action.undoing", "action": WANTED.id, "who": "person:ada", "body": {"why": "by mistake"}})
    said = report_of(doc)["People"].splitlines()
    assert said[1].endswith("`service:clock` nobody answered in time s-one.3")
    assert said[2].endswith("`person:ada` rolled back s-one.3: by mistake")
    assert len(said) == 3, "what the agent put back itself is no person's"
    assert span.figures(doc, BEGIN + 500)["interventions"] == 1
    doc["log"] = [one for one in doc["log"] if one["name"] not in ("approval.asked", "approval.expired", "action.undoing")]
    assert report_of(doc)["People"] == "Nobody was asked and nobody stepped in."


async def test_the_timeline_says_why_something_was_not_done_and_hides_only_the_looks_of_the_observer(desk: Desk) -> None:
    doc = await ended_without(desk, status="denied", decision="approval", why="no")
    first, look = doc["log"][-1], next(one for one in doc["deeds"] if one["action"]["purpose"] == "diagnose")
    doc["log"].append({**first, "name": "action.done", "action": "s-one.v7", "body": {}})  # a name that a remote agent chose
    seen = {**look, "action": {**look["action"], "id": "s-one.3.v0.0", "purpose": "verify"}}
    doc["deeds"].append(seen)
    doc["log"].append({**first, "name": "action.failed", "action": "s-one.3.v0.0", "body": {"error": "gone"}})
    lines = report_of(doc)["Timeline"].splitlines()
    assert any(one.endswith(": conf.revert: take the change back; hold by approval: red: nobody has approved it") for one in lines)
    assert lines[-1].endswith("action.done `s-one.v7` (agent:mender)")


async def test_follow_ups_name_what_a_person_must_do_and_nothing_else(desk: Desk) -> None:
    doc = doc_of(desk)
    due = "- Review `s-one.2`, due 2026-09-22 14:13:20 UTC."
    assert report_of(doc)["Follow-ups"].splitlines() == ["- Answer approval `s-one.3` by 2026-09-21 14:28:50 UTC.", due]
    doc["session"].update(paused=True, waiting="answer")
    told = report_of(doc)["Follow-ups"]
    assert "- Answer the question of the session.\n- Resume or cancel the session: it is paused." in told
    doc = await ended_without(desk, status="stuck", why="nobody can tell")
    doc["reviews"], doc["approvals"] = [], []
    look, firing = "- A person must look: it ended as escalated, without a proven fix.", "- Not resolved yet: WebDown."
    assert report_of(doc)["Follow-ups"].splitlines() == ["- Settle `s-one.3`: stuck: nobody can tell.", look, firing]
    doc["log"].append({**doc["log"][-1], "name": "action.ruled", "action": WANTED.id, "body": {"verdict": "done", "reason": "I looked"}})
    assert report_of(doc)["Follow-ups"].splitlines() == [look, firing]
    doc["deeds"][-1].update(status="done", verified=False)
    assert report_of(doc)["Follow-ups"].splitlines()[0] == "- Put `s-one.3` back by hand: did not help, not put back."
    doc["deeds"][-1].update(status="undone", verified=True)
    assert report_of(doc)["Follow-ups"].splitlines()[0] == "- Look again: `s-one.3` had helped and was put back."
    doc["deeds"][-1].update(verified=False)
    for outcome in ("cancelled", "shadow"):
        doc["session"]["outcome"] = outcome
        assert report_of(doc)["Follow-ups"] == firing
    doc["session"]["outcome"], doc["signals"][0]["state"], doc["steps"] = "resolved", "resolved", []
    assert report_of(doc)["Follow-ups"] == "- None that the record shows."


async def test_what_nobody_resolves_is_neither_firing_nor_to_be_resolved(desk: Desk) -> None:
    await closed(desk.house)
    doc = doc_of(desk)
    doc["reviews"], doc["approvals"] = [], []
    doc["signals"][0].update(source="spec", at=0.0, seen=2)
    assert "(seen 2 times in all)" in report_of(doc)["Impact"]
    assert report_of(doc)["Follow-ups"] == "- None that the record shows."


async def test_an_alert_that_came_back_since_is_the_matter_of_its_newer_session(desk: Desk) -> None:
    await closed(desk.house)
    store = desk.house.plugs.store
    row = store.find("signal", "alertmanager:k1")
    assert row is not None
    body = {**row.body, "at": BEGIN + 90_000}
    await store.commit(Change(puts=(Put(table="signal", id=row.id, expect=row.version, body=body, state="firing", session="s-two"),)))
    doc = doc_of(desk)
    assert "(seen once in all, came back later)" in report_of(doc)["Impact"]
    assert "Not resolved yet" not in report_of(doc)["Follow-ups"]
    assert span.figures(doc, BEGIN + 500)["detect_s"] is None


async def test_what_the_evidence_confirms_beside_the_cause_is_left_open_and_counted(desk: Desk) -> None:
    held = {**HELD, "because": "it answers us", "evidence": []}
    doc = await left_to_a_person(desk, held, {**MAYBE, "state": "confirmed"}, NONE_OF_IT)
    told = explain(doc)
    assert told["why"].endswith("; others: 1 confirmed as well, 1 ruled out")
    assert [one["name"] for one in told["open"]] == ["down/net"]
    assert "\nLeft open:\n\n- The network is slow: nothing tells\n" in report_of(doc)["Root cause"] + "\n"


async def test_long_times_are_told_in_hours_and_days(desk: Desk) -> None:
    doc = doc_of(desk)
    for ago, words in ((90, "1 min 30 s"), (4000, "1 h 06 min"), (300_000, "3 d 11 h")):
        doc["signals"][0]["at"] = doc["session"]["opened_at"] - ago
        assert f"| time to detect | {words} |" in report_of(doc)["Figures"]


async def test_names_from_outside_are_no_markup_in_the_report_and_long_texts_are_clipped(desk: Desk) -> None:
    doc = await ended_without(desk, status="denied", decision="grant", why=f"x` <b>{'long ' * 30_000}")
    doc["session"].update(target=f"a`<i>{NASTY}", agent="m`<u>")
    doc["signals"][0]["target"] = "`<s>"
    for deed in doc["deeds"]:
        deed["action"].update(kind="`<script>*", target="`<em>\n# head", id="`<q>")
    text = markdown(doc, span.figures(doc, BEGIN + 500))
    assert len(text) < 20_000
    assert "\n# head" not in text
    for line in text.splitlines():
        loose = "".join(line.split("`")[::2])  # what stands outside of code
        assert "<" not in loose.replace("\\<", ""), line
        assert line.count("`") % 2 == line.count("\\`") % 2, line


async def test_the_first_line_stays_short_whatever_came_from_outside(desk: Desk) -> None:
    doc = await ended_without(desk, status="denied", decision="grant", why="why " * 30_000)
    doc["session"].update(title="t" * 100_000, target="x" * 100_000, summary="s" * 100_000)
    assert len(explain(doc)["what"]) < 1500


@pytest.mark.parametrize("state", ["void", "expired"])
async def test_a_question_that_ended_unanswered_waits_no_more(desk: Desk, state: str) -> None:
    doc = await ended_without(desk, status="denied", decision="session", why="closed")
    doc["approvals"][0]["state"] = state
    at = BEGIN + 70
    doc["log"].append({**doc["log"][-1], "name": f"approval.{state}", "action": WANTED.id, "who": "service:clock", "at": at})
    found = next(one for one in span.timeline(doc, BEGIN + 9000)["spans"] if one["title"] == "Approval")
    assert (found["end"], found["going"]) == (at, False)
    assert found["text"] == span.SAID[state]
    assert span.figures(doc, BEGIN + 9000)["waited_s"] == pytest.approx(40)


async def test_an_approval_that_is_asked_for_again_waits_again(desk: Desk) -> None:
    doc = doc_of(desk)
    doc["log"].append({**doc["log"][-1], "name": "approval.answered", "at": BEGIN + 40})
    doc["log"].append({**doc["log"][-1], "name": "approval.asked", "at": BEGIN + 50})
    found = next(one for one in span.timeline(doc, BEGIN + 90)["spans"] if one["title"] == "Approval")
    assert (found["start"], found["end"], found["going"]) == (BEGIN + 50, BEGIN + 90, True)


async def test_nothing_goes_on_in_a_closed_session(desk: Desk) -> None:
    doc = await ended_without(desk, status="done", checks=2, intended_at=BEGIN + 401, settled_at=BEGIN + 402)
    ask = {"number": 4, "at": BEGIN + 40, "answer": {"is": "ask", "question": "what?", "options": []}, "reply": "", "replied_by": ""}
    doc["steps"] = [ask]
    look = next(one for one in doc["deeds"] if one["action"]["purpose"] == "diagnose")
    look.update(status="denied", settled_at=0.0)
    doc["approvals"][0]["state"] = "used"
    doc["log"].append({**doc["log"][-1], "name": "approval.answered", "action": WANTED.id, "at": BEGIN + 400})
    spans = {one["title"]: one for one in span.timeline(doc, BEGIN + 9000)["spans"]}
    assert {"Diagnose", "Question", "Verify", "Approval"} <= set(spans)
    assert [one["title"] for one in spans.values() if one["going"] or one["end"] > doc["session"]["closed_at"]] == []


async def test_a_fix_that_was_one_part_of_a_plan_in_vain_has_no_time_to_fix(desk: Desk) -> None:
    await closed(desk.house)
    doc = doc_of(desk)
    assert span.figures(doc, BEGIN + 500)["fix_s"] == pytest.approx(409)
    doc["deeds"][-1]["status"] = "undone"
    assert span.figures(doc, BEGIN + 500)["fix_s"] == pytest.approx(409), "it was fixed then, whatever a person put back later"
    doc["session"]["outcome"] = ""
    assert span.figures(doc, BEGIN + 500)["fix_s"] is None
    doc["deeds"][-1]["status"], doc["session"]["outcome"] = "done", "escalated"
    assert span.figures(doc, BEGIN + 500)["fix_s"] is None


async def test_actions_stand_in_the_order_of_their_proposals(desk: Desk) -> None:
    store = desk.house.plugs.store
    row = store.find("action", WANTED.id)
    assert row is not None
    for name, at in (("s-one.2e1", 25), ("s-one.zz", 5), ("s-one.9", 90), ("s-one.10", 90)):
        act = {**row.body["action"], "id": name, "proposed_at": BEGIN + at}  # type: ignore[dict-item]  # an action is a mapping
        await store.commit(Change(puts=(Put(table="action", id=name, expect=0, body={**row.body, "action": act}, session=SID),)))
    found = [one["action"]["id"].partition(".")[2] for one in doc_of(desk)["deeds"]]
    assert found == ["zz", "1", "2", "2e1", "3", "9", "10"]


async def test_a_change_that_leaves_nothing_to_undo_is_told_as_one(desk: Desk) -> None:
    doc = doc_of(desk)
    tried = next(one for one in doc["deeds"] if one["action"]["id"] == TRIED.id)
    tried["recipe"] = {**tried["recipe"], "undo": {"do": "nothing"}}
    assert "conf.revert on web (did not help, put back (nothing to undo))" in explain(doc)["what"]


async def test_explain_of_a_look_gives_its_own_reason(desk: Desk) -> None:
    told = explain(doc_of(desk), "s-one.1")
    assert told["what"] == "look.at on web, green: done."
    assert told["why"] == "see what it said last"
    assert explain(doc_of(desk), "s-one.99")["what"] == "there is no such action in this session"


async def test_explain_of_one_action_keeps_to_it(desk: Desk) -> None:
    told = explain(doc_of(desk), TRIED.id)
    assert told["what"].startswith("conf.revert on web, yellow: did not help, put back")
    assert all(WANTED.id not in line for line in told["chain"])
    assert any("verification failed" in line for line in told["chain"])


async def test_the_report_has_every_part_and_no_foreign_markup(desk: Desk) -> None:
    await closed(desk.house)
    doc = doc_of(desk)
    text = markdown(doc, span.figures(doc, BEGIN + 500), "flyball.test\n1\nroot\n")
    for part in ("Summary", "Impact", "Figures", "Root cause", "What was done", "People", "Timeline", "Proof", "Follow-ups"):
        assert f"\n## {part}\n" in text
    assert "time to fix | 6 min 49 s" in text
    assert "tried and refuted" in text
    assert "<img" not in text.replace("\\<img", "")
    assert "\x1b" not in text
    assert "\u202e" not in text


async def test_steps_have_exactly_the_seven_fields_and_their_schema(desk: Desk) -> None:
    rows = plain(steps(doc_of(desk)))
    assert [tuple(row) for row in rows] == [FIELDS] * 3
    for row in rows:
        schema("step").validate(row)
    assert rows[1]["result"] == {
        "status": "undone",
        "ok": True,
        "value": "",
        "error": "",
        "verified": False,
        "verify_note": "not met: status eq 200: saw 0",
    }
    broken = {**rows[0], "confidence": 2}
    assert not schema("step").is_valid(broken)
    assert not schema("step").is_valid({**rows[0], "more": 1})


async def test_the_step_that_closed_a_session_is_its_last(desk: Desk) -> None:
    before = len(steps(doc_of(desk)))
    await closed(desk.house)
    rows = plain(steps(doc_of(desk)))
    assert len(rows) == before + 1
    schema("step").validate(rows[-1])
    context = rows[-1]["input_context"]
    assert (context["step"], context["at"]) == (rows[-2]["input_context"]["step"] + 1, doc_of(desk)["log"][-1]["at"])
    assert (rows[-1]["reasoning_summary"], rows[-1]["action"]) == ("done", {"type": "finish", "text": "fixed"})
    assert (rows[-1]["confidence"], context["evidence"]) == (0.62, ["s-one.1.out"])
    assert rows[-1]["result"]["status"] == "none"


async def test_each_action_of_an_agent_elsewhere_is_a_step(desk: Desk) -> None:
    await closed(desk.house)
    doc = doc_of(desk)
    doc["steps"] = []
    rows = plain(steps(doc))
    assert [row["input_context"]["step"] for row in rows] == [1, 2, 3, 4]
    assert [row["action"].get("id") for row in rows] == ["s-one.1", TRIED.id, WANTED.id, None]
    assert rows[2]["reasoning_summary"] == "take the change back"
    assert (rows[2]["confidence"], rows[2]["result"]["verified"]) == (0.62, True)
    for row in rows:
        schema("step").validate(row)


async def test_every_answer_of_a_person_is_feedback(desk: Desk) -> None:
    browser = await desk.sign_in()
    said = {"digest": WANTED.digest, "reason": "not on a Friday evening"}
    assert (await browser.post(f"/approvals/{WANTED.id}/changes", data=said)).status_code == 303
    look = {"verdict": "wrong", "reason": "a restart was too much", "correction": "reload it instead"}
    assert (await browser.post(f"/reviews/{TRIED.id}", data=look)).status_code == 303
    rows = plain(list(feedback(desk.house.plugs.store)))
    for row in rows:
        schema("feedback").validate(row)
    assert [row["correction"]["verdict"] for row in rows] == ["changes", "wrong"]
    assert rows[0]["correction"]["text"] == rows[0]["rationale"] == "not on a Friday evening"
    assert rows[1]["correction"]["text"] == "reload it instead"
    assert rows[0]["context"]["kind"] == "conf.revert"
    assert [one["verb"] for row in steps(doc_of(desk)) for one in row["feedback"]] == ["wrong", "changes"]
    lines = (await browser.get("/v1/feedback")).text.splitlines()
    assert [json.loads(line) for line in lines] == rows


async def test_an_edit_is_feedback_with_the_arguments_that_were_right(desk: Desk) -> None:
    browser = await desk.sign_in()
    said = {"digest": WANTED.digest, "reason": "a soft one is enough here", "args": '{"service": "web", "soft": true}'}
    assert (await browser.post(f"/approvals/{WANTED.id}/edit", data=said)).status_code == 303
    row = plain(list(feedback(desk.house.plugs.store)))[0]
    schema("feedback").validate(row)
    assert (row["correction"]["verdict"], row["correction"]["args"]) == ("edit", {"service": "web", "soft": True})
    assert row["context"]["args"] == WANTED.args


async def test_shadow_tells_what_only_shadow_stopped_from_what_was_denied(desk: Desk) -> None:
    store = desk.house.plugs.store
    row = store.find("session", SID)
    assert row is not None
    for name, opinions in (
        ("s-a", [["deny", "shadow", "x"]]),
        ("s-b", [["deny", "shadow", "x"], ["deny", "grant", "outside"]]),
        ("s-c", [["hold", "approval", "red"], ["deny", "shadow", "x"]]),
        ("s-d", []),
    ):
        body = {**row.body, "id": name, "shadow": True}
        put = Put(table="session", id=name, expect=0, body=body, state="closed", session=name)
        entry = Entry(name="action.decided", who="agent:mender", session=name, action=f"{name}.1", body={"opinions": opinions})
        await store.commit(Change(entries=(entry,), puts=(put,)))
    found = shadow(store)
    assert (found["would_fix"], found["of"], found["would_deny"], found["would_ask"]) == (2, 4, 1, 1)
    assert found["denied"] == [{"action": "s-b.1", "session": "s-b", "check": "grant", "why": "outside"}]
    assert shadow(store, since=BEGIN + 1)["of"] == 0


async def test_permits_say_who_may_what_and_why_not(desk: Desk) -> None:
    plugs = desk.house.plugs
    specs = {name: kind.spec for name, kind in plugs.kinds.items()}
    rows = permit.permits(plugs.store, plugs.rules, specs, plugs.clock.now())
    assert [(one["kind"], one["may"], one["env"], one["reach"]) for one in rows] == [
        ("look.at", True, "prod", "read"),
        ("conf.revert", True, "prod", "write"),
    ]
    assert rows[1]["last_used"] == BEGIN + 22
    off = permit.permits(plugs.store, plugs.rules, {"look.at": specs["look.at"]}, plugs.clock.now())
    assert [(one["may"], one["why"]) for one in off][1] == (False, "the kind conf.revert is not enabled")


async def test_permits_look_at_no_more_of_a_long_log_than_of_a_short_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    plugs = desk.house.plugs
    specs = {name: kind.spec for name, kind in plugs.kinds.items()}
    monkeypatch.setattr(permit, "LATEST", 3)
    asked: list[str] = []
    find = plugs.store.find
    monkeypatch.setattr(plugs.store, "find", lambda table, row: asked.append(row) or find(table, row))
    await plugs.store.commit(Change(entries=tuple(Entry(name="action.done", who="agent:mender", action=f"s-x.{n}") for n in range(50))))
    rows = permit.permits(plugs.store, plugs.rules, specs, plugs.clock.now())
    assert rows[1]["last_used"] == 0.0
    assert asked == ["s-x.47", "s-x.48", "s-x.49"]


async def test_the_card_holds_what_a_person_decides_by(desk: Desk) -> None:
    card = approval.find(desk.house.plugs.store, WANTED.id, {"conf.revert": "Take back a change"})
    assert card is not None
    assert card["title"] == "Take back a change: web"
    assert card["quorum"] == {"need": 1, "got": 0, "group": "sre"}
    assert [one["name"] for one in card["ruled_out"]] == ["down/stale", "down/disk"]
    assert NASTY in card["evidence"][0]["text"]
    assert card["hypothesis"]["prior"] == 0.6


def test_the_explanation_says_how_each_change_is_put_back(desk: Desk) -> None:
    said = explain(doc_of(desk))
    assert said["trace"] == trace_of(SID)
    changed = {one["action"]: one for one in said["changes"]}
    recipes = {one["action"]["id"]: one["recipe"] for one in doc_of(desk)["deeds"] if one["recipe"]}
    assert {TRIED.id, WANTED.id} <= set(changed)
    assert {name: one["undo"] for name, one in changed.items()} == {name: recipes[name]["undo"] for name in changed}
    assert changed[TRIED.id]["undo"]
