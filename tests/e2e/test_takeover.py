"""Two servers on one state: the second is refused, or pushes the first aside, and then the first can write nothing any more."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from live import ENV, Live, count_of, counting, spec, until

NAMES = ("unit0", "unit1")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    live = Live(tmp_path / "project")
    (tmp_path / "targets").mkdir()
    live.write(counting(tmp_path / "targets", NAMES))
    live.edit("flyball.yaml", lambda doc: doc.update(pace={"default": {"burst": 1000, "every_s": 0.001}}))
    agent = (live.folder / "agents" / "remediator.yaml").read_text()
    (live.folder / "agents" / "outside.yaml").write_text(
        agent.replace("name: remediator", "name: outside").replace("brain: runbook", "brain: remote")
    )
    yield live.start()
    live.kill()


def opened(live: Live, target: str) -> tuple[str, str]:
    """A session on a target and a key for its agent."""
    assert live.call("POST", "/v1/signals/spec", raw=spec(f"work-{target}", target, agent="outside"))[0] == 202
    name = until(lambda: next((one["id"] for one in live.sessions() if one["target"] == target and one["waiting"] == "brain"), ""), 10)
    return name, key_of(live, name)


def key_of(live: Live, session: str) -> str:
    return str(until(lambda: live.call("POST", f"/v1/sessions/{session}/key", {})[1].get("key", ""), 10, f"a key for {session}"))


def restart(live: Live, target: str, name: str, key: str) -> tuple[int, dict[str, str]]:
    said = {"name": name, "kind": "process.restart", "target": target, "args": {"service": target}, "confidence": 0.9}
    return live.call("POST", "/v1/actions", said, key=key)


def test_a_second_server_is_refused(live: Live) -> None:
    code, said = live.refuse()
    assert code == 1
    assert said == (
        f"another server already uses {live.state}\n"
        f"why: pid {live.pid} holds the lock\n"
        "next: stop it, or name another state folder; if it hangs and cannot be stopped, start with --takeover\n"
    )
    assert live.call("GET", "/livez")[0] == 200


def test_a_server_that_was_pushed_aside_writes_nothing(live: Live, tmp_path: Path) -> None:
    session, key = opened(live, "unit0")
    other, other_key = opened(live, "unit1")
    assert restart(live, "unit0", "first", key)[1]["status"] == "done"
    old = Live(live.folder, port=live.port, process=live.process, key=live.key)
    answers: list[object] = []
    under_way = threading.Thread(target=lambda: answers.append(lost(old, other, other_key)))
    under_way.start()  # an action is somewhere between door and outcome when its server stops
    until(lambda: any(name.startswith(f"{other}.") for name in live.rows("action")), 10, "an intent")
    os.kill(old.pid, signal.SIGSTOP)
    live.port = Live(live.folder).port
    live.start("--takeover", "--listen", f"127.0.0.1:{live.port}")
    until(lambda: all("session.claimed" in live.names(one) for one in (session, other)), 10, "both sessions taken over")
    size, counted = live.get("/v1/log/checkpoint").splitlines()[1], count_of(tmp_path / "targets", "unit0")
    assert int(size) > 0

    os.kill(old.pid, signal.SIGCONT)
    status, doc = restart(old, "unit0", "stale", key)
    assert status != 200, doc
    assert f"{session}.stale" not in live.rows("action")
    assert count_of(tmp_path / "targets", "unit0") == counted
    under_way.join(30)
    until(lambda: old.process is not None and old.process.poll() is not None, 15, "the end of the server that was pushed aside")
    assert "another server has taken this state over" in live.said

    status, doc = restart(live, "unit0", "second", key_of(live, session))
    assert (status, doc["status"]) == (200, "done")
    until(lambda: live.rows("action")[f"{other}.cut"][0] in ("done", "failed"), 20, "the end of the action that was cut off")
    for name, home in ((session, "unit0"), (other, "unit1")):
        done = sum(state == "done" for action, (state, _) in live.rows("action").items() if action.startswith(f"{name}."))
        assert count_of(tmp_path / "targets", home) == done
    live.stop()
    assert live.verify().ok


def lost(old: Live, session: str, key: str) -> object:
    try:
        return restart(old, "unit1", "cut", key)
    except OSError as fault:
        return fault


CALLS = """
import asyncio, sys
from pathlib import Path
from flyball import compose
from flyball.errors import NotReady
from flyball.model.call import Fetch

async def main(folder, url):
    server = await compose.build(Path(folder))
    for _ in sys.stdin:
        try:
            print((await server.house.plugs.caller.fetch(Fetch(method="POST", url=url), [url])).status, flush=True)
        except NotReady as fault:
            print(fault.why, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


class Listener(http.server.BaseHTTPRequestHandler):
    """Counts what is posted to it."""

    count = 0

    def do_POST(self) -> None:
        Listener.count += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_server_that_was_pushed_aside_calls_nobody(tmp_path: Path) -> None:
    live, listener = Live(tmp_path / "project"), http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    live.write([])
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    argv = [sys.executable, "-c", CALLS, str(live.folder), f"http://127.0.0.1:{listener.server_port}/"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENV, text=True, bufsize=1) as old:
        assert old.stdin is not None
        assert old.stdout is not None
        try:
            for taken, said in ((False, "204\n"), (True, "another server has taken this state over\n")):
                if taken:
                    live.start("--takeover")
                old.stdin.write("call\n")
                assert old.stdout.readline() == said
            assert Listener.count == 1
        finally:
            live.kill()
            listener.shutdown()
            listener.server_close()
            old.kill()
