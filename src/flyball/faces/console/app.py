"""The console: server-rendered pages over a house. `faces.http.app` includes this router beside the API's."""

from __future__ import annotations

from fastapi import APIRouter

from flyball.faces.console import desk, inbox, session, sign

router = APIRouter()
for one in (sign.router, desk.router, inbox.router, session.router):
    router.include_router(one)
