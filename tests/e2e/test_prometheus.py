"""The lab's prober speaks like Alertmanager: the real Prometheus and Alertmanager lead to the same session as it does."""

from __future__ import annotations

import concurrent.futures
import os
from pathlib import Path
from typing import Any

import pytest

from flyball.lab import estate, telemetry
from live import Incident

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def met(folder: Path, *, prometheus: bool) -> dict[str, Any]:
    """What became of `kill`: everything about the session that does not name a moment or a number."""
    folder.mkdir()
    incident = Incident.begin(folder, prometheus=prometheus)
    try:
        session = incident.suffer("kill", 90)[0]
        page = incident.live.get(f"/v1/sessions/{session['id']}")
        thought = [step["answer"]["thought"] for step in page["steps"]][-1]
        signal = page["signals"][0]
        return {
            "signals": session["signals"],
            "title": session["title"],
            "agent": session["agent"],
            "target": session["target"],
            "trigger": session["trigger"],
            "outcome": session["outcome"],
            "summary": session["summary"],
            "runbook": (thought["runbook"], thought["runbook_digest"]),
            "labels": {name: signal["labels"][name] for name in ("alertname", "service", "env", "severity")},
            "did": [
                (deed["action"]["kind"], deed["action"]["target"], deed["action"]["purpose"], deed["status"]) for deed in page["deeds"]
            ][:5],
            "proven": [one["body"]["notes"] for one in page["log"] if one["name"] == "action.verified"],
            "broken": estate.status(incident.home)["broken"],
        }
    finally:
        incident.end()


def test_the_real_prometheus_and_alertmanager_lead_to_the_same_session(tmp_path: Path) -> None:
    missing = telemetry.find_missing()
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {', '.join(telemetry.PROGRAMS)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        real = pool.submit(met, tmp_path / "real", prometheus=True)
        own = pool.submit(met, tmp_path / "own", prometheus=False)
        assert real.result() == own.result()
    assert real.result()["outcome"] == "fixed"
    assert real.result()["signals"] == ["alertmanager:ServiceDown:web"]
