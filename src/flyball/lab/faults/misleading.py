"""The alert says that web is down, and it is not: only the prober's way to web is broken.

Really broken: the prober was told to go through a door (``via`` in HOME/targets.json) behind which nobody listens.
Web answers its users and its port all the time. A restart of web would be harm without use.
Heals by: taking the door out of targets.json, which the prober reads anew by itself.
"""

import json

from flyball.lab.home import Lab, write_targets

ALERTS = (("ServiceDown", "web"),)
DEAD_DOOR = "127.0.0.1:9"  # the discard port; nobody has listened there for decades


def break_(lab: Lab) -> None:
    """Send the prober through a dead door."""
    write_targets(lab, via=DEAD_DOOR)


def heal(lab: Lab) -> None:
    """Let the prober go straight again."""
    write_targets(lab)


def broken(lab: Lab) -> bool:
    """The prober's way to web leads through a door."""
    return any(target["via"] for target in json.loads(lab.targets_file.read_text()))
