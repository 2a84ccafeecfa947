"""A bad commit in web's configuration: web leaves with 78 at every start and crash-loops.

Really broken: the last commit in HOME/web-config sets request_timeout_s to a text, web was restarted on it, failed, was
started again a few times by its supervisor, and was given up on. A restart does not help.
Heals by: reverting that commit, then a restart.
"""

import os

from flyball.lab import repo
from flyball.lab.home import Lab, wait_until
from flyball.lab.web import ConfigError, load_config

ALERTS = (("ServiceDown", "web"),)
SUBJECT = "Wait longer for the store"
GOOD, BAD = "request_timeout_s = 1.0", 'request_timeout_s = "30 s"'
LOOP_S = 10.0


def break_(lab: Lab) -> None:
    """Commit the mistake and roll it out; returns once web has failed for the first time."""
    repo.change(lab.config_file, GOOD, BAD, SUBJECT)
    lab.ctl("restart", "web")
    wait_until(lambda: lab.ctl("status", "web")["failures_in_a_row"] > 0, LOOP_S)


def heal(lab: Lab) -> None:
    """Put the file back and restart web."""
    if not _valid(lab):
        repo.restore(lab.config_file, BAD)
    lab.ctl("restart", "web")


def _valid(lab: Lab) -> bool:
    try:
        load_config(lab.config_file)
    except ConfigError:
        return False
    return True


def broken(lab: Lab) -> bool:
    """The configuration in the worktree is invalid, or web still loops because of one that was."""
    status = lab.ctl("status", "web")
    looped = status["state"] in {"backoff", "crashlooping"} and (status["last_exit"] or {}).get("code") == os.EX_CONFIG
    return not _valid(lab) or looped
