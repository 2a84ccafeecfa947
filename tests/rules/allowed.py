"""Draw a case that is allowed, then break exactly one fact. A new check ships with its break here.

`cases` draws an Action with Facts that every check passes; `BREAKS` names every way to break one fact, with the check that must say
so and what it must say. tests/sim/test_faults.py uses the same table to see that no check can be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from flyball.model.action import Action, Purpose, Reach, Zone
from flyball.model.approval import Approval, ApprovalState
from flyball.model.box import Level
from flyball.model.decision import Breakpoint, Facts, Verdict
from flyball.model.grant import Freeze, Grant, Key, Sort, Standing, Target
from flyball.model.ids import ActionId, Digest, Doc, GrantId, KeyId, PrincipalId, SessionId
from flyball.model.kind import KindSpec
from flyball.model.money import Account, Bucket
from flyball.model.policy import PolicyAnswer
from flyball.model.provenance import Integrity, Origin
from flyball.rules import decide as decide_module
from flyball.rules.digest import digest

NOW = 1_790_000_000.0
SESSION = SessionId("s-1")
POLICY = Digest("sha256:policy")
BEFORE = Digest("sha256:before")
NAMES = st.sampled_from(["web", "db", "mail.lab", "host-1"])
KINDS = st.sampled_from(["process.restart", "file.quarantine", "git.revert"])
ACTION = Action(
    id=ActionId("s-1.1"),
    session=SESSION,
    step=1,
    agent="fixer",
    kind="a",
    kind_digest=Digest(""),
    target="a",
    args={},
    purpose=Purpose.FIX,
    why="",
    confidence=1.0,
    evidence=(),
    hypothesis="",
    verify=(),
    provenance={},
    digest=Digest(""),
    proposed_at=NOW,
)
"""A plain action, for tests that need any."""
RANK = {Zone.GREEN: 0, Zone.YELLOW: 1, Zone.RED: 2}


@dataclass(frozen=True, kw_only=True)
class Case:
    """An action, the facts it is judged by, and by what right a red one passes: approval, standing, or nothing."""

    action: Action
    facts: Facts
    by: str

    def but(self, **facts: Any) -> Case:
        return replace(self, facts=replace(self.facts, **facts))

    def acting(self, **action: Any) -> Case:
        return replace(self, action=replace(self.action, **action))


def label(integrity: Integrity, *, endorsed: bool = False) -> Origin:
    return Origin(origin="test", integrity=integrity, endorsed=endorsed)


TRUSTED = st.builds(label, st.sampled_from([Integrity.SYSTEM, Integrity.CONFIG, Integrity.PRINCIPAL])) | st.just(
    label(Integrity.OBSERVED, endorsed=True)
)


@st.composite
def grants(draw: st.DrawFn, agent: str, kind: str, target: Target, zone: Zone) -> tuple[Grant, ...]:
    """A chain that covers the action: the root first drawn, every child within its parent. Given from the one in use upwards."""
    rules: Doc = draw(st.sampled_from([{}, {kind: {"/by": {"min": 0, "max": 100}}}, {"other": {"/x": {"const": 1}}}]))
    root = Grant(
        id=GrantId("g0"),
        agent=agent,
        session=SESSION,
        kinds=(kind, "other"),
        targets=(target.name, "elsewhere"),
        envs=(target.env, "lab2"),
        regions=(target.region, "moon"),
        ceiling=draw(st.sampled_from([one for one in Zone if RANK[one] >= RANK[zone]])),
        uses=draw(st.integers(5, 50)),
        budget_micros=draw(st.integers(1_000, 10**6)),
        not_before=NOW - draw(st.floats(10, 1e5)),
        expires_at=NOW + draw(st.floats(10, 1e5)),
        constraints=rules,
    )
    chain = [root]
    for depth in range(1, draw(st.integers(0, 2)) + 1):
        parent = chain[0]
        child = replace(
            parent,
            id=GrantId(f"g{depth}"),
            parent=parent.id,
            depth=depth,
            kinds=draw(st.sampled_from([parent.kinds, (kind,)])),
            uses=draw(st.integers(1, parent.uses)),
            budget_micros=draw(st.integers(0, parent.budget_micros)),
            not_before=NOW - (NOW - parent.not_before) / 2,
            constraints={
                **parent.constraints,
                kind: draw(st.sampled_from([parent.constraints.get(kind, {}), {"/by": {"min": 1, "max": 9}}])),
            },
        )
        chain.insert(0, child)
    return tuple(chain)


@st.composite
def cases(draw: st.DrawFn, *, by: str = "", reach: Reach | None = None) -> Case:
    """Draw an allowed case. `by` fixes the right it passes by: none, approval, standing."""
    reach = reach or draw(st.sampled_from(list(Reach)))
    by = by or draw(st.sampled_from(["none", "approval", "standing"]))
    kind, agent = draw(KINDS), draw(st.sampled_from(["fixer", "tidier"]))
    target = Target(name=draw(NAMES), env=draw(st.sampled_from(["lab", "prod"])), region=draw(st.sampled_from(["", "eu-central-1"])))
    zone = draw(st.sampled_from([Zone.GREEN, Zone.YELLOW])) if by == "none" else draw(st.sampled_from(list(Zone)))
    effect = "allow" if by == "none" else "ask" if zone is not Zone.RED else draw(st.sampled_from(["allow", "ask"]))
    spec = KindSpec(
        name=kind,
        title=kind,
        reach=reach,
        args={},
        result={},
        sinks=("/where",),
        destructive=by != "standing" and draw(st.booleans()),
    )
    args: Doc = {"where": draw(NAMES), "by": draw(st.integers(1, 9))}
    others = TRUSTED | st.just(label(Integrity.OBSERVED)) if by == "approval" else TRUSTED
    action = Action(
        id=ActionId("s-1.1"),
        session=SESSION,
        step=1,
        agent=agent,
        kind=kind,
        kind_digest=Digest("sha256:kind"),
        target=target.name,
        args=args,
        purpose=draw(st.sampled_from(list(Purpose))),
        why="because",
        confidence=draw(st.floats(0, 1)),
        evidence=(),
        hypothesis="h",
        verify=(),
        provenance={"/where": draw(TRUSTED), "/by": draw(others)},
        digest=digest({"kind": kind, "target": target.name, "args": args}),
        proposed_at=NOW,
    )
    chain = draw(grants(agent, kind, target, zone))
    cost = draw(st.integers(0, chain[0].budget_micros))
    point = Breakpoint(field="targets", op="gt", value=draw(st.integers(0 if by == "approval" else 1, 3)))
    facts = Facts(
        now=NOW,
        spec=spec,
        enabled=True,
        target=target,
        args_fault="",
        key=_key(agent, chain[0].id),
        chain=chain,
        chain_whole=True,
        uses_left=draw(st.integers(1, chain[0].uses)),
        freezes=draw(st.lists(_idle_freeze(agent), max_size=3).map(tuple)),
        policy=PolicyAnswer(effect=effect, zone=zone.value, reason="r", rule="t/one"),
        policy_digest=POLICY,
        zone=zone,
        cost_micros=cost,
        budget=Account(id="budget:g", spent=draw(st.integers(0, chain[0].budget_micros - cost))),
        budget_cap=chain[0].budget_micros,
        pace=((Bucket(id="pace:a", due_at=NOW - draw(st.floats(0, 100))), 3.0, 1.0),),
        approval=_approval(draw, action) if by == "approval" else None,
        approvers=("person:emma", "person:otto", "person:nina") if by == "approval" else (),
        standing=_standing(action) if by == "standing" else None,
        standing_left=draw(st.integers(1, 5)) if by == "standing" else 0,
        before_digest=BEFORE,
        level=draw(st.sampled_from([Level.BWRAP.value, Level.SANDLOCK.value])),
        breakpoints=(point,) if by != "standing" else (),
        others=(),
        extra={"targets": 1.0, "cost_micros": float(cost)},
    )
    return Case(action=action, facts=facts, by=by)


def _key(agent: str, grant: GrantId) -> Key:
    return Key(
        id=KeyId("k1"),
        hash="h",
        principal=PrincipalId(f"agent:{agent}"),
        sort=Sort.AGENT,
        scopes=("act",),
        grant=grant,
        session=SESSION,
        not_before=NOW - 60,
        expires_at=NOW + 60,
    )


def _idle_freeze(agent: str) -> st.SearchStrategy[Freeze]:
    """Freezes that do not cover the action: of somebody else, or thawed."""
    other = Freeze(id="f", scope="target:far", reason="r", by="person:emma", at=NOW - 9)
    return st.sampled_from(
        [other, replace(other, scope=f"agent:{agent}2"), replace(other, scope="agent:"), replace(other, scope="all", thawed_until=NOW + 1)]
    )


def _approval(draw: st.DrawFn, action: Action) -> Approval:
    later = draw(st.booleans())
    whole = Approval(
        id=action.id,
        session=action.session,
        digest=action.digest,
        before_digest=BEFORE,
        policy_digest=POLICY,
        requester=f"agent:{action.agent}",
        quorum=draw(st.integers(1, 3)),
        expires_at=NOW + draw(st.floats(1, 1e5)),
        state=ApprovalState.APPROVED,
    )
    first = Digest("sha256:first step")
    return replace(whole, digest=first, covers=(action.digest,), used=(first,), before_digest=Digest("sha256:then")) if later else whole


def _standing(action: Action) -> Standing:
    return Standing(
        id="st1", agent=action.agent, kind=action.kind, target=action.target, uses=5, expires_at=NOW + 60, by="person:emma", reason="r"
    )


Change = Callable[[Case], Case]


@dataclass(frozen=True, kw_only=True)
class Break:
    """One broken fact: what the check must say, which check, and for which cases it is one."""

    change: Change
    check: str
    verdict: Verdict = Verdict.DENY
    by: str = ""
    reach: Reach | None = None


def fact(check: str, verdict: Verdict = Verdict.DENY, *, by: str = "", reach: Reach | None = None, **facts: Any) -> Break:
    return Break(change=lambda case: case.but(**facts), check=check, verdict=verdict, by=by, reach=reach)


def part(name: str, check: str, verdict: Verdict = Verdict.DENY, *, by: str = "", **parts: Any) -> Break:
    """Break fields of one noun among the facts."""
    return Break(change=lambda case: case.but(**{name: replace(getattr(case.facts, name), **parts)}), check=check, verdict=verdict, by=by)


def link(at: int, **parts: Any) -> Break:
    """Break one grant of the chain: the one in use (0) or its root (-1)."""

    def change(case: Case) -> Case:
        chain = list(case.facts.chain)
        chain[at] = replace(chain[at], **parts)
        return case.but(chain=tuple(chain))

    return Break(change=change, check="grant")


def under(check: str, verdict: Verdict, make: Change, *, by: str = "", reach: Reach | None = None) -> Break:
    return Break(change=make, check=check, verdict=verdict, by=by, reach=reach)


def _labels(at: str, found: Origin | None) -> Change:
    def change(case: Case) -> Case:
        kept = {name: one for name, one in case.action.provenance.items() if name != at}
        return case.acting(provenance=kept if found is None else {**kept, at: found})

    return change


def _tight(case: Case) -> Case:
    chain = tuple(
        replace(one, constraints={case.action.kind: {"/by": {"max": 5, "min": 0}, "/gone": {"const": 1}}}) for one in case.facts.chain
    )
    return case.but(chain=chain)


def _frozen(scope: str, **more: Any) -> Change:
    def change(case: Case) -> Case:
        name = scope.format(agent=case.action.agent, target=case.action.target, kind=case.action.kind)
        return case.but(freezes=(*(case.facts.freezes or ()), Freeze(id="f9", scope=name, reason="stop", by="person:emma", at=NOW, **more)))

    return change


def _wider(case: Case) -> Case:
    parent = replace(case.facts.chain[0], id=GrantId("gp"))
    child = replace(parent, id=GrantId("gc"), parent=parent.id, depth=parent.depth + 1, uses=parent.uses + 1)
    key = replace(case.facts.key, grant=child.id) if case.facts.key else None
    return case.but(chain=(child, parent), key=key)


HOLD, DENY = Verdict.HOLD, Verdict.DENY
OBSERVED = label(Integrity.OBSERVED)
NO = (ApprovalState.REJECTED, ApprovalState.EXPIRED, ApprovalState.EDITED, ApprovalState.CHANGES, ApprovalState.VOID)

BREAKS: dict[str, Break] = {
    "no such kind": fact("known", spec=None),
    "kind is not enabled": fact("known", enabled=False),
    "no such target": fact("known", target=None),
    "arguments break the schema": fact("schema", args_fault="/by: is not a number"),
    "arguments were not validated": fact("schema", args_fault="not validated"),
    "confidence above one": under("schema", DENY, lambda case: case.acting(confidence=1.01)),
    "confidence below zero": under("schema", DENY, lambda case: case.acting(confidence=-0.01)),
    "confidence is no number": under("schema", DENY, lambda case: case.acting(confidence=float("nan"))),
    "no key": fact("key", key=None),
    "key of a person": part("key", "key", sort=Sort.PERSON),
    "key of a service": part("key", "key", sort=Sort.SERVICE),
    "key of another agent": part("key", "key", principal=PrincipalId("agent:other")),
    "key revoked": part("key", "key", revoked=True),
    "key expired": part("key", "key", expires_at=NOW),
    "key not yet valid": part("key", "key", not_before=NOW + 1),
    "key of another session": part("key", "key", session=SessionId("s-2")),
    "key of no session": part("key", "key", session=SessionId("")),
    "key of another grant": part("key", "grant", grant=GrantId("g9")),
    "no grant": fact("grant", chain=()),
    "chain is not whole": fact("grant", chain_whole=False),
    "grant used up": fact("grant", uses_left=0),
    "grant overdrawn": fact("grant", uses_left=-3),
    "grant of another agent": link(0, agent="other"),
    "grant wider than its parent": under("grant", DENY, _wider),
    "argument outside the grant": under("grant", DENY, _tight),
    **{
        f"{where} {what}": link(at, **parts)
        for where, at in (("grant", 0), ("root grant", -1))
        for what, parts in {
            "revoked": {"revoked": True},
            "expired": {"expires_at": NOW},
            "not yet valid": {"not_before": NOW + 1},
            "of another session": {"session": SessionId("s-2")},
            "without the kind": {"kinds": ("other",)},
            "without any kind": {"kinds": ()},
            "without the target": {"targets": ("elsewhere",)},
            "without the environment": {"envs": ("lab2",)},
            "without the region": {"regions": ("moon",)},
        }.items()
    },
    "zone above the ceiling": under(
        "grant",
        DENY,
        lambda case: case.but(zone=Zone.RED, chain=tuple(replace(one, ceiling=Zone.YELLOW) for one in case.facts.chain)),
        by="approval",
    ),
    "freezes unreadable": fact("freeze", freezes=None),
    **{f"frozen: {scope}": under("freeze", HOLD, _frozen(scope)) for scope in ("all", "agent:{agent}", "target:{target}", "kind:{kind}")},
    "thaw has ended": under("freeze", HOLD, _frozen("all", thawed_until=NOW)),
    "sink from untrusted text": under("provenance", DENY, _labels("/where", OBSERVED), reach=Reach.WRITE),
    "sink without a label": under("provenance", DENY, _labels("/where", None), reach=Reach.WRITE),
    "argument from untrusted text": under("provenance", HOLD, _labels("/by", OBSERVED), by="none", reach=Reach.WRITE),
    "argument without a label": under("provenance", HOLD, _labels("/by", None), by="none", reach=Reach.WRITE),
    "policy is silent": fact("policy", policy=None),
    "policy denies": part("policy", "policy", effect="deny"),
    **{f"policy says {word!r}": part("policy", "policy", effect=word) for word in ("", "Allow", "ALLOW", "yes", "true", "allow ", "null")},
    **{f"policy names zone {word!r}": part("policy", "policy", zone=word) for word in ("", "Green", "blue", "none")},
    "no isolation": fact("isolation", level=Level.NONE.value),
    "unknown isolation": fact("isolation", level="Bubblewrap"),
    "write without a full sandbox": fact("isolation", reach=Reach.WRITE, level=Level.LANDLOCK.value),
    "no budget known": fact("budget", budget=None),
    "costs more than is left": under("budget", DENY, lambda case: case.but(cost_micros=case.facts.budget_cap + 1)),
    "costs less than nothing": fact("budget", cost_micros=-1),
    "budget is held": under(
        "budget", DENY, lambda case: case.but(cost_micros=1, budget=Account(id="b", held=case.facts.budget_cap)), by="approval"
    ),
    "budget of zero": fact("budget", budget_cap=0, cost_micros=1, budget=Account(id="b")),
    "no pace known": fact("pace", pace=None),
    "no token left": fact("pace", HOLD, pace=((Bucket(id="b", due_at=NOW + 100), 3.0, 1.0),)),
    "one bucket of two empty": fact("pace", HOLD, pace=((Bucket(id="a"), 3.0, 1.0), (Bucket(id="b", due_at=NOW + 100), 3.0, 1.0))),
    "pace of zero": fact("pace", HOLD, pace=((Bucket(id="b"), 0.0, 1.0),)),
    "nobody approved": fact("approval", HOLD, by="approval", approval=None),
    **{f"approval {one.value}": part("approval", "approval", by="approval", state=one) for one in NO},
    **{
        f"approval {one.value}": part("approval", "approval", HOLD, by="approval", state=one)
        for one in (ApprovalState.WAITING, ApprovalState.USED)
    },
    "approval of another digest": part("approval", "approval", HOLD, by="approval", digest=Digest("sha256:x"), covers=()),
    "action is another one": under("approval", HOLD, lambda case: case.acting(digest=Digest("sha256:edited")), by="approval"),
    "approval is used": under(
        "approval",
        HOLD,
        lambda case: case.but(approval=replace(case.facts.approval, used=(case.action.digest,))),
        by="approval",
    ),
    "approval has run out": part("approval", "approval", DENY, by="approval", expires_at=NOW),
    "policy changed since": fact("approval", HOLD, by="approval", policy_digest=Digest("sha256:newer")),
    "quorum of zero": part("approval", "approval", HOLD, by="approval", quorum=0),
    "one approver too few": part("approval", "approval", HOLD, by="approval", quorum=4),
    "no approver counts any more": fact("approval", HOLD, by="approval", approvers=()),
    "only the asker approved": under("approval", HOLD, lambda case: case.but(approvers=(f"agent:{case.action.agent}",)), by="approval"),
    "standing yes revoked": part("standing", "approval", HOLD, by="standing", revoked=True),
    "standing yes expired": part("standing", "approval", HOLD, by="standing", expires_at=NOW),
    "standing yes for another kind": part("standing", "approval", HOLD, by="standing", kind="other"),
    "standing yes for another target": part("standing", "approval", HOLD, by="standing", target="other"),
    "standing yes for another agent": part("standing", "approval", HOLD, by="standing", agent="other"),
    "standing yes used up": fact("approval", HOLD, by="standing", standing_left=0),
    "standing yes for a destructive kind": under(
        "approval",
        HOLD,
        lambda case: case.but(spec=replace(case.facts.spec, destructive=True)),
        by="standing",
    ),
    "a person has said no": under(
        "approval",
        DENY,
        lambda case: case.but(
            approval=Approval(
                id=case.action.id,
                session=SESSION,
                digest=case.action.digest,
                before_digest=BEFORE,
                policy_digest=POLICY,
                state=ApprovalState.REJECTED,
                expires_at=NOW + 9,
            )
        ),
        by="none",
    ),
    "breakpoint reached": fact("breakpoint", HOLD, by="none", breakpoints=(Breakpoint(field="targets", op="ge", value=1),)),
    "breakpoint on an unknown figure": fact("breakpoint", HOLD, by="none", breakpoints=(Breakpoint(field="moons", op="gt", value=1),)),
    "another session is at work there": fact("lease", HOLD, reach=Reach.WRITE, others=("s-2",)),
    "another session was at work there": fact("lease", DENY, reach=Reach.WRITE, waited=True),
    "nobody knows who is at work there": fact("lease", DENY, reach=Reach.WRITE, others=None),
    "shadow mode": fact("shadow", reach=Reach.WRITE, shadow=True),
}


EACH = 12
"""Examples of each break: there are over a hundred breaks."""


def hold_against(name: str) -> None:
    """Raise AssertionError unless the decision notices one break, by the check that is there for it."""
    broken = BREAKS[name]

    @settings(max_examples=EACH, deadline=None, database=None, phases=(Phase.generate,))
    @given(cases(by=broken.by, reach=broken.reach))
    def one(case: Case) -> None:
        after = broken.change(case)
        said = decide_module.judge(after.action, after.facts)
        assert said.decision.verdict is broken.verdict, f"{name}: {case}: {said.opinions}"
        assert broken.check in {one.check for one in said.opinions if one.verdict is broken.verdict and one.why}

    one()


def pre_state(case: Case) -> bool:
    """Say whether the approval binds the target's pre-state: that of a later plan step does not."""
    approval = case.facts.approval
    return approval is not None and approval.digest == case.action.digest
