"""Terms: scalars, references, calls, composites, comprehensions, templates, operators. Recursive descent with precedence climbing."""

from abc import ABC, abstractmethod
from decimal import Decimal, InvalidOperation
from typing import Final

from flyball.rego.front.cursor import CLOSE, DEPTH, Cursor
from flyball.rego.front.lexer import KEYWORDS, Lexer, Token
from flyball.rego.tree import Array, Body, Call, Comprehension, Expr, Object, Ref, Scalar, SetOf, Template, Term, Var

_OPERATORS: Final = {
    "==": (1, "equal"),
    "!=": (1, "neq"),
    "<": (1, "lt"),
    "<=": (1, "lte"),
    ">": (1, "gt"),
    ">=": (1, "gte"),
    "|": (2, "or"),
    "&": (3, "and"),
    "+": (4, "plus"),
    "-": (4, "minus"),
    "*": (5, "mul"),
    "/": (5, "div"),
    "%": (5, "rem"),
}
_NONE: Final = (0, "")
_WORDS: Final = {"true": True, "false": False, "null": None}
_DIGITS: Final = 4000
_TERM: Final = "a term"


class Terms(Cursor, ABC):
    """A cursor that reads terms."""

    def __init__(self, file: str, lexer: Lexer) -> None:
        super().__init__(file, lexer)
        self.memo: dict[int, tuple[Term, int, int]] = {}

    @abstractmethod
    def body(self, opening: Token, *, listed: bool = False) -> Body | None:
        """Expressions up to the bracket that closes `opening`; None where `listed` and a comma ends an expression."""

    @abstractmethod
    def literal(self) -> Expr:
        """One expression of a body."""

    def infix(self, left: Term | None = None, *, listed: bool = False) -> Term:
        """A term with operators, `in` among them. `listed` where a comma begins the next item and never `k, v in xs`."""
        start = self.token
        left = self.binary(1, left)
        if not listed and self.token.kind == ",":
            left = self._pair(left, start)
        while self.token.kind == "in" and not self.touches():
            high = self.height
            self.step()
            right = self.binary(1)
            left = self._operated(("internal", "member_2"), (left, right), start, high)
        return left

    def _pair(self, key: Term, start: Token) -> Term:
        """`key, value in domain` from the comma on; just `key` where it is none."""
        mark, high = self.at, self.height
        self.step()
        if self.token.kind not in CLOSE.values():
            value = self.binary(1)
            if self.token.kind == "in":
                high = max(high, self.height)
                self.step()
                domain = self.binary(1)
                return self._operated(("internal", "member_3"), (key, value, domain), start, high)
        self.back(mark)
        self.height = high
        return key

    def binary(self, floor: int, left: Term | None = None) -> Term:
        """Operators that bind at least as `floor`, all from the left."""
        start = self.token
        if left is None:
            left = self.term()
        while True:
            level, name = _OPERATORS.get(self.token.kind, _NONE)
            if level < floor:
                return left
            high = self.height
            self.step()
            right = self.binary(level + 1)
            left = self._operated((name,), (left, right), start, high)

    def _operated(self, name: tuple[str, ...], args: tuple[Term, ...], start: Token, high: int) -> Call:
        self.height = max(high, self.height) + 1
        if self.height > DEPTH:
            self.too_deep(start)
        return Call(name, args, self.since(start))

    def term(self) -> Term:
        """A term without operators."""
        start = self.token
        kind = start.kind
        self.height = 1
        if kind in {"ident", "contains"}:
            return self.finish(self.var(), start)
        if kind == "string":
            self.step()
            return self.finish(Scalar(start.text, self.place(start)), start)
        if kind in {"[", "{"}:
            return self.finish(self._composite(start), start)
        if kind in {"number", "-", "."}:
            return self.finish(self._number(), start)
        if kind in _WORDS:
            self.step()
            return self.finish(Scalar(_WORDS[kind], self.place(start)), start)
        if kind == "template":
            return self.finish(self._template(), start)
        if kind == "(":
            self.step()
            self.deeper()
            inner = self.infix()
            if self.token.kind != ")":
                self.unexpected(")", f"close the ( of row {start.row}, column {start.col}")
            self.step()
            self.depth -= 1
            return self.finish(inner, start)
        self.unexpected(_TERM)

    def var(self) -> Var:
        """The name that is looked at. Every `_` is a variable of its own."""
        token = self.step()
        if token.text != "_":
            return Var(token.text, self.place(token))
        self.wild += 1
        return Var(f"${self.wild - 1}", self.place(token))

    def finish(self, head: Term, start: Token) -> Term:
        """What follows a term directly: `.name`, `[term]`, `(args)`."""
        while not self.token.gap:
            kind = self.token.kind
            if kind in {".", "["}:
                if isinstance(head, Scalar | Template | Ref):
                    self.slip(f"illegal ref (head cannot be {kind_of(head)})", "", head.place)
                high = self.height
                path = self.path()
                self.height = max(high + 1, self.height)
                head = Ref(head, path, self.since(start))
            elif kind == "(" and isinstance(head, Var | Ref):
                head = self._call(head, start)
            else:
                break
        return head

    def path(self) -> tuple[Term, ...]:
        """`.a["b"][x]`, as far as it goes without a gap."""
        path: list[Term] = []
        high = 0
        while not self.token.gap:
            if self.token.kind == ".":
                self.step()
                token = self.token
                if token.gap or (token.kind != "ident" and token.kind not in KEYWORDS):
                    self.unexpected("identifier", 'a name after a dot has letters, digits and _; other keys stand in brackets: x["a-b"]')
                self.step()
                path.append(Scalar(token.text, self.place(token)))
            elif self.token.kind == "[":
                opening = self.step()
                self.deeper()
                path.append(self.infix())
                high = max(high, self.height + 1)
                if self.token.kind != "]":
                    self.unexpected("]", f"close the [ of row {opening.row}, column {opening.col}")
                self.step()
                self.depth -= 1
            else:
                break
        self.height = high
        return tuple(path)

    def _call(self, head: Var | Ref, start: Token) -> Term:
        name = name_of(head)
        if name is None:
            self.slip("a call needs the name of a function", "functions are called by their full name: data.a.f(x)", head.place)
        place = self.since(start)
        args = self.items(self.step())
        if name == ("set",) and not args:
            return SetOf((), place)
        return Call(name, args, place)

    def items(self, opening: Token, first: tuple[Term, ...] = (), high: int = 0) -> tuple[Term, ...]:
        """Terms between commas up to the bracket that closes `opening`, which was read, as `first` were with the comma after them."""
        self.deeper()
        end = CLOSE[opening.kind]
        items = list(first)
        while self.token.kind != end:
            items.append(self.infix(listed=True))
            high = max(high, self.height)
            if self.token.kind == ",":
                self.step()
            elif self.token.kind != end:
                self.unclosed(opening, f", or {end}")
        self.step()
        self.depth -= 1
        self.height = high + 1
        return tuple(items)

    def unclosed(self, opening: Token, expected: str) -> None:
        """Raises that the token cannot stand between brackets."""
        fix = f"put a comma between the items, or close the {opening.kind} of row {opening.row}, column {opening.col}"
        self.unexpected(expected, fix)

    def _composite(self, opening: Token) -> Term:
        mark = self.at
        if known := self.memo.get(mark):
            term, after, self.height = known
            self.back(after)
            return term
        self.step()
        self.deeper()
        term = self._array(opening) if opening.kind == "[" else self._braced(opening)
        self.depth -= 1
        self.memo[mark] = (term, self.at, self.height)
        return term

    def _array(self, opening: Token) -> Term:
        found = self._members(opening, "array")
        return found if isinstance(found, Comprehension) else Array(found, self.since(opening))

    def _members(self, opening: Token, kind: str, left: Term | None = None) -> tuple[Term, ...] | Comprehension:
        """Items, or a comprehension. `left` is the first term where it was read already."""
        mark = self.at
        if left is None:
            if self.token.kind == CLOSE[opening.kind]:
                return self.items(opening)
            left = self.term()
        if self.token.kind == "|" and (body := self._such(opening)) is not None:
            return Comprehension(kind, left, body, None, self.since(opening))
        self.back(mark)
        return self.items(opening)

    def _such(self, opening: Token) -> Body | None:
        """The body after `|`. None where a comma ends it: then `|` is the union of sets, in a list."""
        high = self.height
        self.step()
        body = self.body(opening, listed=True)
        self.height = max(high, self.height) + 1
        return body

    def _braced(self, opening: Token) -> Term:
        if self.token.kind == "}":
            self.step()
            return Object((), self.since(opening))
        mark = self.at
        left = self.term()
        if self.token.kind not in {"|", ",", "}", ":"}:
            left = self.infix(left, listed=True)
        if self.token.kind == ":":
            return self._object(opening, left)
        self.back(mark)
        found = self._members(opening, "set")
        return found if isinstance(found, Comprehension) else SetOf(found, self.since(opening))

    def _object(self, opening: Token, key: Term) -> Term:
        high = self.height
        self.step()
        mark = self.at
        value = self.term()
        if self.token.kind == "|":
            high = self.height = max(high, self.height)
            if (body := self._such(opening)) is not None:
                return Comprehension("object", value, body, key, self.since(opening))
            self.back(mark)
            value = self.infix(listed=True)
        else:
            value = self.infix(value, listed=True)
        pairs = [(key, value)]
        high = max(high, self.height)
        while self.token.kind != "}":
            if self.token.kind != ",":
                self.unclosed(opening, ", or }")
            self.step()
            if self.token.kind == "}":
                break
            key = self.infix(listed=True)
            high = max(high, self.height)
            if self.token.kind != ":":
                self.unexpected(":", "an object has a value for every key: {key: value}")
            self.step()
            pairs.append((key, self.infix(listed=True)))
            high = max(high, self.height)
        self.step()
        self.height = high + 1
        return Object(tuple(pairs), self.since(opening))

    def _number(self) -> Scalar:
        start = self.token
        text = ""
        for sign in ("-", "."):
            if self.token.kind == sign:
                text += self.step().text
        if self.token.kind != "number":
            self.unexpected("number", "a minus before anything but a number is written as 0 - x" if text == "-" else "")
        token = self.token
        if len(token.text) > 1 and token.text[0] == "0" and token.text[1].isdigit() and not text.endswith("."):
            self.slip("expected number without leading zero", f"write {token.text.lstrip('0') or '0'}")
        self.step()
        return Scalar(self._exact(text + token.text, token), self.since(start))

    def _exact(self, text: str, token: Token) -> int | float:
        """The number: an `int` where it is written as one, or where no `float` holds a whole number exactly."""
        try:
            if text.lstrip("-").isdigit():
                return int(text) if len(text) <= _DIGITS else self.slip("number too big", at=token)
            exact = Decimal(text)
        except (ValueError, InvalidOperation):
            self.slip("number too big", at=token)
        if exact.adjusted() > _DIGITS:
            self.slip("number too big", at=token)
        near = float(exact)
        if exact and abs(exact.adjusted()) > 14 and exact == exact.to_integral_value() and Decimal(near) != exact:
            return int(exact)
        if near in {float("inf"), float("-inf")} or (exact and not near):
            self.slip("number too small or too big to be held", at=token)
        return near

    def _template(self) -> Template:
        start = self.step()
        self.deeper()
        parts: list[str | Term | Expr] = []
        high = 0
        while True:
            token = self.token
            if token.kind not in {"part", "tail"}:
                self.unexpected("} to end the expression in the template string")
            self.step()
            if token.text:
                parts.append(token.text)
            if token.kind == "tail":
                break
            parts.append(self._embedded())
            high = max(high, self.height)
        self.depth -= 1
        self.height = high + 1
        return Template(tuple(parts), self.since(start))

    def _embedded(self) -> Term | Expr:
        start = self.token
        if start.kind in {"part", "tail"}:
            self.slip("empty expression in a template string", "write a term between { and }, or \\{ for a brace")
        expr = self.literal()
        what = expr.what
        word = (
            "not"
            if expr.negated
            else start.kind
            if start.kind in {"some", "every"}
            else {("eq",): "=", ("assign",): ":="}.get(what.name)
            if isinstance(what, Call)
            else None
        )
        if word or not isinstance(what, Term):
            self.slip(
                f"unexpected {word} in the expression of a template string",
                "it takes one term; give other conditions rows of their own",
                start,
            )
        return expr if expr.withs else what


def name_of(head: Var | Ref) -> tuple[str, ...] | None:
    """The name in parts; None where it is none."""
    if isinstance(head, Var):
        return None if head.wild else (head.name,)
    if not isinstance(head.head, Var):
        return None
    parts = [part.value for part in head.path if isinstance(part, Scalar) and isinstance(part.value, str)]
    return (head.head.name, *parts) if len(parts) == len(head.path) else None


def kind_of(term: Term) -> str:
    """What a mistake calls the term."""
    if isinstance(term, Scalar):
        value = term.value
        return "null" if value is None else "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
    names = {Comprehension: "comprehension", Template: "templatestring", SetOf: "set"}
    return names.get(type(term), type(term).__name__.lower())
