"""Freezes as files: whoever wrote them, they stop what they name, and none of them stops the server itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest

from desk import house_at
from flyball.backends.freezer_file import MOST_TEXT, FileFreezer
from flyball.core.keys import Who
from flyball.errors import BadInput, NotReady
from flyball.model.grant import Freeze, Key, Principal, Sort
from flyball.model.ids import KeyId, PrincipalId
from live import ENV

MADE = Freeze(id="f-1", scope="all", reason="the disks are on fire", by="terminal:ada", at=1.0)

NOBODY = ("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "--")  # has no entry in /etc/passwd, as in many containers


def written(folder: Path, **more: object) -> FileFreezer:
    """A freeze as a person or another tool writes it."""
    freezer = FileFreezer(folder)
    doc = {"id": "f-1", "scope": "all", "reason": MADE.reason, "by": MADE.by, "at": 1.0}
    (folder / "freeze" / "f-1.json").write_bytes(orjson.dumps({**doc, **more}))
    return freezer


def test_what_was_written_is_read(tmp_path: Path) -> None:
    freezer = FileFreezer(tmp_path)
    freezer.freeze(MADE)
    assert freezer.freezes() == written(tmp_path).freezes() == (MADE,)
    freezer.lift(MADE.id)
    assert freezer.freezes() == ()


async def test_a_reason_too_long_for_the_log_still_freezes_and_is_recorded(tmp_path: Path) -> None:
    """Somebody pastes a log into it: the server must not end, nor look at nothing else any more."""
    written(tmp_path, reason="x" * 200_000, thaw_reason="y" * 200_000)
    house = house_at(tmp_path)
    try:
        await house.switch.notice()
        (found,) = house.plugs.freezer.freezes()
        assert (found.scope, found.reason) == ("all", "x" * MOST_TEXT)
        assert house.plugs.store.find("freeze", "f-1") is not None
    finally:
        house.plugs.store.close()  # type: ignore[attr-defined]  # the real store of the desk


@pytest.mark.parametrize("scope", ["everything", "ALL", "service:web", "target:", "target:" + "x" * 5_000, ""])
def test_a_scope_that_stops_nothing_stops_everything(tmp_path: Path, scope: str) -> None:
    with pytest.raises(NotReady):
        written(tmp_path, scope=scope).freezes()


async def test_a_scope_that_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    house = house_at(tmp_path)
    ada = Principal(id=PrincipalId("person:ada"), sort=Sort.PERSON)
    who = Who(principal=ada, key=Key(id=KeyId("k"), hash="", principal=ada.id, sort=ada.sort, scopes=("operate",)))
    try:
        for scope in ("target:", "target:" + "x" * 5_000):
            with pytest.raises(BadInput):
                await house.switch.freeze(who, scope, "the disks are on fire")
        assert house.plugs.freezer.freezes() == ()
    finally:
        house.plugs.store.close()  # type: ignore[attr-defined]  # the real store of the desk


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs the right to be somebody else, and setpriv")
@pytest.mark.parametrize(("reason", "kept"), [(b"on fire", "on fire"), (b"caf\xe9 on fire", "caf\ufffd on fire")])
def test_a_freeze_at_the_terminal_needs_no_account_and_no_good_terminal(reason: bytes, kept: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "flyball.yaml").write_text("{}\n")
        argv = [*NOBODY, sys.executable, "-m", "flyball", "--project", name, "freeze", "all", "--reason", reason]
        done = subprocess.run(argv, env=ENV, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        (found,) = FileFreezer(folder / "state").freezes()
        assert (found.scope, found.reason, found.by) == ("all", kept, "terminal:54321")
