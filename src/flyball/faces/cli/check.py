"""Checks of files before they are used: `runbook`, `schema`. They load the server's own readers and need no server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flyball.errors import BadInput, NotFound
from flyball.faces.cli import show
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Cmd, Nouns

if TYPE_CHECKING:
    from flyball.brains.runbook import Finding
    from flyball.model.kind import KindSpec

folder_ = click.argument("folder", type=click.Path(path_type=Path), required=False, metavar="[DIR]")


def folder_of(desk: Desk, folder: Path | None, name: str) -> Path:
    """Give the folder that was named, or the project's. Raises NotFound."""
    found = folder
    if found is None:
        from flyball import config

        project = config.read(config.Project, desk.project / "flyball.yaml")
        found = desk.project / str(getattr(project, name))
    if not found.is_dir():
        raise NotFound(f"there is no folder {found}", "", "flyball init makes a project that has one")
    return found


@click.group(cls=Nouns)
def runbook() -> None:
    """Check runbooks."""


@runbook.command("check")
@folder_
@pass_desk
def runbook_check(desk: Desk, folder: Path | None) -> None:
    """Find what is wrong with runbooks before they are used.

    Rows that are never reached, missing else, actions without an undo that are not marked irreversible, unknown kinds.
    """
    place = folder_of(desk, folder, "runbooks")
    found = runbook_findings(place, known_kinds())
    rows = [{"file": one.file, "at": one.pointer, "what": one.what, "fix": one.fix} for one in found]
    count = len(list(place.glob("*.yaml")))
    if desk.output in ("json", "yaml") or rows:
        show.table(desk, [("file", "file"), ("at", "at"), ("what", "what"), ("fix", "fix")], rows)
    if rows:
        first = found[0]
        raise BadInput(f"{first.file}: {first.pointer}: {first.what}", f"{len(rows)} findings in {place}", first.fix)
    if not desk.output:
        click.echo(f"ok\t{count} runbooks")


def known_kinds() -> dict[str, KindSpec]:
    """Give the contracts of every kind that is installed, by name."""
    from flyball import compose, kinds

    return {name: kind.spec for name, kind in compose.scan(kinds, "KIND").items()}


def runbook_findings(folder: Path, kinds: dict[str, KindSpec]) -> list[Finding]:
    """Load a folder's runbooks and check each. Raises BadInput where one has not the right shape."""
    from flyball.brains.runbook import check, load

    texts = {path.name: path.read_bytes() for path in sorted(folder.glob("*.yaml"))}
    return [finding for one in load(texts) for finding in check(one, kinds)]


KINDS = ("Project", "Agent", "Catalogue", "Task", "Runbook", "PolicyInput")


@click.command(cls=Cmd)
@click.argument("kind")
@pass_desk
def schema(desk: Desk, kind: str) -> None:
    """Print the JSON Schema of a kind of file.

    KIND is Project, Agent, Catalogue, Task, Runbook or PolicyInput.
    """
    names = {name.lower(): name for name in KINDS}
    if kind.lower() not in names:
        raise NotFound(f"there is no schema {kind!r}", f"known are {', '.join(KINDS)}", "name one of them")
    doc = _schema(names[kind.lower()])
    if not desk.output or not show.dumped(desk, doc):
        click.echo(json.dumps(doc, indent=2))


def _schema(name: str) -> Any:
    if name == "Task":
        from flyball.sources.spec import SCHEMA

        return SCHEMA
    if name in ("Runbook", "PolicyInput"):
        from importlib.resources import files

        place = {"Runbook": "runbooks/runbook.schema.json", "PolicyInput": "policies/input.schema.json"}[name]
        return json.loads(files("flyball.defaults").joinpath(place).read_bytes())
    from flyball import project

    return project.SCHEMAS[name].model_json_schema()
