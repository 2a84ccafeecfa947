"""Rules: heads, bodies, `else`, `default`."""

from dataclasses import replace
from typing import Final

from flyball.rego.front.body import Bodies
from flyball.rego.front.cursor import CLOSE, DEPTH
from flyball.rego.front.lexer import KEYWORDS, Token
from flyball.rego.front.term import kind_of
from flyball.rego.tree import Array, Body, Call, Expr, Object, Ref, Rule, Scalar, SetOf, Template, Term, Var

_GOES_ON: Final = frozenset("== != < <= > >= | & + - * / % = := in".split())


class Rules(Bodies):
    """A cursor that reads rules."""

    def rule(self) -> Rule:
        """The rule that begins here."""
        start = self.token
        default = start.kind == "default" and not self.touches()
        if default:
            self.step()
        name = self._name()
        args = self._args(name)
        key = value = None
        assigned = False
        if self.token.kind == "contains":
            if args is not None:
                self.slip(
                    "the contains keyword can only be used with multi-value rule definitions",
                    "a function has one value: f(x) := value if { ... }",
                )
            self.step()
            key = self.infix()
        elif self.token.kind in {":=", "="}:
            assigned = self.step().kind == ":="
            value = self.infix()
        place = self.since(start)
        rule = Rule(name, args, key, value, assigned, default=default, place=place)
        if default:
            self._check_default(rule)
            return rule
        if self.token.kind == "if" and not self.touches():
            rule = replace(rule, body=self._if(start))
        elif self.token.kind == "{":
            self._without_if(rule)
        elif value is None and key is None:
            self._without_anything(rule)
        if self.token.kind == "else" and not self.touches():
            rule = self._else(rule)
        if self.token.kind == "{":
            self.slip("a second body", "write the head again before it: a rule in two parts is true when one of them is")
        return rule

    def _name(self) -> Var | Ref:
        start = self.token
        if start.kind in KEYWORDS:
            if not self.touches():
                self.slip(f"{start.text} keyword cannot be used for rule name", "choose another name; the word has a meaning of its own")
        elif start.kind != "ident":
            self.unexpected("a rule", "a rule begins with its name: allow if { ... }")
        elif start.text == "_":
            self.slip("_ cannot be used for rule name", "give the rule a name")
        self.step()
        head = Var(start.text, self.place(start))
        if self.token.kind == "[" and self.token.gap and not self.token.line:
            self.token = self.tokens[self.at] = self.token._replace(gap=False)
        path = self.path()
        return Ref(head, path, self.since(start)) if path else head

    def _args(self, name: Var | Ref) -> tuple[Term, ...] | None:
        if self.token.kind != "(" or self.token.line or (self.token.gap and isinstance(name, Ref)):
            return None
        args = self.items(self.step())
        if self.token.kind in {".", "["} and not self.token.gap:
            self.unexpected("rule head name", "the path of a name ends before its arguments: a.f(x)")
        return args

    def _if(self, start: Token) -> Body:
        self.step()
        if self.token.kind == "eof" or (self.token.line and self.token.col == start.col == 1):
            self.unexpected("rule body", "write the conditions after if: { ... }, or one of them in the same row")
        if self.token.kind != "{" or self._is_term():
            return (self.literal(),)
        return self.body(self.step()) or ()

    def _is_term(self) -> bool:
        """Whether a brace after `if` begins a term and not the body: an object, a comprehension, or the left side of an operator.

        A lone set is read as a body, as everybody means it.
        """
        end, is_object = self._closing()
        after = self.tokens[end + 1]
        if is_object or (after.kind in _GOES_ON and not after.line) or (after.kind in {".", "["} and not after.gap):
            return True
        mark = self.at
        self.step()
        if self.token.kind in {"}", "not", "some", "every"} or (self.token.kind in KEYWORDS and self.touches()):
            is_comprehension = False
        else:
            self.term()
            is_comprehension = self.token.kind == "|"
        self.back(mark)
        return is_comprehension

    def _closing(self) -> tuple[int, bool]:
        """The index of the bracket that closes the one that is looked at (the last token where there is none), and whether a colon is within."""
        depth = 0
        colon = False
        for index in range(self.at, len(self.tokens) - 1):
            kind = self.tokens[index].kind
            depth += (kind in CLOSE) - (kind in CLOSE.values())
            colon = colon or (kind == ":" and depth == 1)
            if not depth:
                return index, colon
        return len(self.tokens) - 2, False

    def _else(self, first: Rule) -> Rule:
        if first.key is not None:
            self.slip("else keyword cannot be used on multi-value rules", "a set has every member that a rule gives; write a second rule")
        if isinstance(first.name, Ref) and any(not isinstance(part, Scalar) for part in first.name.path):
            self.slip(
                "else keyword cannot be used on rules with variables in head", "write a second rule whose conditions exclude the first"
            )
        chain: list[Rule] = []
        while self.token.kind == "else" and not self.touches():
            start = self.step()
            if len(chain) == DEPTH:
                self.too_deep(start)
            value, assigned = None, False
            if self.token.kind in {":=", "="}:
                assigned = self.step().kind == ":="
                value = self.infix()
            elif self.token.kind not in {"if", "{"}:
                self.unexpected("else value term or rule body", "else := value, or else := value if { ... }")
            link = Rule(first.name, self._fresh(first.args), None, value, assigned, place=self.since(start))
            if self.token.kind == "{":
                self._without_if(link)
            if self.token.kind == "if" and not self.touches():
                link = replace(link, body=self._if(start))
            chain.append(link)
            if not link.body:
                break
        later: Rule | None = None
        for link in reversed(chain):
            later = replace(link, otherwise=later)
        return replace(first, otherwise=later)

    def _fresh(self, args: tuple[Term, ...] | None) -> tuple[Term, ...] | None:
        """The parameters once more, with wildcards of their own."""
        if args is None:
            return None
        fresh: list[Term] = []
        for arg in args:
            if isinstance(arg, Var) and arg.wild:
                fresh.append(Var(f"${self.wild}", arg.place))
                self.wild += 1
            else:
                fresh.append(arg)
        return tuple(fresh)

    def _without_if(self, rule: Rule) -> None:
        sort = "rule" if rule.args is None else "function"
        self.slip(f"`if` keyword is required before {sort} body", "write if before the {", rule.place)

    def _without_anything(self, rule: Rule) -> None:
        sort = "rule" if rule.args is None else "function"
        if self.token.kind not in {"eof"} and not self.token.line:
            self.unexpected("if, contains or :=")
        if isinstance(rule.name, Ref) and rule.args is None and len(rule.name.path) == 1:
            self.slip("`contains` keyword is required for partial set rules", "write it as p contains x", rule.place)
        self.slip(f"{sort} must have value assignment and/or body declaration", "give it a value with := or conditions with if", rule.place)

    def _check_default(self, rule: Rule) -> None:
        if rule.value is None:
            self.slip("illegal default rule (must have a value)", "default name := value", rule.place)
        wrong = _changing(rule.value)
        if wrong is not None:
            self.slip(f"illegal default rule (value cannot contain {kind_of(wrong)})", "the default is a constant", wrong.place)
        seen: set[str] = set()
        for arg in rule.args or ():
            if not isinstance(arg, Var):
                self.slip(f"illegal default rule (arguments cannot contain {kind_of(arg)})", "the arguments are variables here", arg.place)
            if arg.name in seen:
                self.slip(
                    f"illegal default rule (arguments cannot be repeated {arg.name})", "give each argument a name of its own", arg.place
                )
            seen.add(arg.name)


def _changing(value: Term) -> Term | None:
    """The first part of a default's value that is no constant; comprehensions may stand there."""
    todo: list[Term | str | Expr] = [value]
    while todo:
        term = todo.pop()
        match term:
            case Var() | Ref() | Call():
                return term
            case Array(items) | SetOf(items):
                todo += reversed(items)
            case Object(pairs):
                todo += [part for pair in reversed(pairs) for part in reversed(pair)]
            case Template(parts):
                todo += [part.what if isinstance(part, Expr) else part for part in parts]  # type: ignore[misc]  # an embedded expression holds a term
    return None
