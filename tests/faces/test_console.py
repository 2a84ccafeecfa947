"""The console over ASGI: signing in, what nobody else sees, answers, hostile text, headers, and what a first page weighs."""

from __future__ import annotations

import ast
import asyncio
import gzip
import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from desk import NASTY, SCOPES, SID, TRIED, WANTED, Desk, closed, desk_at
from flyball.faces.console import text
from flyball.faces.console.inbox import blast
from flyball.faces.console.link import mint_link
from flyball.faces.console.page import HERE, STATIC
from flyball.faces.http.state import _pointers
from flyball.model.log import Change, Entry, Put

GOOD = "the log shows that this change broke it"
PAGES = (
    "/",
    "/approvals",
    f"/approvals/{WANTED.id}",
    "/sessions",
    f"/sessions/{SID}",
    "/reviews",
    "/letters",
    "/agents",
    "/freeze",
    "/log",
)
PARTS = ("/part/rows", f"/part/votes/{WANTED.id}", f"/part/sessions/{SID}", "/part/sessions", "/part/now", "/part/rail")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_at(tmp_path) as made:
        yield made


def answer_of(**more: str) -> dict[str, str]:
    return {"digest": WANTED.digest, "reason": GOOD, **more}


def state(desk: Desk) -> str:
    row = desk.house.plugs.store.find("approval", WANTED.id)
    assert row is not None
    return row.state


# signing in ---------------------------------------------------------------------------------------------------------


async def test_a_link_shows_a_button_and_is_used_once(desk: Desk) -> None:
    token = await mint_link(desk.house, "person:ada", SCOPES, 600)
    browser = desk.browser()
    for _ in range(2):
        shown = await browser.get(f"/login/{token}")
        assert shown.status_code == 200
        assert "<form" in shown.text
    used = await browser.post(f"/login/{token}")
    assert (used.status_code, used.headers["location"]) == (303, "/")
    cookie = used.headers["set-cookie"]
    assert all(part in cookie for part in ("flyball=fb_", "HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"))
    again = await desk.browser().post(f"/login/{token}")
    assert again.status_code == 401
    assert "set-cookie" not in again.headers
    assert (await browser.get("/approvals")).status_code == 200
    assert len(desk.log("link.used")) == 1


async def test_a_link_ends_and_is_not_guessed(desk: Desk) -> None:
    token = await mint_link(desk.house, "person:ada", SCOPES, 600)
    desk.house.plugs.clock.at += 601  # type: ignore[attr-defined]  # the simulated clock is set by hand
    for wrong in (token, "a" * 52, "%C3%A9"):
        answer = await desk.browser().post(f"/login/{wrong}")
        assert answer.status_code == 401, wrong
    assert len(desk.log("auth.refused")) == 3


async def test_a_link_is_not_used_from_another_site(desk: Desk) -> None:
    token = await mint_link(desk.house, "person:ada", SCOPES, 600)
    assert (await desk.browser(origin="http://evil.test").post(f"/login/{token}")).status_code == 401
    assert (await desk.browser().post(f"/login/{token}")).status_code == 303


async def test_the_token_is_stored_nowhere(desk: Desk) -> None:
    token = await mint_link(desk.house, "person:ada", SCOPES, 600)
    rows = desk.house.plugs.store.rows("link")
    assert [row.id for row in rows] == [hashlib.sha256(token.encode()).hexdigest()]
    assert token not in str(rows) + str(desk.log("link.made"))


async def test_signing_out_ends_the_key(desk: Desk) -> None:
    browser = await desk.sign_in()
    kept = browser.cookies["flyball"]
    assert (await browser.post("/sign-out")).headers["location"] == "/sign-in"
    stale = desk.browser(cookie=f"flyball={kept}")
    assert (await stale.get("/approvals")).status_code == 303


@pytest.mark.parametrize("path", PAGES)
async def test_nobody_sees_a_page_without_a_key(desk: Desk, path: str) -> None:
    answer = await desk.browser().get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=")
    assert answer.text == ""


