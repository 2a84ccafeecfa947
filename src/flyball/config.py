"""The project's files: flyball.yaml, agents, catalogue. Pydantic stands at this edge; `flyball schema` prints its JSON Schemas.

An unknown key is an error: a setting that is misspelt must not be a setting that is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from flyball.errors import BadInput, NotFound
from flyball.model.action import Zone
from flyball.model.decision import Breakpoint
from flyball.model.grant import Agent, Target
from flyball.ports import Rates, Rules

M = TypeVar("M", bound="Part")


class Part(BaseModel):
    """Refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Person(Part):
    """Somebody who may sign in."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="short name; the principal is person:<id>")
    groups: list[str] = Field(default_factory=list, description="what policy asks for: sre, governance, ...")


class Pace(Part):
    """A token bucket."""

    burst: float = Field(gt=0, description="calls that may come at once")
    every_s: float = Field(gt=0, description="seconds between calls after the burst")


class Times(Part):
    """How long things wait."""

    approve_s: float = Field(900, gt=0, description="an approval not given by then is a no")
    execute_s: float = Field(600, gt=0, description="an approval not used by then is void")
    review_s: float = Field(86_400, gt=0, description="a yellow action is looked at by then, or the agent's next ones are red")
    undo_keep_s: float = Field(86_400, gt=0, description="how long an undo is kept")


class Break(Part):
    """Pause where a figure passes a threshold."""

    field: Literal["cost_micros", "targets", "share"] = Field(description="of one action: its cost, targets it touches, their share")
    op: Literal["gt", "ge"] = "gt"
    value: float


class Cron(Part):
    """A schedule that opens a session."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    cron: str = Field(description="five fields, UTC")
    target: str
    goal: str
    alert: str = "Schedule"
    agent: str = ""


