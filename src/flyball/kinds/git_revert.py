"""`git.revert`: takes one bad commit out of a service's configuration by a new commit on top. Called by the door.

History is never rewritten. A line `Flyball-Action: <action>` in the message of the new commit tells later whether this was done; the
undo is one more commit, marked `Flyball-Action: <action>:undo`, and only while the first is still the newest.
"""

from __future__ import annotations

from dataclasses import dataclass

from flyball.errors import BadInput, Unreachable, UserError
from flyball.model.action import Outcome, Reach, Recipe, Seen
from flyball.model.box import Mount, Run
from flyball.model.ids import Doc
from flyball.model.kind import KindSpec
from flyball.ports import Hands

_ENV = (
    ("LC_ALL", "C.UTF-8"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("TZ", "UTC"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_EDITOR", "true"),
)
_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.editor=true",
    "commit.gpgSign=false",
    "rerere.enabled=false",
    "protocol.allow=never",
    "user.name=flyball",
    "user.email=flyball@localhost",
)
_DIFF = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--full-index", "--binary")
_DEPTH = 50  # commits back to which a bad one may lie
_MARK = "Flyball-Action: "


class GitRevert:
    """Revert one commit of a service's configuration by a new commit."""

    spec = KindSpec(
        name="git.revert",
        title="Revert one commit of a service's configuration",
        reach=Reach.WRITE,
        args={
            "type": "object",
            "properties": {
                "service": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_.-]{0,63}$", "maxLength": 64},
                "commit": {"type": "string", "pattern": "^[0-9a-f]{40}$", "maxLength": 40},
            },
            "required": ["service", "commit"],
            "additionalProperties": False,
        },
        result={
            "type": "object",
            "properties": {"commit": {"type": "string", "pattern": "^[0-9a-f]{40}$"}, "already": {"type": "boolean"}},
            "required": ["commit", "already"],
            "additionalProperties": False,
        },
        sinks=("/service", "/commit"),
        endorse={"/service": "catalogue:service", "/commit": "git:commit"},
        reversible=True,
        destructive=False,
        idempotent=True,
        timeout_s=60.0,
        errors=(
            "not among the last 50 commits, or a merge, or the first commit",
            "uncommitted changes in the worktree",
            "it cannot be taken out cleanly: later commits touch the same lines",
            "the branch has moved since: another commit came after the plan, or after the revert that is to be undone",
        ),
    )

    async def plan(self, hands: Hands) -> Recipe:
        """Write down HEAD and the exact diff.

        Raises BadInput for a commit that cannot be meant, Unreachable where it cannot be taken out as things stand.
        """
        commit = _commit(hands)
        log = await _git(hands, "log", f"--max-count={_DEPTH}", "--format=%H %P", "HEAD")
        known = {row.split()[0]: row.split()[1:] for row in log.splitlines()}
        if len(known.get(commit, ())) != 1:
            why = f"it is not among the last {_DEPTH} commits, or it has not exactly one parent"
            raise BadInput(f"{commit[:12]} cannot be reverted", why, "choose a commit from git-log")
        if await _dirty(hands):
            raise Unreachable("the configuration has uncommitted changes", "a revert could mix with them", "commit them or put them back")
        diff = await _git(hands, *_DIFF, commit, f"{commit}^", "--")
        await _git(hands, "apply", "--check", "--index", "-", stdin=diff)
        head = next(iter(known))
        argv = (_argv(hands, *_revert_args(commit)), _argv(hands, *_commit_args(hands, commit, undo=False)))
        files = sorted({row[6:] for row in diff.splitlines() if row.startswith(("--- a/", "+++ b/"))})
        return Recipe(
            before={"head": head, "commit": commit},
            undo={"do": "revert the revert", "while": "it is still the newest commit"},
            argv=argv,
            diff=diff,
            blast={"service": hands.target.name, "files": files, "commits_since": list(known).index(commit)},
            keep_until=hands.now + hands.keep_s,
        )

    async def do(self, hands: Hands, recipe: Recipe) -> Outcome:
        """Make the one new commit, or go on where a crash left off."""
        try:
            commit, found = _commit(hands), await _find(hands, recipe)
            if found.done:
                return _outcome(hands, found.done, already=True)
            if found.head != recipe.before.get("head"):
                return Outcome(ok=False, error="the branch has moved since this was planned", level=hands.box.level)
            return _outcome(hands, await _revert(hands, commit, recipe.diff, undo=False), already=False)
        except UserError as e:
            return Outcome(ok=False, error=f"{e.what}: {e.why}", level=hands.box.level)

    async def probe(self, hands: Hands, recipe: Recipe) -> Seen:
        """Look for the commit that carries this action's mark."""
        try:
            if (await _find(hands, recipe)).done:
                return Seen.HAPPENED
            return Seen.UNSURE if await _dirty(hands) else Seen.ABSENT
        except UserError:
            return Seen.UNSURE

    async def undo(self, hands: Hands, recipe: Recipe) -> Outcome:
        """Revert the revert by one more commit, or take back what a crash left half done."""
        try:
            found = await _find(hands, recipe)
            if found.undone:
                return _outcome(hands, found.undone, already=True)
            if not found.done:
                if await _pending(hands) == recipe.before.get("commit"):
                    await _git(hands, "revert", "--abort", write=True)
                return _outcome(hands, found.head, already=True)
            if found.head != found.done:
                return Outcome(ok=False, error="newer commits came after the revert; it is not undone over them", level=hands.box.level)
            diff = await _git(hands, *_DIFF, found.done, f"{found.done}^", "--")
            return _outcome(hands, await _revert(hands, found.done, diff, undo=True), already=False)
        except UserError as e:
            return Outcome(ok=False, error=f"{e.what}: {e.why}", level=hands.box.level)

    async def undone(self, hands: Hands, recipe: Recipe) -> Seen:
        """Look for the commit that carries the undo's mark, or for a branch and a worktree that never changed."""
        try:
            found, dirty = await _find(hands, recipe), await _dirty(hands)
        except UserError:
            return Seen.UNSURE
        if dirty:
            return Seen.UNSURE
        return Seen.HAPPENED if found.undone or not found.done else Seen.ABSENT


