"""Rego read by Rego."""

from typing import Any

from flyball.rego.builtin.desk import builtin, mistyped
from flyball.rego.error import BuiltinFault, Refused
from flyball.rego.front import parse_module
from flyball.rego.front.dump import dump_module
from flyball.rego.limit import spend
from flyball.rego.type import OBJECT, STRING


@builtin("rego.parse_module", (STRING, STRING), OBJECT)
def rego_parse_module(file: Any, text: Any) -> Any:
    """The tree of a file as JSON, in OPA's form."""
    if type(file) is not str or type(text) is not str:
        raise mistyped("rego.parse_module", file, text)
    spend(100 * len(text))  # to read a character takes about as long as so many steps
    try:
        return dump_module(parse_module(file, text))
    except Refused as refused:
        raise BuiltinFault(f"rego.parse_module: {refused}") from None
