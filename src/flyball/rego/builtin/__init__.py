"""The builtins, one file a family. Called by `code` (what a call does) and `gate` (what there is, what it takes).

A family declares its builtins with `@builtin`, and `TABLE` holds them all by name. A builtin is a pure function of its operands; one that
needs the time, chance or anything else from outside takes a `World` first, so that a decision can be replayed bit for bit.
"""

import importlib
import pkgutil
from types import MappingProxyType
from typing import Final

from flyball.rego.builtin.desk import DECLARED, REFUSED, Builtin, World, builtin

for _family in sorted(one.name for one in pkgutil.iter_modules(__path__) if one.name != "desk"):
    importlib.import_module(f"{__name__}.{_family}")

TABLE: Final = MappingProxyType(DECLARED)

__all__ = ["REFUSED", "TABLE", "Builtin", "World", "builtin"]
