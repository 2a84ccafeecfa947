"""The pages of the repository, and what in them can be held against the code: code blocks, code in a line. Read by every test beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = "docs/reference/"
"""Pages that tools/reference writes; they are held against the code as a whole."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<sort>[a-z]*)\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """One fenced block: the page, the word after the fence, the text without the page's indent."""

    page: str
    sort: str
    text: str


@dataclass(frozen=True)
class Page:
    """One page: its path from the root of the repository, and its text."""

    path: str
    text: str

    def blocks(self, sort: str) -> list[Block]:
        found = (match for match in _FENCE.finditer(self.text) if match["sort"] == sort)
        return [Block(self.path, sort, re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)) for match in found]

    def code(self) -> Iterator[str]:
        """Code within a line."""
        yield from _CODE.findall(_FENCE.sub("", self.text))


@cache
def pages() -> tuple[Page, ...]:
    """Every page that people write."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    found = (Page(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in sorted(paths))
    return tuple(page for page in found if not page.path.startswith(WRITTEN))


def page(path: str) -> Page:
    """The page at a path."""
    return next(one for one in pages() if one.path == path)


def blocks(sort: str) -> list[Block]:
    """Every block of a sort on every page."""
    return [block for one in pages() for block in one.blocks(sort)]
