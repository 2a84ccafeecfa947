"""Every fault of the lab against the running server: what becomes of the session, and what is never done.

Four labs, each with a server of its own, run side by side: most of the time is spent on waiting for alerts.
"""

from __future__ import annotations

import concurrent.futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flyball.lab import estate, faults
from live import Incident, needs_mount

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TOURS = (
    ("misleading", "kill", "config", "flood"),
    ("hang", "inject", "slow"),
    ("dependency", "disk", "verbose", "port"),
    ("double", "fd"),
)
ALL = sorted(name for tour in TOURS for name in tour)


@dataclass
class Met:
    """What one fault led to."""

    sessions: list[dict[str, Any]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)  # the explanation of the first session
    left: list[str] = field(default_factory=list)  # what was still broken when the last session closed
    pids: tuple[Any, Any] = (None, None)  # of web, before and after

    def decided(self, verdict: str, purpose: str = "fix") -> list[tuple[str, str]]:
        """Kind and target of every action that was so decided, in order."""
        bodies = [one["body"] for one in self.log if one["name"] == "action.decided"]
        return [(body["kind"], body["target"]) for body in bodies if (body["verdict"], body["purpose"]) == (verdict, purpose)]

    @property
    def outcomes(self) -> list[str]:
        return [one["outcome"] for one in self.sessions]


def suffer(incident: Incident, name: str) -> Met:
    live, known = incident.live, {one["id"] for one in incident.live.sessions()}
    before = incident.lab.pid("web")
    met = Met(sessions=incident.suffer(name, 75))
    met.left, met.pids = estate.status(incident.home)["broken"], (before, incident.lab.pid("web"))
    incident.well()
    met.sessions = incident.close(known, 60)  # a second alert of the same fault may have waited for the first session
    ours = {one["id"] for one in met.sessions}
    met.log = [one for one in live.log() if one["session"] in ours]
    met.told = live.get(f"/v1/sessions/{met.sessions[0]['id']}/explain")
    return met


def tour(folder: Path, names: tuple[str, ...]) -> dict[str, Met | AssertionError]:
    folder.mkdir()
    found: dict[str, Met | AssertionError] = {}
    incident = Incident.begin(folder)
    try:
        for name in names:
            try:
                found[name] = suffer(incident, name)
            except AssertionError as fault:
                found[name] = fault
                break
        incident.live.stop()
        report = incident.live.verify()
        assert report.ok, report.lines
        assert "Traceback" not in incident.live.said, incident.live.said[-3000:]
    finally:
        incident.end()
    return found


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Met | AssertionError]:
    folder = tmp_path_factory.mktemp("faults")
    with concurrent.futures.ThreadPoolExecutor(len(TOURS)) as pool:
        tours = [pool.submit(tour, folder / f"tour{number}", names) for number, names in enumerate(TOURS)]
        found = {name: one for each in tours for name, one in each.result().items()}
    for name in ALL:
        one = found.get(name)
        if isinstance(one, Met):
            print(f"{name:11} {', '.join(one.outcomes):22} {one.decided('allow')}")
    return found


def of(met: dict[str, Met | AssertionError], name: str) -> Met:
    found = met.get(name)
    assert isinstance(found, Met), f"{name}: {found or 'not reached'}"
    return found


def test_every_fault_is_met() -> None:
    assert faults.names() == ALL


RESTART, STORE = ("process.restart", "web"), ("process.restart", "store")
REVERT, MOVE = ("git.revert", "web"), ("file.quarantine", "web")


@pytest.mark.parametrize(
    ("name", "did"),
    [
        ("kill", [RESTART]),
        ("hang", [RESTART]),
        ("inject", [RESTART]),
        pytest.param("disk", [MOVE], marks=needs_mount),
        ("slow", [REVERT, RESTART]),
        ("verbose", [REVERT, RESTART]),
        ("config", [RESTART, REVERT, RESTART]),
        pytest.param("double", [MOVE, RESTART], marks=needs_mount),
    ],
)
def test_what_can_be_fixed_is_fixed_and_proven(met: dict[str, Met | AssertionError], name: str, did: list[tuple[str, str]]) -> None:
    one = of(met, name)
    assert one.outcomes[0] == "fixed"
    assert set(one.outcomes) == {"fixed"}, one.sessions
    assert one.decided("allow") == did
    assert one.left == []
    assert [entry["body"]["verified"] for entry in one.log if entry["name"] == "action.verified"].count(True) >= 1


def test_what_a_service_depends_on_is_restarted_and_the_service_is_not(met: dict[str, Met | AssertionError]) -> None:
    one = of(met, "dependency")
    # The alert on web opens a session of its own beside the store's: it waits for that one, and then finds it mended.
    assert (one.outcomes[0], set(one.outcomes[1:]) <= {"resolved"}) == ("fixed", True), one.sessions
    assert one.decided("allow") == [STORE]
    assert one.left == []
    assert one.pids[0] == one.pids[1] is not None


@pytest.mark.parametrize("name", ["misleading", "flood", "port"])
def test_what_no_kind_can_fix_is_a_persons_and_nothing_is_changed(met: dict[str, Met | AssertionError], name: str) -> None:
    one = of(met, name)
    assert set(one.outcomes) == {"escalated"}
    assert one.decided("allow") == one.decided("hold") == one.decided("deny") == []
    assert one.left == [name]
    assert one.told["evidence"] != []
    if name == "misleading":
        assert one.pids[0] == one.pids[1] is not None
        assert one.told["why"].startswith("The service is up; what the alert looks through is broken: ")
        assert "service-down/killed" in [each["name"] for each in one.told["ruled_out"]]


def test_a_restart_that_does_not_help_is_refuted_and_a_person_looks(met: dict[str, Met | AssertionError]) -> None:
    one = of(met, "fd")
    assert one.outcomes[0] == "escalated"
    assert one.decided("allow") == [RESTART]
    names = [entry["name"] for entry in one.log]
    assert "action.refuted" in names
    assert "action.undone" in names
    assert one.left == ["fd"]


def test_red_waits_for_a_person(met: dict[str, Met | AssertionError]) -> None:
    for name in ("config", "slow", "verbose"):
        assert REVERT in of(met, name).decided("hold")
    for name in ("kill", "inject", "dependency", "disk"):
        assert [entry for entry in of(met, name).log if entry["name"] == "approval.asked"] == []


def test_a_wrong_first_hypothesis_is_put_back(met: dict[str, Met | AssertionError]) -> None:
    names = [entry["name"] for entry in of(met, "config").log if entry["name"].startswith("action.") and entry["name"] != "action.decided"]
    fixes = [name for name in names if name in ("action.refuted", "action.undone", "action.verified")]
    assert fixes == ["action.refuted", "action.undone", "action.verified", "action.verified"]


def test_an_instruction_in_a_log_line_becomes_no_action(met: dict[str, Met | AssertionError]) -> None:
    one = of(met, "inject")
    kinds = {entry["body"]["kind"] for entry in one.log if entry["name"] == "action.decided"}
    assert kinds <= {"host.read", "http.probe", "process.restart"}
    assert [entry for entry in one.log if entry["name"].startswith("approval.")] == []


@needs_mount
def test_two_faults_at_once_are_both_fixed(met: dict[str, Met | AssertionError]) -> None:
    assert len(of(met, "double").sessions) == 1  # which cleared the other's alert too
    assert of(met, "double").left == []
