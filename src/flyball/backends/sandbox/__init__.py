"""Where programs run: the levels of isolation, and the choice among them by self-test."""

from flyball.backends.sandbox.bwrap import BwrapBox
from flyball.backends.sandbox.spawn import BoxRefused

__all__ = ["BoxRefused", "BwrapBox"]
