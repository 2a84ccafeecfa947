import asyncio
import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from flyball.errors import BadInput
from flyball.kinds.host_read import CATALOGUE, KIND
from flyball.model.action import Outcome
from flyball.model.ids import Doc
from kindbox import Service, hands

RESULT = jsonschema_rs.validator_for(dict(KIND.spec.result))
ARGS = jsonschema_rs.validator_for(json.loads(json.dumps(KIND.spec.args)))


async def look(facts: Doc, command: str, **args: object) -> Any:
    """Run one look that must go well, and hold its result to the schema."""
    outcome = await ask(facts, command, **args)
    assert outcome.ok, outcome.error
    assert jsonschema_rs.is_valid(json.loads(json.dumps(CATALOGUE[command].result)), outcome.result), outcome.result
    return outcome.result


async def ask(facts: Doc, command: str, **args: object) -> Outcome:
    given = {"command": command, "args": args}
    assert ARGS.is_valid(given), given
    asked = hands("host.read", given, facts)
    return await KIND.do(asked, await KIND.plan(asked))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "web.log").write_text("".join(f"line {n}\n" for n in range(100)))
    (folder / "web.log.1").write_bytes(b"x" * 5000)
    (folder / "web.log.2").write_bytes(b"y" * 10)
    return folder


@pytest.fixture
def facts(place: Path) -> dict[str, Any]:
    return {"paths": [str(place)], "log": str(place / "web.log"), "mountpoint": str(place), "rotated": "web.log.*"}


async def test_df_tells_what_statvfs_tells(facts: dict[str, Any], place: Path) -> None:
    seen = await look(facts, "df")
    truth = os.statvfs(place)
    assert seen["size_bytes"] == truth.f_blocks * truth.f_frsize
    assert seen["mountpoint"] == str(place)


async def test_du_finds_the_biggest_first(facts: dict[str, Any], place: Path) -> None:
    seen = await look(facts, "du")
    assert seen["entries"][0] == {"path": str(place / "web.log.1"), "bytes": 8192}
    assert seen["total_bytes"] >= 8192


async def test_tail_and_head_give_lines(facts: dict[str, Any]) -> None:
    assert (await look(facts, "tail", lines=2))["lines"] == ["line 98", "line 99"]
    assert (await look(facts, "head", lines=1))["lines"] == ["line 0"]


async def test_control_characters_become_visible_and_long_lines_are_cut(facts: dict[str, Any], place: Path) -> None:
    (place / "web.log").write_bytes("\x1b[2Jgone \u202ereversed \u200bzero\n".encode() + b"\xff\xfe\n" + b"z" * 5000 + b"\n")
    seen = await look(facts, "tail")
    assert seen["lines"][0] == r"\x1b[2Jgone \u202ereversed \u200bzero"
    assert seen["lines"][1] == r"\xff\xfe"
    assert len(seen["lines"][2]) == 2000
    assert seen["truncated"]


async def test_ls_tells_the_rotated_files_apart(facts: dict[str, Any], place: Path) -> None:
    (place / "web.log.3").symlink_to("/etc/passwd")
    everything = await look(facts, "ls")
    assert [e["name"] for e in everything["entries"]] == ["web.log", "web.log.1", "web.log.2", "web.log.3"]
    rotated = await look(facts, "ls", only="rotated")
    assert rotated["paths"] == [str(place / "web.log.1"), str(place / "web.log.2")]


async def test_names_with_newlines_and_tabs_stay_one_entry(facts: dict[str, Any], place: Path) -> None:
    (place / "a\nb\tc").write_text("")
    seen = await look(facts, "ls")
    assert seen["entries"][0]["name"] == r"a\nb\tc"


