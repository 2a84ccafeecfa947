"""The runbook brain, played through the shipped runbooks against made-up estates."""

from __future__ import annotations

from flyball.brains.runbook import RunbookBrain
from flyball.model.action import Purpose, Status
from flyball.model.session import Ask, Propose
from runbook_world import NOW, Reply, play, shipped, signal, table, view

KILLED = {
    "unit-status": {"state": "crashed", "pid": None, "exit_code": None, "signal": "SIGKILL", "restarts": 0},
    "http.probe": {"status": 0, "ok": False, "took_ms": 1, "body_head": "", "error": "refused"},
    "http.probe@store": {"status": 200, "ok": True, "took_ms": 1, "body_head": "", "error": ""},
    "tail": {"path": "/l", "lines": ["INFO web GET / 200 3ms"], "truncated": False},
    "ss": {"listening": [], "ports": []},
    "git-log": [{"commit": "b" * 40, "at": NOW - 400_000, "author": "lab", "subject": "Greet visitors"}],
    "git-diff": {"diff": "", "files": [], "truncated": False},
}
BAD_CONFIG = {
    **KILLED,
    "unit-status": {"state": "crashlooping", "pid": None, "exit_code": 78, "signal": None, "restarts": 4, "started_at": NOW - 3},
    "tail": {"path": "/l", "lines": ["ERROR web configuration /c/web.toml is invalid: request_timeout_s must be int"], "truncated": False},
    "git-log": [
        {"commit": "a" * 40, "at": NOW - 5, "author": "lab", "subject": "Wait longer for the store"},
        {"commit": "b" * 40, "at": NOW - 400_000, "author": "lab", "subject": "Greet visitors"},
    ],
}
UNDONE = Reply(status=Status.UNDONE, verified=False, note="http.probe /status eq 200: saw 0")


def brain() -> RunbookBrain:
    return RunbookBrain(shipped())


async def test_a_killed_service_is_restarted_and_verified() -> None:
    run = await play(brain(), view(signal()), table(KILLED))
    assert run.fixes() == ["process.restart"]
    assert run.finish.outcome == "fixed"
    assert run.states()["killed"] == "confirmed"
    fix = run.proposals(Purpose.FIX)[0]
    assert fix.args == {"service": {"$ref": "s-1.signal#/labels/service"}}
    assert [one.kind for one in fix.verify] == ["http.probe", "signal.resolved"]
    assert set(fix.evidence) == {"s-1.1.out", "s-1.2.out"}
    assert fix.hypothesis == "service-down/killed"
    assert fix.confidence == 0.7


async def test_a_bad_commit_restart_is_tried_first_and_then_revert_and_restart_as_one_plan() -> None:
    restarts = iter([UNDONE, Reply(body={}, verified=True)])
    others = table(BAD_CONFIG)
    run = await play(brain(), view(signal()), lambda what, args: next(restarts) if what.kind == "process.restart" else others(what, args))
    assert run.fixes() == ["process.restart", "git.revert", "process.restart"]
    assert run.finish.outcome == "fixed"
    assert (run.states()["transient-exit"], run.states()["bad-config"]) == ("refuted", "confirmed")
    plans = [one for one in run.answers if isinstance(one, Propose) and one.plan]
    assert [one.kind for one in plans[0].plan] == ["git.revert", "process.restart"]
    assert plans[0].plan[0].args["commit"]["$ref"].endswith("#/0/commit")
    first_fix = next(index for index, one in enumerate(run.answers) if isinstance(one, Propose) and one.proposal.purpose is Purpose.FIX)
    assert all("git-log" not in str(one) for one in run.answers[:first_fix])


async def test_an_unknown_alert_is_a_question_and_never_a_guess() -> None:
    run = await play(brain(), view(signal("CertificateExpiresSoon", summary="x509 certificate ends in 3 days")), table(KILLED))
    assert isinstance(run.last, Ask)
    assert run.last.thought.selection["decided"] == "escalate"
    assert len(run.answers) == 1