@dataclass(frozen=True, slots=True)
class _Found:
    """The newest commit, and those that carry this action's marks; empty where there is none."""

    head: str
    done: str
    undone: str


def _outcome(hands: Hands, commit: str, *, already: bool) -> Outcome:
    result: Doc = {"commit": commit, "already": already}
    return Outcome(ok=True, result=result, level=hands.box.level)


def _commit(hands: Hands) -> str:
    """Give the commit to revert. Raises BadInput."""
    service, commit = hands.action.args.get("service"), hands.action.args.get("commit")
    if service != hands.target.name:
        raise BadInput(f"the service is not {hands.target.name}", "the argument and the target differ", "name the target itself")
    if not isinstance(commit, str) or len(commit) != 40 or set(commit) - set("0123456789abcdef"):  # noqa: PLR2004 -- hex digits of a SHA-1
        raise BadInput("the commit is no full hash", "a short or symbolic name may come to mean another commit", "give all 40 hex digits")
    return commit


def _mark(hands: Hands, *, undo: bool) -> str:
    return f"{_MARK}{hands.action.id}{':undo' if undo else ''}"


def _revert_args(commit: str) -> tuple[str, ...]:
    return ("revert", "--no-edit", "--no-commit", commit)


def _commit_args(hands: Hands, commit: str, *, undo: bool) -> tuple[str, ...]:
    title = f"{'Undo the revert' if undo else 'Revert'} {commit[:12]} in the configuration of {hands.target.name}"
    body = f"This reverts commit {commit}.\n\n{_mark(hands, undo=undo)}"
    return ("commit", "--quiet", "--no-verify", "--cleanup=verbatim", "-m", title, "-m", body)


def _repo(hands: Hands) -> str:
    repo = hands.target.facts.get("repo")
    if not isinstance(repo, str) or not repo.startswith("/"):
        raise BadInput("the catalogue entry names no repo", "a revert needs the configuration's worktree", "add facts.repo to the target")
    return repo.rstrip("/")


