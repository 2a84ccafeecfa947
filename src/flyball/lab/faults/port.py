"""Another process has taken web's port, and answers 200 on it.

Really broken: web went down for a moment, a stray process took its port, and web now fails at every start with 69
(address already in use) and crash-loops. Every HTTP check is green, by an impostor: only the unit's state tells.
Heals by: ending the process that holds the port, then a restart.
"""

import os

from flyball.lab.home import Lab, end_process, http_status, start_stray, wait_until

ALERTS = (("ServiceCrashLooping", "web"),)
NAME = "stray-squat"


def break_(lab: Lab) -> None:
    """Take the port while web is down, then let web try."""
    lab.ctl("stop", "web")
    start_stray(lab, NAME, "squat", lab.settings().web_port)
    wait_until(lambda: http_status(lab.web_url()) > 0, 5.0)
    lab.ctl("start", "web")


def heal(lab: Lab) -> None:
    """End the impostor and restart web."""
    end_process(lab, NAME)
    lab.ctl("restart", "web")


def broken(lab: Lab) -> bool:
    """The stray process is alive, or web was given up on because it was."""
    status = lab.ctl("status", "web")
    looped = status["state"] == "crashlooping" and (status["last_exit"] or {}).get("code") == os.EX_UNAVAILABLE
    return lab.pid(NAME) is not None or looped
