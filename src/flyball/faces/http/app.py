"""The ASGI app: routers, errors, limits. `compose` gives it a house; the console is mounted beside the API."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig

from flyball import __version__
from flyball.core.house import House
from flyball.errors import FlyballError
from flyball.faces.console.app import router as console
from flyball.faces.http import look, metrics, people, policy, state, work
from flyball.faces.http.guard import Limit, told

App = FastAPI
"""What is served: named here so that nobody else need know the framework."""


TELEMETRY: TelemetryConfig = {"operation_spans": False}
"""A span per request; what the framework does within is no story of ours."""


def create(house: House, checkpoint: Callable[[], str]) -> FastAPI:
    """Build the app over a house."""
    app = FastAPI(title="Flyball", version=__version__, docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json", telemetry=TELEMETRY)
    app.state.house, app.state.checkpoint, app.state.streams = house, checkpoint, state.Streams()
    app.add_route("/v1/actions", work.act_at_once, methods=["POST"], include_in_schema=False)  # before the router that describes it
    for router in (state.router, metrics.router, work.router, look.router, people.router, policy.router, console):
        app.include_router(router)
    for fault in (FlyballError, RequestValidationError, Exception):
        app.add_exception_handler(fault, told)
    app.add_middleware(Limit)
    return app
