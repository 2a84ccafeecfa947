"""What the steps of a session come to: what was read, which plans were tried and how they ended. Called by `play`.

Everything is read from the view again every time; a brain remembers nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from flyball.brains.runbook.refer import settle
from flyball.model.action import Deed, Proposal, Purpose, Status
from flyball.model.ids import Json
from flyball.model.session import Propose, Step, View

MAX_WORDS = 200  # characters of somebody else's words in a thought
MAX_TEXT = 10 * MAX_WORDS  # characters of them that are looked at
CUT_MOST = 2  # how often a step that was cut off before it began is taken as if it had not been proposed
_IN_HAND = frozenset({Status.PROPOSED, Status.HELD, Status.ALLOWED, Status.RUNNING, Status.UNDOING})
_UNSETTLED = _IN_HAND | {Status.UNKNOWN, Status.STUCK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One diagnose step that was proposed: when, and the id of what it gave (empty where it gave nothing)."""

    index: int
    proposal: Proposal
    value: str
    in_hand: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One hypothesis acted on. `state` is going, waits, worked or refuted; `failed` are the steps up to the one that failed."""

    hypothesis: str
    plan: tuple[Proposal, ...]
    taken: int
    state: str
    because: str = ""
    failed: tuple[Proposal, ...] = ()
    shadow: bool = False  # nothing was carried out


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A session so far. `last_fix` is the index of the last step that was to change something, -1 if none."""

    reads: tuple[Read, ...]
    attempts: Mapping[str, Attempt]
    last_fix: int

    def active(self) -> Attempt | None:
        """Give the attempt that is not refuted, if there is one."""
        return next((one for one in self.attempts.values() if one.state != "refuted"), None)


def clip(text: str) -> str:
    """Make one short line of somebody else's words, in the one form of Unicode (NFC) that the log takes."""
    line = " ".join("".join(char if char.isprintable() else " " for char in normalize("NFC", text[:MAX_TEXT])).split())
    return line if len(line) <= MAX_WORDS else line[: MAX_WORDS - 1] + "…"


def same(proposal: Proposal, bodies: Mapping[str, Json]) -> tuple[str, str, str]:
    """Give what makes an action the same action: kind, target and arguments, references read as far as `bodies` holds them."""
    return proposal.kind, proposal.target, json.dumps(settle(proposal.args, bodies), sort_keys=True, default=repr)


def tell(view: View) -> Past:
    """Read the steps."""
    reads: list[Read] = []
    tries: dict[str, list[Step]] = {}
    cut: dict[str, int] = {}
    last_fix = -1
    for index, step in enumerate(view.steps):
        if not isinstance(step.answer, Propose):
            continue
        proposal, deed = step.answer.proposal, step.deed
        if proposal.purpose is Purpose.DIAGNOSE:
            done = deed is not None and deed.status is Status.DONE and deed.result in view.values
            in_hand = deed is not None and deed.status in _IN_HAND
            reads.append(Read(index=index, proposal=proposal, value=deed.result if deed and done else "", in_hand=in_hand))
        elif deed is not None and deed.status is Status.DENIED and deed.decision == "lease":
            reads.clear()  # another session was at work: nothing was tried, and what was read before counts no more
        elif proposal.purpose is not Purpose.VERIFY:
            if _cut_off(step) and cut.get(proposal.hypothesis, 0) < CUT_MOST:
                cut[proposal.hypothesis] = cut.get(proposal.hypothesis, 0) + 1
                continue  # nothing was changed, so nothing was tried: it is proposed again
            tries.setdefault(proposal.hypothesis, []).append(step)
            last_fix = index
    return Past(reads=tuple(reads), attempts={name: _attempt(name, steps) for name, steps in tries.items()}, last_fix=last_fix)


def _attempt(name: str, steps: Sequence[Step]) -> Attempt:
    first = steps[0].answer
    plan = (first.plan or (first.proposal,)) if isinstance(first, Propose) else ()
    for taken, step in enumerate(steps, start=1):
        state, because = _ended(step)
        if state == "bad":
            failed = tuple(one.answer.proposal for one in steps[:taken] if isinstance(one.answer, Propose))
            return Attempt(hypothesis=name, plan=plan, taken=taken, state="refuted", because=because, failed=failed)
        if state == "waits":
            return Attempt(hypothesis=name, plan=plan, taken=taken, state="waits", because=because)
    state = "going" if len(steps) < len(plan) else "worked"
    return Attempt(hypothesis=name, plan=plan, taken=len(steps), state=state, shadow=any(_shown_only(one.deed) for one in steps))


def _cut_off(step: Step) -> bool:
    """Say whether a crash or a freeze came between the decision and the deed: that it did not happen says nothing of its cause."""
    deed = step.deed
    return deed is not None and deed.status is Status.FAILED and deed.outcome is not None and deed.outcome.transient


def _shown_only(deed: Deed | None) -> bool:
    """Say whether nothing but shadow mode stood in the way: that speaks neither for nor against the hypothesis."""
    return deed is not None and deed.status is Status.DENIED and deed.decision == "shadow"


def _ended(step: Step) -> tuple[str, str]:
    """Say how one step that was to change something ended: ok, bad or waits; and why."""
    deed = step.deed
    if deed is None:
        return "bad", f"it was not admitted: {clip(step.reply) or 'no reason given'}"
    if deed.status in _UNSETTLED:
        return "waits", f"action {deed.action.id} is {deed.status.value}"
    if deed.action.purpose is Purpose.NOTIFY or _shown_only(deed):
        return "ok", ""  # a message that did not arrive says nothing of the cause
    because = _why_not(deed, step)
    if because:
        return "bad", because
    if deed.verified is None and deed.action.verify:
        return "waits", f"action {deed.action.id} is not verified yet"
    return "ok", ""


def _why_not(deed: Deed, step: Step) -> str:
    """Say why a settled action did not work, or nothing where it is done."""
    if deed.status is Status.DENIED:
        words = f"{step.replied_by or 'a person'} said: {clip(step.reply)}" if step.reply else clip(deed.why)
        return f"it was not allowed: {words or 'no reason given'}"
    if deed.status is Status.FAILED:
        return f"the action failed: {clip(deed.outcome.error if deed.outcome else '') or 'no reason given'}"
    note = f": {clip(deed.verify_note)}" if deed.verify_note else ""
    if deed.status is Status.UNDONE:
        return f"it was done, did not help and was undone{note}" if deed.verified is False else f"it was undone{note}"
    return f"it was done but did not help{note}" if deed.verified is False else ""