def _argv(hands: Hands, *args: str) -> tuple[str, ...]:
    repo = _repo(hands)
    config = tuple(part for each in (*_CONFIG, f"safe.directory={repo}") for part in ("-c", each))
    return ("git", *config, "-C", repo, *args)


async def _git(hands: Hands, *args: str, stdin: str = "", write: bool = False) -> str:
    """Run git on the worktree, read-only unless `write`; gives what it printed. Raises Unreachable with its first line where it fails."""
    repo = _repo(hands)
    ran = await hands.box.run(
        Run(
            _argv(hands, *args),
            cwd=repo,
            mounts=(Mount(repo, repo, write=write),),
            env=_ENV if write else (*_ENV, ("GIT_OPTIONAL_LOCKS", "0")),
            stdin=stdin.encode("utf-8", "surrogateescape"),
            timeout_s=20.0,
            max_output=4_194_304,
            write=write,
        )
    )
    if ran.code != 0 or ran.out_truncated:
        said = ran.err.decode("utf-8", "backslashreplace").strip().split("\n")[0][:300]
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in said)
        ended = "took too long" if ran.timed_out else "printed too much" if ran.out_truncated else f"ended with {ran.code}: {shown}"
        raise Unreachable(f"git {args[0]} {ended}", "the configuration's repository does not allow it", "look at the repository")
    return ran.out.decode("utf-8", "surrogateescape")


async def _dirty(hands: Hands) -> bool:
    """Say whether tracked files differ from HEAD."""
    return bool(await _git(hands, "status", "--porcelain=v1", "--untracked-files=no"))


async def _pending(hands: Hands) -> str:
    """Give the commit whose revert was begun and not committed, or an empty string."""
    refs = await _git(hands, "rev-parse", "--quiet", "--revs-only", "REVERT_HEAD")
    return refs.strip()


async def _find(hands: Hands, recipe: Recipe) -> _Found:
    """Look for this action's marks among the commits since the plan, each at the one place where this action can have made it."""
    head = (await _git(hands, "rev-parse", "--verify", "HEAD")).strip()
    since = await _git(hands, "log", "--max-count=200", "--format=%H%x00%P%x00%B%x1e", f"{recipe.before['head']}..HEAD")
    marks: dict[tuple[str, str], str] = {}  # (line of the message, parent) -> commit
    for record in since.split("\x1e"):
        commit, _, rest = record.strip("\n").partition("\0")
        parent, _, message = rest.partition("\0")
        marks.update({(row, parent): commit for row in message.splitlines() if row.startswith(_MARK)})
    done = marks.get((_mark(hands, undo=False), str(recipe.before["head"])), "")
    return _Found(head, done, marks.get((_mark(hands, undo=True), done), "") if done else "")


async def _revert(hands: Hands, commit: str, diff: str, *, undo: bool) -> str:
    """Revert `commit` by a new one whose changed lines are exactly those of `diff`; gives its hash. Raises Unreachable."""
    if await _pending(hands) != commit:
        if await _dirty(hands):
            raise Unreachable("the configuration has uncommitted changes", "a revert could mix with them", "commit them or put them back")
        await _git(hands, *_revert_args(commit), write=True)
    staged, loose = await _git(hands, *_DIFF, "--cached", "HEAD", "--"), await _git(hands, *_DIFF, "--")
    if loose or _essence(staged) != _essence(diff):
        await _git(hands, "revert", "--abort", write=True)
        raise Unreachable("the revert would not be the diff that was planned", "the files changed in between", "plan again")
    try:
        await _git(hands, *_commit_args(hands, commit, undo=undo), write=True)
    except UserError:
        await _git(hands, "revert", "--abort", write=True)
        raise
    return (await _git(hands, "rev-parse", "--verify", "HEAD")).strip()


def _essence(diff: str) -> list[str]:
    """Give the changed lines and the names of files: what stays the same where the lines around have moved."""
    return [row for row in diff.split("\n") if row.startswith(("+", "-", "diff ", "new ", "deleted ", "old "))]


KIND = GitRevert()
