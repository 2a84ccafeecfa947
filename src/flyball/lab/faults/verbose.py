"""A commit that left debug logging on: web writes headers and stack for every page.

Really broken: the last commit in HOME/web-config sets log_level to debug and web was restarted on it; web.log grows more
than ten times as fast as usual. Web answers well, and no visitor does anything unusual.
Heals by: reverting that commit, then a restart.
"""

from flyball.lab import repo
from flyball.lab.home import Lab
from flyball.lab.web import ConfigError, load_config

ALERTS = (("LogFlood", "web"),)
SUBJECT = "Look closer at slow pages"
GOOD, BAD = 'log_level = "info"', 'log_level = "debug"'


def break_(lab: Lab) -> None:
    """Commit the change and roll it out."""
    repo.change(lab.config_file, GOOD, BAD, SUBJECT)
    lab.ctl("restart", "web")


def heal(lab: Lab) -> None:
    """Put the file back and restart web."""
    repo.restore(lab.config_file, BAD)
    lab.ctl("restart", "web")


def broken(lab: Lab) -> bool:
    """The configuration in the worktree asks for debug logging."""
    try:
        return load_config(lab.config_file).log_level == "debug"
    except ConfigError:
        return False
