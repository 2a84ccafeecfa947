"""Every `flyball ...` that a page shows is a command that there is, with options that it takes and as many arguments as it wants."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

import click
import pytest

from docs.page import ROOT, Page, blocks, pages
from flyball.faces.cli.lazy import shared
from flyball.faces.cli.main import cli

_VERB = re.compile(r"^([a-z0-9]+):", re.MULTILINE)
_INLINE = re.compile(r"flyball [a-z-]")


@dataclass
class Typed:
    """One line as somebody types it: where it stands, its words, and whether all arguments must be there."""

    at: str
    words: list[str]
    whole: bool
    faults: list[str] = field(default_factory=list)

    def look(self) -> list[str]:
        ctx = click.Context(cli, info_name="flyball")
        command: click.Command = cli
        words = list(self.words)
        while words and isinstance(command, click.Group) and not words[0].startswith("-"):
            try:
                found = command.get_command(ctx, words[0])
            except ModuleNotFoundError:
                return [f"{self.at}: the command {words[0]!r} has no module"]
            if found is None:
                return [f"{self.at}: {ctx.command_path} has no command {words[0]!r}"]
            ctx = click.Context(found, info_name=words.pop(0), parent=ctx)
            command = found
        if self.whole and isinstance(command, click.Group) and not words:
            self.faults.append(f"{self.at}: {ctx.command_path} alone does nothing")
        self._options(command, words, ctx)
        return self.faults

    def _options(self, command: click.Command, words: list[str], ctx: click.Context) -> None:
        options = {
            name: one for one in (*command.params, *shared()) if isinstance(one, click.Option) for name in (*one.opts, *one.secondary_opts)
        }
        given, named = 0, set()
        while words:
            word = words.pop(0)
            if not word.startswith("-") or word == "-":
                given += 1
                continue
            option = options.get(word)
            if option is None and word not in ("--help", "-h"):
                self.faults.append(f"{self.at}: {ctx.command_path} has no option {word}")
            elif option is not None:
                named.add(option.name)
                if not option.is_flag and words:
                    self._value(option, words.pop(0))
        if not self.whole:
            return
        arguments = [one for one in command.params if isinstance(one, click.Argument)]
        least = sum(one.required for one in arguments)
        most = given if any(one.nargs < 0 for one in arguments) else len(arguments)
        if not isinstance(command, click.Group) and not least <= given <= most:
            self.faults.append(f"{self.at}: {ctx.command_path} takes {least} to {most} arguments, not {given}")
        missing = {one.name for one in options.values() if one.required} - named
        self.faults += [f"{self.at}: {ctx.command_path} needs --{name}" for name in sorted(str(one) for one in missing)]

    def _value(self, option: click.Option, value: str) -> None:
        if isinstance(option.type, click.Choice) and value not in option.type.choices:
            self.faults.append(f"{self.at}: {option.opts[0]} is not {value!r}")


def typed(page: Page) -> list[Typed]:
    """What a page says to type: whole lines after a prompt, and beginnings within a line."""
    found = []
    for block in page.blocks("console"):
        for line in block.text.splitlines():
            words = shlex.split(line.removeprefix("$ ")) if line.startswith("$ ") else []
            program = words[0].removeprefix(".venv/bin/") if words else ""
            if program == "flyball":
                found.append(Typed(f"{page.path}: {line}", words[1:], whole=True))
    inline = [code for code in page.code() if _INLINE.match(code)]
    return found + [Typed(f"{page.path}: `{code}`", shlex.split(code)[1:], whole=False) for code in inline]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.path)
def test_every_command_that_a_page_shows_is_there(page: Page) -> None:
    assert not [fault for one in typed(page) for fault in one.look()]


@pytest.mark.parametrize(
    "line",
    [
        "flyball verify",
        "flyball audit check",
        "flyball approve s-1.2",
        "flyball approve s-1.2 s-1.3 --reason long-enough-to-count",
        "flyball up --port 1",
        "flyball freeze",
        "flyball approvals list --state open",
        "flyball sessions",
    ],
)
def test_a_line_that_would_not_work_is_seen(line: str) -> None:
    assert [fault for one in typed(Page("a.md", f"```console\n$ {line}\n```\n")) for fault in one.look()]


def test_lines_are_found_at_all() -> None:
    assert sum(len(typed(page)) for page in pages()) > 50


def test_every_make_verb_that_a_page_shows_is_there() -> None:
    verbs = set(_VERB.findall((ROOT / "Makefile").read_text()))
    lines = [line for block in blocks("console") for line in block.text.splitlines()]
    shown = {match[1] for line in lines if (match := re.match(r"\$ make ([a-z0-9]+)", line))}
    shown |= {match[1] for page in pages() for code in page.code() if (match := re.match(r"make ([a-z0-9]+)", code))}
    assert {"demo", "test"} <= shown <= verbs