class Tail(Part):
    """A log file that is followed: a line that matches opens a session."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    path: str = Field(pattern=r"^/", description="absolute; a regular file that may be rotated, cut short or not be there yet")
    match: str = Field(
        min_length=1,
        max_length=1000,
        description="regular expression of RE2 (no look-around, no back-reference) that is looked for in each new line",
    )
    target: str = Field(description="a service of the catalogue")
    alert: str = "LogLine"
    agent: str = ""

    @field_validator("match")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as fault:
            raise ValueError(f"{value!r} is no regular expression: {fault}") from fault
        return value


class Sealing(Part):
    """A key that signs bundles, or verifies them."""

    alg: Literal["HS256", "RS256"] = "RS256"
    key_file: str = Field(description="HS256: the secret; RS256: PEM, private to sign, public to verify; relative to this file")
    kid: str = Field("flyball", description="the key's name in the signature")
    scope: str = Field("", description="the signature's scope")


class Feed(Part):
    """Where policies are fetched from as an OPA bundle, instead of the policies folder."""

    url: str = Field(pattern=r"^https?://", description="the bundle's address; asked with its ETag, so that nothing new costs nothing")
    token_file: str = Field("", description="file with the bearer token; empty: none")
    every_s: float = Field(60, ge=1, description="seconds between looks")
    verify: Sealing | None = Field(None, description="refuse a bundle that is not signed with this key")


class PolicyEngine(Part):
    """Who answers for policy."""

    engine: Literal["native", "opa"] = Field("native", description="native: in this process; opa: an OPA of yours, over its REST API")
    url: str = Field("", description="opa: its address")
    path: str = Field("flyball/answer", pattern=r"^[a-z0-9_]+(/[a-z0-9_]+)+$", description="opa: what is asked below /v1/data")
    token_file: str = Field("", description="opa: file with the bearer token; empty: none")
    timeout_s: float = Field(
        0.1, gt=0, le=10, description="opa: an answer that takes longer is a deny; the server does nothing else while it waits for one"
    )
    watch: bool = Field(default=False, description="native: load the policies folder again when a file in it changes")
    keep: bool = Field(default=True, description="keep the last decisions (at most 128 MiB) for `flyball policy simulate`")
    bundle: Feed | None = Field(None, description="native: fetch the policies from here")
    sign: Sealing | None = Field(None, description="sign the bundles that this server gives away")


class Project(Part):
    """flyball.yaml."""

    apiVersion: Literal["flyball/v1"] = "flyball/v1"  # noqa: N815 the field's spelling in every such file
    kind: Literal["Project"] = "Project"
    state: str = Field("state", description="folder of the log and all state; relative to this file")
    listen: str = Field("127.0.0.1:7070", pattern=r"^[^:]+:\d{1,5}$", description="address and port")
    shadow: bool = Field(default=False, description="plans and verdicts only: nothing is carried out")
    kinds: list[str] = Field(default_factory=list, description="kinds that are enabled, by exact name")
    sources: list[str] = Field(default_factory=list, description="sources that are enabled")
    policies: str = "policies"
    policy: PolicyEngine = Field(default_factory=PolicyEngine)  # type: ignore[arg-type]  # pydantic's own defaults
    runbooks: str = "runbooks"
    agents: str = "agents"
    catalogue: str = "catalogue.yaml"
    drop: str = Field("", description="folder that is watched for task specs; empty: none")
    routes: dict[str, str] = Field(default_factory=dict, description='alert name -> agent; "" is the default')
    people: list[Person] = Field(default_factory=list)
    pace: dict[str, Pace] = Field(default_factory=dict, description="by kind; `default` for the rest")
    times: Times = Field(default_factory=Times)  # type: ignore[arg-type]  # pydantic's own defaults
    breakpoints: list[Break] = Field(default_factory=list)
    schedules: list[Cron] = Field(default_factory=list)
    tails: list[Tail] = Field(default_factory=list)
    box: list[str] = Field(default_factory=list, description="isolation levels to try, in order; empty: all, strongest first")

    @field_validator("schedules", "tails")
    @classmethod
    def _named_once(cls, value: list[Any]) -> list[Any]:
        names = [one.name for one in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the name {twice[0]!r} stands twice")
        return value


class Manifest(Part):
    """agents/<name>.yaml."""

    apiVersion: Literal["flyball/v1"] = "flyball/v1"  # noqa: N815 the field's spelling in every such file
    kind: Literal["Agent"] = "Agent"
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    role: str
    brain: str = "runbook"
    owner: str = Field(min_length=1, description="the accountable person; an agent without one cannot be enabled")
    oncall: str = Field("", description="who is called when the owner is not there")
    kinds: list[str]
    targets: list[str]
    envs: list[str]
    regions: list[str] = Field(default_factory=list, description="exact names; empty: the regions of its targets")
    ceiling: Zone = Zone.RED
    max_steps: int = Field(40, ge=1, le=500)
    max_s: float = Field(3600, gt=0, description="how long a session may take, waiting for answers included; past it, it is a person's")
    max_fixes: int = Field(4, ge=1)
    budget_micros: int = Field(1_000_000, ge=0)
    enabled: bool = True


class Bind(Part):
    """A folder or file that a command sees."""

    source: str = Field(pattern="^/", description="path on this host")
    target: str = Field("", description="path that the command sees; empty: the same")
    write: bool = False


class Rule(Part):
    """What an argument may be: one of `enum`, an integer from `min` to `max`, or text that `pattern` matches whole."""

    enum: list[str | int] = Field(default_factory=list)
    min: int | None = None
    max: int | None = None
    pattern: str = Field(
        "", description="regular expression of RE2; what it lets in never begins with a dash, and observed text needs a person"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [bool(self.enum), self.min is not None and self.max is not None, bool(self.pattern)].count(True) != 1:
            raise ValueError("give one of: enum, min and max, pattern")
        re.compile(self.pattern)
        return self


class Command(Part):
    """Something that `command.run` may run on a target. An agent chooses its name and values that fit, never a word of its argv."""

    argv: list[str] = Field(min_length=1, description="program and words; {name} in a word stands for the argument of that name")
    args: dict[str, Rule] = Field(default_factory=dict, description="every argument by name; each has to be given")
    timeout_s: float = Field(3600, gt=0, le=604_800, description="it is ended then")
    max_output: int = Field(8_388_608, gt=0, description="bytes kept of what it says")
    memory_bytes: int = Field(2_147_483_648, gt=0)
    mounts: list[Bind] = Field(default_factory=list, description="what it sees of this host, beside /usr and its kin")
    net: Literal["none", "host"] = "none"
    ok: list[int] = Field(default_factory=lambda: [0], description="exit statuses that mean it worked")
    targets: list[str] = Field(default_factory=list, description="other targets that it touches")
    cost_micros: int = Field(0, ge=0, description="what one run costs, set aside before it begins")

    @model_validator(mode="after")
    def _every(self) -> Self:
        for name in re.findall(r"\{(\w+)\}", " ".join(self.argv)):
            if name not in self.args:
                raise ValueError(f"the argv names {{{name}}}, and args has no such rule")
        return self


class Service(Part):
    """One target of the catalogue."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$")
    env: str
    region: str = ""
    sensitivity: Literal["low", "normal", "high"] = "normal"
    owner: str = ""
    depends_on: list[str] = Field(default_factory=list)
    facts: dict[str, Any] = Field(default_factory=dict, description="control argv, health_url, paths, log, repo: what kinds need")
    commands: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")], Command] = Field(
        default_factory=dict, description="what command.run may run, by name"
    )


