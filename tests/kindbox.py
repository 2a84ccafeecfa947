"""A real bubblewrap box and a real little service, for tests of kinds."""

import asyncio
import dataclasses
import json
import os
import signal
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from flyball.backends.caller_http import HttpCaller
from flyball.backends.sandbox import BwrapBox
from flyball.model.action import Action, Purpose
from flyball.model.box import Ran, Run
from flyball.model.grant import Target
from flyball.model.ids import ActionId, Digest, Doc, SessionId
from flyball.ports import Box, Caller, Hands

NOW = 1_800_000_000.0


class Crash(BaseException):
    """The process died here."""


class CrashingBox:
    """Dies right after its n-th run; 0: before the first. What comes before the next run is the same as right after the last."""

    def __init__(self, box: Box, at: int) -> None:
        self.level, self._box, self._at = box.level, box, at
        self.calls = 0

    async def run(self, run: Run) -> Ran:
        if self.calls == self._at:
            raise Crash
        ran = await self._box.run(run)
        self.calls += 1
        if self.calls == self._at:
            raise Crash
        return ran


class Recording:
    """A box that remembers what ran."""

    def __init__(self, box: Box) -> None:
        self.level, self._box = box.level, box
        self.runs: list[Run] = []

    async def run(self, run: Run) -> Ran:
        self.runs.append(run)
        return await self._box.run(run)


def action(kind: str, args: Doc, number: str = "s-test.1") -> Action:
    return Action(
        id=ActionId(number),
        session=SessionId("s-test"),
        step=1,
        agent="remediator",
        kind=kind,
        kind_digest=Digest("sha256:" + "0" * 64),
        target="web",
        args=args,
        purpose=Purpose.FIX,
        why="",
        confidence=0.9,
        evidence=(),
        hypothesis="",
        verify=(),
        provenance={},
        digest=Digest("sha256:" + "0" * 64),
        proposed_at=NOW,
    )


def hands(kind: str, args: Doc, facts: Doc, box: Box | None = None, caller: Caller | None = None) -> Hands:
    deed = action(kind, args)
    return Hands(
        action=deed,
        target=Target(name="web", env="lab", facts=facts),
        box=box or BwrapBox(),
        caller=caller or HttpCaller(),
        key=deed.id,
        now=NOW,
    )


def undoing(given: Hands) -> Hands:
    return dataclasses.replace(given, key=f"{given.action.id}:undo")


SUPERVISOR = textwrap.dedent("""
    import json, os, signal, socket, subprocess, sys, time
    path, argv = sys.argv[1], sys.argv[2:]
    state, child, started, last, restarts = "stopped", None, None, {"code": None, "signal": None}, 0
    def reap():
        global state, last
        if child is not None and state == "running" and child.poll() is not None:
            code = child.returncode
            last = {"code": code if code >= 0 else None, "signal": signal.Signals(-code).name if code < 0 else None}
            state = "crashed" if code else "stopped"
    def start():
        global child, state, started
        child, state, started = subprocess.Popen(argv), "running", time.time()
    def stop():
        global state
        if state == "running":
            child.terminate(); child.wait()
        state = "stopped"
    server = socket.socket(socket.AF_UNIX); server.bind(path); server.listen()
    print("ready", flush=True)
    while True:
        line, _ = server.accept()
        verb = line.makefile().readline().strip()
        reap()
        if verb in ("stop", "restart"): stop()
        if verb == "restart": restarts += 1
        if verb in ("start", "restart") and state != "running": start()
        if verb == "end": stop(); line.close(); break
        pid = child.pid if state == "running" else None
        line.sendall(json.dumps({"state": state, "pid": pid, "started_at": started, "restarts": restarts, "last_exit": last}).encode())
        line.close()
""")
CTL = textwrap.dedent("""
    import socket, sys
    line = socket.socket(socket.AF_UNIX); line.connect(sys.argv[1]); line.sendall(sys.argv[2].encode() + b"\\n")
    print(line.makefile().read())
""")


class Service:
    """A process under a little supervisor of its own, with a control program that needs the socket only."""

    def __init__(self, home: Path, argv: Sequence[str] = ("sleep", "60")) -> None:
        home.mkdir(parents=True, exist_ok=True)
        (home / "supervisor.py").write_text(SUPERVISOR)
        (home / "ctl.py").write_text(CTL)
        self.home, self.socket = home, home / "s"
        self._argv = [sys.executable, "-I", str(home / "supervisor.py"), str(self.socket), *argv]

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(*self._argv, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        assert await asyncio.wait_for(self._process.stdout.readline(), 10) == b"ready\n"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.ask("end")
        await asyncio.wait_for(self._process.communicate(), 10)

    async def ask(self, verb: str) -> str:
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        writer.write(verb.encode() + b"\n")
        answer = (await reader.read()).decode()
        writer.close()
        return answer

    async def crash(self) -> None:
        """Kill the process and see it gone."""
        kill(json.loads(await self.ask("status"))["pid"])
        async with asyncio.timeout(10):
            while json.loads(await self.ask("status"))["state"] != "crashed":  # noqa: ASYNC110 -- another process tells nobody when it is gone
                await asyncio.sleep(0.01)

    def facts(self) -> dict[str, object]:
        control = {
            verb: ["python3", "-I", str(self.home / "ctl.py"), str(self.socket), verb] for verb in ("status", "start", "stop", "restart")
        }
        return {"control": control, "control_mounts": [{"source": str(self.home), "target": str(self.home), "write": True}]}


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
