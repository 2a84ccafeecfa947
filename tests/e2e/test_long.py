"""A command of minutes on a real server in a real sandbox: followed, the server killed meanwhile, settled with its own end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from live import ENV, REASON, Live, spec, until

SCRIPT = """\
#!/bin/sh
# Says hello, then waits for a word: the test decides how long that takes.
set -eu
exec 3<> "$1/gate"
echo begun >> "$1/log"
echo "hello from $2"
while read -r line <&3 && [ "$line" != end ]; do echo "got $line"; done
echo bye
exit 7
"""


class Estate:
    """One target with one long command, and the server that looks after it."""

    def __init__(self, folder: Path, **entry: Any) -> None:
        self.home, self.live = folder / "home", Live(folder / "project")
        self.home.mkdir()
        os.mkfifo(self.home / "gate")
        (self.home / "wait.sh").write_text(SCRIPT)
        wait = {
            "argv": ["/bin/sh", str(self.home / "wait.sh"), str(self.home), "{who}"],
            "args": {"who": {"enum": ["world"]}},
            "mounts": [{"source": str(self.home), "write": True}],
            "ok": [7],
            **entry,
        }
        self.live.write([{"name": "web", "env": "test", "commands": {"wait": wait}}])
        agent = self.live.folder / "agents" / "remediator.yaml"
        agent.write_text(agent.read_text().replace("brain: runbook", "brain: remote"))
        self.live.start()
        self.second = self.live.mint("person:second", "read", "approve")

    def begin(self) -> str:
        """Open a session, propose the command, have two people say yes; gives the action once it runs."""
        live = self.live
        assert live.call("POST", "/v1/signals/spec", raw=spec("work", "web"))[0] == 202
        self.session = until(lambda: next((one["id"] for one in live.sessions() if one["waiting"] == "brain"), ""), 15, "a session")
        key = until(lambda: live.call("POST", f"/v1/sessions/{self.session}/key", {})[1].get("key"), 15, "a key")
        args = {"command": "wait", "args": {"who": "world"}}
        said = {"name": "long", "kind": "command.run", "target": "web", "args": args, "confidence": 0.9, "why": "it is due"}
        status, doc = live.call("POST", "/v1/actions", said, key=key)
        assert (status, doc["status"]) == (202, "held"), doc
        assert (live.approve_all(self.second), live.approve_all(live.key)) == (1, 1)
        until(lambda: self.state() == "running" and self.count() == 1, 15, "the command")
        return f"{self.session}.long"

    def state(self) -> str:
        return self.live.rows("action")[f"{self.session}.long"][0]

    def count(self) -> int:
        log = self.home / "log"
        return log.read_text().count("begun") if log.exists() else 0

    def say(self, word: str) -> None:
        (self.home / "gate").write_text(f"{word}\n")

    def ended(self, action: str) -> dict[str, Any]:
        until(lambda: self.state() in ("done", "failed", "stuck"), 15, "the end of the command")
        doc: dict[str, Any] = self.live.get(f"/v1/actions/{action}")
        return doc

    def processes(self) -> list[str]:
        """What runs of this estate's command now."""
        found = []
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = place.read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(self.home / "wait.sh") in line:
                found.append(line)
        return found


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    made = Estate(tmp_path)
    yield made
    made.live.kill()
    for place in (made.live.state / "runs").glob("*/began"):
        try:
            os.kill(int(place.read_text()), signal.SIGTERM)
        except ProcessLookupError:
            continue