class Catalogue(Part):
    """catalogue.yaml."""

    apiVersion: Literal["flyball/v1"] = "flyball/v1"  # noqa: N815 the field's spelling in every such file
    kind: Literal["Catalogue"] = "Catalogue"
    services: list[Service]


def read(cls: type[M], path: Path) -> M:
    """Read one YAML file. Raises NotFound or BadInput that names file, field and what is wrong with it."""
    try:
        raw = path.read_bytes()
    except OSError as fault:
        raise NotFound(f"{path} cannot be read", fault.strerror or str(fault), "flyball init makes a project") from fault
    try:
        return cls.model_validate(yaml.safe_load(raw) or {})
    except yaml.YAMLError as fault:
        raise BadInput(f"{path} is not YAML", " ".join(str(fault).split())[:300], "mend the line it names") from fault
    except ValidationError as fault:
        first = fault.errors()[0]
        at = "/".join(str(part) for part in first["loc"])
        raise BadInput(
            f"{path}: /{at}: {first['msg']}", "the file does not fit its schema", f"flyball schema {cls.model_fields['kind'].default}"
        ) from fault


class Whole:
    """A project as read: its files, checked against each other."""

    def __init__(self, folder: Path) -> None:
        """Read everything. Raises NotFound or BadInput."""
        self.folder = folder
        self.project = read(Project, folder / "flyball.yaml")
        self.state = folder / self.project.state
        services = read(Catalogue, folder / self.project.catalogue).services
        self._touched = {name for one in services for each in one.commands.values() for name in each.targets}
        self.catalogue = {one.name: _target(one) for one in services}
        paths = sorted((folder / self.project.agents).glob("*.yaml"))
        self.agents = {one.name: one for one in (_agent(read(Manifest, path)) for path in paths)}
        self._crosscheck(len(services), len(paths))

    def _crosscheck(self, services: int, manifests: int) -> None:
        project, known = self.project, set(self.catalogue)
        faults = [
            *(["two services share a name"] if len(self.catalogue) != services else []),
            *(["two agents share a name"] if len(self.agents) != manifests else []),
            *(["the agent name `observer` is taken by the observer"] if "observer" in self.agents else []),
            *(f"route {name!r} leads to no agent {agent!r}" for name, agent in project.routes.items() if agent not in self.agents),
            *(f"agent {one.name}: no service {name!r}" for one in self.agents.values() for name in one.targets if name not in known),
            *(["policy.engine is opa and policy.url says no address"] if project.policy.engine == "opa" and not project.policy.url else []),
            *(
                f"service {one.name}: depends on no service {name!r}"
                for one in self.catalogue.values()
                for name in one.depends_on
                if name not in known
            ),
            *(f"a command touches no service {name!r}" for name in sorted(self._touched - known)),
        ]
        if faults:
            raise BadInput(f"{self.folder / 'flyball.yaml'}: {faults[0]}", "the project's files contradict each other", "mend the name")

    def runbooks(self) -> dict[str, bytes]:
        """Give every runbook file by name."""
        return {path.name: path.read_bytes() for path in sorted((self.folder / self.project.runbooks).glob("*.yaml"))}

    def rules(self) -> Rules:
        """Give what the core looks at."""
        project, pace = self.project, self.project.pace
        kinds = {name: (one.burst, one.every_s) for name, one in pace.items() if name != "default"}
        default = (pace["default"].burst, pace["default"].every_s) if "default" in pace else Rates().default
        return Rules(
            catalogue=self.catalogue,
            agents=self.agents,
            routes=project.routes,
            rates=Rates(default=default, kinds=kinds),
            breakpoints=tuple(Breakpoint(field=one.field, op=one.op, value=one.value) for one in project.breakpoints),
            groups={one.id: tuple(one.groups) for one in project.people},
            shadow=project.shadow,
            approve_s=project.times.approve_s,
            execute_s=project.times.execute_s,
            review_s=project.times.review_s,
            undo_keep_s=project.times.undo_keep_s,
        )


