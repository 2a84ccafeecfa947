"""When is a person's yes good? It binds to one digest, one pre-state, one policy, one use, one span of time."""

from __future__ import annotations

from flyball.model.action import Action
from flyball.model.approval import ApprovalState
from flyball.model.decision import Facts


def flaw(action: Action, facts: Facts) -> str:
    """Say why no approval allows this action now, or "" where one does."""
    approval = facts.approval
    if approval is None:
        return "nobody has approved it"
    voters = set(facts.approvers) - {approval.requester, f"agent:{action.agent}"}
    first = approval.digest == action.digest
    asks = facts.policy if facts.policy is not None and facts.policy.effect == "ask" else None
    other = asks is not None and (asks.quorum > approval.quorum or asks.group not in ("", approval.group))
    reasons = (
        (approval.state is not ApprovalState.APPROVED, f"the approval is {approval.state}"),
        (not first and action.digest not in approval.covers, "the action is not the one that was approved"),
        (other, "policy asks other people about this action than were asked"),
        (action.digest in approval.used, "the approval is used"),
        (facts.now >= approval.expires_at, "the approval has expired"),
        (approval.policy_digest != facts.policy_digest, "the policy changed since the approval"),
        (first and approval.before_digest != facts.before_digest, "the target changed since the approval"),
        (approval.quorum < 1 or len(voters) < approval.quorum, f"{len(voters)} of {approval.quorum} approvers count"),
    )
    return next((why for broken, why in reasons if broken), "")


def standing(action: Action, facts: Facts) -> bool:
    """Say whether a standing grant covers the action: exact agent, kind and target, in time, uses left, not destructive."""
    grant, spec = facts.standing, facts.spec
    return (
        grant is not None
        and spec is not None
        and not spec.destructive
        and not grant.revoked
        and (grant.agent, grant.kind, grant.target) == (action.agent, action.kind, action.target)
        and facts.now < grant.expires_at
        and facts.standing_left > 0
    )


def settled_no(facts: Facts) -> str:
    """Say how a person, or the clock, has answered no; "" where nobody has."""
    approval = facts.approval
    if approval is None:
        return ""
    if approval.state in (ApprovalState.REJECTED, ApprovalState.EXPIRED, ApprovalState.EDITED, ApprovalState.CHANGES, ApprovalState.VOID):
        return f"the approval is {approval.state}"
    if facts.now >= approval.expires_at and approval.state in (ApprovalState.WAITING, ApprovalState.APPROVED):
        return "the approval has expired"
    return ""
