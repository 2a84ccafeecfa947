"""Policies over the API: bundles for OPAs, their decision logs, questions in OPA's form, loading again while it runs."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from flyball import compose, project
from flyball.backends import bundle, policy_kept
from flyball.backends.bundle import Bundle, Seal
from flyball.errors import BadInput, UserError
from opaserver import MISSING, served
from planned import bundle as planned
from planned import plan

ANSWER = """{"effect": "allow", "zone": "green", "reason": "own", "rule": "own.allow", "obligations": [], "constraints": {},
"approvers": {"group": "sre", "quorum": 1, "factor": "none"}}"""


def base(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "policies" / "cases" / "base.yaml").read_text())["base"]
    return found


class Desk:
    """A client with the local admin's key."""

    def __init__(self, folder: Path, server: compose.Server, key: str) -> None:
        self.folder, self.server = folder, server
        headers = {"authorization": f"Bearer {key}"}
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=server.app), base_url="http://flyball", headers=headers)

    def logged(self, name: str) -> list[Any]:
        return [one.entry.body for one in self.server.store.entries(name=name, limit=1000)]

    @property
    def digest(self) -> str:
        return self.server.house.plugs.policy.digest


async def opened(folder: Path, **told: Any) -> Desk:
    """A server over a fresh project whose `policy` says this."""
    project.write(folder)
    path = folder / "flyball.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "policy": told}))
    server = await compose.build(folder)
    return Desk(folder, server, await compose.people(server))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = await opened(tmp_path / "p")
    yield made
    await made.client.aclose()
    await made.server.close()


def edit(desk: Desk, old: str, new: str) -> None:
    path = desk.folder / "policies" / "data.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# Loading again


async def test_a_changed_set_takes_over_and_is_recorded(desk: Desk) -> None:
    before, question = desk.digest, base(desk.folder)
    edit(desk, "within_s: 900", "within_s: 600")
    (desk.folder / "policies" / "cases" / "tour.yaml").write_text("[]")
    answer = await desk.client.post("/v1/policy/reload")
    assert answer.json() == {"digest": desk.digest, "rules": desk.server.shelf.native.count, "changed": True}
    assert desk.digest != before
    assert desk.logged("policy.loaded") == [{"digest": desk.digest, "rules": desk.server.shelf.native.count, "was": before}]
    question["call"]["confidence"] = 0.4
    assert desk.server.house.plugs.policy.ask(question).constraints == {"approve_within_s": 600}


async def test_a_set_that_fails_the_gate_never_takes_over(desk: Desk) -> None:
    before = desk.digest
    edit(desk, "attempts: 3", "attempts: 9")
    answer = await desk.client.post("/v1/policy/reload")
    assert answer.status_code == 422
    assert answer.json()["what"] == "cases/raise.yaml: case `the fourth attempt asks` fails"
    (desk.folder / "policies" / "zone.rego").write_text("package flyball\n\nimport rego.v1\n\nzone := y\n")
    assert " is unsafe" in (await desk.client.post("/v1/policy/reload")).json()["what"]
    assert [one["runs"] for one in desk.logged("policy.refused")] == [before, before]
    assert (desk.digest, desk.logged("policy.loaded")) == (before, [])
    assert desk.server.house.plugs.policy.ask(base(desk.folder)).effect == "allow"


async def test_an_unchanged_set_is_not_loaded_again(desk: Desk) -> None:
    assert (await desk.client.post("/v1/policy/reload")).json()["changed"] is False
    assert desk.logged("policy.loaded") == []


async def test_a_signal_loads_again_at_the_next_look(desk: Desk) -> None:
    before = desk.digest
    edit(desk, "within_s: 900", "within_s: 901")
    (desk.folder / "policies" / "cases" / "tour.yaml").write_text("[]")
    await desk.server.shelf.look()
    assert desk.digest == before
    desk.server.reload()
    await desk.server.shelf.look()
    assert desk.digest != before


