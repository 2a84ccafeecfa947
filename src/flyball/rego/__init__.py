"""Rego for policies. Stands alone: imports nothing of Flyball; only `backends/policy_*` imports it."""

from flyball.rego.builtin import World
from flyball.rego.error import Fault, Mistake, OverLimit, Refused, RegoError
from flyball.rego.limit import Limits
from flyball.rego.policy import Policy, compile, compile_bundle, compile_plan, compile_query  # noqa: A004 - it is called as `rego.compile`
from flyball.rego.value import UNDEFINED

__all__ = [
    "UNDEFINED",
    "Fault",
    "Limits",
    "Mistake",
    "OverLimit",
    "Policy",
    "Refused",
    "RegoError",
    "World",
    "compile",
    "compile_bundle",
    "compile_plan",
    "compile_query",
]
