"""The API over ASGI: who may call, what a link, a key and the metrics say."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flyball import compose, project
from flyball.faces.http.guard import COOKIE, MOST_BODY
from flyball.faces.http.work import act_at_once, decoded

REASON = "a test says so"


class Desk:
    """A client with the local admin's key, and one without."""

    def __init__(self, server: compose.Server, key: str) -> None:
        self.server, self.key = server, key
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=server.app), base_url="http://flyball")

    async def call(self, verb: str, path: str, key: str | None = None, **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.key if key is None else key}"} if key != "" else {}
        return await self.client.request(verb, path, headers=headers, **more)

    def names(self) -> list[str]:
        return [one.entry.name for one in self.server.store.entries(limit=1000)]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    project.write(tmp_path / "p")
    server = await compose.build(tmp_path / "p")
    desk = Desk(server, await compose.people(server))
    yield desk
    await desk.client.aclose()
    await server.close()


@pytest.mark.parametrize("path", ["/v1/status", "/v1/sessions", "/v1/log", "/metrics", "/v1/keys", "/v1/events", "/v1/openapi.json"])
async def test_no_call_is_anonymous(desk: Desk, path: str) -> None:
    answer = await desk.call("GET", path, key="")
    if path == "/v1/openapi.json":
        assert answer.status_code == 200  # a description of the API holds nothing of this installation
        return
    assert answer.status_code == 401
    assert answer.json()["what"] == "sign-in needed"
    assert desk.names()[-1] == "auth.refused"


async def test_every_wrong_key_gets_the_same_words(desk: Desk) -> None:
    kid, secret, end = desk.key.split("_")[1:]
    wrong = ["fb_x", f"fb_{kid}_{secret[1:]}7_{end}", f"fb_{kid}_{secret}_00000000", f"fb_knobody_{secret}_{end}", "Ünicode"[1:], "fb___"]
    answers = {(await desk.call("GET", "/v1/status", key=one)).text for one in wrong}
    assert len(answers) == 1


async def test_a_scope_that_is_missing_is_denied_and_recorded(desk: Desk) -> None:
    made = await desk.call("POST", "/v1/keys", json={"principal": "service:scrape", "scopes": ["read"], "ttl_s": 60})
    key = made.json()["key"]
    assert (await desk.call("GET", "/metrics", key=key)).status_code == 200
    denied = await desk.call("POST", "/v1/signals/alertmanager", key=key, content=b"{}")
    assert denied.status_code == 403
    assert desk.names()[-1] == "auth.denied"


async def test_a_revoked_key_ends_at_once(desk: Desk) -> None:
    made = (await desk.call("POST", "/v1/keys", json={"principal": "person:emma", "scopes": ["read"], "ttl_s": 60})).json()
    assert (await desk.call("GET", "/v1/status", key=made["key"])).status_code == 200
    assert (await desk.call("DELETE", f"/v1/keys/{made['id']}")).status_code == 200
    assert (await desk.call("GET", "/v1/status", key=made["key"])).status_code == 401


@pytest.mark.parametrize(
    "said",
    [
        {"principal": "agent:x", "scopes": ["read"], "ttl_s": 60},
        {"principal": "person:emma", "scopes": [], "ttl_s": 60},
        {"principal": "person:emma", "scopes": ["everything"], "ttl_s": 60},
        {"principal": "person:emma", "scopes": ["read"], "ttl_s": 0},
        {"principal": "person:emma", "scopes": ["read"], "ttl_s": 9e9},
    ],
)
async def test_a_key_needs_a_principal_scopes_and_an_end(desk: Desk, said: dict[str, Any]) -> None:
    assert (await desk.call("POST", "/v1/keys", json=said)).status_code == 422


async def test_a_service_never_gets_a_key_that_approves(desk: Desk) -> None:
    said = {"principal": "service:bot", "scopes": ["approve"], "ttl_s": 60}
    assert (await desk.call("POST", "/v1/keys", json=said)).status_code == 403


async def test_a_link_signs_in_once_and_with_no_more_scopes(desk: Desk) -> None:
    path = (await desk.call("POST", "/v1/links", json={"principal": "person:second"})).json()["path"]
    same = {"origin": "http://flyball"}
    first = await desk.client.post(path, headers=same)
    assert first.status_code == 303
    key = first.cookies["flyball"]
    assert (await desk.call("GET", "/v1/status", key=key)).status_code == 200
    assert (await desk.call("POST", "/v1/keys", key=key, json={})).status_code == 403
    desk.client.cookies.clear()
    assert (await desk.client.post(path, headers=same)).status_code in (401, 403)


async def test_metrics_count_what_is_there(desk: Desk) -> None:
    text = (await desk.call("GET", "/metrics")).text
    assert 'flyball_sessions{state="closed"} 0.0' in text
    assert f"flyball_log_entries_total {float(desk.server.store.size())}" in text


async def test_ready_names_what_is_missing(desk: Desk) -> None:
    assert (await desk.call("GET", "/readyz", key="")).json() == {"ready": True, "faults": []}
    desk.server.shelf.native.count = 0
    answer = await desk.call("GET", "/readyz", key="")
    assert (answer.status_code, answer.json()["faults"]) == (503, ["0 policies are loaded"])


