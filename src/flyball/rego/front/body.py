"""Bodies: expressions with `not`, `some`, `every` and `with`."""

from typing import Final

from flyball.rego.front.cursor import CLOSE
from flyball.rego.front.lexer import KEYWORDS, Token
from flyball.rego.front.term import Terms
from flyball.rego.tree import Body, Call, Every, Expr, Ref, Some, SomeIn, Term, Var, With

_EQUALS: Final = {":=": "assign", "=": "eq"}


class Bodies(Terms):
    """A cursor that reads bodies."""

    def body(self, opening: Token, *, listed: bool = False) -> Body | None:
        """Expressions up to the bracket that closes `opening`; None where `listed` and a comma ends an expression."""
        end = CLOSE.get(opening.kind, "eof")
        if self.token.kind == end:
            self.slip("found empty body", "write true where nothing is asked, or take the brackets away")
        self.deeper()
        exprs: list[Expr] = []
        high = 0
        while True:
            exprs.append(self.literal())
            high = max(high, self.height)
            kind = self.token.kind
            if kind == ";":
                self.step()
                if self.token.kind == end and end != "eof":
                    self.unexpected("an expression after ;", "take the last ; away")
                continue
            if kind == end:
                break
            if listed and kind == ",":
                self.depth -= 1
                return None
            if not self.token.line:
                self._run_on(opening, end)
        if end != "eof":
            self.step()
        self.depth -= 1
        self.height = high + 1
        return tuple(exprs)

    def _run_on(self, opening: Token, end: str) -> None:
        self.unexpected(f"\\n or ; or {end}")

    def literal(self) -> Expr:
        """One expression of a body."""
        start = self.token
        kind = start.kind
        if kind in KEYWORDS and self.touches():
            self._as_name()
        elif kind == "some":
            return self._some()
        elif kind == "every":
            return self._every()
        negated = kind == "not" and self.token.kind == "not"
        if negated:
            self.step()
            if self.token.kind in {"some", "every"} and not self.touches():
                self.slip(f"illegal negation of '{self.token.kind}'", "put it into a rule of its own and negate that rule")
        what: Term = self.infix()
        if self.token.kind in _EQUALS:
            high = self.height
            name = _EQUALS[self.step().kind]
            right = self.infix()
            what = Call((name,), (what, right), self.since(start))
            self.height = max(high, self.height) + 1
        return Expr(what, negated, self._withs(), self.since(start))

    def _as_name(self) -> None:
        """Takes the keyword that is looked at as a name: `if.x`."""
        self.token = self.tokens[self.at] = self.token._replace(kind="ident")

    def _withs(self) -> tuple[With, ...]:
        withs: list[With] = []
        high = self.height
        while self.token.kind == "with" and not self.touches():
            start = self.step()
            if self.token.kind != "ident":
                self.unexpected("identifier", "with replaces input, data, a path below one of them, or a function")
            target = self.term()
            if not isinstance(target, Var | Ref):
                self.slip("expected with target path", "with replaces input, data, a path below one of them, or a function", target.place)
            self.expect("as", "as keyword")
            value = self.infix()
            high = max(high, self.height)
            withs.append(With(target, value, self.since(start)))
        self.height = high
        return tuple(withs)

    def _some(self) -> Expr:
        start = self.step()
        names = [self.binary(1)]
        high = self.height
        while self.token.kind == ",":
            self.step()
            names.append(self.binary(1))
            high = max(high, self.height)
        if self.token.kind != "in":
            for name in names:
                if not isinstance(name, Var):
                    self.slip(
                        "expected `x in xs` or `x, y in xs` expression",
                        "some declares variables, or takes them from a collection",
                        name.place,
                    )
            self.height = 1
            return Expr(Some(tuple(name for name in names if isinstance(name, Var)), self.since(start)), place=self.since(start))
        if len(names) > 2:
            self.slip("illegal domain", "some takes at most a key and a value: some k, v in xs", names[2].place)
        self.step()
        domain = self.binary(1)
        self.height = max(high, self.height) + 1
        found = SomeIn(names[0] if len(names) == 2 else None, names[-1], domain, self.since(start))
        return Expr(found, withs=self._withs(), place=self.since(start))

    def _every(self) -> Expr:
        start = self.step()
        head = self.infix()
        if not isinstance(head, Call) or head.name not in {("internal", "member_2"), ("internal", "member_3")}:
            self.slip("expected `x[, y] in xs { ... }` expression", "every x in xs { ... }, or every k, v in xs { ... }", head.place)
        *names, domain = head.args
        for name, word in zip(reversed(names), ("value", "key"), strict=False):
            if not isinstance(name, Var):
                self.slip(f"expected {word} to be a variable", "take it apart inside the braces", name.place)
        if self.token.kind != "{":
            self.unexpected("{", "every needs a body in braces: every x in xs { ... }")
        high = self.height
        body = self.body(self.step()) or ()
        self.height = max(high, self.height) + 1
        found = Every(names[0] if len(names) == 2 else None, names[-1], domain, body, self.since(start))
        return Expr(found, withs=self._withs(), place=self.since(start))
