"""Policies that a real server loads again: it goes on meanwhile, says what became of it, and ends cleanly in the middle of it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from live import Live, until


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    made = Live(tmp_path / "project")
    made.write([])
    try:
        yield made.start()
    finally:
        made.kill()


def edit(live: Live, text: str) -> None:
    (live.folder / "policies" / "own.rego").write_text(f"package flyball\n\nimport rego.v1\n\n{text}\n")


STATE, NICE = 0, 16


def stat_of(pid: int) -> list[str]:
    """The fields of a process behind its name: proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


class Reload(threading.Thread):
    """A reload that somebody asked for over HTTP; the process that does it is stopped as soon as it is seen."""

    def __init__(self, live: Live) -> None:
        super().__init__(daemon=True)
        self.live, self.answer = live, (0, None)
        self.answer: tuple[int, Any]
        self.start()
        self.child: int = until(self._child, 10, "the process that loads")
        os.kill(self.child, signal.SIGSTOP)

    def _child(self) -> int:
        given_way = str(min(19, int(stat_of(self.live.pid)[NICE]) + 10))
        for pid in map(int, Path(f"/proc/{self.live.pid}/task/{self.live.pid}/children").read_text().split()):
            if stat_of(pid)[NICE] == given_way:  # it has come so far that it is tied to the server, and gives way to it
                return pid
        return 0

    def run(self) -> None:
        try:
            self.answer = self.live.call("POST", "/v1/policy/reload")
        except OSError as fault:
            self.answer = 0, fault

    def is_gone(self) -> bool:
        return not Path(f"/proc/{self.child}").exists() or stat_of(self.child)[STATE] == "Z"


def test_a_server_goes_on_while_it_loads_and_says_when_that_fails(live: Live) -> None:
    before = live.get("/v1/policy")
    edit(live, "# more")
    reload = Reload(live)
    assert live.get("/v1/policy") == before
    assert live.call("GET", "/readyz", key="")[0] == 200
    os.kill(reload.child, signal.SIGKILL)
    reload.join(20)
    status, said = reload.answer
    assert (status, said["what"]) == (503, "the policies were not loaded again")
    assert said["why"] == "the process that loads them failed: ended by signal 9: it said nothing"
    assert live.get("/v1/policy") == before
    assert [one["body"]["runs"] for one in live.log(name="policy.refused")] == [before["digest"]]
    assert live.call("POST", "/v1/policy/reload")[1]["changed"] is True


def test_a_hangup_loads_again_and_a_bad_set_does_not_replace_the_one_that_runs(live: Live) -> None:
    before = live.get("/v1/policy")["digest"]
    edit(live, "zone := y")
    os.kill(live.pid, signal.SIGHUP)
    refused = until(lambda: live.log(name="policy.refused"), 20, "a refusal")
    assert "own.rego:5:" in refused[0]["body"]["what"]
    assert live.get("/v1/policy")["digest"] == before
    edit(live, "# more")
    os.kill(live.pid, signal.SIGHUP)
    until(lambda: live.get("/v1/policy")["digest"] != before, 20, "the new set")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_ended_while_it_loads_ends_cleanly(live: Live, number: int) -> None:
    edit(live, "# more")
    reload = Reload(live)
    assert live.process is not None
    live.process.send_signal(number)
    assert live.process.wait(20) == 0
    until(reload.is_gone, 5, "the end of the process that loads")
    reload.join(20)
    assert reload.answer[0] == 503
    assert reload.answer[1]["why"] == "the server ends"
    assert "Traceback" not in live.said


def test_a_server_that_is_killed_while_it_loads_leaves_no_process(live: Live) -> None:
    edit(live, "# more")
    reload = Reload(live)
    live.kill()
    until(reload.is_gone, 5, "the end of the process that loads")