def test_a_long_command_is_followed_and_survives_the_server(estate: Estate) -> None:
    live, action = estate.live, estate.begin()
    said = until(lambda: live.get(f"/v1/actions/{action}/output"), 5)
    assert said == {"text": "hello from world\n", "next": 17, "going": True}
    argv = [sys.executable, "-m", "flyball", "--project", str(live.folder), "output", action, "--watch"]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, env={**ENV, "FLYBALL_URL": live.url, "FLYBALL_TOKEN": live.key}, text=True
    ) as follow:
        assert follow.stdout is not None
        assert follow.stdout.readline() == "hello from world\n"
        estate.say("one")
        assert follow.stdout.readline() == "got one\n"
        follow.send_signal(signal.SIGINT)

    for number in range(2):
        live.kill()
        assert estate.processes(), "the command ended with the server"
        estate.say(f"while-down-{number}")
        live.start()
    until(lambda: "session.claimed" in live.names(estate.session), 15, "the session taken over")
    until(
        lambda: live.get(f"/v1/actions/{action}/output?after=17&wait_s=5")["text"].endswith("got while-down-1\n"),
        10,
        "what it said meanwhile",
    )
    page = live.call("GET", f"/sessions/{estate.session}", headers={"Cookie": f"flyball={live.key}"})[1]
    assert "got while-down-1" in page
    assert (estate.state(), estate.count()) == ("running", 1)

    estate.say("end")
    doc = estate.ended(action)
    assert (doc["status"], doc["outcome"]["ok"], doc["outcome"]["level"]) == ("done", True, "bubblewrap")
    result = live.rows("value")[f"{action}.out"][1]["body"]
    assert (result["code"], result["tail"].splitlines()[-1], result["cut"]) == (7, "bye", False)
    assert estate.count() == 1, "it ran twice"
    names = [one["name"] for one in live.log(action=action) if one["name"] != "approval.answered"]
    assert names == ["action.decided", "approval.asked", "action.decided", "action.intended", "action.done", "action.verified"]
    assert not estate.processes()
    live.stop()
    assert live.verify().ok


def test_a_command_that_ended_while_the_server_was_down_is_settled_at_the_start(estate: Estate) -> None:
    action = estate.begin()
    estate.live.kill()
    estate.say("end")
    until(lambda: not estate.processes(), 10, "the end of the command")
    estate.live.start()
    assert estate.ended(action)["status"] == "done"
    assert estate.count() == 1


def test_a_freeze_ends_it(estate: Estate) -> None:
    action = estate.begin()
    assert estate.live.call("POST", "/v1/freezes", {"scope": "kind:command.run", "reason": REASON})[0] == 200
    doc = estate.ended(action)
    assert (doc["status"], doc["outcome"]["error"]) == ("failed", "wait ended with signal 15")
    assert not estate.processes()


@pytest.mark.parametrize("scope", ["all", "target:web", "agent:remediator", "kind:command.run"])
def test_a_freeze_ends_it_while_the_server_hangs(estate: Estate, scope: str) -> None:
    action, live = estate.begin(), estate.live
    os.kill(live.pid, signal.SIGSTOP)
    other = frozen(live, "target:elsewhere")
    assert (other["ended"], len(estate.processes()) > 0) == ([], True), "a freeze of something else ended it"
    began = time.monotonic()
    said = frozen(live, scope)
    print(f"{scope}: in force after {said['in_force_after_s']} s, told {time.monotonic() - began:.2f} s after it was asked for")
    assert (said["ended"], said["not_ended"], said["server"]) == ([action], [], "does not answer")
    assert not estate.processes()
    os.kill(live.pid, signal.SIGCONT)
    doc = estate.ended(action)
    assert (doc["status"], doc["outcome"]["error"]) == ("failed", "wait ended with signal 15")
    until(lambda: said["id"] in [one["body"]["id"] for one in live.log() if one["name"] == "freeze.set"], 5, "the freeze in the log")


def frozen(live: Live, scope: str) -> dict[str, Any]:
    """Freeze as a person at the terminal does; an end that never comes fails the test."""
    argv = [sys.executable, "-m", "flyball", "--project", str(live.folder), "freeze", scope, "--reason", REASON, "-o", "json"]
    ran = subprocess.run(argv, env=ENV, capture_output=True, text=True, timeout=30, check=True)
    doc: dict[str, Any] = json.loads(ran.stdout)
    return doc


def test_a_cancel_ends_it(estate: Estate) -> None:
    action = estate.begin()
    assert estate.live.call("POST", f"/v1/sessions/{estate.session}/cancel", {"reason": REASON})[0] == 200
    assert estate.ended(action)["status"] == "failed"
    assert not estate.processes()


def test_a_runner_that_was_killed_is_a_persons(estate: Estate) -> None:
    action = estate.begin()
    os.kill(int((estate.live.state / "runs" / action / "began").read_text()), signal.SIGKILL)
    assert estate.ended(action)["status"] == "stuck"
    until(lambda: not estate.processes(), 10, "the end of what it ran")


def test_no_secret_of_the_server_is_in_reach_of_it(estate: Estate) -> None:
    action = estate.begin()
    runner = int((estate.live.state / "runs" / action / "began").read_text())
    assert Path(f"/proc/{runner}/environ").read_bytes() == b""
    held = {os.path.realpath(one) for one in Path(f"/proc/{runner}/fd").iterdir()}
    assert not [one for one in held if one.startswith(str(estate.live.state)) and "/runs/" not in one], held
