"""The shape of a tree that a policy hands back, and what types and values in it look like as text. Called by the builtins and checks."""

from typing import Any, Final

from flyball.rego.builtin.print import quoted
from flyball.rego.graphql.parser import BLOCK_VALUE, LIST_VALUE, OBJECT_VALUE, STRING_VALUE, VARIABLE, Node

# member -> what it holds: a type, the name of another shape, or a list of either.
_INSIDE: Final = {"Directives": ["directive"], "SelectionSet": ["selection"]}
_DESCRIBED: Final = {"Description": str, "Name": str}
_SHAPES: Final[dict[str, dict[str, Any]]] = {
    "type": {"NamedType": str, "Elem": "type", "NonNull": bool},
    "value": {"Raw": str, "Children": ["child"], "Kind": int, "ExpectedTypeHasDefault": bool},
    "child": {"Name": str, "Value": "value"},
    "directive": {"Name": str, "Arguments": ["child"], "Location": str},
    "field": {"Alias": str, "Name": str, "Arguments": ["child"], **_INSIDE},
    "inline": {"TypeCondition": str, **_INSIDE},
    "spread": {"Name": str, "Directives": ["directive"]},
    "variable": {"Variable": str, "Type": "type", "DefaultValue": "value", "Directives": ["directive"], "Used": bool},
    "operation": {"Operation": str, "Name": str, "VariableDefinitions": ["variable"], **_INSIDE},
    "fragment": {"Name": str, "VariableDefinition": ["variable"], "TypeCondition": str, **_INSIDE},
    "query": {"Operations": ["operation"], "Fragments": ["fragment"]},
    "member": {**_DESCRIBED, "Arguments": ["input"], "DefaultValue": "value", "Type": "type", "Directives": ["directive"]},
    "input": {**_DESCRIBED, "DefaultValue": "value", "Type": "type", "Directives": ["directive"]},
    "choice": {**_DESCRIBED, "Directives": ["directive"]},
    "definition": {
        "Kind": str,
        **_DESCRIBED,
        "Directives": ["directive"],
        "Interfaces": [str],
        "Fields": ["member"],
        "Types": [str],
        "EnumValues": ["choice"],
        "BuiltIn": bool,
    },
    "rule": {**_DESCRIBED, "Arguments": ["input"], "Locations": [str], "IsRepeatable": bool},
    "root": {"Operation": str, "Type": str},
    "roots": {"Description": str, "Directives": ["directive"], "OperationTypes": ["root"]},
    "schema": {
        "Schema": ["roots"],
        "SchemaExtension": ["roots"],
        "Directives": ["rule"],
        "Definitions": ["definition"],
        "Extensions": ["definition"],
    },
}
_NEEDED: Final = {"variable": "Type", "child": "Value", "member": "Type", "input": "Type"}  # what the checks cannot do without


def fitted(tree: Any, shape: str) -> Node:
    """The tree with all that its shape knows and nothing else, as if it had been read. Raises ValueError where it has another shape."""
    if type(tree) is not dict:
        raise ValueError(f"a GraphQL {shape} is an object")
    if shape == "selection":
        shape = "field" if "Alias" in tree else "inline" if "TypeCondition" in tree else "spread"
    made = {}
    for name, wanted in _SHAPES[shape].items():
        held = tree.get(name)
        if held is not None:
            held = _member(f"{shape}.{name}", held, wanted)
        elif isinstance(wanted, type):
            held = wanted()
        if held is not None and held != []:
            made[name] = held
    if shape in _NEEDED and _NEEDED[shape] not in made:
        raise ValueError(f"a GraphQL {shape} needs {_NEEDED[shape]!r}")
    return made


def _member(where: str, held: Any, wanted: Any) -> Any:
    if type(wanted) is list:
        if type(held) is not list:
            raise ValueError(f"GraphQL {where} is an array")
        return [_member(where, one, wanted[0]) for one in held]
    if type(wanted) is str:
        return fitted(held, wanted)
    if type(held) is not wanted:
        raise ValueError(f"GraphQL {where} is a {wanted.__name__}")
    return held


def base(kind: Node) -> str:
    """The name of the type inside all lists."""
    while "Elem" in kind:
        kind = kind["Elem"]
    return str(kind.get("NamedType", ""))


def type_text(kind: Node) -> str:
    """A type as it is written: `[Episode!]`."""
    inner = f"[{type_text(kind['Elem'])}]" if "Elem" in kind else kind.get("NamedType", "")
    return f"{inner}!" if kind.get("NonNull") else inner


def value_text(value: Node) -> str:
    """A value as it is written."""
    kind, raw = value.get("Kind"), value.get("Raw", "")
    children = value.get("Children", [])
    if kind == LIST_VALUE:
        return f"[{','.join(value_text(one['Value']) for one in children)}]"
    if kind == OBJECT_VALUE:
        members = ",".join(f"{one.get('Name', '')}:{value_text(one['Value'])}" for one in children)
        return "{" + members + "}"
    if kind in {STRING_VALUE, BLOCK_VALUE}:
        return quoted(raw)
    return f"${raw}" if kind == VARIABLE else str(raw)


def is_compatible(kind: Node, other: Node) -> bool:
    """Whether a value of `kind` can stand where `other` is expected."""
    if kind.get("NamedType", "") != other.get("NamedType", "") or ("Elem" in kind) != ("Elem" in other):
        return False
    if "Elem" in kind and not is_compatible(kind["Elem"], other["Elem"]):
        return False
    return bool(kind.get("NonNull")) or not other.get("NonNull")
