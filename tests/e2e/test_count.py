"""The record against what others count: the program's own log, the connections that a listener took, the spans of a trace."""

from __future__ import annotations

import http.server
import json
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flyball.backends.store.query import query
from live import Live, spec, until

SERVICE = """\
#!/bin/sh
# A service that writes down every call of its control program before it does anything.
set -eu
dir=$1 verb=$2
echo "$verb" >> "$dir/calls"
n=$(grep -c '^restart$' "$dir/calls" || true)
echo "{\\"state\\": \\"running\\", \\"pid\\": $((n + 1000)), \\"started_at\\": $n}"
"""
TRACED = textwrap.dedent("""
    import json, sys
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

    class File(SpanExporter):
        def export(self, spans):
            with open(sys.argv[1], "a") as file:
                for one in spans:
                    told = {"name": one.name, "kind": one.attributes.get("flyball.kind"), "took_s": (one.end_time - one.start_time) / 1e9}
                    file.write(json.dumps(told) + "\\n")
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(File()))
    trace.set_tracer_provider(provider)
    from flyball.faces.cli.main import main
    sys.exit(main(sys.argv[sys.argv.index("flyball") + 1:]))
""")


class Counting(http.server.ThreadingHTTPServer):
    """Counts the connections that it takes, whatever is asked on them."""

    def __init__(self) -> None:
        self.taken = 0
        super().__init__(("127.0.0.1", 0), Answer)

    def get_request(self) -> Any:
        found = super().get_request()
        self.taken += 1
        return found


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Demo:
    """One service and its agent; what the agent asks for is written down here as well."""

    def __init__(self, folder: Path, listener: Counting) -> None:
        self.home, self.spans, self.listener = folder / "home", folder / "spans.jsonl", listener
        self.home.mkdir()
        (self.home / "service.sh").write_text(SERVICE)
        control = {verb: ["/bin/sh", str(self.home / "service.sh"), str(self.home), verb] for verb in ("status", "stop", "restart")}
        url = f"http://127.0.0.1:{listener.server_port}/healthz"
        facts = {"control": control, "control_mounts": [{"source": str(self.home), "write": True}], "health_url": url}
        self.live = Live(folder / "project", argv=(sys.executable, "-c", TRACED, str(self.spans)))
        self.live.write([{"name": "web", "env": "test", "facts": facts}])
        self.live.edit("flyball.yaml", lambda doc: doc.update(pace={"default": {"burst": 1000, "every_s": 0.001}}))
        agent = self.live.folder / "agents" / "remediator.yaml"
        agent.write_text(agent.read_text().replace("brain: runbook", "brain: remote"))
        self.live.start()
        assert self.live.call("POST", "/v1/signals/spec", raw=spec("work", "web"))[0] == 202
        self.session = until(lambda: next((one["id"] for one in self.live.sessions() if one["waiting"] == "brain"), ""), 15, "a session")
        self.key = until(lambda: self.live.call("POST", f"/v1/sessions/{self.session}/key", {})[1].get("key"), 15, "a key")
        self.asked: Counter[tuple[str, str]] = Counter()

    def act(self, kind: str, expected: str, target: str = "web", **args: Any) -> None:
        said = {"kind": kind, "target": target, "args": args, "confidence": 0.9, "why": "it is part of the demo"}
        _, doc = self.live.call("POST", "/v1/actions", said, key=self.key)
        assert doc["status"] == expected, doc
        self.asked[kind, expected] += 1

    def play(self) -> None:
        for _ in range(4):
            self.act("http.probe", "done")
            self.act("process.restart", "done", service="web")
        for _ in range(3):
            self.act("http.probe", "done")
        self.act("http.probe", "denied", path="//elsewhere.example/")
        self.act("process.restart", "denied", service="other")
        self.act("process.restart", "denied", target="nowhere", service="nowhere")
        self.act("no.such", "denied")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return list(query(self.live.state, sql).rows)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    listener = Counting()
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    made = Demo(tmp_path, listener)
    made.play()
    yield made
    made.live.kill()
    listener.shutdown()
    listener.server_close()


def test_rows_are_as_many_as_what_others_counted(demo: Demo) -> None:
    rows = Counter({(kind, status): count for kind, status, count in demo.ask("SELECT kind, status, count(*) FROM calls GROUP BY 1, 2")})
    assert rows == demo.asked, "what the agent asked for, and what the record holds"
    ran = Counter((demo.home / "calls").read_text().split())
    assert ran["restart"] == rows["process.restart", "done"] == 4, "what the service was told, by its own log"
    assert ran["stop"] == 0
    assert demo.listener.taken == rows["http.probe", "done"] == 7, "connections that the listener took"
    decided = demo.ask("SELECT count(DISTINCT action) FROM entries WHERE name = 'action.decided'")
    assert decided == [(sum(demo.asked.values()),)], "one decision for each action at the least"
    ends = Counter(dict(demo.ask("SELECT name, count(*) FROM entries WHERE name IN ('action.done', 'action.failed') GROUP BY 1")))
    assert ends == Counter({"action.done": sum(count for (_, status), count in rows.items() if status == "done")})


def test_a_call_says_what_went_in_what_came_out_and_how_long_it_took_as_the_trace_does(demo: Demo) -> None:
    calls = demo.ask("SELECT kind, args, result, took_s FROM calls WHERE status IN ('done', 'failed')")
    assert {(kind, args) for kind, args, _, _ in calls} == {("http.probe", "{}"), ("process.restart", '{"service":"web"}')}
    assert {kind for kind, _, result, _ in calls if result and json.loads(result)} == {"http.probe", "process.restart"}
    spans = [one for one in map(json.loads, demo.spans.read_text().splitlines()) if one["name"] == "do"]
    assert Counter(one["kind"] for one in spans) == Counter(kind for kind, *_ in calls)
    for kind in ("http.probe", "process.restart"):
        traced = sum(one["took_s"] for one in spans if one["kind"] == kind)
        logged = sum(took_s for each, _, _, took_s in calls if each == kind)
        # The record's clock runs from right before the span to right after it.
        assert 0 < traced <= logged + 0.001 * len(calls)
        assert logged - traced < 0.02 * len(calls), f"{kind}: {traced:.3f} s in the trace, {logged:.3f} s in the record"
