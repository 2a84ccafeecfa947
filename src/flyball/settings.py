"""The only reader of the environment. Everything else is told by argument."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says; flags of the command line win over it."""

    project: Path  # FLYBALL_PROJECT: folder with flyball.yaml
    url: str  # FLYBALL_URL: where the client finds the server
    token: str  # FLYBALL_TOKEN: the client's key
    plain: bool  # NO_COLOR
    ci: bool  # CI
    home: Path
    path: str  # PATH, to look for programs


def load() -> Settings:
    """Read the environment once."""
    env = os.environ
    return Settings(
        project=Path(env.get("FLYBALL_PROJECT", ".")),
        url=env.get("FLYBALL_URL", ""),
        token=env.get("FLYBALL_TOKEN", ""),
        plain=bool(env.get("NO_COLOR")),
        ci=env.get("CI", "") == "true",
        home=Path(env.get("HOME", "/")),
        path=env.get("PATH", ""),
    )
