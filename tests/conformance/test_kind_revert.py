"""`git.revert` where it must refuse, and what a hostile repository cannot make it do."""

import json
import subprocess
from pathlib import Path

import jsonschema_rs
import pytest

from flyball.backends.sandbox.bwrap import BwrapBox
from flyball.errors import BadInput, Unreachable
from flyball.kinds.git_revert import KIND
from flyball.model.action import Seen
from flyball.model.ids import Doc
from flyball.ports import Hands
from kindbox import Crash, CrashingBox, hands, undoing


def git(repo: Path, *argv: str) -> str:
    who = ["-c", "user.name=Emma", "-c", "user.email=emma@localhost"]
    return subprocess.run(["git", *who, "-C", str(repo), *argv], check=True, capture_output=True, text=True).stdout.strip()


def commit(repo: Path, text: str, subject: str, name: str = "web.toml") -> str:
    (repo / name).write_text(text)
    git(repo, "add", "--", name)
    git(repo, "commit", "-q", "-m", subject)
    return git(repo, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "port = 1\n", "Begin")
    return folder


def given(repo: Path, bad: str, **more: Doc | BwrapBox) -> Hands:
    return hands("git.revert", {"service": "web", "commit": bad}, {"repo": str(repo)}, **more)


async def test_what_a_plan_shows(repo: Path) -> None:
    bad = commit(repo, "port = oops\n", "Break it")
    recipe = await KIND.plan(given(repo, bad))
    assert recipe.before == {"head": bad, "commit": bad}
    assert "-port = oops\n+port = 1\n" in recipe.diff
    assert recipe.blast == {"service": "web", "files": ["web.toml"], "commits_since": 0}
    assert [argv[argv.index("-C") + 2] for argv in recipe.argv] == ["revert", "commit"]
    assert bad in recipe.argv[0]
    assert "Flyball-Action: s-test.1" in recipe.argv[1][-1]


async def test_what_runs_is_what_was_shown(repo: Path) -> None:
    bad = commit(repo, "port = oops\n", "Break it")
    recipe = await KIND.plan(given(repo, bad))
    outcome = await KIND.do(given(repo, bad), recipe)
    assert outcome.ok, outcome.error
    assert (repo / "web.toml").read_text() == "port = 1\n"
    assert git(repo, "log", "-1", "--format=%an <%ae>") == "flyball <flyball@localhost>"
    assert git(repo, "show", "--format=", "--full-index", "HEAD") == recipe.diff.strip()
    assert git(repo, "rev-parse", "HEAD^") == bad


async def test_only_a_recent_commit_with_one_parent_is_taken_out(repo: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "checkout", "-q", "-b", "side")
    elsewhere = commit(repo, "x", "Elsewhere", "side.txt")
    git(repo, "checkout", "-q", "main")
    commit(repo, "y", "Here", "here.txt")
    unmerged = elsewhere
    for bad in (first, unmerged, "0" * 40):
        with pytest.raises(BadInput, match="cannot be reverted"):
            await KIND.plan(given(repo, bad))
    git(repo, "merge", "-q", "--no-edit", "side")
    with pytest.raises(BadInput, match="cannot be reverted"):
        await KIND.plan(given(repo, git(repo, "rev-parse", "HEAD")))


@pytest.mark.parametrize("bad", ["HEAD", "main", "abc", "--abort", "A" * 40, "0" * 41, "0" * 39 + "\n", "HEAD^{/x}", "$(id)", "", 5, None])
async def test_names_that_are_no_full_hash_are_refused(repo: Path, bad: object) -> None:
    schema = jsonschema_rs.validator_for(json.loads(json.dumps(KIND.spec.args)))
    assert not schema.is_valid({"service": "web", "commit": bad})
    with pytest.raises(BadInput, match="no full hash"):
        await KIND.plan(hands("git.revert", {"service": "web", "commit": bad}, {"repo": str(repo)}))


async def test_later_work_on_the_same_lines_is_not_lost(repo: Path) -> None:
    bad = commit(repo, "port = oops\n", "Break it")
    commit(repo, "port = 80\n", "Mend it by hand")
    with pytest.raises(Unreachable, match="git apply ended with 1"):
        await KIND.plan(given(repo, bad))


