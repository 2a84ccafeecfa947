"""Where programs run: the levels of isolation, and the choice among them by self-test. `compose` calls `choose`."""

from flyball.backends.sandbox.bwrap import BwrapBox
from flyball.backends.sandbox.landlock import LandlockBox
from flyball.backends.sandbox.probe import probe
from flyball.backends.sandbox.select import ORDER, Finding, RefusingBox, choose, findings
from flyball.backends.sandbox.spawn import BoxRefused

__all__ = ["ORDER", "BoxRefused", "BwrapBox", "Finding", "LandlockBox", "RefusingBox", "choose", "findings", "probe"]