async def test_a_watched_folder_is_loaded_when_a_file_changes(tmp_path: Path) -> None:
    desk = await opened(tmp_path / "p", watch=True)
    before = desk.digest
    await desk.server.shelf.look()
    assert desk.digest == before
    (desk.folder / "policies" / "own.rego").write_text("package flyball\n\nimport rego.v1\n\nyellow contains nobody\n")
    await desk.server.shelf.look()
    assert len(desk.logged("policy.refused")) == 1
    await desk.server.shelf.look()
    assert len(desk.logged("policy.refused")) == 1  # said once, not every second
    (desk.folder / "policies" / "own.rego").write_text("# nothing\npackage flyball\n\nimport rego.v1\n")
    await desk.server.shelf.look()
    assert desk.digest != before
    await desk.server.close()


async def test_who_may_not_operate_may_not_reload(desk: Desk) -> None:
    made = await desk.client.post("/v1/keys", json={"principal": "service:opa", "scopes": ["read", "signal"]})
    answer = await desk.client.post("/v1/policy/reload", headers={"authorization": f"Bearer {made.json()['key']}"})
    assert answer.status_code == 403


# Bundles


async def test_policies_are_given_away_as_a_bundle(desk: Desk) -> None:
    answer = await desk.client.get("/v1/bundles/flyball")
    held = bundle.read(answer.content)
    assert answer.headers["etag"] == f'"{desk.digest}"'
    assert held.revision == desk.digest
    assert {"flyball", "roles", "zones"} <= set(held.roots)
    assert held.modules["zone.rego"] == (desk.folder / "policies" / "zone.rego").read_text()
    assert held.data["limits"]["attempts"] == 3
    again = await desk.client.get("/v1/bundles/flyball.tar.gz", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await desk.client.get("/v1/bundles/other")).status_code == 404


