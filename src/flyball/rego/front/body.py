"""Bodies: expressions with `not`, `some`, `every` and `with`."""

from typing import Final

from flyball.rego.front.lexer import CLOSE, KEYWORDS, Token
from flyball.rego.front.term import Terms
from flyball.rego.tree import Body, Call, Every, Expr, Ref, Some, SomeIn, Term, Var, With

_EQUALS: Final = {":=": "assign", "=": "eq"}
_TARGET: Final = "with replaces input, data, a path below one of them, or a function"


class Bodies(Terms):
    """A cursor that reads bodies."""

    def body(self, opening: Token, *, listed: bool = False) -> Body | None:
        """Expressions up to the bracket that closes `opening`; None where `listed` and a comma ends an expression."""
        end = CLOSE[opening.kind]
        if self.token.kind == end:
            self.slip("found empty body", "write true where nothing is asked, or take the brackets away")
        self.deeper(opening)
        body = self.exprs(end, listed=listed)
        self.open.pop()
        if body is not None:
            self.step()
        return body

    def exprs(self, end: str, *, listed: bool = False) -> Body | None:
        """Expressions up to a token of the kind `end`; None where `listed` and a comma ends one."""
        exprs: list[Expr] = []
        high = 0
        while self.token.kind != end or not exprs:
            if self.token.kind == "eof" != end:
                self.unexpected(end)
            exprs.append(self.literal())
            high = max(high, self.height)
            kind = self.token.kind
            if kind == ";":
                self.step()
                if self.token.kind == end != "eof":
                    self.unexpected("an expression after ;", "take the last ; away")
            elif listed and kind == ",":
                return None
            elif kind != end and not self.token.line:
                self.unexpected(f"\\n or ; or {end}", "give every condition a row of its own, or put a ; between them")
        self.height = high + 1
        return tuple(exprs)

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
                self.unexpected("identifier", _TARGET)
            target = self.term()
            if not isinstance(target, Var | Ref):
                self.slip("expected with target path", _TARGET, target.place)
            if self.token.kind != "as":
                self.unexpected("as keyword", "write it as: with input.x as value")
            self.step()
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
        if self.token.kind != "in" or self.touches():
            return self._declared(names, start)
        value = names.pop()
        key = names.pop() if names else None
        if names:
            self.slip("illegal domain", "some takes at most a key and a value: some k, v in xs", value.place)
        self.step()
        domain = self.binary(1)
        self.height = max(high, self.height) + 1
        found = SomeIn(key, value, domain, self.since(start))
        return Expr(found, withs=self._withs(), place=self.since(start))

    def _declared(self, names: list[Term], start: Token) -> Expr:
        found: list[Var] = []
        for name in names:
            if not isinstance(name, Var):
                self.slip(
                    "expected `x in xs` or `x, y in xs` expression", "some declares variables, or takes them from a collection", name.place
                )
            found.append(name)
        self.height = 1
        return Expr(Some(tuple(found), self.since(start)), place=self.since(start))

    def _every(self) -> Expr:
        start = self.step()
        head = self.infix()
        if not isinstance(head, Call) or head.name not in {("internal", "member_2"), ("internal", "member_3")}:
            self.slip("expected `x[, y] in xs { ... }` expression", "every x in xs { ... }, or every k, v in xs { ... }", head.place)
        *names, domain = head.args
        value = names.pop()
        key = names.pop() if names else None
        for name, word in ((key, "key"), (value, "value")):
            if name is not None and not isinstance(name, Var):
                self.slip(f"expected {word} to be a variable", "take it apart inside the braces", name.place)
        if self.token.kind != "{":
            self.unexpected("{", "every needs a body in braces: every x in xs { ... }")
        high = self.height
        body = self.body(self.step()) or ()
        self.height = max(high, self.height) + 1
        found = Every(key, value, domain, body, self.since(start))
        return Expr(found, withs=self._withs(), place=self.since(start))
