"""Every link from one page of the repository to another leads somewhere, heading included."""

from __future__ import annotations

import re
from pathlib import Path

from taste.source import ROOT, Source, sources

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """The names that headings get: lower case, words joined by hyphens, other signs dropped."""
    headings = re.findall(r"^#+\s+(.*?)\s*$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Source, root: Path) -> list[str]:
    dead = []
    for link in _LINK.findall(_FENCE.sub("", page.text)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (root / page.path).parent / path if path else root / page.path
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target.read_text(encoding="utf-8"))):
            dead.append(f"{page.path}: {link}")
    return dead


def test_no_link_is_dead() -> None:
    assert not [link for page in sources() if page.path.endswith(".md") for link in dead_links(page, ROOT)]


def test_dead_links_are_seen(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# The door, twice\n")
    text = "[a](b.md) [b](b.md#the-door-twice) [c](c.md) [d](b.md#window) [e](#f) [g](https://a.example/x)\n```\n[h](no.md)\n```\n"
    (tmp_path / "a.md").write_text(text)
    assert dead_links(Source("a.md", text), tmp_path) == ["a.md: c.md", "a.md: b.md#window", "a.md: #f"]
