"""Two faults at once: web's log file system is full and web is killed.

Really broken: both of `disk` and `kill`. A restart alone brings back a web that answers 503; freeing the disk alone
brings back nothing.
Heals by: both of what heals those, in either order.
"""

from flyball.lab.faults import disk, kill
from flyball.lab.home import Lab

ALERTS = (("DiskAlmostFull", "web"), ("ServiceDown", "web"))


def break_(lab: Lab) -> None:
    """Break both."""
    disk.break_(lab)
    kill.break_(lab)


def heal(lab: Lab) -> None:
    """Heal whichever is still broken."""
    for part in (disk, kill):
        if part.broken(lab):
            part.heal(lab)


def broken(lab: Lab) -> bool:
    """Both are still broken; one alone goes by its own name."""
    return disk.broken(lab) and kill.broken(lab)
