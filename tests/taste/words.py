"""Words: identifiers of the core, reasons beside silenced checkers, and what no file of the repository says. Run by test_taste."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import PurePosixPath

from taste.source import Check, Source

_SINGULAR = {
    "task",
    "job",
    "operation",
    "command",
    "workflow",
    "request",
    "compensation",
    "rollback",
    "manager",
    "helper",
    "util",
    "common",
    "base",
}
BANNED = frozenset(_SINGULAR | {word + "s" for word in _SINGULAR})
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ENCODING = re.compile(r"base(16|32|64)(url)?")  # the name of an encoding is nobody's base class
_SILENCED = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:\s*no cover|nosec|mypy:\s*ignore)(?P<rest>.*)$")
_CODES = re.compile(r"^(\[[\w\-, ]*\])?:?\s*([A-Z]+[0-9]+[,\s]*)*")
REASON_LETTERS = 12

# Put together at run time, so that this file does not say what it forbids.
_PLACES = tuple(
    "/" + "/".join(parts)
    for parts in (("work", "main"), ("work", "rooms"), ("work", "shared"), ("work", "venv"), ("opt", "pypi"), ("opt", "wheels"))
)
_HOSTS = tuple(
    ".".join(parts)
    for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("golang", "org/x"), ("crates", "io"))
)
_MAKERS = tuple(
    sign.join(parts)
    for sign, parts in (
        (" ", ("generated", "with")),
        (" ", ("as an", "ai")),
        (" ", ("sub", "agent wrote")),
        ("-", ("co", "authored-by")),
        (".", ("HOUSE", "md")),
    )
)
_URL = re.compile(r"""https?://(?!www\.w3\.org/|localhost|127\.0\.0\.1|\{\{)""")


def banned_words(source: Source) -> Iterator[str]:
    if source.room not in {"model", "rules", "core"}:
        return
    stem = PurePosixPath(source.path).stem
    for line, name in [(1, stem), *_defined(source.tree)]:
        for part in _PARTS.findall(_ENCODING.sub("", name)):
            if part.lower() in BANNED:
                yield source.at(line, f"{name}: the core has its own word for {part.lower()!r}; see the glossary")


def _defined(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname


def silenced_checkers(source: Source) -> Iterator[str]:
    if not source.path.endswith(".py"):
        return
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and (found := _SILENCED.search(token.string)):
            reason = _CODES.sub("", found["rest"])
            if sum(letter.isalpha() for letter in reason) < REASON_LETTERS:
                yield source.at(token.start[0], f"{found[1]} without a reason that a stranger accepts")


def strange_places(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.lines, 1):
        if any(place in line for place in _PLACES):
            yield source.at(number, "names a path of the machine it was written on")
        if any(host in line for host in _HOSTS):
            yield source.at(number, "names the host of a package registry")


def makers(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.lines, 1):
        if any(word.lower() in line.lower() for word in _MAKERS):
            yield source.at(number, "speaks of how it was written: the repository speaks of itself alone")


def outside_addresses(source: Source) -> Iterator[str]:
    served = source.path.endswith((".html", ".jinja", ".j2", ".css", ".js", ".svg"))
    if not served or not source.path.startswith("src/") or is_vendored(source.path):
        return
    for number, line in enumerate(source.lines, 1):
        if _URL.search(line):
            yield source.at(number, "a page of the console loads or names nothing outside")


def is_vendored(path: str) -> bool:
    """Whether an asset came from elsewhere, by its place or by its form."""
    return "/vendor/" in path or path.endswith((".min.js", ".min.css", ".woff2"))


def sleeping_tests(source: Source) -> Iterator[str]:
    """A sleep outside a loop waits for luck; inside a loop it is a poll, which owes a deadline."""
    if not source.is_test:
        return
    loops = [node for node in ast.walk(source.tree) if isinstance(node, ast.While | ast.For | ast.AsyncFor)]
    looped = {id(node) for loop in loops for node in ast.walk(loop)}
    for node in ast.walk(source.tree):
        is_sleep = isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "asyncio.sleep", "sleep"}
        waits = is_sleep and not (isinstance(node, ast.Call) and node.args and ast.unparse(node.args[0]) == "0")
        if waits and id(node) not in looped:
            yield source.at(getattr(node, "lineno", 1), "sleeps and hopes: poll with a deadline")


def mocks(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree) if source.is_test else ():
        names = (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else []
        )
        if any(name.startswith(("unittest.mock", "mock", "pytest_mock")) for name in names):
            yield source.at(getattr(node, "lineno", 1), "imports a mock: run the real part, or a small plug for its port")


CHECKS = (
    Check(
        banned_words,
        bad={
            "src/flyball/core/x.py": "def run_task(): ...\n",
            "src/flyball/rules/x.py": "class JobQueue: ...\n",
            "src/flyball/model/x.py": "class A:\n    base_url: str = ''\n",
            "src/flyball/core/helper.py": "",
            "src/flyball/core/y.py": "def f(requests): ...\n",
        },
        fine={
            "src/flyball/core/x.py": "import asyncio\ndatabase = asyncio.create_task\n",
            "src/flyball/kinds/x.py": "def run_task(): ...\n",
        },
    ),
    Check(
        silenced_checkers,
        bad={
            "src/flyball/core/x.py": "import os  # noqa\n",
            "src/flyball/core/y.py": "import os  # noqa: F401\n",
            "tests/x.py": "x = 1  # type: ignore[assignment]\n",
            "bench/x.py": "x = 1  # type: ignore # short\n",
            "src/flyball/core/z.py": "x = 1  # pragma: no cover\n",
        },
        fine={
            "src/flyball/core/x.py": "import os  # noqa: F401 re-exported for plugs of others\n",
            "tests/x.py": "x = 1  # type: ignore[assignment]  # the vendor's stub says int\n",
        },
    ),
    Check(
        strange_places,
        bad={"README.md": f"cd {_PLACES[0]}\n", "deploy/x.yaml": f"index: {_HOSTS[0]}\n"},
        fine={"README.md": "cd flyball\n"},
    ),
    Check(
        makers,
        bad={"docs/x.md": f"{_MAKERS[0]} love\n", "Makefile": f"# {_MAKERS[-1]}\n"},
        fine={"docs/x.md": "Sessions of agents are logged.\n"},
    ),
    Check(
        outside_addresses,
        bad={
            "src/flyball/faces/console/x.html": '<script src="https://cdn.example/x.js">',
            "src/flyball/faces/console/x.css": "@import 'http://a.example';",
        },
        fine={
            "src/flyball/faces/console/x.svg": '<svg xmlns="http://www.w3.org/2000/svg">',
            "src/flyball/faces/console/vendor/h.js": "https://a.example",
        },
    ),
    Check(
        sleeping_tests,
        bad={
            "tests/x.py": "import time\ndef test_a():\n    time.sleep(1)\n",
            "tests/y.py": "async def test_a():\n    await asyncio.sleep(0.1)\n",
        },
        fine={"tests/x.py": "while True:\n    time.sleep(0.01)\n", "tests/y.py": "async def test_a():\n    await asyncio.sleep(0)\n"},
    ),
    Check(
        mocks,
        bad={"tests/x.py": "from unittest.mock import Mock\n", "tests/y.py": "import unittest.mock\n"},
        fine={"tests/x.py": "import unittest\n"},
    ),
)
