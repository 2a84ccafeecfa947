"""A drill tells when each fault was detected, contained and recovered, and never takes silence for success."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from flyball.faces.cli.drill import verdict
from flyball.lab import estate
from live import ENV, Incident

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Incident]:
    one = Incident.begin(tmp_path_factory.mktemp("drill"))
    yield one
    one.end()


def drill(incident: Incident, *words: str) -> tuple[int, list[dict[str, Any]]]:
    argv = [sys.executable, "-m", "flyball", "lab", "drill", *words, "--yes", "-o", "json"]
    places = ["--home", str(incident.home), "--project", str(incident.live.folder)]
    ran = subprocess.run([*argv, *places], env=ENV, capture_output=True, text=True, timeout=200, check=False)
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.returncode, json.loads(ran.stdout or "[]")


def test_what_is_fixed_and_what_is_told(incident: Incident) -> None:
    status, rows = drill(incident, "kill", "misleading")
    assert status == 0, rows
    kill, misleading = rows
    assert (kill["fault"], kill["outcome"], kill["verdict"]) == ("kill", "fixed", "fixed")
    assert 0 < kill["detected_s"] <= kill["contained_s"] <= kill["recovered_s"]
    assert (misleading["outcome"], misleading["verdict"], misleading["recovered_s"]) == ("escalated", "told", None)
    assert misleading["contained_s"] is not None


def test_a_fault_that_nobody_is_told_of_is_silent_and_fails_the_drill(incident: Incident) -> None:
    estate.start(incident.home, "", "")  # the estate's alerts go nowhere now
    status, rows = drill(incident, "kill", "--open-s", "3")
    assert (status, [row["verdict"] for row in rows], rows[0]["session"]) == (1, ["silent"], "")
    assert estate.status(incident.home)["broken"] == [], "the drill heals what it broke"


def test_an_unknown_fault_is_refused_before_anything_is_broken(incident: Incident) -> None:
    status, rows = drill(incident, "kill", "gremlin")
    assert (status != 0, rows) == (True, [])
    assert estate.status(incident.home)["broken"] == []


@pytest.mark.parametrize(
    ("outcome", "well", "wanted"),
    [
        ("fixed", True, "fixed"),
        ("fixed", False, "silent"),
        ("resolved", False, "silent"),
        ("escalated", False, "told"),
        ("", False, "told"),
    ],
)
def test_a_claim_counts_only_if_the_estate_is_well(outcome: str, *, well: bool, wanted: str) -> None:
    assert verdict({"outcome": outcome}, well=well) == wanted
