"""The lab's faults: one file each, found by a sorted scan of this folder.

Called by the estate. A fault's docstring says what is really broken and how it heals; `ALERTS` names the alerts that it
must raise, as (alertname, service). `broken` looks at the estate itself, never at what `break_` remembers.
"""

import importlib
import pkgutil
from typing import Protocol, cast

from flyball.lab.home import Lab, LabError


class Fault(Protocol):
    """What a fault's file offers."""

    __doc__: str | None
    ALERTS: tuple[tuple[str, str], ...]

    def break_(self, lab: Lab) -> None:
        """Break it; the lab is well before."""

    def heal(self, lab: Lab) -> None:
        """Make it well again, whatever part of it is still broken."""

    def broken(self, lab: Lab) -> bool:
        """Look whether it is broken now."""


def names() -> list[str]:
    """All faults, sorted."""
    return sorted(found.name for found in pkgutil.iter_modules(__path__))


def load(name: str) -> Fault:
    """Give a fault by its name.

    Raises:
        LabError: there is no such fault.
    """
    if name not in names():
        raise LabError(f"Unknown fault {name!r}. Choose one of: {', '.join(names())}")
    return cast("Fault", importlib.import_module(f"{__name__}.{name}"))
