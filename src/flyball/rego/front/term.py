"""Terms: scalars, references, calls, templates, operators. Recursive descent with precedence climbing."""

from abc import abstractmethod
from typing import Final

from flyball.rego.front.composite import Begun, Composites
from flyball.rego.front.cursor import DEPTH
from flyball.rego.front.lexer import CLOSE, KEYWORDS, Token
from flyball.rego.front.number import read_number
from flyball.rego.tree import Array, Call, Comprehension, Expr, Object, Ref, Scalar, SetOf, Template, Term, Var

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
_KINDS: Final = {
    Var: "var",
    Ref: "ref",
    Call: "call",
    Array: "array",
    SetOf: "set",
    Object: "object",
    Comprehension: "comprehension",
    Template: "template string",
}
_EMBEDDED: Final = "a template takes terms; put conditions into the body, in rows of their own"


class Terms(Composites):
    """A cursor that reads terms."""

    @abstractmethod
    def literal(self) -> Expr:
        """One expression of a body."""

    def infix(self, begun: Begun | None = None, *, listed: bool = False) -> Term:
        """A term with operators, `in` among them.

        `begun` is its first term, where that was read; `listed` where a comma begins the next item, and never `k, v in xs`.
        """
        start = begun[0] if begun else self.token
        left = self.binary(1, begun)
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
            if self.token.kind == "in" and not self.touches():
                high = max(high, self.height)
                self.step()
                domain = self.binary(1)
                return self._operated(("internal", "member_3"), (key, value, domain), start, high)
        self.back(mark)
        self.height = high
        return key

    def binary(self, floor: int, begun: Begun | None = None) -> Term:
        """A term with operators that bind at least as `floor`; those that bind alike go from the left."""
        start, left = begun or (self.token, self.term())
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
        head: Term
        if kind in {"ident", "contains"}:
            head = self.var()
        elif kind == "string":
            self.step()
            head = Scalar(start.text, self.place(start))
        elif kind in {"[", "{"}:
            head = self.composite()
        elif kind in {"number", "-", "."}:
            head = self._number()
        elif kind in _WORDS:
            self.step()
            head = Scalar(_WORDS[kind], self.place(start))
        elif kind == "template":
            head = self._template()
        elif kind == "(":
            self.deeper(self.step())
            head = self.infix()
            self.expect(")")
            self.open.pop()
        else:
            self.unexpected("a term", _missing(kind))
        return self.finish(head, start)

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
                    self.slip(f"illegal ref (head cannot be {kind_of(head)})", "give it a name first: x := ...", head.place)
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
                self.deeper(self.step())
                path.append(self.infix())
                high = max(high, self.height)
                self.expect("]")
                self.open.pop()
            else:
                break
        self.height = high + 1
        return tuple(path)

    def _call(self, head: Var | Ref, start: Token) -> Term:
        name = name_of(head)
        if name is None:
            self.slip("a call needs the name of a function", "functions are called by their full name: data.a.f(x)", head.place)
        place = self.since(start)
        args = self.arguments()
        return SetOf((), place) if name == ("set",) and not args else Call(name, args, place)

    def arguments(self) -> tuple[Term, ...]:
        """`(a, b)`."""
        opening = self.step()
        self.deeper(opening)
        args = self.items(opening)
        self.open.pop()
        return args

    def _number(self) -> Scalar:
        start = self.token
        sign = "".join(self.step().text for mark in ("-", ".") if self.token.kind == mark)
        if self.token.kind != "number":
            self.unexpected("number", "a minus before anything but a number is written as 0 - x" if sign == "-" else "")
        token = self.step()
        if token.text[0] == "0" and token.text[1:2].isdigit() and not sign.endswith("."):
            self.slip("expected number without leading zero", f"write {token.text.lstrip('0') or '0'}", token)
        try:
            value = read_number(sign + token.text)
        except ValueError as wrong:
            self.slip(str(wrong), "write it as a string", token)
        return Scalar(value, self.since(start))

    def _template(self) -> Template:
        start = self.step()
        self.deeper(start)
        parts: list[str | Term | Expr] = []
        high = 0
        while True:
            token = self.token
            if token.kind not in {"part", "tail"}:
                self.unexpected("} to end the expression in a template string")
            self.step()
            if token.text:
                parts.append(token.text)
            if token.kind == "tail":
                break
            parts.append(self._embedded())
            high = max(high, self.height)
        self.open.pop()
        self.height = high + 1
        return Template(tuple(parts), self.since(start))

    def _embedded(self) -> Term | Expr:
        start = self.token
        if start.kind in {"part", "tail"}:
            self.slip("found empty expression in a template string", "write a term between { and }, or \\{ for a brace")
        expr = self.literal()
        what = expr.what
        if expr.negated or not isinstance(what, Term):
            self.slip(f"unexpected {start.kind} in the expression of a template string", _EMBEDDED, start)
        if isinstance(what, Call) and what.name in {("eq",), ("assign",)}:
            self.slip(f"unexpected {'=' if what.name == ('eq',) else ':='} in the expression of a template string", _EMBEDDED, what.place)
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
    return _KINDS[type(term)]


def _missing(kind: str) -> str:
    """What to do where a token of that kind stands instead of a term."""
    if kind in {"not", "some", "every"}:
        return f"{kind} stands at the beginning of a condition"
    if kind in KEYWORDS:
        return f'as a name it stands in quotes: x["{kind}"]'
    return "an operator has a term on both sides" if kind in _OPERATORS else "a term is missing before it"
