"""The git worktree that holds web's configuration: made at the start of the lab, committed to by the config faults."""

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from flyball.lab.home import SEARCH_PATH, Lab, LabError

ISOLATED = {"PATH": SEARCH_PATH, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "LANG": "C.UTF-8"}
DAY_S = 86400
TEXT = """# Configuration of the lab's web service. Read once, at start.
port = {port}
store_port = {store_port}

# What visitors read.
greeting = "Hello"

# Give up on the store after this many seconds.
request_timeout_s = 5.0

# Milliseconds of work for every page.
work_ms = 0

log_level = "debug"
"""
HISTORY = (
    ("Log at level info", 'log_level = "debug"', 'log_level = "info"', 12),
    ("Give up on the store sooner", "request_timeout_s = 5.0", "request_timeout_s = 1.0", 5),
    ("Greet visitors by the new name", 'greeting = "Hello"', 'greeting = "Welcome to the mill"', 2),
)


def git(repo: Path, *arguments: str, at: float | None = None) -> str:
    """Run git in `repo`, free of the user's own configuration; gives its output.

    Raises:
        LabError: git is missing or failed.
    """
    program = shutil.which("git", path=SEARCH_PATH)
    if program is None:
        raise LabError("git is not installed. Install it, then start the lab again.")
    identity = ("-c", "user.name=Lab Operator", "-c", "user.email=lab@localhost", "-c", "commit.gpgsign=false")
    dates = {} if at is None else {"GIT_AUTHOR_DATE": f"{int(at)} +0000", "GIT_COMMITTER_DATE": f"{int(at)} +0000"}
    argv = [program, *identity, "-c", f"safe.directory={repo}", *arguments]
    done = subprocess.run(
        argv, cwd=repo, env=ISOLATED | dates, capture_output=True, text=True, check=False, timeout=20
    )  # fmt: skip
    if done.returncode:
        raise LabError(f"git {arguments[0]} failed in {repo}: {done.stderr.strip()}")
    return done.stdout


def change(file: Path, old: str, new: str, subject: str, at: float | None = None) -> None:
    """Commit one change of text to the configuration."""
    text = file.read_text()
    if old not in text:
        raise LabError(f"{file} has no line {old!r} to change. Heal the lab first: flyball lab heal")
    file.write_text(text.replace(old, new))
    git(file.parent, "commit", "--quiet", "-m", subject, "--", file.name, at=at)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A commit to web's configuration that is valid and wrong."""

    good: str
    bad: str
    subject: str

    def roll_out(self, lab: Lab) -> None:
        """Commit it and restart web on it."""
        change(lab.config_file, self.good, self.bad, self.subject)
        lab.ctl("restart", "web")

    def take_back(self, lab: Lab) -> None:
        """Put the file back and restart web."""
        restore(lab.config_file, self.bad)
        lab.ctl("restart", "web")

    def stands(self, lab: Lab) -> bool:
        """Say whether the worktree still has it."""
        return self.bad in lab.config_file.read_text()


def make(file: Path, port: int, store_port: int) -> None:
    """Make the repository anew, with a few good commits of the last weeks."""
    repo = file.parent
    shutil.rmtree(repo, ignore_errors=True)
    repo.mkdir(parents=True)
    git(repo, "init", "--quiet", "--initial-branch=main")
    file.write_text(TEXT.format(port=port, store_port=store_port))
    git(repo, "add", file.name)
    now = time.time()
    git(repo, "commit", "--quiet", "-m", "Add web's configuration", at=now - 30 * DAY_S)
    for subject, old, new, days in HISTORY:
        change(file, old, new, subject, at=now - days * DAY_S)


def restore(file: Path, bad: str) -> None:
    """Commit the configuration as it was before the commit that brought in the text `bad`; nothing if that is gone."""
    repo = file.parent
    if bad not in file.read_text():
        return
    commit = git(repo, "log", "-1", "--format=%H", f"-S{bad}", "--", file.name).strip()
    if commit:
        git(repo, "checkout", "--quiet", f"{commit}~1", "--", file.name)
        git(repo, "commit", "--quiet", "-m", f"Take back {commit[:8]}", "--", file.name)
    else:  # never committed: somebody edited the file in place
        git(repo, "checkout", "--quiet", "HEAD", "--", file.name)
