"""The terminal as a stranger meets it: a process, its two streams, its exit code. Real projects, real servers, no stand-ins."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest
import yaml

from flyball import errors
from flyball.backends.freezer_file import FileFreezer
from flyball.backends.store.sqlite import SqliteStore
from flyball.config import Whole, overlong
from flyball.faces.cli import show
from flyball.faces.cli.card import card
from flyball.faces.cli.look import grouped
from flyball.faces.cli.main import EPILOG, TABLE, cli
from flyball.faces.cli.work import step_row
from flyball.model.log import Change, Entry

SRC = Path(errors.__file__).parents[1]
SERVER_HALF = (
    "fastapi",
    "starlette",
    "uvicorn",
    "cryptography",
    "pydantic",
    "sqlite3",
    "asyncio",
    "orjson",
    "flyball.compose",
    "flyball.core",
)
READY_S = 30.0
Said = tuple[int, str, str]


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": str(SRC), **more}


def flyball(*argv: str | Path, cwd: Path | None = None, **env: str) -> Said:
    ran = subprocess.run(
        [sys.executable, "-m", "flyball", *map(str, argv)],
        cwd=cwd,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.returncode, ran.stdout, ran.stderr


def until(test: Callable[[], bool], deadline_s: float = READY_S) -> bool:
    """Look until it holds or the time is over; a look is a real call, so it paces itself."""
    end = time.monotonic() + deadline_s
    while not test():
        if time.monotonic() > end:
            return False
    return True


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def made(folder: Path) -> Path:
    """A fresh project that listens on a free port."""
    rc, _, err = flyball("init", folder)
    assert rc == 0, err
    file = folder / "flyball.yaml"
    file.write_text(file.read_text().replace("127.0.0.1:7070", f"127.0.0.1:{free_port()}"))
    return folder


class Running:
    """A server as its own process, with what it printed."""

    def __init__(self, folder: Path, *argv: str) -> None:
        self.folder = folder
        self.out = folder.with_suffix(".out")
        with self.out.open("wb") as out, folder.with_suffix(".err").open("wb") as err:
            whole = [sys.executable, "-m", "flyball", "up", "--project", str(folder), "-o", "json", *argv]
            self.born = subprocess.Popen(whole, env=environment(), stdout=out, stderr=err)
        assert until(lambda: self.out.read_text().endswith("}\n") or self.born.poll() is not None)
        assert self.born.poll() is None, folder.with_suffix(".err").read_text()
        self.doc = json.loads(self.out.read_text())

    def end(self) -> int:
        self.born.send_signal(signal.SIGINT)
        return self.born.wait(timeout=20)

    def ask(self, *argv: str, **env: str) -> Said:
        return flyball(*argv, "--project", self.folder, **env)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(made(tmp_path_factory.mktemp("cli") / "project"))
    yield running
    assert running.end() == 0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("quiet") / "project")


# ---- help


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["version"],
        ["sessions", "--help"],
        ["approve", "--help"],
        ["up", "--help"],
        ["demo", "--help"],
        ["sessions", "list", "--url", "http://127.0.0.1:1"],
    ],
    ids=" ".join,
)
def test_the_client_imports_nothing_of_the_server(argv: list[str]) -> None:
    code = f"import sys\nfrom flyball.faces.cli.main import main\nmain({argv!r})\nprint('loaded', *sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment(FLYBALL_TOKEN="x"), capture_output=True, text=True, timeout=30, check=True
    )
    loaded = set(ran.stdout.rpartition("loaded")[2].split())
    assert "flyball.faces.cli.main" in loaded
    assert not loaded & set(SERVER_HALF)


def test_help_costs_little_more_than_python_itself() -> None:
    def cpu_s(*argv: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *argv], env=environment(), stdout=subprocess.DEVNULL, check=True, timeout=30)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    rounds = [(cpu_s("-c", "pass"), cpu_s("-m", "flyball", "--help")) for _ in range(5)]
    bare, own = (min(column) for column in zip(*rounds, strict=True))
    assert own < 10 * bare


def test_the_table_says_what_the_commands_say() -> None:
    ctx = click.Context(cli)
    for plugs in TABLE.values():
        for name, (_, text) in plugs.items():
            found = cli.get_command(ctx, name)
            assert found is not None
            assert found.name == name
            assert (found.help or "").partition("\n\n")[0].replace("\n", " ") == text


def test_every_exit_code_is_listed_in_help() -> None:
    rc, out, _ = flyball("--help")
    assert rc == 0
    assert "130 interrupted" in " ".join(out.split())
    for one in errors.UserError.__subclasses__():
        assert f" {one.exit_code} " in f" {EPILOG}"


def test_every_command_takes_the_shared_options() -> None:
    def walk(command: click.Command) -> Iterator[click.Command]:
        yield command
        if isinstance(command, click.Group):
            ctx = click.Context(command)
            for name in command.list_commands(ctx):
                found = command.get_command(ctx, name)
                assert found is not None
                yield from walk(found)

    for command in walk(cli):
        assert {"project", "url", "output", "debug"} <= {param.name for param in command.params}, command.name
        assert command.help


# ---- messages


def test_a_misspelt_command_is_answered_with_what_comes_near() -> None:
    assert flyball("sesions") == (2, "", "there is no command 'sesions'. Did you mean sessions or version?\nnext: flyball --help\n")


def test_a_missing_project_is_named(tmp_path: Path) -> None:
    why = "why: flyball.yaml is not there\nnext: flyball init makes one; --project or FLYBALL_PROJECT names another folder\n"
    assert flyball("status", cwd=tmp_path) == (3, "", f"there is no Flyball project in {tmp_path}\n{why}")


def test_no_server_on_a_project(project: Path) -> None:
    text = f"no server runs on {project}\nwhy: its state holds no address\nnext: flyball up --project {project}\n"
    assert flyball("sessions", "list", "--project", project) == (8, "", text)


def test_an_unreachable_server() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    text = f"no server answers at {url}\nwhy: connection refused\nnext: flyball up --project ., or name another with --url\n"
    assert flyball("sessions", "list", "--url", url, FLYBALL_TOKEN="fb_x") == (8, "", text)


def test_no_key(tmp_path: Path) -> None:
    (tmp_path / "flyball.yaml").write_text("kind: Project\n")
    rc, out, err = flyball("status", "--url", "http://127.0.0.1:1", "--project", tmp_path)
    assert (rc, out) == (4, "")
    assert err.splitlines() == [
        "there is no key to sign in with",
        f"why: FLYBALL_TOKEN is not set, and {tmp_path}/state/keys/admin cannot be read: No such file or directory",
        "next: ask an admin for a key (flyball keys create) and put it into FLYBALL_TOKEN",
    ]


def test_a_key_that_has_expired(server: Running) -> None:
    rc, key, _ = server.ask("keys", "create", "person:second", "--scope", "read", "--ttl", "0.3s")
    assert rc == 0
    assert until(lambda: server.ask("status", FLYBALL_TOKEN=key.strip())[0] != 0)
    url = server.doc["url"]
    assert server.ask("status", FLYBALL_TOKEN=key.strip()) == (
        4,
        "",
        (
            f"the server at {url} wants a sign-in\n"
            "why: the key in FLYBALL_TOKEN does not count: it has expired, was revoked or belongs to another server\n"
            "next: ask an admin for a key (flyball keys create) and put it into FLYBALL_TOKEN\n"
        ),
    )


def test_a_key_without_the_scope(server: Running) -> None:
    key = server.ask("keys", "create", "person:second", "--scope", "signal")[1].strip()
    rc, out, err = server.ask("status", FLYBALL_TOKEN=key)
    assert (rc, out) == (5, "")
    assert err.splitlines() == [
        "person:second may not do this",
        "why: its key lacks the scope 'read'",
        "next: ask an admin for a key that has it",
    ]


def test_a_second_server_on_the_same_state(server: Running) -> None:
    rc, out, err = server.ask("up", "--listen", f"127.0.0.1:{free_port()}")
    assert (rc, out) == (1, "")
    assert err.splitlines() == [
        f"another server already uses {server.folder}/state",
        f"why: pid {server.born.pid} holds the lock",
        "next: stop it, or name another state folder; if it hangs and cannot be stopped, start with --takeover",
    ]
    assert server.ask("status")[0] == 0  # the first one goes on, with its address and its key


def test_a_state_folder_that_cannot_be_written(tmp_path: Path) -> None:
    folder = made(tmp_path / "p")
    (folder / "state").write_text("a file where the folder should be")
    rc, out, err = flyball("up", "--project", folder)
    assert (rc, out) == (1, "")
    first, why, fix = err.splitlines()
    assert first == f"the state folder {folder}/state cannot be used"
    assert why.startswith("why: [Errno")
    assert fix == "next: give this user write access to it, or name another folder"


def test_a_policy_that_does_not_load(tmp_path: Path) -> None:
    folder = made(tmp_path / "p")
    (folder / "policies" / "zone.rego").write_text("package flyball\n\nimport rego.v1\n\nzone := := 1\n")
    rc, out, err = flyball("up", "--project", folder)
    assert (rc, out) == (1, "")
    assert err.splitlines()[0].startswith("zone.rego:5:")
    assert len(err.splitlines()) == 3
    rc, out, shown = flyball("policy", "check", "--project", folder)
    assert (rc, out) == (2, "")
    assert shown.endswith(err)
    assert "  zone := := 1\n          ^" in shown
    assert not (folder / "state").exists()  # refused before anything was made


def test_a_clock_that_was_set_back(tmp_path: Path) -> None:
    folder = made(tmp_path / "p")
    ahead = time.time() + 3600

    async def write() -> None:
        store = SqliteStore.open(folder / "state", now=lambda: ahead)
        await store.commit(Change(entries=(Entry(name="server.started", who="service:compose", body={}),)))
        store.close()

    asyncio.run(write())
    rc, out, err = flyball("up", "--project", folder)
    assert (rc, out) == (1, "")
    assert "clock" in err.splitlines()[0]
    assert len(err.splitlines()) == 3
    rc, out, err = flyball("doctor", "--project", folder)
    assert rc == 1
    assert "log: set the clock, or: flyball up --accept clock" in err.splitlines()
    running = Running(folder, "--accept", "clock")
    assert running.ask("status")[0] == 0
    assert running.end() == 0


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    folder = made(tmp_path / "p")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        rc, out, err = flyball("up", "--project", folder, "--listen", address)
        assert (rc, out) == (1, "")
        assert err.splitlines() == [
            f"{address} cannot be listened on",
            "why: Address already in use",
            "next: set `listen` in flyball.yaml, or --listen",
        ]
        text = f"no server runs on {folder}\nwhy: its state holds no address\nnext: flyball up --project {folder}\n"
        assert flyball("status", "--project", folder) == (8, "", text)  # and no key is sent to whoever listens there
        demo = flyball("demo", "--yes", "--port", str(holder.getsockname()[1]), "--home", tmp_path / "tour")
    assert demo[0] == 1
    assert demo[2].splitlines()[0] == f"port {address.rpartition(':')[2]} is taken"


def test_an_unknown_key_in_flyball_yaml(tmp_path: Path) -> None:
    folder = made(tmp_path / "p")
    file = folder / "flyball.yaml"
    file.write_text(file.read_text() + "\nshadwo: true\n")
    text = f"{file}: /shadwo: Extra inputs are not permitted\nwhy: the file does not fit its schema\nnext: flyball schema Project\n"
    assert flyball("up", "--project", folder) == (2, "", text)


@pytest.mark.parametrize(
    ("argv", "code", "first"),
    [
        (("up", "--listen", "nonsense"), 2, "'nonsense' is no address to listen on"),
        (("init", "/proc/flyball"), 1, "/proc/flyball cannot be written to"),
        (("freeze", "all"), 2, "a reason is missing"),
        (("freeze", "everything", "--reason", "x"), 2, "'everything' is no scope"),
        (("thaw", "f1", "--reason", "x"), 2, "a thaw needs an end"),
        (("edit", "a", "--args", "[1]", "--reason", "x"), 2, "--args is not an object"),
        (("edit", "a", "--args", "{", "--reason", "x"), 2, "--args is not JSON"),
        (("signals", "send"), 2, "there is nothing to send"),
        (("run", "missing.yaml"), 3, "missing.yaml cannot be read"),
        (("schema", "Nothing"), 3, "there is no schema 'Nothing'"),
        (("approve", "a"), 2, "Missing option '--reason'."),
        (("lab", "status", "--home", "nowhere"), 1, "No lab in"),
        (("audit", "verify", "--offline", "nowhere"), 3, "there is no"),
        (("policy", "check", "nowhere"), 3, "there is no folder nowhere"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else None,
)
def test_bad_input_is_one_clear_message(argv: tuple[str, ...], code: int, first: str, tmp_path: Path) -> None:
    rc, out, err = flyball(*argv, cwd=tmp_path)
    assert (rc, out) == (code, "")
    assert err.startswith(first)
    assert len(err.splitlines()) <= 3
    assert "Traceback" not in err


def test_debug_shows_where_a_fault_came_from(tmp_path: Path) -> None:
    rc, _, err = flyball("status", "--debug", cwd=tmp_path)
    assert rc == 3
    assert "Traceback" in err


# ---- a project, its checks, its log


def test_what_init_writes_passes_its_own_checks(project: Path) -> None:
    rc, out, err = flyball("doctor", "--project", project, "-o", "json")
    assert (rc, [one for one in json.loads(out) if not one["ok"]]) == (0, []), err
    assert {"python", "sqlite", "git", "project", "policy", "runbooks", "state", "disk", "log", "port"} <= {
        one["check"] for one in json.loads(out)
    }
    assert flyball("policy", "check", "--project", project)[1].startswith("ok\t")
    assert flyball("policy", "test", "--project", project)[1].startswith("ok\t")
    assert flyball("runbook", "check", "--project", project)[1].startswith("ok\t")
    rc, _, err = flyball("init", project)
    assert (rc, err.splitlines()[0]) == (7, f"{project} holds a project already")


@pytest.mark.parametrize("owner", ["", 'owner: ""\n'])
def test_an_agent_without_an_owner_is_refused(tmp_path: Path, owner: str) -> None:
    """Somebody answers for every agent."""
    folder = made(tmp_path / "p")
    manifest = folder / "agents" / "remediator.yaml"
    kept = [line for line in manifest.read_text().splitlines(keepends=True) if not line.startswith("owner:")]
    assert len(kept) == len(manifest.read_text().splitlines()) - 1
    manifest.write_text("".join(kept) + owner)
    rc, out, _ = flyball("doctor", "--project", folder, "-o", "json")
    said = next(one for one in json.loads(out) if one["check"] == "project")
    assert (rc, said["ok"]) == (1, False)
    assert "owner" in said["detail"]
    assert said["fix"] == "flyball schema Agent"
    assert flyball("schema", "Agent")[0] == 0


@pytest.mark.parametrize(("max_s", "fits"), [(7200, False), (7201, True)])
def test_a_command_that_outlasts_its_agents_sessions_is_named(tmp_path: Path, max_s: int, fits: bool) -> None:
    folder = made(tmp_path / "p")
    manifest, catalogue = folder / "agents" / "remediator.yaml", folder / "catalogue.yaml"
    manifest.write_text(manifest.read_text().replace("max_s: 3600", f"max_s: {max_s}"))
    services = yaml.safe_load(catalogue.read_text())
    services["services"][0]["commands"] = {"reindex": {"argv": ["/bin/true"], "timeout_s": 7200}}
    catalogue.write_text(yaml.safe_dump(services))
    rc, out, err = flyball("doctor", "--project", folder, "-o", "json")
    said = next(one for one in json.loads(out) if one["check"] == "commands")
    assert (said["ok"], rc) == (fits, 0 if fits else 1), err
    fault = "agent remediator has max_s: 7200, and 'reindex' of web may take 7200 s"
    assert (said["detail"] == fault) is not fits
    whole = Whole(folder)
    assert overlong(whole.agents, whole.catalogue) == ([] if fits else [fault])
    assert overlong({name: replace(one, kinds=("host.read",)) for name, one in whole.agents.items()}, whole.catalogue) == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            {"state": "backoff", "pid": None, "exit_code": 69, "started_at": 1795735403.2, "took_ms": 4},
            "state backoff, exit_code 69, started_at 2026-11-26T23:23:23Z",
        ),
        ({"path": "/x.log", "lines": ["first", "bind: Address\x1b[2J already in use"]}, "bind: Address[2J already in use"),
        ({"lines": [], "path": "/x.log"}, "path /x.log"),
        ({"listening": [{"port": 1}, {"port": 2}], "ports": [1, 2], "more": {}}, "listening (2), ports 1 2"),
        ([{"name": "a", "size": 3}, {"name": "b", "size": 4}], "2 found; first: name a, size 3"),
        ([], "0 found"),
        (None, ""),
        ("x" * 300, "x" * 97 + "..."),
    ],
)
def test_what_was_found_is_told_in_few_words(body: object, told: str) -> None:
    assert show.gist(body) == told


def test_what_the_catalogue_names_and_is_not_there_is_warned_about(tmp_path: Path) -> None:
    folder, logs = made(tmp_path / "p"), tmp_path / "logs"
    logs.mkdir()
    catalogue = folder / "catalogue.yaml"
    services = yaml.safe_load(catalogue.read_text())
    facts = {
        "control": {"status": ["/bin/true"], "start": ["/no/ctl", "start"], "stop": ["/no/ctl", "stop"]},
        "control_mounts": [{"source": str(logs)}, {"source": "/no/socket"}],
        "paths": [f"{logs}/", "/no/logs"],
        "log": f"{logs}/not-yet-written.log",
        "repo": str(tmp_path),
        "quarantine": "/no/quarantine",
        "health_url": "http://127.0.0.1:9/",
    }
    command = {"argv": ["/no/reindex"], "mounts": [{"source": "/no/data"}], "timeout_s": 60}
    services["services"] = [{"name": "web", "env": "prod", "facts": facts, "commands": {"reindex": command}}]
    catalogue.write_text(yaml.safe_dump(services))
    rc, out, err = flyball("doctor", "--project", folder)
    said = next(line for line in out.splitlines() if line.split("\t")[1] == "services")
    missing = (
        "control.start /no/ctl, commands.reindex /no/reindex, paths /no/logs, mounts /no/data, mounts /no/socket, quarantine /no/quarantine"
    )
    assert said == f"WARN\tservices\tweb: not there, or not to be seen: {missing}"
    assert (rc, err) == (0, "services: correct the catalogue; what a runbook cannot look at it leaves to a person\n")
    for gone in ("quarantine", "control_mounts"):
        facts.pop(gone)
    facts |= {"control": {"status": ["/bin/true"]}, "paths": [str(logs)]}
    services["services"][0].pop("commands")
    catalogue.write_text(yaml.safe_dump(services))
    rc, out, err = flyball("doctor", "--project", folder)
    assert (rc, err, "ok\tservices\tevery program and path of the catalogue is there" in out.splitlines()) == (0, "", True)


def test_a_log_that_cannot_be_followed_is_named(tmp_path: Path) -> None:
    folder = made(tmp_path / "p")
    with (folder / "flyball.yaml").open("a") as project:
        project.write("tails: [{name: web, path: /var/log/web.log, match: '(?=ERROR)', target: web}]\n")
    rc, out, _ = flyball("doctor", "--project", folder, "-o", "json")
    said = next(one for one in json.loads(out) if one["check"] == "tails")
    assert (said["ok"], rc) == (False, 1)
    assert said["detail"].startswith("the tail web cannot be followed: '(?=ERROR)' is no regular expression of RE2: ")
    assert said["fix"] == "correct tails[].match in flyball.yaml"


def test_a_runbook_that_is_wrong_is_named(tmp_path: Path) -> None:
    folder = made(tmp_path / "p")
    (folder / "runbooks" / "disk.yaml").write_text("kind: Runbook\n")
    rc, _, err = flyball("runbook", "check", "--project", folder)
    assert rc == 2
    assert err.startswith("disk.yaml")
    rc, _, err = flyball("doctor", "--project", folder)
    assert rc == 1
    assert any(line.startswith("runbooks: ") for line in err.splitlines())


def test_freeze_works_with_the_server_down(project: Path) -> None:
    rc, out, err = flyball("freeze", "target:web", "--reason", "a look at the disk first", "--project", project)
    assert rc == 0
    name, scope, effect = out.rstrip("\n").split("\t")
    assert (scope, effect.startswith("in force after ")) == ("target:web", True)
    assert err.splitlines()[0] == "no server answers; one that starts on this state obeys it from its first moment"
    found = {one.id: one for one in FileFreezer(project / "state").freezes()}
    assert (found[name].scope, found[name].reason) == ("target:web", "a look at the disk first")
    assert name in flyball("freeze", "list", "--project", project)[1]


def test_freeze_and_thaw_are_seen_and_recorded_by_the_server(server: Running) -> None:
    rc, out, err = server.ask("freeze", "agent:remediator", "--reason", "it does odd things", "--undoing")
    assert (rc, err.splitlines()[0]) == (0, "the server sees it")
    name = out.split("\t")[0]
    rows = json.loads(server.ask("freeze", "list", "-o", "json")[1])
    assert [(one["scope"], one["undoing"]) for one in rows if one["id"] == name] == [("agent:remediator", True)]
    assert until(lambda: name in server.ask("audit", "tail", "-n", "200", "-o", "json")[1])  # the server records it within a second
    assert server.ask("thaw", name, "--reason", "it was a false alarm", "--for", "30m")[0] == 0
    assert server.ask("thaw", name, "--reason", "it was a false alarm", "--lift")[0] == 0
    names = [one["name"] for one in json.loads(server.ask("audit", "tail", "-n", "200", "-o", "json")[1])]
    assert {"freeze.set", "freeze.thawed", "freeze.lifted"} <= set(names)


def test_a_change_that_was_done_and_did_not_help_says_so_in_its_row() -> None:
    action = {"id": "s-1.2", "step": 2, "kind": "process.restart", "purpose": "fix", "args": {}, "why": "start it"}
    deed = {"action": action, "zone": "red", "status": "done", "verified": False, "verify_note": "not met: it is down", "why": "checked"}
    assert step_row(deed)["what"] == "start it: not met: it is down"
    assert step_row({**deed, "verified": True})["what"] == "start it"


def test_a_question_is_shown_with_its_options_and_answered(server: Running) -> None:
    assert server.ask("signals", "send", "--alert", "NeverHeardOf", "--service", "web")[0] == 0

    def asking() -> str:
        rows = json.loads(server.ask("sessions", "list", "-o", "json")[1])
        return next((str(one["id"]) for one in rows if one["waiting"] == "answer"), "")

    assert until(lambda: bool(asking()))
    session = asking()
    _, out, err = server.ask("sessions", "show", session)
    assert "asks\tNeverHeardOf on web is new here" in out
    assert "  - none of these" in out.splitlines()
    assert f'next: flyball sessions answer {session} "..."' in err
    assert "who   agent:remediator asks; nobody has answered yet" in server.ask("explain", session)[1]
    assert server.ask("sessions", "answer", session, "none of these")[0] == 0
    assert until(lambda: "agent:remediator asked; person:admin answered" in server.ask("explain", session)[1])
    assert "asks\t" not in server.ask("sessions", "show", session)[1]


def test_the_log_verifies_exports_and_proves(server: Running, tmp_path: Path) -> None:
    rc, out, _ = server.ask("audit", "verify")
    assert (rc, out.startswith("ok: ")) == (0, True)
    assert server.ask("audit", "export", str(tmp_path / "copy"))[0] == 0
    assert flyball("audit", "verify", "--offline", tmp_path / "copy")[0] == 0
    assert server.ask("audit", "prove", "0")[1].startswith("c2sp.org/tlog-proof@v1\nindex 0\n")
    bundle = next((tmp_path / "copy" / "tile" / "entries").rglob("*.p/*"))
    bundle.write_bytes(bundle.read_bytes().replace(b"service:compose", b"service:c0mpose", 1))
    rc, _, err = flyball("audit", "verify", "--offline", tmp_path / "copy")
    assert rc == 9
    assert err.splitlines()[0] == f"the log in {tmp_path / 'copy'} does not verify"
    assert "at entry 0: edited" in err.splitlines()[1]


# ---- forms of output


def test_the_forms_of_output(server: Running) -> None:
    tabs = server.ask("agents", "list")[1].splitlines()
    assert [line.split("\t")[0] for line in tabs] == ["remediator"]
    assert server.ask("agents", "list", "-o", "table")[1].splitlines()[0].split() == [
        "agent",
        "role",
        "brain",
        "owner",
        "ceiling",
        "enabled",
        "targets",
    ]
    assert json.loads(server.ask("-o", "json", "agents", "list")[1])[0]["name"] == "remediator"
    assert yaml.safe_load(server.ask("agents", "show", "remediator", "-o", "yaml")[1])["brain"] == "runbook"
    assert server.ask("agents", "show", "nobody")[0] == 3
    assert server.ask("kinds", "list")[0] == 0
    assert server.ask("approvals", "list")[:2] == (0, "")
    assert server.ask("approve", "none", "--reason", "nothing is there to approve", "--yes")[0] == 3


def test_watch_writes_json_lines_into_a_pipe(server: Running) -> None:
    argv = [sys.executable, "-m", "flyball", "dlq", "list", "--watch", "--project", str(server.folder)]
    watching = subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        spec = server.folder / "spec.yaml"
        spec.write_text("apiVersion: flyball/v1\nkind: Task\nmetadata: {name: odd}\nspec: {goal: look, target: web, max_cost_micros: 0}\n")
        assert server.ask("run", str(spec))[0] == 0
        assert watching.stdout is not None
        letter = json.loads(watching.stdout.readline())
        assert (letter["source"], "max_cost_micros is 0" in letter["error"]) == ("spec", True)
        assert server.ask("dlq", "replay", letter["id"])[0] == 0
    finally:
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=20)
    assert (watching.returncode, err.strip()) == (130, "interrupted")


def test_a_reader_that_goes_away_is_no_fault() -> None:
    argv = f"{sys.executable} -m flyball schema PolicyInput | head -n 1"
    ran = subprocess.run(["bash", "-c", argv], env=environment(), capture_output=True, text=True, check=False, timeout=30)
    assert (ran.stdout, ran.stderr) == ("{\n", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", "[2Jgone"),
        ("a\tb\nc", "a b c"),
        ("right\u202eleft", "rightleft"),
        ("zero\u200bwidth", "zerowidth"),
        ("caf\u00e9", "caf\u00e9"),
        ("\x9b31m", "31m"),
    ],
)
def test_text_from_outside_moves_no_cursor(text: str, shown: str) -> None:
    assert show.plain(text) == shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_for_each_shell(shell: str) -> None:
    rc, out, _ = flyball("completion", shell)
    assert (rc, "_FLYBALL_COMPLETE" in out) == (0, True)


def test_completion_knows_the_commands() -> None:
    code = "import sys; sys.argv[0] = 'flyball'; from flyball.faces.cli.main import main; sys.exit(main())"
    env = environment(COMP_WORDS="flyball sessions p", COMP_CWORD="2", _FLYBALL_COMPLETE="bash_complete")
    ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=30, check=False)
    assert ran.stdout == "plain,pause\n", ran.stderr


@pytest.mark.parametrize("kind", ["Project", "Agent", "Catalogue", "Task", "Runbook", "PolicyInput"])
def test_every_kind_of_file_has_a_schema(kind: str) -> None:
    rc, out, _ = flyball("schema", kind.lower())
    assert (rc, json.loads(out)["type"]) == (0, "object")


def test_the_api_describes_itself_without_a_server() -> None:
    doc = json.loads(flyball("openapi")[1])
    assert {"/v1/sessions", "/v1/approvals/{name}/{verb}", "/v1/freezes"} <= set(doc["paths"])


ESCAPES = "\x1b[2J\x07\u202e\u200b"


def test_a_card_shows_no_text_that_could_move_the_cursor() -> None:
    words = ("id", "session", "state", "title", "zone", "why", "rule", "policy_reason", "policy_digest", "digest", "requester", "on_expiry")
    odd = {name: f"{name}{ESCAPES}" for name in words}
    hypothesis = {"name": f"disk{ESCAPES}", "state": "ruled_out", "confidence": 0.5, "because": f"a{ESCAPES}\nb"}
    doc = {
        **odd,
        "expires_at": 100.0,
        "confidence": 0.75,
        "quorum": {"need": 2, "got": 1, "group": f"sre{ESCAPES}"},
        "hypotheses": [hypothesis],
        "evidence": [{"id": "v1", "command": f"df{ESCAPES}", "text": f"full{ESCAPES}\nline two"}],
        "argv": [["/bin/mv", f"a{ESCAPES}b"]],
        "diff": f"-old{ESCAPES}\n+new",
        "args": {"path": f"/{ESCAPES}"},
        "votes": [{"by": "person:a", "verb": "approve", "reason": f"fine{ESCAPES}"}],
    }
    text = card(doc, now=40.0)
    assert all(one.isprintable() or one == "\n" for one in text)
    for line in ("  0.50  disk[2J: ruled out. a[2J b", "    | line two", "    +new", "  undo      none: this cannot be rolled back"):
        assert line in text.splitlines()
    assert "in 1m" in text
    assert "2 of sre[2J" in text


def test_hypotheses_of_one_reason_stand_on_one_line_and_refuted_ones_are_told_apart() -> None:
    found = [("a", "ruled_out", "no"), ("b", "refuted", "no"), (f"c{ESCAPES}", "ruled_out", f"n{ESCAPES}o")]
    assert grouped([{"name": name, "state": state, "because": why} for name, state, why in found]) == [
        "a: no",
        "b: tried and refuted: no",
        "c[2J: n[2Jo",
    ]
    assert grouped([{"name": name, "state": "open", "because": "last"} for name in "xyz"]) == ["x, y, z: last"]


@pytest.mark.parametrize(("text", "expected"), [("30s", 30.0), ("15m", 900.0), ("2h", 7200.0), ("7d", 604_800.0), ("5", 5.0)])
def test_lengths_of_time_are_read(text: str, expected: float) -> None:
    assert show.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "m", "-5m", "0s", "nan", "infd", "1w"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(errors.BadInput, match="no length of time"):
        show.seconds(text)


def test_policies_are_loaded_again_while_the_server_runs(tmp_path: Path) -> None:
    running = Running(made(tmp_path / "p"))
    try:
        before = running.ask("policy", "reload")
        assert before[0] == 0
        assert before[1].startswith("unchanged\t")
        data = running.folder / "policies" / "data.yaml"
        good = data.read_text()
        data.write_text(good.replace("attempts: 3", "attempts: 9"))
        rc, out, err = running.ask("policy", "reload")
        assert (rc, out, err.splitlines()[0]) == (2, "", "cases/raise.yaml: case `the fourth attempt asks` fails")
        data.write_text(good.replace("banking: prod", "banking: prod\n  vault: prod"))
        running.born.send_signal(signal.SIGHUP)
        assert until(lambda: '"policy.loaded"' in running.ask("audit", "tail", "-o", "json")[1])
        assert running.ask("policy", "reload")[1].startswith("unchanged\t")
        assert '"policy.refused"' in running.ask("audit", "tail", "-o", "json")[1]
    finally:
        assert running.end() == 0


def test_the_action_judges_files_and_tests_policies(tmp_path: Path) -> None:
    action = yaml.safe_load((SRC.parent / ".github" / "actions" / "policy" / "action.yml").read_text())
    script = SRC.parent / ".github" / "actions" / "policy" / "run"
    told = {name for step in action["runs"]["steps"] for name in step.get("env", {})}
    (tmp_path / "open.yaml").write_text("ingress: [{cidr_blocks: [0.0.0.0/0]}]\n")
    (tmp_path / "many.yaml").write_text("scale: {was: 3, to: 9, type: m5.large}\n")
    bins = tmp_path / "bin"
    bins.mkdir()
    (bins / "flyball").write_text(f'#!/bin/sh\nexec {sys.executable} -m flyball "$@"\n')
    (bins / "flyball").chmod(0o755)

    def ran(**env: str) -> int:
        assert env.keys() <= told
        whole = {**environment(), "PATH": f"{bins}:{os.environ['PATH']}", **env}
        return subprocess.run(["bash", script], cwd=tmp_path, env=whole, capture_output=True, timeout=60, check=False).returncode

    assert ran(FILES="many.yaml open.yaml", FORMAT="yaml", ENVIRONMENT="dev") == 5
    assert ran(FILES="many.yaml", FORMAT="yaml", ENVIRONMENT="dev") == 6
    assert ran(FILES="many.yaml", FORMAT="yaml", ENVIRONMENT="dev", ASK="pass") == 0
    assert ran(POLICIES=str(SRC / "flyball" / "defaults" / "policies"), JUNIT="out.xml") == 0
    assert "<testsuite" in (tmp_path / "out.xml").read_text()


def test_the_hooks_are_commands() -> None:
    hooks = yaml.safe_load((SRC.parent / ".pre-commit-hooks.yaml").read_text())
    assert [one["entry"] for one in hooks] == ["flyball policy check", "flyball policy check --input-format yaml"]
    for one in hooks:
        assert flyball(*one["entry"].split()[1:], "--help")[0] == 0
