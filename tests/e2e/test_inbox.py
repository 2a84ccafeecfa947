"""What comes in over HTTP: floods, poison, tricks, no keys; and what the server says when it may not start or cannot write."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flyball import compose
from flyball.backends.store.sqlite import SqliteStore
from flyball.model.log import Change, Entry
from live import REASON, Live, alert, count_of, counting, raw_of, spec, until

UNKNOWN_KEY = {
    "what": "sign-in needed",
    "why": "no key was presented, or it does not count any more",
    "fix": "flyball login, or ask an admin for a key",
}


def write(folder: Path, **settings: Any) -> Live:
    live = Live(folder / "project")
    targets = folder / "targets"
    targets.mkdir()
    live.write(counting(targets, ("unit0", "unit1")), **settings)
    live.edit("flyball.yaml", lambda doc: doc.update(pace={"default": {"burst": 1000, "every_s": 0.001}}))
    agent = (live.folder / "agents" / "remediator.yaml").read_text()
    outside = agent.replace("name: remediator", "name: outside").replace("brain: runbook", "brain: remote")
    (live.folder / "agents" / "outside.yaml").write_text(outside)
    return live


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One server for everything that leaves no trace on others."""
    live = write(tmp_path_factory.mktemp("inbox")).start()
    yield live
    live.kill()
    assert "Traceback" not in live.said, live.said[-3000:]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Live]:
    """A project of one test's own; its server is not started."""
    live = write(tmp_path)
    yield live
    live.kill()


