"""The runbook brain: a function from a view to the next answer. Called by the core through the Brain port.

In order: choose a runbook; read what its hypotheses need; weigh them by their tables; act on the surest confirmed one with its whole
plan; if that fails, is refused or does not help, weigh again without it; close when it is verified, when the trouble has passed by
itself, or with a question to a person when nothing is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flyball.brains.runbook.judge import confidence, weigh
from flyball.brains.runbook.match import choose
from flyball.brains.runbook.past import Attempt, Past, clip, same, tell
from flyball.brains.runbook.refer import Known, Unmet, fill
from flyball.brains.runbook.schema import Branch, Deal, Diagnose, Runbook
from flyball.model.action import Expect, Proposal, Purpose
from flyball.model.ids import Doc, Json
from flyball.model.provenance import Integrity
from flyball.model.session import Answer, Ask, Finish, Hypothesis, Propose, Thought, View

NONE_OF_THESE = "none of these"
_TOLD = 3  # hypotheses of one state that a summary names one by one; all of them are in the thought beside it
_RANK = {"chosen": 0, "confirmed": 1, "open": 2, "refuted": 3, "ruled_out": 4}


class RunbookBrain:
    """Plays the runbooks it was given. What it writes itself comes from the operator's files."""

    literal_integrity: int = Integrity.CONFIG

    def __init__(self, books: Sequence[Runbook]) -> None:
        """Keep the runbooks, by name."""
        self.books = {book.name: book for book in books}

    async def next(self, view: View) -> Answer:
        """Answer Propose, Ask or Finish. Same view, same answer; never raises."""
        if not view.signals:
            return Finish(
                outcome="escalated",
                summary="No signal stands behind this session: what is to be done?",
                thought=Thought(summary="no signal"),
            )
        past = tell(view)
        if past.active() is None and not any(signal.firing for signal in view.signals):
            return _resolved(view, past)
        thought = _thought_so_far(view)
        if not thought.runbook:
            thought_or_answer = _select(view, self.books)
            if not isinstance(thought_or_answer, Thought):
                return thought_or_answer
            thought = thought_or_answer
        book = self.books.get(thought.runbook)
        if book is None or book.digest != thought.runbook_digest:
            return Finish(
                outcome="escalated",
                summary=f"The runbook {thought.runbook} was changed or removed while this session used it: how should it go on?",
                thought=thought,
            )
        return Play(view=view, book=book, past=past, selection=thought.selection).answer()


def _thought_so_far(view: View) -> Thought:
    """Give the last thought that named a runbook: a session stays with the one it was opened with."""
    return next((step.answer.thought for step in reversed(view.steps) if step.answer.thought.runbook), Thought(summary=""))


def _resolved(view: View, past: Past) -> Finish:
    before = _thought_so_far(view)
    tried = "; ".join(f"{one.hypothesis} was tried before ({one.because})" for one in past.attempts.values())
    summary = f"The alert cleared by itself: nothing was changed{f' that stayed; {tried}' if tried else ''}."
    return Finish(outcome="resolved", summary=summary, thought=replace(before, summary="The alert cleared by itself."))


