"""Web is out of file descriptors: a greedy client holds more idle connections than web may have open.

Really broken: a stray process keeps 120 connections open and says nothing; web's limit is 96 descriptors, so accept
fails (EMFILE) and new visitors wait in vain. Web's process, port and configuration are well.
Heals by: ending the client. A restart of web alone helps for a moment: the client comes back.
"""

from pathlib import Path

from flyball.lab.home import Lab, end_process, start_stray, wait_until

ALERTS = (("ServiceDown", "web"),)
NAME = "stray-hold"
SPARE = 3


def break_(lab: Lab) -> None:
    """Start the greedy client; returns once web's descriptors are used up."""
    start_stray(lab, NAME, "hold", lab.settings().web_port)
    wait_until(lambda: _exhausted(lab), 5.0)


def heal(lab: Lab) -> None:
    """End the greedy client; its connections close with it."""
    end_process(lab, NAME)
    wait_until(lambda: not _exhausted(lab), 5.0)


def _exhausted(lab: Lab) -> bool:
    """Count web's descriptors against its limit, as the kernel tells both."""
    pid = lab.pid("web")
    if pid is None:
        return False
    try:
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        used = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
    soft = next(int(line.split()[3]) for line in limits if line.startswith("Max open files"))
    return used >= soft - SPARE


def broken(lab: Lab) -> bool:
    """Web has no descriptors left, or the client that takes them is still there."""
    return lab.pid(NAME) is not None or _exhausted(lab)