async def test_strict_json_or_one_clear_line(desk: Desk) -> None:
    for raw in (b'{"a":1,"a":2}', b'{"a":NaN}', b"[" * 5000, b'{"a":1'):
        answer = await desk.call("POST", "/v1/keys", content=raw)
        assert (answer.status_code, answer.json()["what"]) == (422, "the body is not strict JSON")


async def test_the_door_answers_alike_with_and_without_the_framework_in_between(desk: Desk) -> None:
    reader = (await desk.call("POST", "/v1/keys", json={"principal": "service:scrape", "scopes": ["read"], "ttl_s": 60})).json()["key"]
    calls: list[tuple[str, str | None, dict[str, Any]]] = [
        ("POST", "", {"json": {}}),
        ("POST", "fb_x", {"json": {}}),
        ("POST", None, {"json": {}}),
        ("POST", None, {"content": b'{"a":1,"a":2}'}),
        ("POST", None, {"content": b"[]"}),
        ("POST", None, {"content": b" " * (MOST_BODY + 1)}),
        ("POST", reader, {"json": {}}),
        ("POST", reader, {"content": b'{"a"'}),
        ("GET", None, {}),
        ("PUT", None, {"json": {}}),
    ]

    async def answers() -> list[tuple[int, str, list[tuple[str, str]], int]]:
        size = desk.server.store.size()
        found = [await desk.call(verb, "/v1/actions", key=key, **more) for verb, key, more in calls]
        return [(one.status_code, one.text, one.headers.multi_items(), desk.server.store.size() - size) for one in found]

    at_once = await answers()
    routes = desk.server.app.router.routes
    routes.remove(next(one for one in routes if getattr(one, "endpoint", None) is act_at_once))
    assert await answers() == at_once
    assert {one[0] for one in at_once} == {401, 405, 413, 422}


async def test_a_freeze_is_listed_thawed_and_lifted(desk: Desk) -> None:
    made = (await desk.call("POST", "/v1/freezes", json={"scope": "target:web", "reason": REASON})).json()
    assert [one["id"] for one in (await desk.call("GET", "/v1/freezes")).json()["freezes"]] == [made["id"]]
    assert (await desk.call("POST", f"/v1/freezes/{made['id']}/thaw", json={"reason": REASON, "for_s": 0})).status_code == 422
    assert (await desk.call("POST", f"/v1/freezes/{made['id']}/thaw", json={"reason": REASON, "for_s": 60})).status_code == 200
    assert (await desk.call("DELETE", f"/v1/freezes/{made['id']}", json={"reason": REASON})).status_code == 200
    assert [one for one in desk.names() if one.startswith("freeze.")] == ["freeze.set", "freeze.thawed", "freeze.lifted"]


@pytest.mark.parametrize("cut", range(len("a\u00e9\u20ac\U0001f600z".encode()) + 1))
def test_output_is_cut_between_characters(cut: int) -> None:
    whole = "a\u00e9\u20ac\U0001f600z".encode()
    text, size = decoded(whole[:cut], final=False)
    rest, more = decoded(whole[size:], final=True)
    assert (text + rest, size + more) == (whole.decode(), len(whole))
    assert decoded(b"\xff\xe2\x82", final=True) == ("\\xff\\xe2\\x82", 3)


async def test_output_is_read_with_a_key_that_may_read(desk: Desk) -> None:
    made = (await desk.call("POST", "/v1/keys", json={"principal": "person:emma", "scopes": ["approve"], "ttl_s": 60})).json()
    assert (await desk.call("GET", "/v1/actions/s-1.1/output", key=made["key"])).status_code == 403
    assert (await desk.call("GET", "/v1/actions/s-1.1/output")).status_code == 404


async def test_a_cookie_beside_another_sort_of_authorization_is_still_a_cookie(desk: Desk) -> None:
    """A page of somebody else's may make a browser send both; only our own pages may change anything by a cookie."""
    headers = {"authorization": "Basic eDp4", "cookie": f"{COOKIE}={desk.key}"}
    said = {"scope": "all", "reason": REASON}
    assert (await desk.client.post("/v1/freezes", json=said, headers=headers)).status_code == 401
    assert (await desk.client.post("/v1/freezes", json=said, headers={**headers, "origin": "http://flyball"})).status_code == 200


async def test_an_entry_that_no_log_can_have_is_not_there(desk: Desk) -> None:
    for index in (10**30, -(10**30)):
        assert (await desk.call("GET", f"/v1/log/entry/{index}")).status_code == 404


async def test_what_is_dropped_and_no_plain_file_is_put_aside(desk: Desk) -> None:
    """A pipe would hold the server up, a link would show what only the server may read."""
    folder = desk.server.whole.folder / desk.server.whole.project.drop
    folder.mkdir(exist_ok=True)
    os.mkfifo(folder / "pipe.yaml")
    (folder / "secret").write_text("the key")
    (folder / "link.yaml").symlink_to(folder / "secret")
    signal.alarm(20)  # so that a look that waits for a writer fails instead of waiting for ever
    try:
        await desk.server._dropped()
    finally:
        signal.alarm(0)
    assert sorted(one.name for one in folder.iterdir() if one.suffix == ".refused") == ["link.refused", "pipe.refused"]
    assert desk.server.store.count("inbox", "new") == 0