@pytest.mark.parametrize("path", PARTS)
async def test_nobody_sees_a_part_without_a_key(desk: Desk, path: str) -> None:
    answer = await desk.browser(**{"hx-request": "true"}).get(path)
    assert answer.status_code == 401
    assert SID not in answer.text


@pytest.mark.parametrize(
    ("given", "kept"), [("/approvals/x", "/approvals/x"), ("//evil.test", "/"), ("/\\evil.test", "/"), ("https://evil.test", "/")]
)
async def test_signing_in_goes_on_to_our_own_pages_only(desk: Desk, given: str, kept: str) -> None:
    page = (await desk.browser().get("/sign-in", params={"next": given})).text
    assert f'href="{kept}"' in page
    assert "evil" not in page


async def test_who_lacks_the_scope_sees_the_reason_and_no_data(desk: Desk) -> None:
    browser = await desk.sign_in("bob", ("review",))
    answer = await browser.get(f"/sessions/{SID}")
    assert answer.status_code == 403
    assert "lacks the scope" in answer.text
    assert "WebDown" not in answer.text
    assert desk.log("auth.refused") or desk.log("auth.denied")


# pages --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES + PARTS)
async def test_every_page_has_a_strict_policy_and_nothing_inline(desk: Desk, path: str) -> None:
    answer = await (await desk.sign_in()).get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    nonce = re.search(r"script-src 'nonce-([0-9a-f]{32})'", policy)
    assert nonce
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert " style=" not in answer.text
    assert not re.search(r"<[^>]+ on[a-z]+=", answer.text)
    for tag in re.findall(r"<[a-z][^>]* hx-[a-z:-]+=[^>]*>", answer.text):
        assert f'hx-nonce="{nonce[1]}"' in tag, tag
    for tag in re.findall(r"<script[^>]*>", answer.text):
        assert f'nonce="{nonce[1]}"' in tag


async def test_a_nonce_is_never_used_twice(desk: Desk) -> None:
    browser = await desk.sign_in()
    policies = {(await browser.get("/freeze")).headers["content-security-policy"] for _ in range(3)}
    assert len(policies) == 3


@pytest.mark.parametrize("path", PAGES)
async def test_text_from_outside_stays_text(desk: Desk, path: str) -> None:
    page = (await (await desk.sign_in()).get(path)).text
    assert "<img src=x" not in page
    assert not set("\x1b\u202e\u200b") & set(page)
    assert "49" not in re.findall(r"\{\{.*?\}\}|png\.exe.{0,30}", page)


async def test_what_cannot_be_seen_is_shown(desk: Desk) -> None:
    page = (await (await desk.sign_in()).get(f"/approvals/{WANTED.id}")).text
    assert "[U+001B][31mred" in page
    assert "[U+202E]gnp.exe[U+200B]" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "{{7*7}}" in page


def test_marks_cut_long_text_and_leave_ordinary_text_alone() -> None:
    assert text.marked("Grüße, 世界\n\tok") == "Grüße, 世界\n\tok"
    assert text.marked("\x7f\x00\u2066") == "[U+007F][U+0000][U+2066]"
    assert len(text.marked("a" * 10_000)) == text.LONGEST + 1


async def test_the_approval_says_all_that_is_needed_to_decide(desk: Desk) -> None:
    page = (await (await desk.sign_in()).get(f"/approvals/{WANTED.id}")).text
    for said in (
        "Red: a person must approve",
        "1 service, 1 behind",
        "shop stand on it",
        "1 file: web.toml",
        "0.62",
        "prior 0.60, no record yet",
        "revert the revert",
        "The last change is wrong",
        "2 alternatives ruled out",
        "42 % are free",
        "&#39;a b; rm -rf /&#39;",
        "wait = 1.0",
        "rule.red",
        "reverts are red in prod",
        "sha256:00000000\u20260003",
        "You may: you are in the group sre",
        "endorsed: catalogue:service",
    ):
        assert said in page, said


