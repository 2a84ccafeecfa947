"""`rego.metadata.rule()` and `rego.metadata.chain()`: known when a set is checked, so they become constants. Called by the gate.

The chain goes outwards: the rule, its document, its package, the packages around it; each link has a path, and annotations where it has some.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flyball.rego.error import Place
from flyball.rego.gate.trie import steps
from flyball.rego.gate.walk import everything, heads, lines, rebuild
from flyball.rego.tree import Array, Body, Call, Comprehension, Every, Expr, Module, Object, Rule, Scalar, Template, Term
