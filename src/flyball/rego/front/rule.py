"""Rules: heads, bodies, `else`, `default`."""

from dataclasses import replace
from typing import Final, NoReturn

from flyball.rego.front.body import Bodies
from flyball.rego.front.cursor import DEPTH
from flyball.rego.front.lexer import CLOSE, KEYWORDS, Token
from flyball.rego.front.term import kind_of
from flyball.rego.tree import Array, Call, Expr, Object, Ref, Rule, Scalar, SetOf, Template, Term, Var

_GOES_ON: Final = frozenset(("==", "!=", "<", "<=", ">", ">=", "|", "&", "+", "-", "*", "/", "%", "=", ":=", "in"))


class Rules(Bodies):
    """A cursor that reads rules."""

    def rule(self) -> Rule:
        """The rule that begins here."""
        start = self.token
        default = start.kind == "default" and not self.touches()
        if default:
            self.step()
            if self.token.kind in {":=", "=", "if", "contains"} and not self.touches():
                self.slip("default keyword cannot be used for rule name", "write it as default name := value", start)
        rule = self._head(start, default=default)
        if default:
            self._check_default(rule)
            return rule
        if self.token.kind == "if" and not self.touches():
            self._expect_body(start)
            rule = replace(rule, body=(self.literal(),) if self.token.kind != "{" or self._is_term() else self.body(self.step()) or ())
        elif self.token.kind == "{":
            self._without_if(rule, start)
        elif rule.value is None and rule.key is None:
            self._without_anything(rule)
        if self.token.kind == "else" and not self.touches():
            if not rule.body:
                self.slip(
                    "else keyword after a rule without body",
                    "a rule without conditions has no other case: write name := value if { ... } first",
                )
            rule = replace(rule, otherwise=self._else(rule))
        if self.token.kind == "{":
            self.slip("unexpected { token: a rule has one body", "write the head again before it: each of the two rules counts on its own")
        return rule

    def _head(self, start: Token, *, default: bool) -> Rule:
        name = self._name()
        args = None
        if self.token.kind == "(" and not self.token.line and not (self.token.gap and isinstance(name, Ref)):
            args = self.arguments()
            if self.token.kind in {".", "["} and not self.token.gap:
                self.unexpected("if or :=", "the name of a function ends before its arguments: a.f(x)")
        key = value = None
        assigned = False
        if self.token.kind == "contains":
            if args is not None:
                fix = "a function has one value: f(x) := value if { ... }"
                self.slip("the contains keyword can only be used with multi-value rule definitions", fix)
            self.step()
            key = self.infix()
        elif self.token.kind in {":=", "="}:
            assigned = self.step().kind == ":="
            value = self.infix()
        elif self.token.kind == "==":
            self.slip("unexpected == token: expected :=", "== compares, in a body; a head gives its value with :=")
        return Rule(name, args, key, value, assigned, default=default, place=self.since(start))

    def _name(self) -> Var | Ref:
        start = self.token
        if start.kind != "ident" and not (start.kind in KEYWORDS and self.touches()):
            if not start.line:
                self.unexpected("\\n", "a rule ends here; the next begins with its name, in a row of its own")
            if start.kind in KEYWORDS:
                self.slip(f"{start.text} keyword cannot be used for rule name", "choose another name; the word has a meaning of its own")
            self.unexpected("a rule", "a rule begins with its name: allow if { ... }")
        if start.text == "_":
            self.slip("_ cannot be used for rule name", "give the rule a name")
        self.step()
        head = Var(start.text, self.place(start))
        if self.token.kind == "[" and self.token.gap and not self.token.line:
            self.token = self.tokens[self.at] = self.token._replace(gap=False)
        path = self.path()
        return Ref(head, path, self.since(start)) if path else head

    def _expect_body(self, start: Token) -> None:
        """Steps over `if`. A body in the first column of a later row would be the next rule, taken for a condition."""
        word = self.step()
        if self.token.kind == "eof" or (self.token.line and self.token.col == start.col == 1):
            self.slip("rule body expected after if", "write the conditions after it: if { ... }", word)

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
        """The index of the bracket that closes the one looked at (the last token where there is none), and whether a colon is within."""
        depth = 0
        colon = False
        for index in range(self.at, len(self.tokens) - 1):
            kind = self.tokens[index].kind
            depth += (kind in CLOSE) - (kind in CLOSE.values())
            colon = colon or (kind == ":" and depth == 1)
            if not depth:
                return index, colon
        return len(self.tokens) - 2, False

    def _else(self, first: Rule) -> Rule | None:
        if first.key is not None:
            self.slip("else keyword cannot be used on multi-value rules", "a set has every member that a rule gives; write a second rule")
        if isinstance(first.name, Ref) and any(not isinstance(part, Scalar) for part in first.name.path):
            self.slip(
                "else keyword cannot be used on rules with variables in head", "write a second rule whose conditions exclude the first"
            )
        chain: list[Rule] = []
        while self.token.kind == "else" and not self.touches():
            chain.append(self._link(first))
            if len(chain) > DEPTH:
                self.too_deep(self.token)
            if not chain[-1].body:
                break
        later: Rule | None = None
        for link in reversed(chain):
            later = replace(link, otherwise=later)
        return later

    def _link(self, first: Rule) -> Rule:
        """One `else`."""
        start = self.step()
        value, assigned = None, False
        if self.token.kind in {":=", "="}:
            assigned = self.step().kind == ":="
            value = self.infix()
        elif self.token.kind not in {"if", "{"}:
            self.unexpected("else value term or rule body", "write else := value, or else := value if { ... }")
        rule = Rule(first.name, self._fresh(first.args), None, value, assigned, place=self.since(start))
        if self.token.kind == "{":
            self._without_if(rule, start)
        if self.token.kind != "if" or self.touches():
            return rule
        self._expect_body(start)
        return replace(rule, body=(self.body(self.step()) or ()) if self.token.kind == "{" else (self.literal(),))

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

    def _without_if(self, rule: Rule, start: Token) -> NoReturn:
        """Raises for a body as it was written before Rego v1."""
        sort = "rule" if rule.args is None else "function"
        brace = self.token
        head = self.text.split("\n")[start.row - 1][start.col - 1 : brace.col - 1].strip() if start.row == brace.row else "..."
        path = rule.name.path if isinstance(rule.name, Ref) else ()
        if (
            rule.value is None
            and rule.key is None
            and rule.args is None
            and path
            and not isinstance(path[-1], Scalar)
            and head.endswith("]")
        ):
            last = path[-1].place.col - start.col
            head = f"{head[: last - 1]} contains {head[last:-1]}"
        self.slip(f"`if` keyword is required before {sort} body", f"in Rego v1 it is {head} if {{", rule.place)

    def _without_anything(self, rule: Rule) -> NoReturn:
        """Raises for a head alone."""
        sort = "rule" if rule.args is None else "function"
        if self.token.kind == "bad" or not (self.token.kind == "eof" or self.token.line):
            self.unexpected("if, contains or :=")
        if isinstance(rule.name, Ref) and rule.args is None:
            fix = "a set has members: name contains x; anything else has a value with :=, or conditions with if"
            self.slip("`contains` keyword is required for partial set rules", fix, rule.place)
        self.slip(
            f"{sort} must have value assignment and/or body declaration", "give it a value with :=, or conditions with if", rule.place
        )

    def _check_default(self, rule: Rule) -> None:
        if rule.value is None:
            self.slip("illegal default rule (must have a value)", "write it as default name := value", rule.place)
        if self.token.kind in {"if", "{"} and not self.token.line:
            self.slip("illegal default rule (must have no body)", "it holds where no other rule of its name does", self.token)
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