async def test_who_may_not_answer_is_told_why_and_gets_no_form(desk: Desk) -> None:
    page = (await (await desk.sign_in("bob")).get(f"/approvals/{WANTED.id}")).text
    assert "policy asks for somebody of the group &#39;sre&#39;" in page
    assert f'action="/approvals/{WANTED.id}/approve"' not in page


async def test_the_session_page_tells_its_story(desk: Desk) -> None:
    browser = await desk.sign_in()
    page = (await browser.get(f"/sessions/{SID}")).text
    for said in (
        "Waits for approval",
        "Decision tree",
        "Stale",
        "Refuted and put back",
        "waits for sre",
        "42 % are free",
        "Actions over time",
        "not met: status eq 200",
    ):
        assert said in page, said
    await closed(desk.house)
    page = (await browser.get(f"/sessions/{SID}")).text
    assert "Fixed and verified" in page
    assert f'action="/actions/{WANTED.id}/undo"' in page
    report = await browser.get(f"/sessions/{SID}/report")
    assert report.headers["content-type"].startswith("text/markdown")


async def test_what_a_session_knows_and_what_is_known_beyond_it_stand_apart(desk: Desk) -> None:
    text = (await (await desk.sign_in()).get(f"/sessions/{SID}")).text
    work = text.partition('id="h-work"')[2].partition('id="h-know"')[0]
    know = text.partition('id="h-know"')[2].partition('id="h-sig"')[0]
    held = {row.body["result"] for row in desk.house.plugs.store.rows("action", session=SID) if row.body["result"]}
    assert held
    assert all(f">{name.removeprefix(f'{SID}.')}<" in work for name in held)
    assert "observed" in work
    assert "Own record of" in know
    assert not any(f">{name.removeprefix(f'{SID}.')}<" in know for name in held)


async def test_a_session_that_is_not_there_is_a_page_with_404(desk: Desk) -> None:
    answer = await (await desk.sign_in()).get("/sessions/s-none")
    assert answer.status_code == 404
    assert "there is no session &#39;s-none&#39;" in answer.text
    assert "content-security-policy" in answer.headers


async def test_the_log_pages_filters_and_verifies(desk: Desk) -> None:
    browser = await desk.sign_in()
    page = (await browser.get("/log", params={"name": "approval.asked"})).text
    assert page.count('<td class="rt num">') == 1
    assert "hash to the root that the checkpoint signs" in (await browser.get("/log", params={"check": "yes"})).text
    older = (await browser.get("/log", params={"before": "3"})).text
    assert re.findall(r'/v1/log/entry/(\d+)"', older) == ["2", "1", "0"]


async def test_sessions_are_found_by_words(desk: Desk) -> None:
    browser = await desk.sign_in()
    assert SID in (await browser.get("/sessions", params={"q": "WEB is"})).text
    assert SID not in (await browser.get("/sessions", params={"q": "nothing like it"})).text


# answers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "after"), [("approve", "approved"), ("reject", "rejected"), ("changes", "changes")])
async def test_an_answer_is_taken_and_sends_the_browser_on(desk: Desk, verb: str, after: str) -> None:
    browser = await desk.sign_in()
    answer = await browser.post(f"/approvals/{WANTED.id}/{verb}", data=answer_of())
    assert (answer.status_code, answer.headers["location"]) == (303, f"/approvals/{WANTED.id}")
    assert state(desk) == after
    assert GOOD in (await browser.get(answer.headers["location"])).text
    assert [body["verb"] for body in desk.log("approval.answered")] == [verb]