def overlong(agents: Mapping[str, Agent], catalogue: Mapping[str, Target]) -> list[str]:
    """Name each command that may take longer than a session of an agent that may run it: its end would come too late to be proven."""
    limits = {
        (one.name, command): float(said["timeout_s"])
        for one in catalogue.values()
        for command, said in sorted(cast("dict[str, Any]", one.facts.get("commands", {})).items())
    }
    return [
        f"agent {agent.name} has max_s: {agent.max_s:g}, and {command!r} of {target} may take {limit:g} s"
        for agent in agents.values()
        if agent.enabled and "command.run" in agent.kinds
        for (target, command), limit in limits.items()
        if target in agent.targets or any(target in catalogue[one].depends_on for one in agent.targets)
        if limit >= agent.max_s
    ]


def places(target: Target) -> dict[str, str]:
    """Give the programs, files and folders that the catalogue names for a target, each path with the field that names it first."""
    facts: dict[str, Any] = dict(target.facts)
    control, commands = (
        cast("dict[str, Any]", said) if isinstance(said := facts.get(key), dict) else {} for key in ("control", "commands")
    )
    programs = {f"control.{verb}": argv[0] for verb, argv in control.items() if isinstance(argv, list) and argv}
    programs |= {f"commands.{name}": said["argv"][0] for name, said in commands.items()}
    mounts = [each["source"] for said in commands.values() for each in said["mounts"]]
    mounts += [each["source"] for each in _listed(facts, "control_mounts") if isinstance(each, dict) and "source" in each]
    log = str(facts.get("log", "")).rpartition("/")[0]  # the file itself may come with the first line
    named = [
        *programs.items(),
        *(("paths", path) for path in _listed(facts, "paths")),
        *(("mounts", path) for path in mounts),
        ("log", log),
        *((key, facts.get(key, "")) for key in ("mountpoint", "quarantine", "repo", "config")),
    ]
    first = {path: key for key, path in reversed(named) if isinstance(path, str) and path.startswith("/")}
    return dict(reversed(first.items()))


def _listed(facts: Mapping[str, Any], key: str) -> list[Any]:
    found = facts.get(key)
    return found if isinstance(found, list) else []


def _target(one: Service) -> Target:
    return Target(
        name=one.name,
        env=one.env,
        region=one.region,
        sensitivity=one.sensitivity,
        owner=one.owner,
        depends_on=tuple(one.depends_on),
        facts={**one.facts, **({"commands": {name: each.model_dump() for name, each in one.commands.items()}} if one.commands else {})},
    )


def _agent(one: Manifest) -> Agent:
    return Agent(
        name=one.name,
        role=one.role,
        brain=one.brain,
        owner=one.owner,
        oncall=one.oncall,
        kinds=tuple(one.kinds),
        targets=tuple(one.targets),
        envs=tuple(one.envs),
        regions=tuple(one.regions),
        ceiling=one.ceiling,
        max_steps=one.max_steps,
        max_s=one.max_s,
        max_fixes=one.max_fixes,
        budget_micros=one.budget_micros,
        enabled=one.enabled,
    )
