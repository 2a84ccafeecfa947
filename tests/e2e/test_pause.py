"""The breakpoint that every new project has, on a real server: a restart that interrupts much pauses there, and a person lets it go on."""

from __future__ import annotations

from pathlib import Path

from live import Live, count_of, counting, spec, until

NAMES = ("hub", "one", "two", "three")


def test_a_restart_that_interrupts_four_services_pauses_at_the_breakpoint(tmp_path: Path) -> None:
    live, targets = Live(tmp_path / "project"), tmp_path / "targets"
    targets.mkdir()
    services = counting(targets, NAMES)
    for one in services[1:]:
        one["depends_on"] = ["hub"]
    live.write(services)
    agent = live.folder / "agents" / "remediator.yaml"
    agent.write_text(agent.read_text().replace("brain: runbook", "brain: remote"))
    try:
        live.start()
        second = live.mint("person:second", "read", "approve")
        assert live.call("POST", "/v1/signals/spec", raw=spec("work", "hub"))[0] == 202
        session = until(lambda: next((one["id"] for one in live.sessions() if one["waiting"] == "brain"), ""), 15, "a session")
        key = until(lambda: live.call("POST", f"/v1/sessions/{session}/key", {})[1].get("key"), 15, "a key")
        said = {"name": "r", "kind": "process.restart", "target": "hub", "args": {"service": "hub"}, "confidence": 0.9}
        status, doc = live.call("POST", "/v1/actions", said, key=key)
        assert (status, doc["status"]) == (202, "held")
        decided = [one["body"]["opinions"] for one in live.log(action=f"{session}.r", name="action.decided")]
        assert ["hold", "breakpoint", "breakpoint targets gt 3.0"] in decided[-1]
        assert count_of(targets, "hub") == 0
        assert live.approve_all(second) == 1
        until(lambda: live.rows("action")[f"{session}.r"][0] == "done", 15, "the restart")
        assert count_of(targets, "hub") == 1
    finally:
        live.kill()