async def test_an_edit_makes_a_new_action(desk: Desk) -> None:
    browser = await desk.sign_in()
    answer = await browser.post(f"/approvals/{WANTED.id}/edit", data=answer_of(args='{"service": "web", "soft": true}'))
    assert answer.status_code == 303
    row = desk.house.plugs.store.find("action", f"{WANTED.id}e1")
    assert row is not None
    assert row.body["action"]["args"] == {"service": "web", "soft": True}  # type: ignore[index, call-overload]  # a row's body is JSON


@pytest.mark.parametrize(
    ("verb", "said", "status", "words"),
    [
        ("approve", {"reason": "short"}, 422, "a reason is missing"),
        ("approve", {"digest": "sha256:other"}, 409, "is for another digest"),
        ("edit", {"args": '{"a": 1, "a": 2}'}, 422, "the edited arguments are not JSON"),
        ("edit", {"args": "[]"}, 422, "the edited arguments are not an object"),
    ],
)
async def test_what_does_not_fit_is_said_in_place_with_the_text_kept(
    desk: Desk, verb: str, said: dict[str, str], status: int, words: str
) -> None:
    answer = await (await desk.sign_in()).post(f"/approvals/{WANTED.id}/{verb}", data=answer_of(**said))
    assert answer.status_code == status
    assert words in answer.text
    assert 'role="alert"' in answer.text
    assert said.get("reason", GOOD) in answer.text
    assert state(desk) == "waiting"


async def test_a_second_answer_is_refused_in_place(desk: Desk) -> None:
    browser = await desk.sign_in()
    await browser.post(f"/approvals/{WANTED.id}/reject", data=answer_of())
    late = await browser.post(f"/approvals/{WANTED.id}/approve", data=answer_of())
    assert late.status_code == 409
    assert state(desk) == "rejected"


@pytest.mark.parametrize("origin", ["http://evil.test", "null", ""])
@pytest.mark.parametrize(
    "path", [f"/approvals/{WANTED.id}/approve", "/freeze", f"/sessions/{SID}/cancel", f"/reviews/{TRIED.id}", "/sign-out"]
)
async def test_a_form_of_another_site_changes_nothing(desk: Desk, path: str, origin: str) -> None:
    browser = await desk.sign_in()
    size = desk.house.plugs.store.size()
    data = answer_of(scope="all", verdict="fine", correction="")
    answer = await browser.post(path, data=data, headers={"origin": origin})
    assert answer.status_code == 401
    assert state(desk) == "waiting"
    assert [one.entry.name for one in desk.house.plugs.store.entries(after=size - 1)] == ["auth.refused"]


async def test_who_is_not_in_the_group_is_refused_and_recorded(desk: Desk) -> None:
    answer = await (await desk.sign_in("bob")).post(f"/approvals/{WANTED.id}/approve", data=answer_of())
    assert answer.status_code == 403
    assert state(desk) == "waiting"
    assert len(desk.log("auth.denied")) == 1


async def test_a_field_that_is_there_twice_is_refused(desk: Desk) -> None:
    body = f"digest={WANTED.digest}&reason={'a' * 20}&reason={'b' * 20}"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await (await desk.sign_in()).post(f"/approvals/{WANTED.id}/approve", content=body, headers=headers)
    assert answer.status_code == 422
    assert state(desk) == "waiting"


async def test_reviews_are_answered(desk: Desk) -> None:
    browser = await desk.sign_in()
    short = await browser.post(f"/reviews/{TRIED.id}", data={"verdict": "fine", "reason": "ok", "correction": "kept text"})
    assert short.status_code == 422
    assert "kept text" in short.text
    await browser.post(f"/reviews/{TRIED.id}", data={"verdict": "wrong", "reason": "it was not the cause", "correction": "look first"})
    row = desk.house.plugs.store.find("review", TRIED.id)
    assert row is not None
    assert (row.state, row.body["correction"]) == ("wrong", "look first")