async def test_a_bundle_is_signed_with_the_key_that_is_named(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(private)
    desk = await opened(tmp_path / "p", sign={"alg": "RS256", "key_file": "../key.pem"})
    raw = (await desk.client.get("/v1/bundles/flyball")).content
    assert bundle.read(raw, Seal("RS256", public)).revision == desk.digest
    with pytest.raises(BadInput, match="signature"):
        bundle.read(raw, Seal("HS256", public))
    await desk.server.close()


class Shop:
    """A server that gives one bundle away."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.etag, self.asked, self.url = raw, '"1"', [], ""
        self.asked: list[str]


@contextmanager
def shop(raw: bytes) -> Iterator[Shop]:
    made = Shop(raw)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            made.asked.append(self.headers.get("If-None-Match", ""))
            same = self.headers.get("If-None-Match") == made.etag
            self.send_response(304 if same else 200)
            self.send_header("ETag", made.etag)
            self.send_header("Content-Length", "0" if same else str(len(made.raw)))
            self.end_headers()
            self.wfile.write(b"" if same else made.raw)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}/own.tar.gz"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def packed(reason: str, seal: Seal | None = None) -> bytes:
    text = f"package flyball\n\nimport rego.v1\n\nanswer := {ANSWER.replace('own', reason, 1)}\n"
    return bundle.make(Bundle({"own.rego": text}, {}, reason, ("flyball",)), seal)


async def test_policies_come_from_a_bundle_and_only_when_it_changes(tmp_path: Path) -> None:
    seal = Seal("HS256", b"a secret of some length")
    (tmp_path / "secret").write_bytes(seal.key)
    with shop(packed("first", seal)) as made:
        feed = {"url": made.url, "verify": {"alg": "HS256", "key_file": "../secret"}}
        desk = await opened(tmp_path / "p", bundle=feed)
        policy, question = desk.server.house.plugs.policy, base(desk.folder)
        assert policy.ask(question).rule == "policy.missing"
        assert (await desk.client.get("/readyz")).status_code == 503
        await desk.server.shelf.look()
        assert policy.ask(question).reason == "first"
        first = policy.digest
        await desk.client.post("/v1/policy/reload")
        assert (policy.digest, made.asked) == (first, ["", '"1"'])
        made.raw, made.etag = packed("second"), '"2"'
        refused = await desk.client.post("/v1/policy/reload")
        assert (refused.status_code, refused.json()["what"]) == (422, "the bundle is not signed")
        assert policy.ask(question).reason == "first"
        made.raw = packed("second", seal)
        assert (await desk.client.post("/v1/policy/reload")).json()["changed"] is True
        assert policy.ask(question).reason == "second"
        await desk.server.close()


def of_plan(reason: str, entrypoint: str = "flyball/answer") -> bytes:
    """A bundle as `opa build -t plan -e flyball/answer` makes it: no source, the reason in its data."""
    return planned(plan(entrypoint, {**json.loads(ANSWER), "reason": "data.own.reason"}), {"own": {"reason": reason}})


async def test_policies_come_from_a_bundle_that_holds_a_plan(tmp_path: Path) -> None:
    with shop(of_plan("first")) as made:
        desk = await opened(tmp_path / "p", bundle={"url": made.url})
        policy, question = desk.server.house.plugs.policy, base(desk.folder)
        await desk.server.shelf.look()
        answer = policy.ask(question)
        assert (answer.effect, answer.reason) == ("allow", "first")
        first = policy.digest
        made.raw, made.etag = of_plan("second"), '"2"'
        assert (await desk.client.post("/v1/policy/reload")).json()["changed"] is True
        assert (policy.ask(question).reason, policy.digest == first) == ("second", False)
        made.raw, made.etag = of_plan("third", "flyball/other"), '"3"'
        refused = await desk.client.post("/v1/policy/reload")
        assert (refused.status_code, refused.json()["what"]) == (422, "the plan has no entrypoint flyball/answer")
        assert (refused.json()["why"], policy.ask(question).reason) == ("it has flyball/other", "second")
        none = await desk.client.get("/v1/bundles/flyball")
        assert (none.status_code, none.json()["why"]) == (404, "the policies came as a plan, without their source")
        await desk.server.close()


# Decision logs


def event(**more: Any) -> dict[str, Any]:
    return {
        "decision_id": "d-1",
        "timestamp": "2026-11-20T13:43:56.5Z",
        "path": "flyball/answer",
        "bundles": {"flyball": {"revision": "r1"}},
        "labels": {"id": "opa-1"},
        "input": {"now": 1795182236.5, "a": 1},
        "result": {"effect": "allow"},
        **more,
    }


async def test_each_decision_of_an_opa_becomes_an_entry(desk: Desk) -> None:
    raw = gzip.compress(json.dumps([event(), event(decision_id="d-2", result=True)]).encode())
    answer = await desk.client.post("/v1/logs", content=raw, headers={"content-encoding": "gzip"})
    assert answer.status_code == 204
    found = desk.logged("policy.decided")
    assert [(one["decision_id"], one["result"]) for one in found] == [("d-1", '{"effect":"allow"}'), ("d-2", "true")]
    assert found[0]["revisions"] == '{"flyball":"r1"}'
    assert found[0]["input"].startswith("sha256:")
    assert [one["decision_id"] for one in policy_kept.read(desk.folder / "state" / "decisions")] == ["d-1"]


@pytest.mark.parametrize(
    ("raw", "coding", "what"),
    [
        (b"[]x", "", "the batch is no JSON"),
        (b"{}", "", "the batch is no list of events"),
        (b"[1]", "", "event 0 of the batch is none"),
        (json.dumps([event(), {"decision_id": 3}]).encode(), "", "event 1 of the batch is none"),
        (b"plain", "gzip", "the batch is not gzipped"),
        (gzip.compress(b"[" + b" " * 20_000_000 + b"]"), "gzip", "the batch is cut off, or too large"),
        (gzip.compress(json.dumps([event()]).encode())[:-9], "gzip", "the batch is cut off, or too large"),
    ],
)
async def test_a_malformed_batch_is_one_line(desk: Desk, raw: bytes, coding: str, what: str) -> None:
    answer = await desk.client.post("/v1/logs/part", content=raw, headers={"content-encoding": coding} if coding else {})
    assert (answer.status_code, answer.json()["what"]) == (422, what)
    assert desk.logged("policy.decided") == []


async def test_nobody_sends_decisions_without_a_key(desk: Desk) -> None:
    assert (await desk.client.post("/v1/logs", content=b"[]", headers={"authorization": ""})).status_code == 401


# Questions in OPA's form


async def test_a_question_in_the_form_of_opa(desk: Desk) -> None:
    answer = await desk.client.post("/v1/data/flyball/answer", json={"input": base(desk.folder)})
    assert answer.json()["result"]["effect"] == "allow"
    assert answer.json()["decision_id"]
    undefined = await desk.client.post("/v1/data/flyball/nothing", json={"input": {}})
    assert (undefined.status_code, "result" in undefined.json()) == (200, False)
    assert (await desk.client.post("/v1/data/flyball/answer", content=b"{")).status_code == 422


# An OPA as the engine


async def test_an_opa_that_fetches_its_bundle_here_answers_like_the_engine_of_this_package(tmp_path: Path) -> None:
    def answers(path: str, question: Any) -> Any:
        return desk.server.shelf.native.query(path, {"input": question}).get("result", MISSING)

    with served(answers) as opa:
        desk = await opened(tmp_path / "p", engine="opa", url=opa.url, timeout_s=10)
        assert (await desk.client.get("/readyz")).json()["faults"][0] == "OPA was not asked yet"
        await desk.server.shelf.look()
        shown = (await desk.client.get("/v1/policy")).json()
        assert (shown["engine"], shown["fault"], shown["digest"]) == ("opa", "", desk.digest)
        assert desk.server.house.plugs.policy.ask(base(desk.folder)).rule == "zone.yellow"
        assert (await desk.client.get("/v1/bundles/flyball")).status_code == 200
        await desk.server.close()


async def test_an_opa_without_an_address_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"policy\.engine is opa and policy\.url says no address"):
        await opened(tmp_path / "p", engine="opa")


# What is kept


async def test_decisions_are_kept_to_be_asked_again(desk: Desk) -> None:
    question = base(desk.folder)
    answer = desk.server.house.plugs.policy.ask(question)
    kept = list(policy_kept.read(desk.folder / "state" / "decisions"))
    assert [(one["decision_id"], one["input"], one["result"]["rule"]) for one in kept] == [(answer.asked, question, "zone.yellow")]
    assert kept[0]["bundles"]["flyball"]["revision"] == desk.digest


async def test_nothing_is_kept_where_nobody_wants_it(tmp_path: Path) -> None:
    desk = await opened(tmp_path / "p", keep=False)
    assert desk.server.house.plugs.policy.ask(base(desk.folder)).effect == "allow"
    assert not (desk.folder / "state" / "decisions").exists()
    await desk.server.close()


def test_what_is_kept_is_bounded_and_a_torn_line_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_kept, "FILE_BYTES", 1000)
    kept = policy_kept.Kept(tmp_path)
    for number in range(200):
        kept.write(event(decision_id=str(number), input={"now": float(number)}))
    kept.close()
    files = sorted(tmp_path.glob("*.jsonl"))
    assert len(files) == policy_kept.FILES
    with files[-1].open("a") as torn:
        torn.write('{"decision_id": "200", "inp')
    found = [int(one["decision_id"]) for one in policy_kept.read(tmp_path)]
    assert found == list(range(found[0], 200))
    assert found[0] > 100
    assert [one["decision_id"] for one in policy_kept.read(tmp_path, since=198.0)] == ["198", "199"]
    again = policy_kept.Kept(tmp_path)
    again.write(event(decision_id="201", input={"now": 201.0}))
    again.close()
    again.close()
    assert [one["decision_id"] for one in policy_kept.read(tmp_path)][-1] == "201"
    assert len(sorted(tmp_path.glob("*.jsonl"))) <= policy_kept.FILES


def test_a_file_that_cannot_be_turned_is_no_reason_to_write_into_somebody_else_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of a closed descriptor soon belongs to another file: the log's own, or a socket."""
    monkeypatch.setattr(policy_kept, "FILE_BYTES", 200)
    folder = tmp_path / "decisions"
    kept = policy_kept.Kept(folder)
    kept.write(event(decision_id="1"))
    folder.rename(tmp_path / "gone")  # as a disk without room for one more file: nothing can be opened there
    kept.write(event(decision_id="2"))
    with (tmp_path / "other").open("wb", buffering=0) as other:
        kept.write(event(decision_id="3"))
        other.write(b"mine")
    assert (tmp_path / "other").read_bytes() == b"mine"
    (tmp_path / "gone").rename(folder)
    kept.write(event(decision_id="4"))
    kept.close()
    assert "4" in [one["decision_id"] for one in policy_kept.read(folder)]
