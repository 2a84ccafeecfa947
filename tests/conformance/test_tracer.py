"""Spans by OpenTelemetry: they nest, carry their attributes, and say what went wrong."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flyball.backends.tracer_otel import OtelTracer
from flyball.rules.digest import trace_of


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What is exported while this test's provider is the one that is set."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return exporter


def test_spans_nest_and_carry_their_attributes(exported: InMemorySpanExporter) -> None:
    tracer = OtelTracer()
    with tracer.span("action", kind="host.read", attempt=2) as outer, tracer.span("do") as inner:
        assert trace.get_current_span() is inner
    assert trace.get_current_span() is trace.INVALID_SPAN
    do, action = exported.get_finished_spans()
    assert (do.name, action.name, dict(action.attributes or {})) == ("do", "action", {"flyball.kind": "host.read", "flyball.attempt": 2})
    assert do.parent == outer.get_span_context()
    assert do.context.trace_id == action.context.trace_id
    assert action.parent is None
    assert do.end_time <= action.end_time


def test_everything_that_is_done_for_a_session_is_one_trace(exported: InMemorySpanExporter) -> None:
    tracer = OtelTracer()
    with tracer.span("http"), tracer.span("action", session="s-one"), tracer.span("do"):
        pass
    with tracer.span("action", session="s-one"), tracer.span("action", session="s-two"):
        pass
    do, action, http, other, again = exported.get_finished_spans()
    assert [f"{one.context.trace_id:032x}" for one in (do, action, again, other)] == [trace_of("s-one")] * 3 + [trace_of("s-two")]
    assert [one.context for one in action.links] == [http.context]
    assert http.context.trace_id != action.context.trace_id
    assert again.context.span_id != action.context.span_id


def test_a_fault_is_recorded_and_goes_on(exported: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="no"), OtelTracer().span("do"):
        raise ValueError("no")
    with pytest.raises(KeyboardInterrupt), OtelTracer().span("do"):
        raise KeyboardInterrupt
    fault, stopped = exported.get_finished_spans()
    assert (fault.status.status_code, fault.status.description, [one.name for one in fault.events]) == (
        trace.StatusCode.ERROR,
        "ValueError: no",
        ["exception"],
    )
    assert stopped.status.is_unset


def test_without_an_sdk_nothing_happens() -> None:
    with OtelTracer().span("action", kind="x") as span:
        assert not span.is_recording()