@pytest.mark.parametrize(
    ("outcome", "state", "told"),
    [("escalated", "firing", 1), ("fixed", "firing", 0), ("cancelled", "firing", 0), ("shadow", "firing", 0), ("escalated", "resolved", 0)],
)
async def test_what_was_left_to_a_person_needs_me_as_long_as_its_alert_fires(desk: Desk, outcome: str, state: str, told: int) -> None:
    store, browser = desk.house.plugs.store, await desk.sign_in()
    (number,) = re.findall(r"<h1>(\d+) things? need", (await browser.get("/")).text)
    before = int(number)
    assert "Left to a person" not in (await browser.get("/")).text, "it is open still"
    await closed(desk.house)
    session, signal = store.find("session", SID), store.find("signal", "alertmanager:k1")
    assert session
    assert signal
    shut = {**session.body, "outcome": outcome, "summary": "who looks after it?"}
    await store.commit(
        Change(
            puts=(
                Put(table="session", id=SID, expect=session.version, body=shut, state="closed", session=SID),
                Put(table="signal", id=signal.id, expect=signal.version, body=signal.body, state=state, session=SID),
            )
        )
    )
    text = (await browser.get("/")).text
    assert (text.count("<h2>Left to a person</h2>"), text.count("who looks after it?")) == (told, told + 1)
    assert f"<h1>{before + told} thing" in text
    assert (await browser.get("/v1/status")).json()["handed_over"] == [SID] * told


@pytest.mark.parametrize(("trigger", "age_s", "told"), [("spec", 3600.0, 1), ("spec", 90_000.0, 0), ("alertmanager", 90_000.0, 1)])
async def test_work_that_nothing_resolves_is_left_to_a_person_for_a_day(desk: Desk, trigger: str, age_s: float, told: int) -> None:
    store, clock = desk.house.plugs.store, desk.house.plugs.clock
    browser = await desk.sign_in()
    await closed(desk.house)
    session = store.find("session", SID)
    assert session
    shut = {**session.body, "outcome": "escalated", "trigger": trigger, "closed_at": clock.now() - age_s}
    await store.commit(Change(puts=(Put(table="session", id=SID, expect=session.version, body=shut, state="closed", session=SID),)))
    assert (await browser.get("/v1/status")).json()["handed_over"] == [SID] * told
    assert (await browser.get("/")).text.count("<h2>Left to a person</h2>") == told


async def test_all_that_was_closed_in_a_day_is_counted_though_not_all_is_listed(desk: Desk) -> None:
    store, now = desk.house.plugs.store, desk.house.plugs.clock.now()
    await closed(desk.house)
    row = store.find("session", SID)
    assert row
    for number in range(60):
        body = {**row.body, "id": f"s-{number:02}", "opened_at": now + number, "closed_at": now - 90_000 * (number % 2)}
        await store.commit(Change(puts=(Put(table="session", id=f"s-{number:02}", expect=0, body=body, state="closed", session=""),)))
    page = (await (await desk.sign_in()).get("/")).text
    assert "31 closed in the last 24 hours, 31 fixed and verified" in page


async def test_every_review_is_counted_though_not_all_are_listed(desk: Desk) -> None:
    store, browser = desk.house.plugs.store, await desk.sign_in()
    (before,) = re.findall(r"<h1>(\d+) things? need", (await browser.get("/")).text)
    row = store.find("review", TRIED.id)
    assert row
    for number in range(60):
        await store.commit(
            Change(puts=(Put(table="review", id=f"r-{number}", expect=0, body={**row.body, "id": f"r-{number}"}, state="waiting"),))
        )
    assert f"<h1>{int(before) + 60} things need" in (await browser.get("/")).text


async def test_a_stuck_action_needs_me_until_somebody_has_settled_it(desk: Desk) -> None:
    store, browser = desk.house.plugs.store, await desk.sign_in()
    row = store.find("action", TRIED.id)
    assert row
    put = Put(
        table="action", id=row.id, expect=row.version, body={**row.body, "status": "stuck", "why": "who knows"}, state="stuck", session=SID
    )
    await store.commit(Change(puts=(put,)))
    assert "conf.revert on web is stuck" in (await browser.get("/")).text
    assert (await browser.get("/v1/status")).json()["stuck"] == [TRIED.id]
    await browser.post(f"/actions/{TRIED.id}/settle", data={"outcome": "done", "reason": "I have looked at it"})
    assert "is stuck" not in (await browser.get("/")).text
    assert (await browser.get("/v1/status")).json()["stuck"] == []


