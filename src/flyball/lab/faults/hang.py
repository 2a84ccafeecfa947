"""Web hangs: its process is there and its port accepts connections, but nothing answers.

Really broken: web's process is stopped (SIGSTOP; state T in ps), so the kernel still completes connections for it.
Heals by: a restart of the unit (SIGTERM cannot reach it, so the supervisor kills it), or SIGCONT.
"""

import os
import signal

from flyball.lab.home import Lab, LabError, process_state, wait_until

ALERTS = (("ServiceDown", "web"),)


def break_(lab: Lab) -> None:
    """Stop web's process without ending it."""
    pid = lab.pid("web")
    if pid is None:
        raise LabError("web does not run, so it cannot hang. Heal the lab first: flyball lab heal")
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: broken(lab), 3.0)


def heal(lab: Lab) -> None:
    """Let web's process go on."""
    pid = lab.pid("web")
    if pid is not None:
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not broken(lab), 3.0)


def broken(lab: Lab) -> bool:
    """Web's process is in state T."""
    pid = lab.pid("web")
    return pid is not None and process_state(pid) == "T"
