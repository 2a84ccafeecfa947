"""What queries and schemas have in common: the stream of tokens, names, types, values, directives. Called by `query` and `sdl`.

A node is a dict in the shape of the package; where it stands in the text is kept beside it, because policies do not see it.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from flyball.rego.builtin.print import quoted
from flyball.rego.graphql.lexer import BLOCK, FLOAT, INT, NAME, STRING, Token, tokens

Node = dict[str, Any]
Place = tuple[int, int]
Read = TypeVar("Read")
VARIABLE, INT_VALUE, FLOAT_VALUE, STRING_VALUE, BLOCK_VALUE, BOOLEAN_VALUE, NULL_VALUE, ENUM_VALUE, LIST_VALUE, OBJECT_VALUE = range(10)
_KINDS: Final = {INT: INT_VALUE, FLOAT: FLOAT_VALUE, STRING: STRING_VALUE, BLOCK: BLOCK_VALUE}
_WORDS: Final = {"true": BOOLEAN_VALUE, "false": BOOLEAN_VALUE, "null": NULL_VALUE}
_DEPTH: Final = 100  # of what stands inside what


class Places:
    """Where the nodes of a tree stand; 0:0 for those that were not read from a text."""

    def __init__(self) -> None:
        self.held: dict[int, tuple[Node, Place]] = {}  # the node is kept, so that its id stays its own

    def put(self, node: Node, place: Place) -> Node:
        """Keeps the place of a node, and gives it back."""
        self.held[id(node)] = (node, place)
        return node

    def of(self, node: Node) -> Place:
        """The place of a node."""
        found = self.held.get(id(node))
        return (0, 0) if found is None else found[1]


def flaw(what: str, place: Place) -> ValueError:
    """What is wrong with a document, and where."""
    return ValueError(f"{what} in GraphQL string at location {place[0]}:{place[1]}")


class Parser:
    """Reads one document. Every method raises ValueError for what it cannot read."""

    def __init__(self, text: str) -> None:
        self.stream = tokens(text)
        self.token = next(self.stream)
        self.places = Places()
        self.depth = 0

    def next(self) -> Token:
        """The token, and on to the one after it."""
        token, self.token = self.token, next(self.stream)
        return token

    def unexpected(self, token: Token | None = None) -> ValueError:
        """The flaw of a token that fits nowhere."""
        token = token or self.token
        return flaw(f"Unexpected {token}", token.place)

    def expect(self, kind: str) -> Token:
        """The token, which must be of this kind."""
        if self.token.kind != kind:
            raise flaw(f"Expected {kind}, found {self.token.kind}", self.token.place)
        return self.next()

    def keyword(self, word: str) -> None:
        """Goes past this word."""
        if self.token.kind != NAME or self.token.value != word:
            raise flaw(f"Expected {quoted(word)}, found {self.token}", self.token.place)
        self.next()

    def skip(self, kind: str) -> bool:
        """Goes past a token of this kind, if there is one."""
        if self.token.kind != kind:
            return False
        self.next()
        return True

    def several(self, ends: str, read: Callable[[], Read], *, least: int = 1) -> list[Read]:
        """What stands between two marks; nothing where the first is not there."""
        found: list[Read] = []
        if not self.skip(ends[0]):
            return found
        self.depth += 1
        if self.depth > _DEPTH:
            raise RecursionError
        while self.token.kind != ends[1]:
            found.append(read())
        if len(found) < least:
            raise flaw(f"expected at least one definition, found {self.token.kind}", self.token.place)
        self.next()
        self.depth -= 1
        return found

    def node(self, place: Place, members: Node) -> Node:
        """A node without what is null or empty."""
        kept = {name: held for name, held in members.items() if held is not None and held != []}
        return self.places.put(kept, place)

    def name(self) -> str:
        """A name."""
        return self.expect(NAME).value

    def type(self) -> Node:
        """A reference to a type."""
        place = self.token.place
        if self.skip("["):
            members: Node = {"NamedType": "", "Elem": self.type()}
            self.expect("]")
        else:
            members = {"NamedType": self.name()}
        return self.node(place, members | {"NonNull": self.skip("!")})

    def directives(self, *, constant: bool) -> list[Node]:
        """Directives, in their order."""
        found = []
        while self.skip("@"):
            place = self.token.place
            name = self.name()
            found.append(self.node(place, {"Name": name, "Arguments": self.arguments(constant=constant), "Location": ""}))
        return found

    def arguments(self, *, constant: bool) -> list[Node]:
        """Arguments in parentheses."""
        return self.several("()", lambda: self._named(constant=constant), least=0)

    def _named(self, *, constant: bool) -> Node:
        place, name = self.token.place, self.name()
        self.expect(":")
        return self.node(place, {"Name": name, "Value": self.value(constant=constant)})

    def value(self, *, constant: bool) -> Node:
        """A value; variables only where it is not constant."""
        token = self.token
        raw, children = token.value, []
        if token.kind == "[":
            kind = LIST_VALUE
            children = [{"Name": "", "Value": one} for one in self.several("[]", lambda: self.value(constant=constant), least=0)]
        elif token.kind == "{":
            kind = OBJECT_VALUE
            children = self.several("{}", lambda: self._named(constant=constant), least=0)
        elif token.kind == "$" and not constant:
            self.next()
            kind, raw = VARIABLE, self.name()
        elif token.kind in _KINDS or token.kind == NAME:
            kind = _WORDS.get(raw, ENUM_VALUE) if token.kind == NAME else _KINDS[token.kind]
            self.next()
        else:
            raise self.unexpected()
        return self.node(token.place, {"Raw": raw, "Children": children, "Kind": kind, "ExpectedTypeHasDefault": False})
