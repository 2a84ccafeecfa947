"""The tour as a stranger starts it: one process, three real incidents, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flyball

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]
SRC = Path(flyball.__file__).parents[1]
ENV = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": str(SRC)}


def run(*argv: str | Path, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "flyball", *map(str, argv)]
    return subprocess.run(whole, env=ENV, capture_output=True, text=True, timeout=timeout_s, check=False)


def found(look: Callable[[], Any], deadline_s: float) -> Any:
    """Look until there is something; a look is a process of its own, so it paces itself."""
    end = time.monotonic() + deadline_s
    while not (seen := look()):
        assert time.monotonic() < end, "nothing came in time"
    return seen


def left_behind(home: Path) -> list[str]:
    """What still runs on the tour's folder, and what is still mounted below it."""
    lines = [line for line in Path("/proc/mounts").read_text().splitlines() if str(home) in line]
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = one.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(home) in text:
            lines.append(text)
    return lines


def test_the_whole_tour_runs_unattended(tmp_path: Path) -> None:
    home = tmp_path / "tour"
    ran = run("demo", "--yes", "--no-keep", "--home", home, timeout_s=400)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = [
        line.split() for line in ran.stdout.splitlines() if line.split()[1:3] in (["green", "fixed"], ["yellow", "fixed"], ["red", "fixed"])
    ]
    assert [row[:2] for row in rows] == [["disk", "green"], ["kill", "yellow"], ["config", "red"]]
    assert "\nok: " in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr
    assert not home.exists()
    assert left_behind(home) == []


def test_a_person_answers_in_another_terminal_and_looks_back(tmp_path: Path) -> None:
    home = tmp_path / "tour"
    project = home / "project"
    with (tmp_path / "out").open("wb") as out:
        argv = [sys.executable, "-m", "flyball", "demo", "--only", "config", "--home", str(home)]
        tour = subprocess.Popen(argv, env=ENV, stdout=out, stderr=subprocess.STDOUT)
    try:

        def card() -> Any:
            assert tour.poll() is None, (tmp_path / "out").read_text()
            ran = run("approvals", "list", "--project", project, "-o", "json")
            return json.loads(ran.stdout) if ran.returncode == 0 else None

        (waiting,) = found(card, 120)
        shown = run("approvals", "show", waiting["id"], "--project", project).stdout
        for words in ("Evidence", "What will be done, exactly", "$ git", "-request_timeout_s", "undo", "policy", waiting["digest"]):
            assert words in shown
        wrong = run("approve", waiting["id"], "--digest", "sha256:0", "--reason", "not what I was shown", "--project", project)
        assert (wrong.returncode, wrong.stderr.splitlines()[0]) == (7, f"approval {waiting['id']} is for another digest")
        blind = run("approve", waiting["id"], "--reason", "without a look at the card", "--project", project)
        assert (blind.returncode, blind.stderr.splitlines()[0]) == (2, f"nobody is here to look at approval {waiting['id']}")
        good = run("approve", waiting["id"], "--digest", waiting["digest"], "--reason", "the diff is as expected", "--project", project)
        assert (good.returncode, good.stdout) == (0, f"{waiting['id']}\tapproved\n"), good.stderr
        session = waiting["session"]
        found(lambda: run("sessions", "list", "--phase", "closed", "--project", project).stdout, 120)
        found(lambda: "Ctrl-C ends both" in (tmp_path / "out").read_text(), 60)
        assert "fixed" in run("sessions", "show", session, "--project", project).stdout
        tree = run("sessions", "tree", session, "--project", project).stdout
        assert any("Transient exit" in line and "[refuted]" in line for line in tree.splitlines()), tree
        assert run("audit", "verify", "--project", project).returncode == 0
    finally:
        tour.send_signal(signal.SIGINT)
        rc = tour.wait(timeout=60)
    assert rc == 0, (tmp_path / "out").read_text()
    assert left_behind(home) == []
    assert run("audit", "verify", "--project", project).returncode == 0  # the folder is kept, and its log
