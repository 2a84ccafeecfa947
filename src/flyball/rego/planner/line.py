"""Lines of a body: conditions, negation, `every`, `with`."""

from collections.abc import Callable

from flyball.rego.gate.call import captures
from flyball.rego.gate.walk import dotted, is_binary, parts
from flyball.rego.ir import (
    ArrayAppend,
    Assign,
    Block,
    Blocks,
    Const,
    Dot,
    IsDefined,
    IsUndefined,
    MakeArray,
    Not,
    NotEqual,
    Operand,
    Reset,
    With,
)
from flyball.rego.planner.document import Documents
from flyball.rego.planner.frame import DATA, INPUT, Carried, Context
from flyball.rego.planner.term import function_named, ground
from flyball.rego.tree import Body, Call, Comprehension, Every, Expr, Ref, Some, SomeIn, Term, Var
from flyball.rego.tree import With as WithPart
from flyball.rego.value import UNDEFINED
from flyball.rego.work import spend

TRUE = Const(True)  # noqa: FBT003 - constants of the plan
FALSE = Const(False)  # noqa: FBT003 - constants of the plan
PRINT = "internal.print"


class Lines(Documents):
    """A frame that plans lines."""

    def lines(self, body: Body) -> None:
        """Plans the lines of a body."""
        for expr in body:
            self.place = expr.place
            if expr.withs:
                self._with(expr)
            else:
                self._line(expr)

    def _line(self, expr: Expr) -> None:
        """One line without its `with`."""
        if expr.negated:
            self._not(expr)
        elif isinstance(expr.what, Every):
            self._every(expr.what)
        elif not isinstance(expr.what, Some | SomeIn):  # the gate leaves none of them
            self._condition(expr.what)

    # ---------------------------------------------------------------- conditions

    def _condition(self, what: Term) -> None:
        if not isinstance(what, Call):
            self._truth(self.term(what))
            return
        name = ".".join(what.name)
        mocked = self.context.mock(name) is not None
        if is_binary(what, "eq") or (is_binary(what, "equal") and not mocked):
            self.unify(*what.args)
        elif is_binary(what, "neq") and not mocked:
            left, right = self.terms(what.args)
            self.emit(NotEqual(left, right))
        elif name == "print":
            self._print(what)
        elif self._captures(what):
            *args, target = what.args
            result = self.called(Call(what.name, tuple(args), what.place))
            self.unify_with(result, target)
        else:
            self._truth(self.called(what))

    def _captures(self, call: Call) -> bool:
        mock = self.context.mock(".".join(call.name))
        return captures(Call(mock, call.args) if isinstance(mock, tuple) else call, self.maker.root)

    def _truth(self, operand: Operand) -> None:
        if operand == FALSE or not isinstance(operand, Const):
            self.emit(NotEqual(operand, FALSE))

    def _print(self, what: Call) -> None:
        """Prints what there is: an operand that is undefined is printed as such."""
        parts_ = [self._optional(term) for term in what.args]
        target = self.local()
        self.emit(MakeArray(target))
        for one in parts_:
            self.emit(ArrayAppend(target, one))
        self.call((PRINT,), [target])

    # ---------------------------------------------------------------- negation and every

    def _not(self, expr: Expr) -> None:
        """Calls and references inside arguments are computed before: where one is undefined, so is the line, as in OPA."""
        what = expr.what
        if isinstance(what, Every):
            block, flag = self._succeeds(lambda: self._every(what))
        elif isinstance(what, Some | SomeIn):
            return
        else:
            self._before(what)
            block, flag = self._succeeds(lambda: self._condition(what))
        if flag is None:
            self.emit(Not(block))
        else:
            self.emit(Reset(flag))
            self.emit(Blocks((block,)))
            self.emit(IsUndefined(flag))

    def _succeeds(self, plan: Callable[[], object]) -> tuple[Block, int | None]:
        """A block, and the local that is set where it has run to its end; none is needed where it goes through nothing."""
        flag = self.local()
        scans = 0

        def marked() -> None:
            nonlocal scans
            plan()
            scans = len(self.scans)
            if scans:
                self.emit(Assign(TRUE, flag))

        block = self.region(marked)
        return block, flag if scans else None

    def _before(self, what: Term) -> None:
        """Computes what OPA computes before a negated line."""
        if isinstance(what, Call):
            shallow = is_binary(what, "eq", "equal")
            for arg in what.args:
                if shallow and isinstance(arg, Ref):
                    self._before(arg)
                elif not (shallow and isinstance(arg, Comprehension)):
                    self._ahead(arg)
        elif isinstance(what, Ref):
            for part in parts(what):
                if part != Var("data"):
                    self._ahead(part)
        elif not isinstance(what, Comprehension):
            for part in parts(what):
                self._ahead(part)

    def _ahead(self, term: Term) -> None:
        if isinstance(term, Call | Ref | Comprehension) or (isinstance(term, Var) and term.name in {"input", "data"}):
            self.done[id(term)] = self.term(term)
        else:
            for part in parts(term):
                self._ahead(part)

    def _every(self, what: Every) -> None:
        source = self.named(self.term(what.domain))
        failed = self.local()
        self.emit(Reset(failed))

        def members() -> None:
            scan = self.scan(source)
            if what.key is not None:
                self.unify_with(scan.key, what.key)
            self.unify_with(scan.value, what.value)
            block, flag = self._succeeds(lambda: self.lines(what.body))
            if flag is None:
                self.emit(Not(block))
            else:
                self.emit(Reset(flag))
                self.emit(Blocks((block,)))
                self.emit(IsUndefined(flag))
            self.emit(Assign(TRUE, failed))

        for stmt in self.region(members):
            self.current.append(stmt)
        self.emit(IsUndefined(failed))

    # ---------------------------------------------------------------- with

    def _with(self, expr: Expr) -> None:
        plain = Expr(expr.what, expr.negated, (), expr.place)
        before, carried = self.context, self.carried
        changes: list[tuple[int, tuple[str, ...], Operand]] = []
        context = before
        for one in expr.withs:
            spend(1 + len(context.mocks) + len(context.shadows))
            context = self._change(one, context, changes)
        self.context = context
        if changes:
            self._changed(plain, changes)
        else:
            self._line(plain)
        self.context, self.carried = before, carried

    def _change(self, one: WithPart, context: Context, changes: list[tuple[int, tuple[str, ...], Operand]]) -> Context:
        """What one `with` changes: documents are noted, functions are replaced in the context given back."""
        names = dotted(one.target)
        node = self.maker.root.find(names[1:]) if names[0] == "data" else None
        if names[0] == "input" or (names[0] == "data" and not (node and node.arity is not None)):
            value = self.term(one.value)
            if value in (INPUT, DATA):  # `with` changes them in place
                copy = self.local()
                self.emit(Assign(value, copy))
                value = copy
            changes.append((INPUT if names[0] == "input" else DATA, names[1:], value))
            hides = names[0] == "data" and self.maker.root.find(names[1:])
            return context.with_shadow(names[1:]) if hides else context
        name = ".".join(names)
        instead = function_named(one.value, self.maker.root)
        if instead:
            return context.with_mock(name, instead)
        constant = ground(one.value)
        if constant is not UNDEFINED:
            return context.with_mock(name, Const(constant))
        if isinstance(one.value, Ref) and self._is_rule(one.value):
            return context.with_mock(name, one.value)
        value = self.term(one.value)
        if isinstance(value, Const):
            return context.with_mock(name, value)
        self.carried = (*self.carried, value)
        return context.with_carried(name, Carried(len(self.carried) - 1))

    def _is_rule(self, term: Ref) -> bool:
        names = dotted(term)
        node = self.maker.root.find(names[1:]) if names and names[0] == "data" else None
        return bool(node and node.rules)

    def _changed(self, plain: Expr, changes: list[tuple[int, tuple[str, ...], Operand]]) -> None:
        """A line with documents changed: what it binds is taken out of the changed world, then the plan goes on."""
        flag, rows = self.local(), self.local()
        free = set(self.bound)
        found: dict[str, Operand] = {}
        many = False

        def inside() -> None:
            nonlocal many, found
            self.known = {}  # what is known of input and data is not what they are now
            self._line(plain)
            found = {name: operand for name, operand in self.bound.items() if name not in free}
            many = bool(self.scans)
            if many:
                row = self.local()
                self.emit(MakeArray(row))
                for operand in found.values():
                    self.emit(ArrayAppend(row, operand))
                self.emit(ArrayAppend(rows, row))
            else:
                self.emit(Assign(TRUE, flag))

        block = self.region(inside)
        for local, path, value in reversed(changes):
            block = (With(local, path, value, block, place=self.place),)
        self.emit(MakeArray(rows) if many else Reset(flag))
        self.emit(Blocks((block,)))
        if not many:
            self.emit(IsDefined(flag))
            self.bound |= found
            return
        scan = self.scan(rows)
        for number, name in enumerate(found):
            target = self.local()
            self.emit(Dot(scan.value, Const(number), target))
            self.bound[name] = target
