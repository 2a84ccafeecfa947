"""What every command has at hand: the project's folder, where the server is, how to write. Made once in `main`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flyball.errors import BadInput, NotFound
from flyball.settings import Settings

if TYPE_CHECKING:
    from flyball.faces.cli.client import Api


@dataclass(slots=True)
class Desk:
    """One call of the program. Flags win over the environment."""

    settings: Settings
    project: Path
    url: str = ""
    output: str = ""  # table, json, yaml; empty: table, or lines into a pipe
    debug: bool = False
    _api: Api | None = None

    @property
    def state(self) -> Path:
        """The project's state folder. Raises NotFound where there is no project."""
        file = self.project / "flyball.yaml"
        if not file.is_file():
            raise NotFound(
                f"there is no Flyball project in {self.project.absolute()}",
                "flyball.yaml is not there",
                "flyball init makes one; --project or FLYBALL_PROJECT names another folder",
            )
        if (self.project / "state").is_dir():
            return self.project / "state"
        import yaml

        try:
            said = yaml.safe_load(file.read_bytes())
        except yaml.YAMLError as fault:
            raise BadInput(f"{file} is not YAML", " ".join(str(fault).split())[:300], "mend the line it names") from fault
        return self.project / str(said.get("state", "state") if isinstance(said, dict) else "state")

    @property
    def api(self) -> Api:
        """The client of the API, made at the first use. Raises UserError where it cannot know the server or the key."""
        if self._api is None:
            from flyball.faces.cli.client import connect

            self._api = connect(self)
        return self._api


pass_desk = click.make_pass_decorator(Desk)
