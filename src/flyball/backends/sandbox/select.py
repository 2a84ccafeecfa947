"""Chooses the strongest level that passes its self-test, or a box that refuses everything and says why. Called by `compose`.

Never a silent step down: the level stands on the box and on every `Ran`, and a level that leaks is not used at all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flyball.backends.sandbox.bwrap import BwrapBox
from flyball.backends.sandbox.landlock import LandlockBox
from flyball.backends.sandbox.launch import abi
from flyball.backends.sandbox.probe import ROWS, probe
from flyball.backends.sandbox.spawn import PATH, BoxRefused, owns_all_uids
from flyball.model.box import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flyball.model.box import Ran, Run
    from flyball.ports import Box

ORDER = (Level.BWRAP, Level.LANDLOCK)
_SYSCTLS = Path("/proc/sys")
# (file under /proc/sys, the value that blocks, why, what to do)
_BLOCKS = (
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "kernel.apparmor_restrict_unprivileged_userns=1 keeps bubblewrap from making a user namespace",
        "give bwrap an AppArmor profile with 'userns,', or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    (
        "kernel/unprivileged_userns_clone",
        "0",
        "kernel.unprivileged_userns_clone=0 keeps bubblewrap from making a user namespace",
        "sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    (
        "user/max_user_namespaces",
        "0",
        "user.max_user_namespaces=0 keeps bubblewrap from making a user namespace",
        "sysctl -w user.max_user_namespaces=15000",
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for `flyball doctor`; `fix` is empty where nothing is wrong."""

    check: str
    ok: bool
    detail: str
    fix: str = ""


class RefusingBox:
    """Runs nothing: this host has no isolation that holds."""

    level = Level.NONE

    def __init__(self, missing: Sequence[Finding]) -> None:
        """Keep what is missing, one failed finding per level that was tried."""
        self._why = "; ".join(f"{finding.check}: {finding.detail}" for finding in missing) or "no level was asked for"
        self._fix = ", or ".join(dict.fromkeys(finding.fix for finding in missing)) or "name a level in the settings"

    async def run(self, run: Run) -> Ran:
        """Refuse.

        Raises:
            BoxRefused: always.

        """
        name = run.argv[0] if run.argv else "nothing"
        raise BoxRefused(f"{name} was not run: no isolation on this host", self._why, self._fix)


async def choose(order: Sequence[Level] = ORDER, path: str = PATH) -> Box:
    """Give the first box of `order` that passes its self-test, else one that refuses every run.

    Args:
        order: levels, most wanted first; `sandlock` and `none` name no box and are reported as missing.
        path: colon-separated host folders to look for bubblewrap in.

    """
    missing = []
    for level in order:
        box, finding = await _try(level, path)
        if box is not None:
            return box
        missing.append(finding)
    return RefusingBox(missing)


async def findings(order: Sequence[Level] = ORDER, path: str = PATH) -> tuple[Finding, ...]:
    """Test every level of `order` and give one line for each, and one about whom programs run as."""
    tried = [(await _try(level, path))[1] for level in order]
    return (*tried, _identity())


async def _try(level: Level, path: str) -> tuple[Box | None, Finding]:
    try:
        box: Box
        if level is Level.BWRAP:
            box = BwrapBox(path)
        elif level is Level.LANDLOCK:
            box = LandlockBox()
        else:
            return None, Finding(level, ok=False, detail="this version has no such box", fix="take it out of the order")
        holes = await _holes(box)
    except BoxRefused as refused:
        why, fix = refused.why, refused.fix
        if level is Level.BWRAP and "set up" in why:
            why, fix = find_block() or (why, "install bubblewrap 0.6 or later, and let this user make user namespaces")
        return None, Finding(level, ok=False, detail=why, fix=fix)
    if holes:
        could = ", ".join(f"{ROWS[row]} ({did})" for row, did in holes.items())
        return None, Finding(level, ok=False, detail=f"a program inside could {could}", fix="report this as a fault")
    version = f", Landlock version {abi()}" if level is Level.LANDLOCK else ""
    return box, Finding(level, ok=True, detail=f"held in all {len(ROWS)} attempts to get out{version}")


async def _holes(box: Box) -> dict[str, str]:
    """Give what a program did that it must not, as each of the users that programs run as."""
    holes = {row: did for row, did in (await probe(box)).items() if did}
    if box.level is Level.BWRAP:
        held = await probe(box, write=True)
        if owns_all_uids():
            held["limits"] = ""  # the kernel exempts root: told by `_identity`
        holes |= {row: did for row, did in held.items() if did}
    return holes


def find_block(sysctls: Path = _SYSCTLS, euid: int | None = None) -> tuple[str, str] | None:
    """Give (why, fix) where a kernel setting keeps a server without root from making user namespaces, else None."""
    if (os.geteuid() if euid is None else euid) == 0:
        return None
    for name, value, why, fix in _BLOCKS:
        place = sysctls / name
        if place.is_file() and place.read_text(encoding="ascii").strip() == value:
            return why, fix
    return None


def _identity() -> Finding:
    if owns_all_uids():
        return Finding(
            "identity",
            ok=True,
            detail="the server is root: runs that read get a uid of their own; runs that write are uid 0 without capabilities, "
            "and no process limit binds them",
            fix="run the server as a user of its own",
        )
    return Finding("identity", ok=True, detail=f"programs run as the server's uid {os.getuid()}, without capabilities")
