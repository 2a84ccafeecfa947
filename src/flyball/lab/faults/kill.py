"""Web's process is killed with SIGKILL, as the kernel does when memory runs out.

Really broken: no process, nothing listens on the port, and the supervisor does not restart what died by a signal.
Heals by: a restart of the unit.
"""

import os
import signal

from flyball.lab.home import Lab, LabError, wait_until

ALERTS = (("ServiceDown", "web"),)


def break_(lab: Lab) -> None:
    """Kill web."""
    pid = lab.ctl("status", "web")["pid"]
    if pid is None:
        raise LabError("web does not run, so it cannot be killed. Heal the lab first: flyball lab heal")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: broken(lab), 3.0)


def heal(lab: Lab) -> None:
    """Restart web."""
    lab.ctl("restart", "web")


def broken(lab: Lab) -> bool:
    """Web died by a signal and is still down."""
    return bool(lab.ctl("status", "web")["state"] == "crashed")
