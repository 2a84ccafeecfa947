"""The files of the repository as the taste tests see them. Read by every module beside it."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
_SKIPPED = {
    ".git",
    ".venv",
    ".demo",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".import_linter_cache",
    ".hypothesis",
    "var",
}


@dataclass(frozen=True)
class Source:
    """One file: its path from the root of the repository and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def room(self) -> str:
        """The folder or file under the package: "rules" for src/flyball/rules/checks/zone.py, "wire" for src/flyball/wire.py."""
        return PurePosixPath(self.path).parts[2].removesuffix(".py") if self.is_product else ""

    @property
    def is_product(self) -> bool:
        return self.path.startswith("src/flyball/") and self.path.endswith(".py")

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/") and self.path.endswith(".py")

    def at(self, line: int, what: str) -> str:
        return f"{self.path}:{line}: {what}"


Look = Callable[[Source], Iterator[str]]


@dataclass(frozen=True)
class Check:
    """A look at one file, with what it must catch and what it must leave alone."""

    look: Look
    bad: dict[str, str]  # path -> text that breaks the rule once
    fine: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.look.__name__


@cache
def tracked() -> tuple[str, ...]:
    """Every file that git tracks or would track; without git, every file that is not a cache."""
    ran = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if ran.returncode == 0:
        names: Iterable[str] = filter(None, ran.stdout.split("\0"))
    else:
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
        names = (path.as_posix() for path in found if not _SKIPPED.intersection(path.parts))
    return tuple(sorted(name for name in set(names) if (ROOT / name).is_file()))


@cache
def sources() -> tuple[Source, ...]:
    """Every tracked file that is text."""
    read = []
    for name in tracked():
        try:
            read.append(Source(name, (ROOT / name).read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return tuple(read)


def product() -> tuple[Source, ...]:
    """The Python files of the package."""
    return tuple(source for source in sources() if source.is_product)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""


def imported(source: Source, within: ast.AST | None = None) -> Iterator[tuple[int, str]]:
    """Every dotted name that is imported: `from os import environ` gives os.environ; relative imports are made absolute."""
    here = PurePosixPath(source.path).with_suffix("").parts[1:]
    for node in ast.walk(within or source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join([*here[: -node.level], node.module or ""]).rstrip(".") if node.level else node.module or ""
            yield from ((node.lineno, f"{start}.{alias.name}") for alias in node.names)


def used(source: Source) -> Iterator[tuple[int, str]]:
    """Every dotted name that is imported or read through an import, under its real name: `import time as t; t.time()` gives time.time."""
    real: dict[str, str] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            real |= {
                alias.asname or alias.name.partition(".")[0]: alias.name if alias.asname else alias.name.partition(".")[0]
                for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            real |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    yield from imported(source)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and (name := dotted(node)):
            first, _, rest = name.partition(".")
            if first in real:
                yield node.lineno, f"{real[first]}.{rest}"


def covers(prefix: str, name: str) -> bool:
    """Whether `name` is `prefix` or stands below it."""
    return name == prefix or name.startswith(prefix + ".")
