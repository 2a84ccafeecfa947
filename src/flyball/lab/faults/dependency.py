"""The store that web depends on is down.

Really broken: the store's process is killed, so web's own process and /healthz are well while its page answers 503. Two
alerts, one cause; a restart of web changes nothing.
Heals by: a restart of the store.
"""

import os
import signal

from flyball.lab.home import Lab, LabError, wait_until

ALERTS = (("ServiceDown", "store"), ("ServiceErrors", "web"))


def break_(lab: Lab) -> None:
    """Kill the store."""
    pid = lab.pid("store")
    if pid is None:
        raise LabError("The store does not run. Heal the lab first: flyball lab heal")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: broken(lab), 3.0)


def heal(lab: Lab) -> None:
    """Restart the store."""
    lab.ctl("restart", "store")


def broken(lab: Lab) -> bool:
    """The store does not run."""
    return bool(lab.ctl("status", "store")["state"] != "running")
