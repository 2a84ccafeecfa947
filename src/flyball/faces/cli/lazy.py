"""Groups that import a command only when it is called, and commands that all take the same four options. Used by every command here.

`flyball --help` is fast because it reads a table: a test holds the table's short texts to the commands' own.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from flyball.faces.cli.desk import Desk

OUTPUTS = ("table", "json", "yaml")
Told = Callable[[Desk, Any], None]


def _tell(told: Told) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Give a callback that writes an option's value on the desk, if one was given."""

    def write(ctx: click.Context, _param: click.Parameter, value: Any) -> Any:
        desk = ctx.find_object(Desk)
        if desk is not None and value:
            told(desk, value)
        return value

    return write


def _project(desk: Desk, value: Path) -> None:
    desk.project = value


def _url(desk: Desk, value: str) -> None:
    desk.url = value


def _output(desk: Desk, value: str) -> None:
    desk.output = value


def _debug(desk: Desk, _value: bool) -> None:
    desk.debug = True


def shared() -> list[click.Parameter]:
    """Give the options that every command takes: they may stand before or after its name."""
    return [
        click.Option(
            ["--project"],
            type=click.Path(path_type=Path),
            metavar="DIR",
            expose_value=False,
            callback=_tell(_project),
            help="Folder with flyball.yaml (else FLYBALL_PROJECT, else this folder).",
        ),
        click.Option(
            ["--url"],
            metavar="URL",
            expose_value=False,
            callback=_tell(_url),
            help="Where the server answers (else FLYBALL_URL, else the project's server).",
        ),
        click.Option(
            ["-o", "--output"],
            type=click.Choice(OUTPUTS),
            expose_value=False,
            callback=_tell(_output),
            help="Form of the output; without it a table, or tab-separated lines into a pipe.",
        ),
        click.Option(["--debug"], is_flag=True, expose_value=False, callback=_tell(_debug), help="Show where a fault came from."),
    ]


class Cmd(click.Command):
    """A command with the shared options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Add the shared options behind its own."""
        super().__init__(*args, **kwargs)
        self.params.extend(shared())


class Nouns(click.Group):
    """A group of commands about one noun."""

    command_class = Cmd

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Add the shared options."""
        super().__init__(*args, **kwargs)
        self.params.extend(shared())

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; where there is none, name what comes near."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=2)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise click.UsageError(f"there is no command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


Table = Mapping[str, Mapping[str, tuple[str, str]]]
"""Section -> command -> (module:attribute below `flyball.faces.cli`, its short text)."""


class Lazy(Nouns):
    """A group whose commands are imported one by one, when they are called."""

    def __init__(self, *args: Any, table: Table, **kwargs: Any) -> None:
        """Keep the table."""
        super().__init__(*args, **kwargs)
        self.table = table
        self.plugs = {name: plug for section in table.values() for name, plug in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the table's order."""
        del ctx
        return list(self.plugs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        if cmd_name not in self.plugs:
            return None
        module, _, attribute = self.plugs[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(f"flyball.faces.cli.{module}"), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, from the table alone."""
        del ctx
        for section, plugs in self.table.items():
            with formatter.section(section):
                formatter.write_dl([(name, text) for name, (_, text) in plugs.items()], col_max=14)
