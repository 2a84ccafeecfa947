"""A fire drill: break the lab one fault at a time and hold what became of each against the clock and the truth. Called by `lab`.

The truth is the estate's own look at itself. A failure that nobody was told of, and a fix that is claimed while the fault is still there,
are *silent*: the worst that can happen, and what a drill is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flyball.backends.clock import SystemClock
from flyball.faces.cli.client import Api, part
from flyball.lab import child, estate

STEP_S = 0.3
CALM_S = 60.0
CLAIMED = ("fixed", "resolved")
REASON = "drill: a person would read the card first"


@dataclass(slots=True)
class Drill:
    """One drill against one server and one lab. `answer` says whether approvals are answered by the drill itself."""

    api: Api
    home: Path
    answer: bool
    open_s: float
    close_s: float
    clock: SystemClock = field(default_factory=SystemClock)

    def run(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Break one fault after the other; gives a row for each as it ends. Heals what is left broken."""
        for name in names:
            yield self._one(name)
            estate.heal(self.home)
            child.wait_until(lambda: all(row["phase"] == "closed" for row in self._sessions()), CALM_S, STEP_S)

    def _one(self, name: str) -> dict[str, Any]:
        before = {row["id"] for row in self._sessions()}
        at = self.clock.now()
        estate.break_(self.home, name)
        row: dict[str, Any] = {"fault": name, "session": "", "outcome": "", "verdict": "silent"}
        row |= {"detected_s": None, "contained_s": None, "recovered_s": None}
        found: list[str] = []

        def opened() -> bool:
            found[:] = [one["id"] for one in reversed(self._sessions()) if one["id"] not in before]
            return bool(found)

        if not child.wait_until(opened, self.open_s, STEP_S):
            return row
        doc, well_at = self._followed(found[0], name)
        head, deeds = doc["session"], doc["deeds"]
        steps = [deed["intended_at"] for deed in deeds if deed["action"]["purpose"] == "fix" and deed["intended_at"]]
        steps += [card["asked_at"] for card in doc["approvals"]] + [at for at in (head["closed_at"],) if at]
        return row | {
            "session": found[0],
            "outcome": head["outcome"] or head["waiting"] or head["phase"],
            "verdict": verdict(head, well=well_at is not None),
            "detected_s": head["opened_at"] - at,
            "contained_s": min(steps) - at if steps else None,
            "recovered_s": well_at - at if well_at else None,
        }

    def _followed(self, session: str, fault: str) -> tuple[dict[str, Any], float | None]:
        """Follow a session until it is closed. Gives its document, and when the estate was well again."""
        docs: list[dict[str, Any]] = []

        def closed() -> bool:
            docs[:] = [self.api.get(f"/v1/sessions/{part(session)}")]
            if self.answer:
                self._answered(docs[0])
            return bool(docs[0]["session"]["phase"] == "closed")

        child.wait_until(closed, self.close_s, STEP_S)
        well = child.wait_until(lambda: fault not in estate.status(self.home)["broken"], 5.0, STEP_S)
        return docs[0], (docs[0]["session"]["closed_at"] or self.clock.now()) if well else None

    def _answered(self, doc: dict[str, Any]) -> None:
        for row in doc["approvals"]:
            if row["state"] == "waiting":
                found = self.api.get(f"/v1/approvals/{part(row['id'])}")
                self.api.post(f"/v1/approvals/{part(row['id'])}/approve", {"digest": found["digest"], "reason": REASON})

    def _sessions(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.api.get("/v1/sessions", limit=1000)["sessions"]
        return rows


def verdict(head: dict[str, Any], *, well: bool) -> str:
    """Say how a drill ended: `fixed`, `told` (a person knows and must act), or `silent` (claimed and not so, or nothing happened)."""
    if head["outcome"] in CLAIMED:
        return "fixed" if well else "silent"
    return "told"
