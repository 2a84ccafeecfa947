"""Sizes and forms: functions, files, parameters, classes, names of files. Run by test_taste."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from taste.allowed import LATE, NAMES
from taste.source import Check, Source, covers, functions, imported

FUNCTION_LINES = 60
CORE_LINES, RIM_LINES = 400, 600
PARAMETERS = 5
METHODS = 15
CORE_ROOMS = {"model", "rules", "core", "ports", "wire", "errors"}
_ONE_WORD = re.compile(r"[a-z]+[0-9]*")
_TWO_WORDS = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)?")
_EMPTY_WORDS = {"util", "utils", "helper", "helpers", "common", "base", "misc", "manager", "tools", "stuff"}
_ENTRIES = {
    "command",
    "group",
    "option",
    "argument",
    "get",
    "post",
    "put",
    "patch",
    "delete",
    "head",
    "websocket",
    "api_route",
    "route",
    "middleware",
}


def long_functions(source: Source) -> Iterator[str]:
    for node in functions(source.tree) if source.is_product else ():
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES:
            yield source.at(node.lineno, f"{node.name} has {length} lines, at most {FUNCTION_LINES}: give its parts names")


def long_files(source: Source) -> Iterator[str]:
    limit = CORE_LINES if source.room in CORE_ROOMS else RIM_LINES
    if source.is_product and len(source.lines) > limit:
        yield source.at(limit, f"the file has {len(source.lines)} lines, at most {limit}")


def many_parameters(source: Source) -> Iterator[str]:
    for node in functions(source.tree) if source.is_product else ():
        decorators = {_last_name(decorator) for decorator in node.decorator_list}
        if decorators & _ENTRIES:
            continue
        names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        own = [name for name in names if name not in {"self", "cls"}]
        if len(own) > PARAMETERS:
            yield source.at(node.lineno, f"{node.name} takes {len(own)} parameters, at most {PARAMETERS}: which of them are one noun?")


def _last_name(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def big_classes(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree) if source.is_product else ():
        if isinstance(node, ast.ClassDef):
            methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
            if len(methods) > METHODS:
                yield source.at(node.lineno, f"{node.name} has {len(methods)} methods, at most {METHODS}: it is more than one noun")


def file_names(source: Source) -> Iterator[str]:
    stem = PurePosixPath(source.path).stem
    if not source.is_product or stem in {"__init__", "__main__"}:
        return
    wide = source.room in {"kinds", "backends"} or source.path.startswith("src/flyball/lab/faults/")
    form = _TWO_WORDS if wide or source.path in NAMES else _ONE_WORD
    if not form.fullmatch(stem) or set(stem.split("_")) & _EMPTY_WORDS:
        yield source.at(1, f"{stem!r}: a file is named with one spoken word that says what it holds")


def late_imports(source: Source) -> Iterator[str]:
    if not source.is_product or source.path in LATE or source.path.startswith("src/flyball/faces/cli/"):
        return
    for function in functions(source.tree):
        for line, name in imported(source, function):
            if covers("flyball", name):
                yield source.at(line, f"{name} is imported inside {function.name}: imports stand at the top, or the floors are wrong")


_LONG = "def f() -> None:\n" + "    pass\n" * FUNCTION_LINES
CHECKS = (
    Check(
        long_functions,
        bad={"src/flyball/core/x.py": _LONG, "src/flyball/lab/x.py": "class A:\n    async " + _LONG.replace("\n", "\n    ")},
        fine={"src/flyball/core/x.py": _LONG.removesuffix("    pass\n")},
    ),
    Check(
        long_files,
        bad={"src/flyball/wire.py": "\n" * 401, "src/flyball/rules/checks/x.py": "\n" * 401, "src/flyball/kinds/x.py": "\n" * 601},
        fine={"src/flyball/kinds/x.py": "\n" * 600, "src/flyball/core/x.py": "\n" * 400},
    ),
    Check(
        many_parameters,
        bad={"src/flyball/core/x.py": "def f(self, a, b, c, d, *, e, g): ...\n"},
        fine={
            "src/flyball/core/x.py": "def f(self, a, b, c, d, *, e): ...\n",
            "src/flyball/faces/cli/x.py": "@cli.command()\n@click.option('--a')\ndef f(a, b, c, d, e, g): ...\n",
            "src/flyball/faces/http/x.py": "@router.post('/a')\nasync def f(a, b, c, d, e, g): ...\n",
        },
    ),
    Check(
        big_classes,
        bad={"src/flyball/views/x.py": "class A:\n" + "".join(f"    def m{n}(self): ...\n" for n in range(METHODS + 1))},
        fine={"src/flyball/views/x.py": "class A:\n" + "".join(f"    def m{n}(self): ...\n" for n in range(METHODS))},
    ),
    Check(
        file_names,
        bad={
            "src/flyball/core/door_way.py": "",
            "src/flyball/kinds/utils.py": "",
            "src/flyball/backends/store_base.py": "",
            "src/flyball/rules/Zone.py": "",
        },
        fine={"src/flyball/core/door.py": "", "src/flyball/backends/store_sqlite.py": "", "src/flyball/kinds/k8s_scale.py": ""},
    ),
    Check(
        late_imports,
        bad={
            "src/flyball/core/x.py": "def f():\n    from flyball.model import action\n",
            "src/flyball/kinds/x.py": "def f():\n    from . import y\n",
        },
        fine={"src/flyball/faces/cli/x.py": "def f():\n    import flyball.compose\n", "src/flyball/core/x.py": "import flyball.model\n"},
    ),
)