def rss(pid: int) -> int:
    """Resident memory in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def agent_of(live: Live, name: str, target: str) -> tuple[str, str]:
    """A session of the remote agent on a target, and a key for it."""
    assert live.call("POST", "/v1/signals/spec", raw=spec(name, target, agent="outside"))[0] == 202
    key = f"spec:spec:{name}"
    session = until(
        lambda: next((one["id"] for one in live.sessions() if key in one["signals"] and one["waiting"] == "brain"), ""), 10, key
    )
    status, doc = live.call("POST", f"/v1/sessions/{session}/key", {})
    assert status == 200, doc
    return session, doc["key"]


def restart(target: str, name: str) -> dict[str, Any]:
    return {"name": name, "kind": "process.restart", "target": target, "args": {"service": target}, "why": "due", "confidence": 0.9}


# --- floods and poison


def test_200_duplicate_alerts_open_one_session_and_none_is_lost(own: Live) -> None:
    own.start()
    token, before = own.mint("service:alertmanager", "signal"), rss(own.pid)
    repeats = [alert("ServiceDown", "unit0", n=number % 20) for number in range(200)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        began = time.monotonic()
        answers = list(pool.map(lambda raw: own.call("POST", "/v1/signals/alertmanager", raw=raw, key=token), repeats))
        print(f"200 deliveries in {time.monotonic() - began:.2f} s")
    assert {status for status, _ in answers} == {202}
    assert len({doc["inbox"] for _, doc in answers}) == 20
    assert sum(doc["new"] for _, doc in answers) == 20
    until(lambda: all(state == "taken" for state, _ in own.rows("inbox").values()), 10, "an empty inbox")
    assert len(own.sessions()) == 1
    assert sum(own.counter(f"seen:{name}")[0] for name in own.rows("inbox")) == 200
    assert own.rows("signal")["alertmanager:ServiceDown:unit0"][1]["seen"] == 20
    assert rss(own.pid) - before < 40_000_000


def test_a_line_in_a_followed_log_opens_one_session_even_over_kill_9(own: Live) -> None:
    log = own.folder / "unit0.log"
    log.write_text("ERROR before anybody looked\n")
    told = {"name": "unit0-errors", "path": str(log), "match": "ERROR", "target": "unit0", "alert": "LogErrors"}
    own.edit("flyball.yaml", lambda doc: doc.update(tails=[told]))
    own.start()
    until((own.state / "tails.json").exists, 10, "the log being followed")
    with log.open("a") as out:
        out.write("fine\nERROR one\nERROR two\n")
    until(own.sessions, 10, "a session")
    own.kill()
    with log.open("a") as out:
        out.write("ERROR three\n")
    own.start()
    until(lambda: own.rows("signal")["tail:tail:unit0-errors"][1]["seen"] == 2, 10, "the second delivery")
    (session,) = own.sessions()
    assert (session["target"], session["trigger"], session["signals"]) == ("unit0", "tail", ["tail:tail:unit0-errors"])


def test_poison_is_acknowledged_kept_shown_and_played_again(live: Live) -> None:
    token = live.mint("service:alertmanager", "signal")
    poisons = {
        b"{not json": "the body is not JSON",
        b"": "the body is not JSON",
        b"\xff\xfe\x00": "the body is not JSON",
        b'{"version": "3", "alerts": []}': "this is not an Alertmanager webhook",
        b"[" * 100_000: "the body is not JSON",
        b'{"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": 7}}]}': "/alerts/0/labels must be an object",
    }
    names = {}
    for raw, what in poisons.items():
        status, doc = live.call("POST", "/v1/signals/alertmanager", raw=raw, key=token)
        assert status == 202, doc
        names[doc["inbox"]] = (raw, what)
    good = live.call("POST", "/v1/signals/alertmanager", raw=alert("ServiceSlow", "unit1"), key=token)
    assert good[0] == 202
    letters = until(lambda: (found := live.get("/v1/dlq")["letters"]) and len(found) >= len(names) and found, 10, "the dead letters")
    for letter in letters:
        raw, what = names[letter["id"]]
        assert raw_of(letter) == raw
        assert letter["error"].startswith(what), letter["error"]
    until(lambda: live.rows("signal").get("alertmanager:ServiceSlow:unit1"), 10, "the alert behind the poison")
    first = letters[0]["id"]
    assert live.call("POST", f"/v1/dlq/{first}/replay", {}) == (200, {"replayed": first})
    until(lambda: [one["name"] for one in live.log() if one["body"].get("inbox") == first].count("signal.dead") == 2, 10, "a second death")
    assert live.call("POST", "/v1/dlq/nobody/replay", {})[0] == 404


async def test_deliveries_are_read_in_the_order_of_their_arrival(own: Live) -> None:
    """However their bytes are named: `resolved` that came second must not be read first and leave the trouble firing for ever."""
    server = await compose.build(own.folder)
    try:
        who = server.insider("alertmanager")
        for number in range(8):
            for status in ("firing", "resolved"):
                await server.house.inbox.accept("alertmanager", alert(f"Trouble{number}", "nobody", status=status), {}, who)
        await server.house.inbox.drain()
        assert [row.state for row in server.store.rows("signal")] == ["resolved"] * 8
        assert server.store.count("session") == 0
    finally:
        await server.close()


def test_an_unknown_source_is_refused(live: Live) -> None:
    status, doc = live.call("POST", "/v1/signals/gremlin", raw=b"{}")
    assert (status, doc["what"], doc["why"]) == (404, "there is no source 'gremlin'", "enabled are alertmanager, schedule, spec, tail")


# --- sizes and shapes of bodies


def test_an_oversize_body_is_refused_in_one_line(live: Live) -> None:
    want = (413, {"what": "the body is too large", "why": "at most 1048576 bytes are taken", "fix": "send less at once"})
    assert live.call("POST", "/v1/signals/alertmanager", raw=b"x" * 1_048_577) == want
    lines = http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)
    try:  # without a length: counted as it comes in
        chunks = (b"y" * 65_536 for _ in range(20))
        lines.request("POST", "/v1/signals/alertmanager", chunks, {"Authorization": f"Bearer {live.key}"}, encode_chunked=True)
        answer = lines.getresponse()
        assert (answer.status, json.loads(answer.read())) == want
    finally:
        lines.close()
    assert live.call("POST", "/v1/signals/alertmanager", raw=b"x" * 1_048_576)[0] == 202


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"kind": "a", "kind": "b"}', "stands twice"),
        (b'{"confidence": NaN}', ""),
        (b'{"confidence": Infinity}', ""),
        (b'{"confidence": 1e999}', ""),
        (b'{"args": {"n": 9007199254740993}}', ""),
        (b'{"a":' * 500 + b"1" + b"}" * 500, ""),
        (b'{"kind": "process.restart"', ""),
        (b'{"kind": "\xed\xa0\x80"}', ""),
        (b"\xef\xbb\xbf{}", ""),
    ],
)
def test_a_body_that_is_not_strict_json_is_refused_in_one_line(live: Live, raw: bytes, why: str) -> None:
    status, doc = live.call("POST", "/v1/actions", raw=raw)
    assert (status, doc["what"], doc["fix"]) == (422, "the body is not strict JSON", "send one JSON object, every key once"), doc
    assert why in doc["why"]
    assert "\n" not in doc["why"]


def test_a_query_of_the_wrong_shape_is_refused_in_one_line(live: Live) -> None:
    status, doc = live.call("GET", "/v1/log?after=yesterday")
    assert (status, doc["why"]) == (422, "the call does not fit the API")
    assert doc["what"].startswith("query/after: ")


def test_malformed_json_has_its_exact_line(live: Live) -> None:
    status, doc = live.call("POST", "/v1/freezes", raw=b'{"scope": all}')
    assert (status, doc) == (
        422,
        {"what": "the body is not strict JSON", "why": doc["why"], "fix": "send one JSON object, every key once"},
    )
    assert live.call("POST", "/v1/freezes", raw=b"[1]")[1]["what"] == "the body is not an object"


@pytest.mark.parametrize(
    "said",
    [
        {"kind": 7, "target": "unit0"},
        {"kind": "process.restart", "target": "unit0", "args": []},
        {"kind": "process.restart", "target": "unit0", "confidence": "high"},
        {"kind": "process.restart", "target": "unit0", "purpose": "evil"},
        {"kind": "process.restart", "target": "unit0", "extra": 1},
        {"target": "unit0"},
        {"kind": "process.restart", "target": "unit0", "name": "a.b"},
        {"kind": "process.restart", "target": "unit0", "name": "x" * 65},
    ],
)
def test_an_action_of_the_wrong_shape_is_refused(live: Live, said: dict[str, Any], outside: tuple[str, str]) -> None:
    status, doc = live.call("POST", "/v1/actions", said, key=outside[1])
    assert status == 422, doc
    assert set(doc) == {"what", "why", "fix"}


@pytest.fixture(scope="module")
def outside(live: Live) -> tuple[str, str]:
    return agent_of(live, "shapes", "unit0")


@pytest.mark.parametrize("name", ["process.Restart", "process.restart ", "process.re\u0455tart", "process.restart\u200b", "rm", ""])
def test_an_unknown_kind_is_denied(live: Live, outside: tuple[str, str], name: str) -> None:
    status, doc = live.call("POST", "/v1/actions", {"kind": name, "target": "unit0", "confidence": 0.9}, key=outside[1])
    assert (status, doc["status"]) == (403, "denied"), doc


def test_the_same_name_twice_at_once_is_one_action(live: Live, outside: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    session, key = outside
    targets = live.folder.parent / "targets"
    before = count_of(targets, "unit0")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: live.call("POST", "/v1/actions", restart("unit0", "twin"), key=key), range(4)))
    assert sorted({status for status, _ in answers}) in ([200], [200, 409])
    again = live.call("POST", "/v1/actions", restart("unit0", "twin"), key=key)
    assert (again[0], again[1]["status"], again[1]["action"]["id"]) == (200, "done", f"{session}.twin")
    assert count_of(targets, "unit0") == before + 1


# --- keys


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/status"), ("POST", "/v1/signals/alertmanager"), ("POST", "/v1/actions"), ("GET", "/v1/log"), ("GET", "/v1/events")],
)
def test_no_call_is_anonymous_and_every_refusal_is_recorded(live: Live, method: str, path: str) -> None:
    whole = live.key
    parts = whole.split("_")
    wrong = {
        "none": "",
        "garbage": "garbage",
        "other secret": f"{parts[0]}_{parts[1]}_{'a' * len(parts[2])}_{parts[3]}",
        "no check": "_".join(parts[:3]),
        "unknown": f"fb_kzzzzzzzz_{parts[2]}_{parts[3]}",
    }
    size = live.get("/v1/status")["layers"]["log"]["entries"]
    for name, key in wrong.items():
        assert live.call(method, path, {} if method == "POST" else None, key=key) == (401, UNKNOWN_KEY), name
    refused = [one for one in live.get(f"/v1/log?after={size - 1}")["entries"] if one["name"] == "auth.refused"]
    assert len(refused) == len(wrong)
    assert {one["body"]["what"] for one in refused} == {f"{method} {path}"}
    assert refused[-1]["body"]["claimed"] == "kzzzzzzzz"
    assert not any(parts[2] in json.dumps(one) for one in refused)


def test_tricks_with_headers_open_no_door(live: Live) -> None:
    for headers in (
        {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"},
        {"Host": "localhost"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Cookie": f"flyball={live.key}"},  # a cookie without our own origin changes nothing
        {"Cookie": f"flyball={live.key}", "Origin": "http://evil.example"},
        {"Cookie": f"flyball={live.key}", "Origin": "null"},
    ):
        status, doc = live.call("POST", "/v1/freezes", {"scope": "all", "reason": "a trick"}, key="", headers=headers)
        assert (status, doc) == (401, UNKNOWN_KEY), headers
    assert live.call("GET", "/v1/status?key=" + live.key, key="")[0] == 401
    assert live.get("/v1/freezes")["freezes"] == []
    status, doc = live.call("GET", "/v1/log", headers={"X-User": "person:root"})
    assert status == 200
    with socket.create_connection(("127.0.0.1", live.port), timeout=10) as line:  # two lengths: smuggling
        line.sendall(
            b"POST /v1/actions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 20\r\n\r\n{}GET /v1/log HTTP/1.1\r\n\r\n"
        )
        answer = line.recv(4096)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 401"))
    assert answer.count(b"HTTP/1.1 200") == 0


def test_an_expired_key_and_a_revoked_one_do_not_count(live: Live) -> None:
    short = live.mint("service:probe", "read", ttl_s=0.5)
    assert live.call("GET", "/v1/status", key=short)[0] == 200
    until(lambda: live.call("GET", "/v1/status", key=short)[0] == 401, 5, "the end of the key")
    other = live.mint("service:probe", "read")
    assert live.call("DELETE", f"/v1/keys/{other.split('_')[1]}")[0] == 200
    assert live.call("GET", "/v1/status", key=other) == (401, UNKNOWN_KEY)


def test_a_key_without_the_scope_is_denied_and_that_is_recorded(live: Live) -> None:
    reader = live.mint("service:reader", "read")
    for method, path, scope in (
        ("POST", "/v1/signals/alertmanager", "signal"),
        ("POST", "/v1/freezes", "operate"),
        ("GET", "/v1/keys", "admin"),
        ("POST", "/v1/keys", "admin"),
    ):
        status, doc = live.call(method, path, {} if method == "POST" else None, key=reader)
        assert (status, doc["what"], doc["why"]) == (403, "service:reader may not do this", f"its key lacks the scope '{scope}'")
        last = [one for one in live.log() if one["name"] == "auth.denied"][-1]
        assert (last["who"], last["body"]["what"]) == ("service:reader", f"{method} {path}: its key lacks the scope '{scope}'")
    status, doc = live.call("POST", "/v1/keys", {"principal": "service:climber", "scopes": ["approve"], "ttl_s": 60})
    assert (status, doc["what"]) == (403, "a service may not approve")
    assert live.call("POST", "/v1/keys", {"principal": "agent:remediator", "scopes": ["act"], "ttl_s": 60})[0] == 422


def test_an_agent_gets_no_further_than_its_session(live: Live, outside: tuple[str, str]) -> None:
    _, key = outside
    status, doc = live.call("POST", "/v1/actions", restart("unit1", "beyond"), key=key)
    assert (status, doc["status"], doc["decision"]) == (403, "denied", "grant"), doc
    for method, path in (("GET", "/v1/log"), ("POST", "/v1/freezes"), ("POST", "/v1/keys"), ("POST", f"/v1/sessions/{outside[0]}/key")):
        assert live.call(method, path, {} if method == "POST" else None, key=key)[0] == 403


# --- what stops a start


def test_a_policy_that_does_not_load_stops_the_start(own: Live) -> None:
    (own.folder / "policies" / "zone.rego").write_text("package flyball\n\nimport rego.v1\n\nzone := \n")
    code, said = own.refuse()
    assert code == 1
    assert len(said.splitlines()) == 3, said
    assert said.splitlines()[0] == "zone.rego:5:8: unexpected eof token: expected a term"
    assert not (own.state / "flyball.db").exists()


def test_no_policy_at_all_stops_the_start(own: Live) -> None:
    for path in (own.folder / "policies").rglob("*"):
        if path.is_file():
            path.unlink()
    code, said = own.refuse()
    assert code == 1
    assert "polic" in said.splitlines()[0]
    assert len(said.splitlines()) == 3


def test_a_case_that_does_not_hold_stops_the_start(own: Live) -> None:
    path = own.folder / "policies" / "data.yaml"
    path.write_text(
        path.read_text().replace(
            "git.revert:\n    prod: {low: red, normal: red, high: red}", "git.revert:\n    prod: {low: green, normal: green, high: green}"
        )
    )
    code, said = own.refuse()
    assert code == 1
    assert len(said.splitlines()) == 3, said


def test_an_unwritable_state_folder_stops_the_start(own: Live) -> None:
    own.edit("flyball.yaml", lambda doc: doc.update(state="/proc/flyball"))
    code, said = own.refuse()
    assert code == 1
    assert said.splitlines()[0] == "the state folder /proc/flyball cannot be used"
    assert said.splitlines()[2] == "next: give this user write access to it, or name another folder"
    assert "Traceback" not in said


async def test_a_clock_set_back_stops_the_start(own: Live) -> None:
    own.start()
    own.stop()
    store = SqliteStore.open(own.state, now=lambda: time.time() + 3600.0)
    await store.commit(Change(entries=(Entry(name="server.started", who="service:test", body={}),)))
    store.close()
    code, said = own.refuse()
    assert code == 1
    first, why, fix = said.splitlines()
    assert re.fullmatch(r"the clock is 3[56]\d\d s behind the log", first)
    assert why == "why: the last entry was written later than now, so deadlines that have passed would count again"
    assert fix == "next: set the clock; if the clock is right and the log was written with a wrong one, start with --accept clock"
    own.start("--accept", "clock")


def test_a_port_that_is_taken_stops_the_start(own: Live) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", own.port))
        taken.listen()
        code, said = own.refuse()
    assert code == 1
    assert said.splitlines()[0] == f"127.0.0.1:{own.port} cannot be listened on"


# --- a full disk, and the freeze


def in_full_disk(own: Live, folder: Path) -> None:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=700", "flyball-test", str(folder)], check=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="a tmpfs is mounted under the log")
def test_a_full_disk_under_the_log_stops_everything_until_there_is_room(own: Live, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    in_full_disk(own, disk)
    try:
        own.edit("flyball.yaml", lambda doc: doc.update(state=str(disk / "state")))
        own.disk = disk / "state"
        own.start()
        targets = tmp_path / "targets"
        _, key = agent_of(own, "before", "unit0")
        token = own.mint("service:alertmanager", "signal")
        assert own.call("POST", "/v1/actions", restart("unit0", "fits"), key=key)[0] == 200
        fill = disk / "fill"
        with fill.open("wb", buffering=0) as out, contextlib.suppress(OSError):
            while True:
                out.write(b"\0" * 4096)
        full = {
            "what": "nothing was written: database or disk is full",
            "why": "nothing was written, so nothing was done",
            "fix": "flyball doctor",
        }
        want = (503, full)
        until(lambda: own.call("POST", "/v1/actions", restart("unit0", "too-much"), key=key) == want, 10, "the refusal")
        assert own.call("POST", "/v1/signals/alertmanager", raw=alert("ServiceDown", "unit1"), key=token) == want
        assert own.call("GET", "/v1/status", key="wrong")[0] in (401, 503)
        assert count_of(targets, "unit0") == 1
        assert own.call("GET", "/livez")[0] == 200
        fill.unlink()
        assert until(lambda: own.call("POST", "/v1/actions", restart("unit0", "too-much"), key=key)[0] == 200, 15, "room again")
        assert count_of(targets, "unit0") == 2
        assert own.call("POST", "/v1/signals/alertmanager", raw=alert("ServiceDown", "unit1"), key=token)[0] == 202
        own.stop()
        assert own.verify().ok
        assert "Traceback" not in own.said, own.said[-3000:]
    finally:
        own.kill()
        subprocess.run(["umount", str(disk)], check=True)


def test_a_freeze_by_file_stops_what_was_approved_and_not_run(own: Live, tmp_path: Path) -> None:
    own.edit("catalogue.yaml", lambda doc: [one.update(env="prod", sensitivity="high") for one in doc["services"]])
    own.edit("agents/outside.yaml", lambda doc: doc.update(envs=["prod"]))
    own.edit("agents/remediator.yaml", lambda doc: doc.update(envs=["prod"]))
    own.start()
    second = own.mint("person:second", "read", "approve")
    _, key = agent_of(own, "red", "unit0")
    status, doc = own.call("POST", "/v1/actions", restart("unit0", "red"), key=key)
    assert (status, doc["status"]) == (202, "held"), doc
    card = own.get("/v1/approvals")["approvals"][0]
    os.kill(own.pid, signal.SIGSTOP)
    line = http.client.HTTPConnection("127.0.0.1", own.port, timeout=20)
    said = json.dumps({"digest": card["digest"], "reason": REASON})
    line.request("POST", f"/v1/approvals/{card['id']}/approve", said, {"Authorization": f"Bearer {second}"})  # it waits in the kernel
    folder, name = own.state / "freeze", "f-by-hand"
    freeze = {"id": name, "scope": "all", "reason": "stop now", "by": "person:oncall", "at": time.time(), "undoing": False}
    (folder / f"{name}.part").write_text(json.dumps(freeze))
    (folder / f"{name}.part").rename(folder / f"{name}.json")
    os.kill(own.pid, signal.SIGCONT)
    went_on = time.monotonic()
    assert line.getresponse().status == 200
    line.close()
    until(lambda: any(one["name"] == "freeze.set" for one in own.log()), 5, "the freeze in the log")
    print(f"the freeze was in the log {time.monotonic() - went_on:.2f} s after the server went on")
    until(lambda: own.rows("action")[card["id"]][1]["decision"] == "freeze", 10, "the action held by the freeze")
    assert count_of(tmp_path / "targets", "unit0") == 0
    status, doc = own.call("POST", "/v1/actions", restart("unit0", "frozen"), key=key)
    assert (status, doc["decision"]) == (403, "freeze") or (status, doc["status"]) == (202, "held"), doc
    assert count_of(tmp_path / "targets", "unit0") == 0
    began = time.monotonic()
    assert own.call("DELETE", f"/v1/freezes/{name}", {"reason": "looked at and safe"})[0] == 200
    until(lambda: count_of(tmp_path / "targets", "unit0") == 1, 10, "the approved action after the thaw")
    print(f"the approved action ran {time.monotonic() - began:.2f} s after the freeze was lifted")


def test_a_freeze_takes_effect_at_once(own: Live, tmp_path: Path) -> None:
    own.start()
    _, key = agent_of(own, "busy", "unit0")
    assert own.call("POST", "/v1/actions", restart("unit0", "a0"), key=key)[1]["status"] == "done"
    began = time.monotonic()
    assert own.call("POST", "/v1/freezes", {"scope": "target:unit0", "reason": "stop"})[0] == 200
    _, doc = own.call("POST", "/v1/actions", restart("unit0", "a1"), key=key)
    print(f"frozen {time.monotonic() - began:.3f} s after it was asked for")
    assert doc["decision"] == "freeze", doc
    assert count_of(tmp_path / "targets", "unit0") == 1
