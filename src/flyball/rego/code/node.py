"""Python's syntax tree in short words. Every name here is given by number, so that no text of a policy ever is a name."""

import ast
from typing import Any, Final

AT: Final[dict[str, Any]] = {"lineno": 1, "col_offset": 0}
LOAD: Final = ast.Load()
STORE: Final = ast.Store()
Code = list[ast.stmt]


def name(text: str) -> ast.expr:
    """A variable that is read."""
    return ast.Name(text, LOAD, **AT)


def const(value: Any) -> ast.expr:
    """A literal."""
    return ast.Constant(value, **AT)


YES: Final = const(value=True)
NO: Final = const(value=False)


def call(func: str | ast.expr, *args: ast.expr) -> ast.expr:
    """`func(*args)`."""
    return ast.Call(name(func) if isinstance(func, str) else func, list(args), [], **AT)


def attr(value: ast.expr, field: str) -> ast.expr:
    """`value.field`."""
    return ast.Attribute(value, field, LOAD, **AT)


def item(value: ast.expr, index: ast.expr) -> ast.expr:
    """`value[index]`."""
    return ast.Subscript(value, index, LOAD, **AT)


def method(value: ast.expr, field: str, *args: ast.expr) -> ast.expr:
    """`value.field(*args)`."""
    return call(attr(value, field), *args)


def compare(left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
    """`left op right`."""
    return ast.Compare(left, [op], [right], **AT)


def same(left: ast.expr, right: ast.expr) -> ast.expr:
    """`left is right`."""
    return compare(left, ast.Is(), right)


def differ(left: ast.expr, right: ast.expr) -> ast.expr:
    """`left is not right`."""
    return compare(left, ast.IsNot(), right)


def kind_is(value: ast.expr, kind: str) -> ast.expr:
    """`type(value) is kind`."""
    return same(call("type", value), name(kind))


def both(tests: list[ast.expr]) -> ast.expr:
    """`a and b and ...`."""
    return tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests, **AT)


def either(tests: list[ast.expr]) -> ast.expr:
    """`a or b or ...`."""
    return tests[0] if len(tests) == 1 else ast.BoolOp(ast.Or(), tests, **AT)


def no(test: ast.expr) -> ast.expr:
    """`not test`."""
    return ast.UnaryOp(ast.Not(), test, **AT)


def choose(test: ast.expr, then: ast.expr, otherwise: ast.expr) -> ast.expr:
    """`then if test else otherwise`."""
    return ast.IfExp(test, then, otherwise, **AT)


def pair(*parts: ast.expr) -> ast.expr:
    """`(a, b)`."""
    return ast.Tuple(list(parts), LOAD, **AT)


def let(target: str, value: ast.expr) -> ast.stmt:
    """`target = value`."""
    return ast.Assign([ast.Name(target, STORE, **AT)], value, **AT)


def put(value: ast.expr, index: ast.expr, held: ast.expr) -> ast.stmt:
    """`value[index] = held`."""
    return ast.Assign([ast.Subscript(value, index, STORE, **AT)], held, **AT)


def less(value: str, field: str, by: ast.expr) -> ast.stmt:
    """`value.field -= by`."""
    return ast.AugAssign(ast.Attribute(name(value), field, STORE, **AT), ast.Sub(), by, **AT)


def do(value: ast.expr) -> ast.stmt:
    """An expression for what it does."""
    return ast.Expr(value, **AT)


def give(value: ast.expr) -> ast.stmt:
    """`return value`."""
    return ast.Return(value, **AT)


def when(test: ast.expr, then: Code, otherwise: Code | None = None) -> ast.stmt:
    """`if test: then else: otherwise`."""
    return ast.If(test, then or [ast.Pass(**AT)], otherwise or [], **AT)


def loop(targets: list[str], values: ast.expr, body: Code) -> ast.stmt:
    """`for targets in values: body`."""
    names: list[ast.expr] = [ast.Name(one, STORE, **AT) for one in targets]
    target = names[0] if len(names) == 1 else ast.Tuple(names, STORE, **AT)
    return ast.For(target, values, body or [ast.Pass(**AT)], [], **AT)


def leave() -> ast.stmt:
    """`break`."""
    return ast.Break(**AT)


def trying(body: Code, error: str, handler: Code) -> ast.stmt:
    """`try: body except error: handler`."""
    return ast.Try(body, [ast.ExceptHandler(name(error), None, handler, **AT)], [], [], **AT)


def define(func: str, params: list[str], body: Code) -> ast.stmt:
    """`def func(params): body`."""
    args = ast.arguments([], [ast.arg(one, None, **AT) for one in params], None, [], [], None, [])
    return ast.FunctionDef(func, args, body or [ast.Pass(**AT)], [], None, **AT)


def outer(names: list[str]) -> ast.stmt:
    """`nonlocal names`."""
    return ast.Nonlocal(names, **AT)


def stored(code: Code) -> set[str]:
    """The variables that statements set, those within others too."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(code)
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.Assign | ast.For):
            target = one.target if isinstance(one, ast.For) else one.targets[0]
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            found |= {name.id for name in names if isinstance(name, ast.Name)}
        waiting += [*getattr(one, "body", ()), *getattr(one, "orelse", ()), *getattr(one, "handlers", ())]
    return found