async def test_freeze_thaw_and_lift(desk: Desk) -> None:
    browser = await desk.sign_in()
    assert (await browser.post("/freeze", data={"scope": "nothing", "reason": "why not"})).status_code == 422
    assert (await browser.post("/freeze", data={"scope": "agent:mender", "reason": "it repeats itself"})).status_code == 303
    (made,) = desk.house.plugs.freezer.freezes()
    assert "Frozen: agent:mender" in (await browser.get("/")).text
    await browser.post(f"/freeze/{made.id}/thaw", data={"reason": "one more try", "minutes": "15"})
    assert "Thawed until" in (await browser.get("/freeze")).text
    await browser.post(f"/freeze/{made.id}/lift", data={"reason": "mended"})
    assert desk.house.plugs.freezer.freezes() == ()


async def test_a_session_is_paused_resumed_and_cancelled(desk: Desk) -> None:
    browser = await desk.sign_in()
    short = await browser.post(f"/sessions/{SID}/pause", data={"reason": "no"})
    assert short.status_code == 422
    for verb in ("pause", "resume", "cancel"):
        assert (await browser.post(f"/sessions/{SID}/{verb}", data={"reason": "a person looks at it"})).status_code == 303
    row = desk.house.plugs.store.find("session", SID)
    assert row is not None
    assert row.body["outcome"] == "cancelled"


async def test_a_dead_letter_is_shown_and_replayed(desk: Desk) -> None:
    store = desk.house.plugs.store
    body = {"source": "alertmanager", "at": 1.0, "error": f"not JSON {NASTY}", "raw": NASTY, "tries": 3}
    await store.commit(Change(puts=(Put(table="inbox", id="in1", expect=0, body=body, state="dead"),)))
    browser = await desk.sign_in()
    assert "not JSON" in (await browser.get("/letters")).text
    assert (await browser.post("/letters/in1/replay")).status_code == 303
    row = store.find("inbox", "in1")
    assert row is not None
    assert row.state == "new"


# the API beside it --------------------------------------------------------------------------------------------------


async def test_the_api_gives_the_same_views(desk: Desk) -> None:
    browser = await desk.sign_in()
    doc = (await browser.get(f"/v1/sessions/{SID}")).json()
    assert {"tree", "timeline", "figures", "deeds", "steps", "log"} <= set(doc)
    assert (await browser.get(f"/v1/sessions/{SID}/explain", params={"action": TRIED.id})).json()["what"].startswith("conf.revert")
    assert (await browser.get(f"/v1/actions/{TRIED.id}/explain")).json()["evidence"] == []
    assert "## Root cause" in (await browser.get(f"/v1/sessions/{SID}/report")).json()["markdown"]
    assert len((await browser.get(f"/v1/sessions/{SID}/steps")).json()["steps"]) == 3
    assert (await browser.get("/v1/shadow")).json()["of"] == 0
    assert len((await browser.get("/v1/permits")).json()["permits"]) == 2
    for path in (f"/v1/sessions/{SID}/explain", "/v1/feedback", "/v1/shadow", "/v1/permits"):
        assert (await desk.browser().get(path)).status_code == 401


async def test_pages_are_no_part_of_the_api(desk: Desk) -> None:
    paths = (await (await desk.sign_in()).get("/v1/openapi.json")).json()["paths"]
    assert paths
    assert all(path.startswith("/v1/") or path in ("/livez", "/readyz", "/metrics") for path in paths)


# what is sent -------------------------------------------------------------------------------------------------------


