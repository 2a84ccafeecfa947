"""Runbooks: the brain that needs no model. Loaded and checked by the composition and the command line, asked by the core.

`load` reads files, `check` finds what is wrong with one before it is used, `RunbookBrain` plays them.
"""

from __future__ import annotations

from flyball.brains.runbook.check import Finding, check
from flyball.brains.runbook.match import Choice, choose
from flyball.brains.runbook.play import RunbookBrain
from flyball.brains.runbook.schema import Runbook, load

__all__ = ["Choice", "Finding", "Runbook", "RunbookBrain", "check", "choose", "load"]