async def test_uncommitted_work_is_not_lost(repo: Path) -> None:
    bad = commit(repo, "port = oops\n", "Break it")
    recipe = await KIND.plan(given(repo, bad))
    (repo / "web.toml").write_text("port = oops\nmine = 1\n")
    outcome = await KIND.do(given(repo, bad), recipe)
    assert outcome.error.startswith("the configuration has uncommitted changes")
    assert (repo / "web.toml").read_text() == "port = oops\nmine = 1\n"
    with pytest.raises(Unreachable, match="uncommitted changes"):
        await KIND.plan(given(repo, bad))


async def test_a_branch_that_moved_since_the_plan_is_left(repo: Path) -> None:
    bad = commit(repo, "port = oops\n", "Break it")
    recipe = await KIND.plan(given(repo, bad))
    moved = commit(repo, "x", "Something else", "other.txt")
    outcome = await KIND.do(given(repo, bad), recipe)
    assert outcome.error == "the branch has moved since this was planned"
    assert git(repo, "rev-parse", "HEAD") == moved


async def test_a_half_done_revert_that_somebody_changed_is_not_committed(repo: Path) -> None:
    bad = commit(repo, "port = oops\nname = 1\n", "Break it")
    recipe = await KIND.plan(given(repo, bad))
    point = 0
    while not (repo / ".git" / "REVERT_HEAD").exists():
        point += 1
        with pytest.raises(Crash):
            await KIND.do(given(repo, bad, box=CrashingBox(BwrapBox(), point)), recipe)
    assert await KIND.probe(given(repo, bad), recipe) is Seen.UNSURE
    (repo / "web.toml").write_text("port = 666\n")
    git(repo, "add", "web.toml")
    outcome = await KIND.do(given(repo, bad), recipe)
    assert "would not be the diff that was planned" in outcome.error
    assert git(repo, "rev-parse", "HEAD") == bad


async def test_a_hostile_repository_runs_nothing(repo: Path) -> None:
    bad = commit(repo, "port = oops\n", "Break it")
    mark = repo / "ran"
    for name in ("core.fsmonitor", "core.editor", "core.pager", "diff.external", "gpg.program", "sequence.editor", "core.sshCommand"):
        git(repo, "config", name, f"touch {mark}; cat")
    git(repo, "config", "commit.gpgSign", "true")
    git(repo, "config", "core.hooksPath", str(repo / "hooks"))
    for hook in ("pre-commit", "commit-msg", "post-commit", "prepare-commit-msg", "post-index-change", "reference-transaction"):
        for folder in (repo / "hooks", repo / ".git" / "hooks"):
            folder.mkdir(exist_ok=True)
            (folder / hook).write_text(f"#!/bin/sh\ntouch {mark}\n")
            (folder / hook).chmod(0o755)
    recipe = await KIND.plan(given(repo, bad))
    assert (await KIND.do(given(repo, bad), recipe)).ok
    assert (await KIND.undo(undoing(given(repo, bad)), recipe)).ok
    assert not mark.exists()
    assert (repo / "web.toml").read_text() == "port = oops\n"


async def test_a_forged_mark_of_another_action_does_not_count(repo: Path) -> None:
    bad = commit(repo, "port = oops\n", "Break it")
    recipe = await KIND.plan(given(repo, bad))
    git(repo, "commit", "-q", "--allow-empty", "-m", "x\n\nFlyball-Action: s-test.11\n  Flyball-Action: s-test.1")
    assert await KIND.probe(given(repo, bad), recipe) is Seen.ABSENT


async def test_the_right_mark_at_the_wrong_place_does_not_count(repo: Path) -> None:
    bad = commit(repo, "port = oops\n", "Break it")
    recipe = await KIND.plan(given(repo, bad))
    commit(repo, "x", "Something else", "other.txt")
    git(repo, "commit", "-q", "--allow-empty", "-m", "x\n\nFlyball-Action: s-test.1")
    assert await KIND.probe(given(repo, bad), recipe) is Seen.ABSENT


async def test_targets_that_do_not_serve(repo: Path, tmp_path: Path) -> None:
    bad = commit(repo, "port = oops\n", "Break it")
    with pytest.raises(BadInput, match="names no repo"):
        await KIND.plan(hands("git.revert", {"service": "web", "commit": bad}, {}))
    with pytest.raises(BadInput, match="not web"):
        await KIND.plan(hands("git.revert", {"service": "store", "commit": bad}, {"repo": str(repo)}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unreachable, match="not a git repository"):
        await KIND.plan(given(tmp_path / "empty", bad))
