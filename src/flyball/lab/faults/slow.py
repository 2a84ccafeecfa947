"""A commit that is valid and wrong: every page of web does 900 ms of work.

Really broken: the last commit in HOME/web-config sets work_ms to 900 and web was restarted on it. Nothing fails.
Heals by: reverting that commit, then a restart.
"""

from flyball.lab import repo
from flyball.lab.home import Lab
from flyball.lab.web import ConfigError, load_config

ALERTS = (("ServiceSlow", "web"),)
SUBJECT = "Prepare pages more carefully"
GOOD, BAD = "work_ms = 0", "work_ms = 900"


def break_(lab: Lab) -> None:
    """Commit the change and roll it out."""
    repo.change(lab.config_file, GOOD, BAD, SUBJECT)
    lab.ctl("restart", "web")


def heal(lab: Lab) -> None:
    """Put the file back and restart web."""
    repo.restore(lab.config_file, BAD)
    lab.ctl("restart", "web")


def broken(lab: Lab) -> bool:
    """The configuration in the worktree asks for slow pages."""
    try:
        return load_config(lab.config_file).work_ms >= 500  # noqa: PLR2004 - half a second is slow
    except ConfigError:
        return False