def _select(view: View, books: Mapping[str, Runbook]) -> Thought | Ask | Finish:
    """Choose a runbook: by the signal, or as a person answered when asked."""
    signal = view.signals[0]
    choice = choose(signal, tuple(books.values()))
    selection: dict[str, Json] = dict(choice.doc(clip(signal.name)))
    name, sure = choice.runbook, min(1.0, choice.candidates[0].score) if choice.candidates else 0.0
    asked = next((step for step in reversed(view.steps) if isinstance(step.answer, Ask) and step.reply), None)
    if not name and asked is not None:
        name, sure = asked.reply.strip(), 1.0
        selection |= {"decided": "person", "by": asked.replied_by}
        if name not in books:
            words = f"No runbook was chosen for {clip(signal.name)}; {asked.replied_by or 'a person'} said: {clip(asked.reply)}"
            return Finish(outcome="escalated", summary=words, thought=Thought(summary="no runbook chosen", selection=selection))
    if name:
        selection["confidence"] = sure
        return Thought(summary="", runbook=name, runbook_digest=books[name].digest, selection=selection)
    thought = Thought(summary=f"{choice.decided}: {choice.why}", selection=selection)
    if choice.decided == "ask":
        options = (*(one.runbook for one in choice.candidates[:3]), NONE_OF_THESE)
        return Ask(
            question=f"Which runbook is for {clip(signal.name)} on {clip(signal.target)}? ({choice.why})", thought=thought, options=options
        )
    return Ask(
        question=f"{clip(signal.name)} on {clip(signal.target)} is new here ({choice.why}). What is it, and who looks after it?",
        thought=thought,
        options=(*sorted(books), NONE_OF_THESE),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What is known after reading up to one look. `pending` is the next read, if any is left."""

    known: Known
    pending: tuple[Branch, Diagnose, Proposal] | None
    in_hand: str  # what a read still waits for


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranked:
    """One hypothesis with its plan, if it can be acted on."""

    branch: Branch
    noun: Hypothesis
    plan: tuple[Proposal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """One runbook against one view."""

    view: View
    book: Runbook
    past: Past
    selection: Doc

    def answer(self) -> Answer:
        """Give the next answer."""
        active = self.past.active()
        if active is not None:
            return self._go_on(active)
        seen = self._see(0)
        for look in sorted({branch.look for branch in self.book.branches}):
            seen = self._see(look)
            if seen.in_hand:
                return Ask(
                    question=f"{seen.in_hand} is still in hand: what became of it?",
                    thought=self._thought("Waits for a read.", self._rank(seen, look, weighed=False)),
                )
            if seen.pending is not None:
                branch, step, proposal = seen.pending
                thought = self._thought(f"Reads {step.id} to weigh {branch.name}.", self._rank(seen, look, weighed=False))
                return Propose(proposal=proposal, thought=thought)
            ranked = self._rank(seen, look, weighed=True)
            if ranked[0].noun.state == "chosen":
                return self._act(ranked)
        return self._give_up(seen)

    def _id(self, branch: Branch) -> str:
        """Give the name by which the record, the log and the tree know a hypothesis."""
        return f"{self.book.name}/{branch.name}"

    # ---- reading

    def _see(self, look: int) -> _Seen:
        """Find what is known for every hypothesis up to `look`, and the next read that is missing."""
        known: dict[str, str] = {}
        pending: tuple[Branch, Diagnose, Proposal] | None = None
        in_hand = ""
        branches = [one for one in self.book.branches if one.look <= look]
        open_first = sorted(branches, key=lambda one: (self._id(one) in self.past.attempts, one.look))
        for branch in open_first:
            tried = self._id(branch) in self.past.attempts
            for step in branch.diagnose:
                if step.id in known and tried:
                    continue
                proposal = self._diagnosis(step, branch, self._known(known))
                if proposal is None:
                    continue
                reads = [one for one in self.past.reads if same(one.proposal, {}) == same(proposal, {})]
                if step.fresh and not tried:
                    reads = [one for one in reads if one.index > self.past.last_fix]
                if reads:
                    known[step.id] = reads[-1].value
                    in_hand = in_hand or (f"{proposal.kind} for {step.id}" if reads[-1].in_hand else "")
                elif not tried and pending is None:
                    pending = branch, step, proposal
        return _Seen(known=self._known(known), pending=pending, in_hand=in_hand)

    def _known(self, results: Mapping[str, str]) -> Known:
        bodies: dict[str, Json] = {name: value.body for name, value in self.view.values.items()}
        kept = {step: value for step, value in results.items() if value in bodies}
        return Known(bodies=bodies, signal=self.view.signal_value, results=kept, target=self.view.target)

    def _diagnosis(self, step: Diagnose, branch: Branch, known: Known) -> Proposal | None:
        """Give the proposal of a read, or None where it cannot be asked: not granted, or a reference leads nowhere."""
        if step.kind not in self.view.kinds:
            return None
        try:
            target, args = self._place(step.target, known), _doc(fill(step.args, known))
        except Unmet:
            return None
        sure = self.selection.get("confidence", 0.0)
        return Proposal(
            kind=step.kind,
            target=target,
            args=args,
            purpose=Purpose.DIAGNOSE,
            why=step.why or f"to tell whether: {branch.cause}",
            confidence=float(sure) if isinstance(sure, (int, float)) else 0.0,
            hypothesis=self._id(branch),
        )

    # ---- weighing

    def _rank(self, seen: _Seen, look: int, *, weighed: bool) -> list[_Ranked]:
        """Rank every hypothesis; the surest confirmed one that can be acted on is chosen."""
        ranked = [self._one(branch, seen, look, weighed=weighed) for branch in self.book.branches]
        able = [one for one in ranked if one.noun.state == "confirmed" and (one.plan or one.branch.finish)]
        best = max(able, key=lambda one: one.noun.confidence, default=None)
        if best is not None:
            at = ranked.index(best)
            ranked[at] = _Ranked(branch=best.branch, noun=replace(best.noun, state="chosen"), plan=best.plan)
        return sorted(ranked, key=lambda one: (_RANK[one.noun.state], -one.noun.confidence))

    def _one(self, branch: Branch, seen: _Seen, look: int, *, weighed: bool) -> _Ranked:
        tried, worked = self.view.record.get(self._id(branch), (0, 0))
        evidence = tuple(dict.fromkeys(seen.known.results[step.id] for step in branch.diagnose if step.id in seen.known.results))
        attempt = self.past.attempts.get(self._id(branch))
        if attempt is not None:
            state = {"refuted": "refuted", "worked": "confirmed"}.get(attempt.state, "chosen")
            because = attempt.because or "acted on"
        elif branch.look > look:
            state, because = "open", "looked at only when nothing else is left to try"
        elif not weighed:
            state, because = "open", "evidence is being gathered"
        else:
            results = {step.id: seen.known.bodies[seen.known.results[step.id]] for step in branch.diagnose if step.id in seen.known.results}
            found = weigh(branch, results, self.view.session.opened_at)
            state, because = found.state, found.because
        noun = Hypothesis(
            name=self._id(branch),
            cause=branch.cause,
            state=state,
            confidence=confidence(branch.prior, tried, worked),
            prior=branch.prior,
            tried=tried,
            worked=worked,
            because=because,
            evidence=evidence,
        )
        if attempt is not None or state != "confirmed" or not branch.plan:
            return _Ranked(branch=branch, noun=noun)
        plan, hindrance = self._plan(branch, noun, seen.known)
        if hindrance:
            noun = replace(noun, state="open", because=f"{because}; but {hindrance}")
        return _Ranked(branch=branch, noun=noun, plan=plan)

    # ---- acting

    def _plan(self, branch: Branch, noun: Hypothesis, known: Known) -> tuple[tuple[Proposal, ...], str]:
        """Give the plan of a hypothesis, or why it cannot be acted on."""
        try:
            plan = tuple(self._deed(deal, noun, known) for deal in branch.plan)
        except Unmet as error:
            return (), f"its plan cannot be spelled out: {error}"
        missing = sorted({one.kind for one in plan} - set(self.view.kinds))
        if missing:
            return (), f"this agent is not given {', '.join(missing)}"
        keys = [same(one, known.bodies) for one in plan]
        for attempt in self.past.attempts.values():
            failed = [same(one, known.bodies) for one in attempt.failed]
            if failed and keys[: len(failed)] == failed:
                return (), f"the same was tried for {attempt.hypothesis} and did not help"
        return plan, ""

    def _deed(self, deal: Deal, noun: Hypothesis, known: Known) -> Proposal:
        """Give one action of a plan. Raises Unmet."""
        return Proposal(
            kind=deal.kind,
            target=self._place(deal.target, known),
            args=_doc(fill(deal.args, known)),
            purpose=Purpose.NOTIFY if deal.kind == "notify" else Purpose.FIX,
            why=deal.why,
            confidence=noun.confidence,
            evidence=noun.evidence,
            hypothesis=noun.name,
            verify=tuple(_expect(one, known) for one in deal.verify),
        )

    def _place(self, target: str, known: Known) -> str:
        if not target:
            return self.view.session.target
        place = fill(target, known)
        if not isinstance(place, str):
            raise Unmet(f"{target} is no name of a target")
        return place

    def _act(self, ranked: Sequence[_Ranked]) -> Answer:
        """Act on the first of the ranked: propose its plan, or close with its words."""
        first = ranked[0]
        noun = first.noun
        record = f"{noun.worked} of {noun.tried} worked before" if noun.tried else "no record yet"
        thought = self._thought(f"{noun.cause}: {noun.because} ({noun.confidence:.2f}; prior {noun.prior:.2f}, {record}).", ranked)
        if first.branch.finish:
            return Finish(outcome=first.branch.finish, summary=first.branch.summary, thought=thought)
        return Propose(proposal=first.plan[0], plan=first.plan if len(first.plan) > 1 else (), thought=thought)

    def _go_on(self, attempt: Attempt) -> Answer:
        """Go on with the plan in hand, exactly as it was first proposed."""
        look = max((one.look for one in self.book.branches if self._id(one) == attempt.hypothesis), default=1)
        ranked = self._rank(self._see(look), look, weighed=True)
        if attempt.state == "waits":
            return Ask(
                question=f"{attempt.because}: what became of it?", thought=self._thought("Waits for an action to be settled.", ranked)
            )
        if attempt.state == "worked":
            cause = next((one.cause for one in self.book.branches if self._id(one) == attempt.hypothesis), attempt.hypothesis)
            if attempt.shadow:
                words = f"{cause}: in shadow mode nothing was changed; the plan was {', then '.join(one.kind for one in attempt.plan)}."
                return Finish(outcome="fixed", summary=words, thought=self._thought("Shown, not carried out.", ranked))
            return Finish(outcome="fixed", summary=f"{cause}: fixed and verified.", thought=self._thought("Fixed and verified.", ranked))
        rest = attempt.plan[attempt.taken :]
        thought = self._thought(f"Step {attempt.taken + 1} of {len(attempt.plan)} for {attempt.hypothesis}.", ranked)
        return Propose(proposal=rest[0], plan=rest if len(rest) > 1 else (), thought=thought)

    def _give_up(self, seen: _Seen) -> Finish:
        last = max(branch.look for branch in self.book.branches)
        ranked = self._rank(seen, last, weighed=True)
        told: list[str] = []
        for state, words in (("refuted", "given up"), ("open", "not ruled out"), ("ruled_out", "ruled out")):
            found = [one.noun for one in ranked if one.noun.state == state]
            each = [f"{one.cause}: {words}, {one.because}" for one in found]
            told += each if len(found) <= _TOLD else [f"{len(found)} of {len(ranked)} causes {words}"]
        summary = f"For {self.book.escalate_to}: {self.book.question} ({'; '.join(told)}.)"
        return Finish(outcome="escalated", summary=summary, thought=self._thought("Nothing is left to try.", ranked))

    def _thought(self, summary: str, ranked: Sequence[_Ranked]) -> Thought:
        return Thought(
            summary=summary,
            hypotheses=tuple(one.noun for one in ranked),
            runbook=self.book.name,
            runbook_digest=self.book.digest,
            selection=self.selection,
        )


def _expect(one: Expect, known: Known) -> Expect:
    return replace(one, args=_doc(fill(one.args, known)))


def _doc(args: Json) -> Doc:
    return args if isinstance(args, Mapping) else {}