async def test_stat_and_sha256sum(facts: dict[str, Any], place: Path) -> None:
    seen = await look(facts, "stat", path=str(place / "web.log.1"))
    assert (seen["type"], seen["size_bytes"], seen["inode"]) == ("regular file", 5000, str((place / "web.log.1").stat().st_ino))
    (place / "web.log").write_bytes(b"abc")
    assert (await look(facts, "sha256sum"))["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


async def test_ps_sees_a_process_of_the_host(facts: dict[str, Any]) -> None:
    child = await asyncio.create_subprocess_exec("sleep", "61.25")
    seen = await look(facts, "ps", pid=child.pid)
    child.kill()
    await child.wait()
    assert [(p["pid"], p["name"], p["args"]) for p in seen] == [(child.pid, "sleep", "sleep 61.25")]
    assert await look(facts, "ps", name="no-such-program") == []


async def test_ss_sees_a_listening_port(facts: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        seen = await look(facts, "ss")
        assert port in seen["ports"]
        assert {"address": "127.0.0.1", "port": port} in seen["listening"]
    assert port not in (await look(facts, "ss"))["ports"]


async def test_uptime_and_free(facts: dict[str, Any]) -> None:
    assert 0 < (await look(facts, "uptime"))["uptime_s"] < time.time()
    memory = await look(facts, "free")
    assert 0 < memory["available_bytes"] <= memory["total_bytes"]


async def test_unit_status_tells_how_the_process_ended(tmp_path: Path) -> None:
    async with Service(tmp_path) as service:
        await service.ask("start")
        seen = await look(service.facts(), "unit-status")
        assert (seen["state"], seen["signal"]) == ("running", None)
        await service.crash()
        seen = await look(service.facts(), "unit-status")
        assert (seen["state"], seen["pid"], seen["exit_code"], seen["signal"]) == ("crashed", None, None, "SIGKILL")


async def test_unit_status_reads_what_systemctl_shows() -> None:
    rows = "ActiveState=failed\nMainPID=0\nExecMainCode=2\nExecMainStatus=9\nNRestarts=3"
    seen = await look({"control": {"status": ["printf", "%s", rows]}}, "unit-status")
    assert seen == {"state": "crashed", "pid": None, "exit_code": None, "signal": "SIGKILL", "restarts": 3}


def git(folder: Path, *argv: str) -> None:
    subprocess.run(["git", "-C", str(folder), *argv], check=True)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "config", "user.name", "Emma")
    git(folder, "config", "user.email", "emma@localhost")
    for number in range(3):
        (folder / "web.toml").write_text(f"port = {number}\n")
        git(folder, "add", ".")
        git(folder, "commit", "-qm", f"Set port {number}")
    return folder


async def test_git_log_and_diff(repo: Path) -> None:
    facts = {"repo": str(repo)}
    seen = await look(facts, "git-log", limit=2)
    assert [(c["author"], c["subject"]) for c in seen] == [("Emma", "Set port 2"), ("Emma", "Set port 1")]
    diff = await look(facts, "git-diff", commit=seen[0]["commit"])
    assert "-port = 1\n+port = 2" in diff["diff"]
    assert diff["files"] == ["web.toml"]
    assert (await look(facts, "git-diff"))["diff"] == ""
    (repo / "web.toml").write_text("port = 9\n")
    assert "+port = 9" in (await look(facts, "git-diff"))["diff"]


async def test_a_hostile_repository_runs_nothing(repo: Path, tmp_path: Path) -> None:
    mark = repo / "ran"
    for name in ("core.fsmonitor", "diff.external", "core.pager", "diff.x.textconv", "core.sshCommand"):
        git(repo, "config", name, f"touch {mark}; cat")
    (repo / ".gitattributes").write_text("* diff=x\n")
    (repo / "web.toml").write_text("port = 9\n")
    await look({"repo": str(repo)}, "git-diff")
    await look({"repo": str(repo)}, "git-log")
    assert not mark.exists()


# ---- what must not work


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "{}/../secret", "{}/./web.log", "{}//web.log", "{}x/web.log", "{}/a\nb", "-rf", "", "relative", "{}/\u202eweb.log"],
)
async def test_paths_outside_the_catalogue_entry_are_refused(facts: dict[str, Any], place: Path, path: str) -> None:
    given = path.format(place)
    asked = hands("host.read", {"command": "tail", "args": {"path": given}}, {**facts, "log": "/etc/passwd"})
    with pytest.raises(BadInput, match="may not look at"):
        await KIND.plan(asked)
    outcome = await KIND.do(asked, await KIND.plan(hands("host.read", {"command": "free"}, facts)))
    assert not outcome.ok


async def test_a_symlink_out_of_the_allowed_paths_shows_nothing(facts: dict[str, Any], place: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden")
    (place / "link").symlink_to(tmp_path / "secret")
    outcome = await ask(facts, "tail", path=str(place / "link"))
    assert not outcome.ok
    assert "hidden" not in str(outcome)


@pytest.mark.parametrize("name", ["$(touch ran)", "`touch ran`", "a;touch ran", "a|b", "a && b", "*", "--help", "-rf", "a b", "a'b\"c"])
async def test_metacharacters_in_names_stay_literal(facts: dict[str, Any], place: Path, name: str) -> None:
    (place / name).write_text("plain\n")
    assert (await look(facts, "tail", path=str(place / name)))["lines"] == ["plain"]
    assert (await look(facts, "stat", path=str(place / name)))["size_bytes"] == 6
    assert not (place / "ran").exists()


@pytest.mark.parametrize(
    "args",
    [
        {"command": "rm"},
        {"command": "df "},
        {"command": "DF"},
        {"command": "tail", "args": {"lines": 501}},
        {"command": "tail", "args": {"lines": 0}},
        {"command": "tail", "args": {"lines": "5; id"}},
        {"command": "tail", "args": {"path": "web.log"}},
        {"command": "tail", "args": {"follow": True}},
        {"command": "ss", "args": {"path": "/"}},
        {"command": "ps", "args": {"name": "-o args"}},
        {"command": "git-diff", "args": {"commit": "HEAD"}},
        {"command": "git-diff", "args": {"commit": "--output=/etc/passwd"}},
        {"command": "git-log", "args": {"limit": 51}},
        {"command": "df", "argv": ["rm"]},
        {"args": {}},
    ],
)
def test_arguments_out_of_schema_are_refused(args: dict[str, Any]) -> None:
    assert not ARGS.is_valid(args)


async def test_an_unknown_command_is_refused_even_past_the_schema(facts: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="knows no rm"):
        await KIND.plan(hands("host.read", {"command": "rm", "args": {}}, facts))


async def test_a_failed_program_is_an_outcome_with_one_line(facts: dict[str, Any], place: Path) -> None:
    outcome = await ask(facts, "tail", path=str(place / "missing"))
    assert not outcome.ok
    assert outcome.error.startswith("tail ended with 1: tail: cannot open")


async def test_output_that_is_not_understood_is_an_outcome() -> None:
    outcome = await ask({"control": {"status": ["printf", "{oops"]}}, "unit-status")
    assert outcome.error == "printf printed something that is not understood"


async def test_a_missing_fact_is_named() -> None:
    for command, fact in (
        ("tail", "log"),
        ("df", "mountpoint"),
        ("unit-status", "control.status"),
        ("git-log", "repo"),
        ("systemctl-status", "unit"),
    ):
        with pytest.raises(BadInput, match=f"names no {fact}"):
            await KIND.plan(hands("host.read", {"command": command}, {}))
