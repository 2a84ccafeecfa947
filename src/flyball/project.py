"""Writes a commented project: `flyball init` for a person, the demo for its lab."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from flyball import config, defaults
from flyball.errors import Moved

SCHEMAS: dict[str, type[config.Part]] = {"Project": config.Project, "Agent": config.Manifest, "Catalogue": config.Catalogue}
"""Kinds of files with a JSON Schema of their own; Task and Runbook have theirs beside their parsers."""

FLYBALL_YAML = """\
# yaml-language-server: $schema=schemas/Project.json
apiVersion: flyball/v1
kind: Project

# Where the log and all state live; the server creates it. Back it up; it holds the log's signing key.
state: state
listen: {listen}

# true: plans and verdicts only. `flyball shadow` then says what would have been done.
shadow: {shadow}

# What may be done at all, by exact name. A kind that is not here does not exist for any agent.
kinds: [{kinds}]

# Where work comes from.
sources: [alertmanager, spec, schedule, tail]
drop: inbox # task specs dropped here as *.yaml open a session

# Alert name -> agent; "" is the default.
routes:
  "": remediator

# Who may sign in and answer. Policy asks for groups; the one who asks never approves.
people:
  - id: second
    groups: [sre]

# How often, per agent and per target: burst, then one every so many seconds.
pace:
  default: {{burst: 60, every_s: 0.05}}
  process.restart: {{burst: 4, every_s: 20}}

times:
  approve_s: {approve_s} # an approval not given by then is a no
  execute_s: 600 # an approval not used by then is void
  review_s: 86400 # a yellow action is looked at by then, or the agent's next ones are red
  undo_keep_s: 86400

# Pause where a figure passes a threshold, whatever policy says.
breakpoints:
  - {{field: targets, op: gt, value: 3}}

schedules: []
#  - {{name: nightly-look, cron: "0 3 * * *", target: web, goal: look whether web is well, alert: NightlyLook}}

# Log files that are followed: a new line that matches opens a session, further ones while it is open count as repeats.
tails: []
#  - {{name: web-memory, path: /var/log/web/web.log, match: "out of memory", target: web, alert: OutOfMemory}}
"""

AGENT_YAML = """\
# yaml-language-server: $schema=../schemas/Agent.json
apiVersion: flyball/v1
kind: Agent
name: remediator
role: remediate # policy's data says which kinds a role may use
brain: runbook # no model, no key: runbooks/*.yaml
owner: person:admin # the accountable person; without one an agent cannot be enabled
oncall: person:admin
# What its sessions may do at most; each session's grant is narrowed to its own target.
kinds: [{kinds}]
targets: [{targets}]
envs: [{envs}]
ceiling: red
max_steps: 60
max_s: 3600
max_fixes: 4
budget_micros: 1000000
"""

KINDS = ("host.read", "http.probe", "process.restart", "file.quarantine", "git.revert", "notify")

EXAMPLE_SERVICES: list[dict[str, Any]] = [
    {
        "name": "web",
        "env": "prod",
        "sensitivity": "normal",
        "owner": "person:admin",
        "facts": {
            "health_url": "http://127.0.0.1:8080/healthz",
            "port": 8080,
            "control": {
                "status": ["/usr/bin/systemctl", "show", "web.service"],
                "start": ["/usr/bin/systemctl", "start", "web.service"],
                "stop": ["/usr/bin/systemctl", "stop", "web.service"],
                "restart": ["/usr/bin/systemctl", "restart", "web.service"],
            },
            "paths": ["/var/log/web/"],
            "log": "/var/log/web/web.log",
            "rotated": "web.log.*",
            "mountpoint": "/var/log/web",
            "quarantine": "/var/lib/flyball/quarantine",
            "repo": "/srv/web-config",
            "config": "/srv/web-config/web.json",
        },
    }
]


def write(folder: Path, *, services: list[dict[str, Any]] | None = None, told: Mapping[str, Any] | None = None) -> list[Path]:
    """Write a project into an empty or new folder and give the files. Raises Moved where one is there already."""
    if (folder / "flyball.yaml").exists():
        raise Moved(f"{folder} holds a project already", "nothing was written over", "name an empty folder, or edit the one that is there")
    services, said = services or EXAMPLE_SERVICES, told or {}
    kinds, source = ", ".join(KINDS), Path(defaults.__file__).parent
    for name in ("policies", "runbooks"):
        shutil.copytree(source / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    for name in ("agents", "inbox", "schemas"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    settings = {"listen": "127.0.0.1:7070", "shadow": "false", "approve_s": 900, **said}
    texts = {
        "flyball.yaml": FLYBALL_YAML.format(kinds=kinds, **settings),
        "agents/remediator.yaml": AGENT_YAML.format(
            kinds=kinds,
            targets=", ".join(one["name"] for one in services),
            envs=", ".join(sorted({one["env"] for one in services})),
        ),
        "catalogue.yaml": "# yaml-language-server: $schema=schemas/Catalogue.json\n"
        + yaml.safe_dump({"apiVersion": "flyball/v1", "kind": "Catalogue", "services": services}, sort_keys=False),
        ".gitignore": "state/\n",
    }
    for kind, model in SCHEMAS.items():
        texts[f"schemas/{kind}.json"] = orjson.dumps(model.model_json_schema(), option=orjson.OPT_INDENT_2).decode() + "\n"
    for name, text in texts.items():
        (folder / name).write_text(text)
    return sorted(folder / name for name in texts)


def of_lab(estate: Mapping[str, Any], _quarantine: Path | None = None) -> list[dict[str, Any]]:
    """Give the services of a lab estate as catalogue entries."""
    return list(estate["services"])
