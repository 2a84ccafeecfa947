"""YAML of a `# METADATA` block to nodes that know where they stand. Read by events and a stack, so that no depth of text matters."""

import math
import re
from typing import Any, Final, NamedTuple

import yaml

DEPTH: Final = 50
"""How deep collections may stand in one another."""

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN: Final = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_WHOLE: Final = re.compile(r"[-+]?(?:0x[0-9a-fA-F_]+|0o?[0-7_]+|0b[01_]+|0|[1-9][0-9_]{0,999})")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STRING: Final = "tag:yaml.org,2002:str"


class YamlError(ValueError):
    """A text that is no YAML, or not the YAML that stands in metadata. `row` and `col` from 0, in the block's text."""

    def __init__(self, what: str, row: int = 0, col: int = 0) -> None:
        super().__init__(what)
        self.row, self.col = row, col


class Node(NamedTuple):
    """One value: None, a boolean, number or string, a list of nodes, or a dict from strings to nodes. `raw` is a scalar as written."""

    value: Any
    raw: str | None
    row: int
    col: int

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        return [node.plain() for node in self.value] if isinstance(self.value, list) else self.value


def read_yaml(text: str) -> Node:
    """The one document of a text; raises YamlError. Anchors, tags and merged keys are refused: nobody could see what they hold."""
    try:
        return _compose(text)
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        at = (mark.line, mark.column) if mark else (0, 0)
        raise YamlError(str(wrong.problem or wrong.context or "no YAML"), *at) from None
    except yaml.YAMLError:
        raise YamlError("a character that YAML does not know") from None


def _compose(text: str) -> Node:
    root: list[Node] = []
    into: list[Any] = [root]  # the collections around the place
    names: list[Node | None] = [None]  # of each, the key whose value comes next
    for event in yaml.parse(text, Loader=_LOADER):
        mark = event.start_mark
        if mark is None or not isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            continue
        row, col = mark.line, mark.column
        if isinstance(event, yaml.CollectionEndEvent):
            into.pop()
            names.pop()
            continue
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise YamlError("anchors and aliases are not read here", row, col)
        if isinstance(event, yaml.ScalarEvent):
            node = Node(_scalar(event, row, col), event.value, row, col)
        else:
            node = Node({} if isinstance(event, yaml.MappingStartEvent) else [], None, row, col)
        _place(node, into[-1], names)
        if node.raw is None:
            into.append(node.value)
            names.append(None)
            if len(into) > DEPTH:
                raise YamlError(f"nested deeper than {DEPTH} levels", row, col)
    if len(root) != 1:
        last = root[-1] if root else Node(None, "", 0, 0)
        raise YamlError("expected one document", last.row, last.col)
    return root[0]


def _place(node: Node, into: Any, names: list[Node | None]) -> None:
    if isinstance(into, list):
        into.append(node)
    elif names[-1] is None:
        if node.raw is None or not isinstance(node.value, str):
            raise YamlError("a key that is no string", node.row, node.col)
        if node.value in into:
            raise YamlError(f"key {node.value!r} is given twice", node.row, node.col)
        names[-1] = node
    else:
        into[names[-1].value] = node
        names[-1] = None


def _scalar(event: yaml.ScalarEvent, row: int, col: int) -> Any:
    """What a scalar means, by the core schema; a date is a string, as it is in JSON."""
    text = event.value
    if event.tag not in {None, "!", _STRING}:
        raise YamlError("tags are not read here", row, col)
    if not event.implicit[0]:
        return text
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _WHOLE.fullmatch(text):
        digits = text.replace("_", "")
        return int(re.sub(r"^([-+]?)0(?=[0-7])", r"\g<1>0o", digits), 0)
    if _FLOAT.fullmatch(text) and not math.isinf(float(text)):
        return float(text)
    return f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text
