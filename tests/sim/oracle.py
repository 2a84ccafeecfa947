"""What must hold of a world after its story has ended, whatever crashed on the way. Called by every test of this folder."""

from __future__ import annotations

from typing import Any

from flyball import wire
from flyball.model.action import Deed, Reach, Status
from flyball.model.log import Logged
from flyball.rules.lifecycle import SETTLED, move
from sim.world import World

SAYS: dict[str, Status] = {
    "action.intended": Status.RUNNING,
    "action.done": Status.DONE,
    "action.failed": Status.FAILED,
    "action.unknown": Status.UNKNOWN,
    "action.undoing": Status.UNDOING,
    "action.undone": Status.UNDONE,
    "action.stuck": Status.STUCK,
}
VERDICTS = {"allow": Status.ALLOWED, "hold": Status.HELD, "deny": Status.DENIED}


def deeds(world: World) -> list[Deed]:
    return [wire.parse(Deed, row.body) for row in world.store.rows("action", limit=10**6)]


def next_status(now: Status, logged: Logged, *, read: bool) -> Status:
    """Fold one entry into a status; raises IllegalMoveError where the table does not have the move."""
    entry = logged.entry
    body: Any = entry.body
    if entry.name == "action.decided":
        to = VERDICTS[body["verdict"]]
        return now if now is to is Status.HELD else move(now, to)
    if entry.name == "approval.answered" and body["verb"] == "edit":
        return move(now, Status.DENIED)
    if entry.name not in SAYS:
        return now
    if read and now is Status.ALLOWED:
        now = move(now, Status.RUNNING)  # a read has one record
    return move(now, SAYS[entry.name])


def folded(world: World, name: str) -> Status:
    """The status of an action by the log alone."""
    deed = wire.parse(Deed, world.disk.rows["action", name].body)
    read = world.specs[deed.action.kind].reach is Reach.READ if deed.action.kind in world.specs else False
    status = Status.PROPOSED
    for logged in world.store.entries(action=name, limit=10**6):
        status = next_status(status, logged, read=read)
    return status


def check_log(world: World) -> None:
    """Rows follow from the log; every write was intended before it ran or ended, exactly once."""
    for deed in deeds(world):
        name = deed.action.id
        assert folded(world, name) is deed.status, f"{name}: the log says {folded(world, name)}, the row {deed.status}"
        names = [one.entry.name for one in world.store.entries(action=name, limit=10**6)]
        assert names.count("action.intended") <= 1, f"{name} was intended twice"
        if world.specs[deed.action.kind].reach is Reach.WRITE if deed.action.kind in world.specs else False:
            for after in ("action.done", "action.failed", "action.unknown", "action.undoing"):
                if after in names:
                    assert "action.intended" in names[: names.index(after)], f"{name}: {after} without an intent"
    for what, key in world.effects.log:
        name = key.removesuffix(":undo")
        intended = [one.entry.name for one in world.store.entries(action=name, limit=10**6)]
        assert ("action.intended" if what == "do" else "action.undoing") in intended, f"{key} happened without a word in the log"


def check_effects(world: World) -> None:
    """Nothing was done or begun twice, nothing undone twice, nothing red or blunt was even called twice."""
    assert len(set(world.effects.begun)) == len(world.effects.begun), f"begun twice: {world.effects.begun}"
    for deed in deeds(world):
        kind, name = world.specs.get(deed.action.kind), deed.action.id
        if kind is None or kind.reach is Reach.READ:
            continue
        assert world.effects.times("do", name) <= 1, f"{name} was done twice"
        assert world.effects.times("undo", f"{name}:undo") <= 1, f"{name} was undone twice"
        if not kind.idempotent:
            assert world.effects.calls.count(("do", name)) <= 1, f"{name} was called twice"


def check_rest(world: World) -> None:
    """Nothing is left in between: sessions closed, actions settled, leases free, keys ended, money given back."""
    for row in world.store.rows("session", limit=10**6):
        assert row.state == "closed", f"{row.id} is {row.state} and waits for {row.body['waiting']!r}"
    for deed in deeds(world):
        assert deed.status in SETTLED, f"{deed.action.id} is left {deed.status}"
    assert [row.id for row in world.store.rows("lease", state="held")] == []
    live = [row.id for row in world.store.rows("key", state="live", limit=10**6) if row.session]
    assert live == [], f"keys of closed sessions are live: {live}"
    stuck = any(deed.status is Status.STUCK for deed in deeds(world))
    for account in world.disk.accounts.values():
        assert account.held == 0 or stuck, f"{account.id} still holds {account.held}"


def check_truth(world: World) -> None:
    """The rows say what the world is. Only where probes can tell."""
    standing: dict[str, int] = {}
    for deed in deeds(world):
        kind, name = world.specs[deed.action.kind], deed.action.id
        if kind.reach is Reach.READ:
            continue
        did, undid = bool(world.effects.times("do", name)), bool(world.effects.times("undo", f"{name}:undo"))
        expected = {Status.DONE: (True, False), Status.UNDONE: (True, True)}.get(deed.status, (False, False))
        assert (did, undid) == expected, f"{name} is {deed.status}, the world says did={did} undid={undid}"
        if deed.status is Status.DONE:
            by = deed.action.args.get("by", 1)
            standing[deed.action.target] = standing.get(deed.action.target, 0) + (by if isinstance(by, int) else 0)
    for target, count in world.effects.count.items():
        assert count == standing.get(target, 0), f"{target} stands at {count}, the log accounts for {standing.get(target, 0)}"


def check_all(world: World) -> None:
    check_log(world)
    check_effects(world)
    check_rest(world)
    if not world.unsure:
        check_truth(world)
