"""Comments that begin with `METADATA` to the annotations of a module. Called by module.py once its statements are known."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from flyball.rego.error import Mistake, Place
from flyball.rego.front.cursor import Slip
from flyball.rego.front.lexer import Comment, Lexer
from flyball.rego.front.rule import Rules
from flyball.rego.front.term import name_of
from flyball.rego.front.yaml import Node, YamlError, read_yaml
from flyball.rego.tree import Annotation, Module, Ref, Rule, Var

_SCOPES: Final = ("rule", "document", "package", "subpackages")
_CODE: Final = "rego_parse_error"


@dataclass(frozen=True, slots=True)
class _Block:
    """One block: the comment that opens it, and those that follow it row by row."""

    first: Comment
    rest: tuple[Comment, ...]

    def text(self) -> str:
        return "\n".join(one.text.removeprefix(" ") for one in self.rest) + "\n"

    def place(self, file: str, row: int = -1, col: int = 0, width: int = 1) -> Place:
        """Where a row and column of the YAML stand in the file; the opening comment for -1."""
        if row < 0 or not self.rest:
            return Place(file, self.first.row, self.first.col, len(self.first.text.rstrip()) + 1)
        comment = self.rest[min(row, len(self.rest) - 1)]
        lead = 2 if comment.text.startswith(" ") else 1
        return Place(file, comment.row, comment.col + lead + (col if row < len(self.rest) else 0), width)


def annotated(module: Module, comments: Sequence[Comment]) -> tuple[Module, list[Mistake]]:
    """The module with its annotations, and what is wrong with them."""
    mistakes: list[Mistake] = []
    heads: list[Annotation] = []
    held: dict[int, list[Annotation]] = {}
    statements: list[Module | Rule | None] = [module, *(None for _ in module.imports), *module.rules]
    places = [module.place, *(one.place for one in module.imports), *(one.place for one in module.rules)]
    order = sorted(range(len(places)), key=lambda index: places[index].row)
    rows = [places[index].row for index in order]
    for block in _blocks(comments):
        after = bisect_right(rows, block.first.row)
        index = order[after] if after < len(order) else -1
        target = statements[index] if index >= 0 else None
        try:
            one = _read(module.file, block, target, is_last=index < 0)
        except _WrongError as wrong:
            mistakes.append(Mistake(wrong.place, _CODE, str(wrong), wrong.fix))
            continue
        if isinstance(target, Rule):
            held.setdefault(index - 1 - len(module.imports), []).insert(0, one)
        else:
            heads.append(one)
    rules = tuple(replace(rule, annotations=tuple(held[at])) if at in held else rule for at, rule in enumerate(module.rules))
    return replace(module, rules=rules, annotations=tuple(heads)), mistakes


class _WrongError(ValueError):
    """What is wrong with a block, where, and what to do."""

    def __init__(self, what: str, place: Place, fix: str = "") -> None:
        super().__init__(what)
        self.place, self.fix = place, fix


def _blocks(comments: Iterable[Comment]) -> Iterator[_Block]:
    block: list[Comment] = []
    for one in comments:
        if block and one.row == block[-1].row + 1 and one.col == 1:
            block.append(one)
            continue
        if block:
            yield _Block(block[0], tuple(block[1:]))
        block = [one] if one.text.strip().startswith("METADATA") else []
    if block:
        yield _Block(block[0], tuple(block[1:]))


def _read(file: str, block: _Block, target: Module | Rule | None, *, is_last: bool) -> Annotation:
    if not block.text().strip():
        raise _WrongError("expected METADATA block, found whitespace", block.place(file), "write YAML under it, each row after a #")
    try:
        root = read_yaml(block.text())
        if not isinstance(root.value, dict):
            raise YamlError("expected fields, as in title: My rule", root.row, root.col)  # noqa: TRY301 - one place turns rows into places
        fields: dict[str, Any] = {}
        for name, node in root.value.items():
            if name in _FIELDS and node.value is not None:
                found = _FIELDS[name](node)
                if found:
                    fields[name] = found
    except YamlError as wrong:
        raise _WrongError(f"METADATA: {wrong}", block.place(file, wrong.row, wrong.col)) from None
    scope = fields.setdefault("scope", _usual(target, entrypoint="entrypoint" in fields))
    _check(scope, target, fields, block.place(file), is_last=is_last)
    return Annotation(scope, fields, block.place(file))


def _usual(target: Module | Rule | None, *, entrypoint: bool) -> str:
    if isinstance(target, Module):
        return "package"
    return "document" if entrypoint else "rule"


def _check(scope: str, target: Module | Rule | None, fields: dict[str, Any], place: Place, *, is_last: bool) -> None:
    if scope not in _SCOPES:
        raise _WrongError(f"invalid annotation scope '{scope}'", place, f"use one of {', '.join(_SCOPES)}")
    wanted = "rule" if scope in {"rule", "document"} else "package"
    if not isinstance(target, Rule if wanted == "rule" else Module):
        have = "nothing" if is_last else "import" if target is None else "rule" if isinstance(target, Rule) else "package"
        what = f"annotation scope '{scope}' must be applied to {wanted} (have {have})"
        raise _WrongError(what, place, f"put the block right above the {wanted} that it speaks of")
    if "entrypoint" in fields and scope not in {"document", "package"}:
        raise _WrongError(
            f"annotation entrypoint applied to non-document or package scope '{scope}'", place, "write scope: document, or leave scope out"
        )


def _string(node: Node) -> str:
    if node.raw is None:
        raise YamlError("expected a string", node.row, node.col)
    return node.raw


def _boolean(node: Node) -> bool:
    if not isinstance(node.value, bool):
        raise YamlError("expected true or false", node.row, node.col)
    return node.value


def _list(node: Node) -> list[Node]:
    if not isinstance(node.value, list):
        raise YamlError("expected a list", node.row, node.col)
    return node.value


def _mapping(node: Node) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise YamlError("expected fields", node.row, node.col)
    return node.value


def _strings(node: Node) -> list[str]:
    return [_string(one) for one in _list(node)]


def _text_of(node: Node, *names: str) -> dict[str, str]:
    """The fields of these names that hold text, stripped; without those that are empty."""
    fields = _mapping(node)
    found = {name: fields[name].value.strip() for name in names if name in fields and isinstance(fields[name].value, str)}
    return {name: text for name, text in found.items() if text}


def _author(node: Node) -> dict[str, str]:
    """`Name <mail>`, or the two as fields."""
    if isinstance(node.value, dict):
        found = _text_of(node, "name", "email")
        if not found:
            raise YamlError("an author has name or email", node.row, node.col)
        return found
    words = _string(node).split()
    if not words:
        raise YamlError("an author is an empty string", node.row, node.col)
    last = words[-1]
    mail = last[1:-1] if last.startswith("<") and last.endswith(">") else ""
    name = " ".join(words[:-1] if last.startswith("<") and last.endswith(">") else words)
    return {key: text for key, text in (("name", name), ("email", mail)) if text}


def _resource(node: Node) -> dict[str, str]:
    found = _text_of(node, "ref", "description") if isinstance(node.value, dict) else {"ref": _string(node)}
    if not found.get("ref"):
        raise YamlError("a related resource has a ref, its address", node.row, node.col)
    return found


def _schema(node: Node) -> dict[str, Any]:
    """`path: schema.name`, or `path: {a JSON Schema}`."""
    pairs = list(_mapping(node).items())
    if len(pairs) != 1:
        raise YamlError("a schema is one pair of path and schema", node.row, node.col)
    [(path, held)] = pairs
    parts = _path(path)
    if parts is None or parts[0] not in {"input", "data"}:
        raise YamlError(f"invalid document reference {path!r}, begin with input or data", node.row, node.col)
    if isinstance(held.value, dict):
        return {"path": parts, "definition": held.plain()}
    found = _path(held.value) if isinstance(held.value, str) else None
    if found is None or found[0] != "schema":
        raise YamlError("invalid schema reference, begin with schema.", held.row, held.col)
    return {"path": parts, "schema": found}


def _path(text: str) -> list[str] | None:
    """A dotted name in parts."""
    read = Rules("", Lexer(text).scan())
    try:
        term = read.term()
    except Slip:
        return None
    name = name_of(term) if isinstance(term, Var | Ref) and read.token.kind == "eof" else None
    return None if name is None else list(name)


_FIELDS: Final[dict[str, Callable[[Node], Any]]] = {
    "scope": _string,
    "title": _string,
    "description": _string,
    "entrypoint": _boolean,
    "organizations": _strings,
    "authors": lambda node: [_author(one) for one in _list(node)],
    "related_resources": lambda node: [_resource(one) for one in _list(node)],
    "schemas": lambda node: [_schema(one) for one in _list(node)],
    "custom": lambda node: {name: one.plain() for name, one in _mapping(node).items()},
}