def packed(answer: httpx.Response) -> int:
    return len(gzip.compress(answer.content, 9))


async def test_a_first_page_stays_within_its_budget(desk: Desk) -> None:
    browser = await desk.sign_in()
    page = await browser.get(f"/approvals/{WANTED.id}")
    named = set(re.findall(r'(?:src|href)="(/static/[^"#]+)', page.text)) | {"/static/icons.svg"}
    sizes = {}
    for path in sorted(named):
        answer = await browser.get(path)
        assert answer.status_code == 200, path
        sizes[path.partition("?")[0]] = packed(answer)
    fonts = {name: size for name, size in sizes.items() if name.endswith(".woff2")}
    scripts = {name: size for name, size in sizes.items() if name.endswith(".js")}
    assert len(scripts) == 5
    assert sum(scripts.values()) <= 25 * 1024, scripts
    assert packed(page) + sum(sizes.values()) - sum(fonts.values()) <= 40 * 1024, (packed(page), sizes)


async def test_static_files_are_packed_and_nothing_else_is_served(desk: Desk) -> None:
    browser = desk.browser()
    answer = await browser.get("/static/app.css?v=1")
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    for path in ("/static/../app.py", "/static/%2e%2e/page.py", "/static/none.css", "/static/"):
        assert (await browser.get(path)).status_code in (404, 303), path


def test_what_came_from_elsewhere_is_what_its_maker_published() -> None:
    manifest = json.loads((STATIC / "manifest.json").read_text())
    foreign = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.suffix == ".woff2" or path.match("vendor/*.js")}
    assert foreign | {"icons.svg"} == {one["file"] for one in manifest["files"]}
    for one in manifest["files"]:
        assert hashlib.sha256((STATIC / one["file"]).read_bytes()).hexdigest() == one["sha256"], one["file"]
        assert all(one[name] for name in ("package", "version", "licence"))
        assert (STATIC / one["licence_file"]).is_file()


def test_pages_load_and_name_nothing_outside() -> None:
    own = [*HERE.glob("template/*.html"), STATIC / "app.css", STATIC / "app.js", STATIC / "theme.js", STATIC / "icon.svg"]
    for path in own:
        assert not re.search(
            r"(?:https?:)?//(?!www\.w3\.org/)[a-z0-9-]+\.[a-z]", re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
        ), path.name
        assert "|safe" not in path.read_text().replace(" ", ""), path.name


def test_only_the_drawing_makes_markup() -> None:
    for path in HERE.glob("*.py"):
        names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        assert "Markup" not in names or path.name == "draw.py", path.name


async def test_a_stream_points_and_ends_with_the_server(desk: Desk) -> None:
    house, streams = desk.house, desk.app.state.streams
    stream = _pointers(house, -1, streams)
    assert await anext(stream) == b"retry: 1000\n\n"
    size = house.plugs.store.size()
    assert await anext(stream) == b'id: %d\nevent: log\ndata: {"size":%d}\n\n' % (size, size)
    waiting = asyncio.ensure_future(anext(stream, b"the end"))
    await house.plugs.store.commit(Change(entries=(Entry(name="test.noise", who="service:test"),)))
    assert b"id: %d\n" % (size + 1) in await waiting
    waiting = asyncio.ensure_future(anext(stream, b"the end"))
    await asyncio.sleep(0)
    streams.close()
    async with asyncio.timeout(5):
        assert await waiting == b"the end"
    assert not streams.news


def test_the_card_counts_every_service_that_an_action_touches() -> None:
    one = blast({"blast": {"service": "web", "interrupts": True}}, ["shop"])
    assert one == ("1 service, 1 behind", "interrupts it for a moment; shop stand on it")
    two = blast({"blast": {"targets": ["store", "web"], "timeout_s": 7200, "cost_micros": 250_000}}, [])
    assert two == ("2 services", "touches store, web; timeout s: 7200; cost micros: 250000; nothing else stands on it")
