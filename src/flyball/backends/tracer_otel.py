"""Spans by OpenTelemetry. Without a configured SDK they cost next to nothing and go nowhere."""

from __future__ import annotations

from contextlib import AbstractContextManager

from opentelemetry import trace

from flyball import __version__


class OtelTracer:
    """Meets `ports.Tracer`."""

    def __init__(self) -> None:
        """Take the tracer of the provider that is set now."""
        self._tracer = trace.get_tracer("flyball", __version__)

    def span(self, name: str, **attributes: str | float) -> AbstractContextManager[object]:
        """Open a span; attributes are named flyball.*."""
        return self._tracer.start_as_current_span(name, attributes={f"flyball.{key}": value for key, value in attributes.items()})
