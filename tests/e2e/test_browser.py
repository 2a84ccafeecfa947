"""A real browser against a real server: in by a one-time link, a live page, an approval by hand; nothing loaded from outside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from desk import SCOPES, SID, WANTED, Desk, desk_at
from flyball.faces.console.link import mint_link
from flyball.model.log import Change, Entry

CHROMIUM = shutil.which("chromium") or ""
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WAIT_MS = 15_000
PATHS = {
    "now": "/",
    "approval": f"/approvals/{WANTED.id}",
    "session": f"/sessions/{SID}",
    "sessions": "/sessions",
    "reviews": "/reviews",
    "log": "/log",
    "agents": "/agents",
    "freeze": "/freeze",
}
REASON = "the log shows that this change broke it"
WIDER = """[...document.querySelectorAll("main, .pane, body")]
  .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.className || one.tagName)"""
SIZES = ((390, 844), (1024, 768), (1280, 800), (1600, 1000))

if not CHROMIUM and os.environ.get("CI") != "true":
    pytest.skip("there is no chromium here", allow_module_level=True)


class Served:
    """A desk behind a real web server, and one browser window in front of it."""

    def __init__(self, desk: Desk, url: str, page: Any) -> None:
        self.desk, self.url, self.page = desk, url, page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda one: self.said.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda fault: self.said.append(str(fault)))
        page.on("request", lambda one: self.asked.append(one.url))

    async def sign_in(self) -> None:
        """Come in by a link, with the mouse."""
        token = await mint_link(self.desk.house, "person:ada", SCOPES, 600)
        await self.page.goto(f"{self.url}/login/{token}")
        await self.page.click("text=Sign in >> nth=-1")
        await self.page.wait_for_selector("text=need you", timeout=WAIT_MS)


@contextlib.asynccontextmanager
async def web(desk: Desk) -> AsyncIterator[str]:
    """The desk's app on a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:  # it listens already: whoever comes early waits in its queue
        server = uvicorn.Server(uvicorn.Config(desk.app, log_level="warning", lifespan="off", timeout_graceful_shutdown=5))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            desk.app.state.streams.close()
            server.should_exit = True
            await running


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    from playwright.async_api import async_playwright

    async with desk_at(tmp_path / "state") as desk, web(desk) as url, async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield Served(desk, url, await browser.new_page(viewport={"width": 1440, "height": 900}))
        finally:
            await browser.close()


async def test_a_person_comes_in_by_a_link_and_approves(served: Served) -> None:
    page = served.page
    await served.sign_in()
    assert (await page.context.cookies())[0]["httpOnly"]
    assert await page.evaluate("document.cookie") == ""
    await page.click("nav >> text=Approvals")
    await page.wait_for_selector("#live >> text=Live", timeout=WAIT_MS)
    await page.keyboard.press("a")
    await page.keyboard.type(REASON)
    await page.keyboard.press("Control+Enter")
    await page.wait_for_selector("text=See what became of it", timeout=WAIT_MS)
    row = served.desk.house.plugs.store.find("approval", WANTED.id)
    assert row is not None
    assert (row.state, [body["reason"] for body in served.desk.log("approval.answered")]) == ("approved", [REASON])
    assert served.said == []
    assert all(url.startswith(served.url) for url in served.asked)


async def test_what_happens_meanwhile_shows_and_the_typed_text_stays(served: Served) -> None:
    page, desk = served.page, served.desk
    await served.sign_in()
    await page.goto(f"{served.url}/approvals/{WANTED.id}")
    await page.wait_for_selector("#live >> text=Live", timeout=WAIT_MS)
    await page.fill("#reason", "half a thou")
    other = await desk.sign_in()
    await other.post(f"/approvals/{WANTED.id}/reject", data={"digest": WANTED.digest, "reason": "somebody else was faster"})
    await page.wait_for_selector("text=somebody else was faster", timeout=WAIT_MS)
    assert await page.input_value("#reason") == "half a thou"
    assert not await page.is_visible("#reason")  # there is nothing to decide any more
    await page.wait_for_selector("#rows >> text=Nothing waits for you", timeout=WAIT_MS)
    assert served.said == []


async def test_a_log_full_of_changes_does_not_take_the_text_away(served: Served) -> None:
    page, store = served.page, served.desk.house.plugs.store
    await served.sign_in()
    await page.goto(f"{served.url}/approvals/{WANTED.id}")
    await page.wait_for_selector("#live >> text=Live", timeout=WAIT_MS)
    await page.focus("#reason")
    for word in ("one ", "two ", "three ", "four"):
        await page.keyboard.type(word)
        await store.commit(Change(entries=(Entry(name="test.noise", who="service:test"),)))
        async with page.expect_response(lambda one: "/part/rows" in one.url, timeout=WAIT_MS):
            pass
    assert await page.input_value("#reason") == "one two three four"
    assert await page.evaluate("document.activeElement.id") == "reason"


async def test_it_works_without_scripts(served: Served) -> None:
    context = await served.page.context.browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    token = await mint_link(served.desk.house, "person:ada", SCOPES, 600)
    await page.goto(f"{served.url}/login/{token}")
    await page.click("text=Sign in >> nth=-1")
    await page.goto(f"{served.url}/approvals/{WANTED.id}")
    await page.fill("#reason", "too short?")
    await page.fill("#reason", REASON)
    await page.click("button:has-text('Reject')")
    await page.wait_for_selector("text=Rejected", timeout=WAIT_MS)
    assert page.url == f"{served.url}/approvals/{WANTED.id}"
    row = served.desk.house.plugs.store.find("approval", WANTED.id)
    assert row is not None
    assert row.state == "rejected"


@pytest.mark.parametrize("mode", ["light", "dark"])
async def test_pages_fit_every_width(served: Served, mode: str, tmp_path: Path) -> None:
    page = served.page
    await page.emulate_media(color_scheme=mode)
    await served.sign_in()
    for wide, high in SIZES:
        await page.set_viewport_size({"width": wide, "height": high})
        for name, path in PATHS.items():
            await page.goto(served.url + path)
            await page.screenshot(path=tmp_path / f"{name}-{wide}-{mode}.png")
            assert await page.evaluate(WIDER) == [], f"{path} is wider than {wide}"
    assert served.said == []
