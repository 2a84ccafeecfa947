"""Every source reads what its sender really sends, refuses the rest in one line, and never trusts a word of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from flyball.errors import BadInput
from flyball.sources import alertmanager, schedule, spec


def webhook(**changes: Any) -> dict[str, Any]:
    alert = {
        "status": "firing",
        "labels": {"alertname": "ServiceDown", "service": "web", "severity": "critical"},
        "annotations": {"summary": "web gives no answer"},
        "startsAt": "2026-11-20T10:00:00.000Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "f0e1d2c3b4a59687",
    }
    whole = {"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "flyball", "alerts": [alert]}
    return {**whole, **changes}


def read(doc: Any) -> tuple[Any, ...]:
    return alertmanager.SOURCE.read(json.dumps(doc).encode(), {})


def test_an_alert_becomes_one_signal() -> None:
    (signal,) = read(webhook())
    assert (signal.name, signal.target, signal.firing, signal.key) == ("ServiceDown", "web", True, "ServiceDown:web")
    assert signal.at == datetime(2026, 11, 20, 10, tzinfo=UTC).timestamp()
    assert signal.summary == "web gives no answer"


def test_resolved_shares_the_key_of_firing() -> None:
    resolved = webhook()
    resolved["alerts"][0]["status"] = "resolved"
    (before,), (after,) = read(webhook()), read(resolved)
    assert before.key == after.key
    assert not after.firing
    assert before.id != after.id


def test_unknown_fields_are_let_pass_and_truncation_is_told() -> None:
    doc = webhook(truncatedAlerts=7, notification_reason="repeat", routeLabels={"a": "b"})
    doc["alerts"][0]["brandNew"] = [1]
    (signal,) = read(doc)
    assert signal.annotations["flyball_truncated"].startswith("7 more alerts")


def test_two_prometheus_fingerprints_of_one_service_are_one_trouble() -> None:
    doc = webhook()
    twin = json.loads(json.dumps(doc["alerts"][0]))
    twin["fingerprint"] = "0000000000000000"
    doc["alerts"].append(twin)
    first, second = read(doc)
    assert first.key == second.key
    assert (first.part, second.part) == ("f0e1d2c3b4a59687", "0000000000000000")


def test_control_and_direction_characters_become_visible() -> None:
    doc = webhook()
    doc["alerts"][0]["annotations"]["summary"] = "ok\u202egnirts\x1b[31m"
    (signal,) = read(doc)
    assert signal.summary == "ok\\u202egnirts\\u001b[31m"


@pytest.mark.parametrize(
    ("doc", "what"),
    [
        ({}, "this is not an Alertmanager webhook"),
        (webhook(version="5"), "this is not an Alertmanager webhook"),
        (webhook(alerts=[]), "the notification holds no alerts"),
        (webhook(alerts=[3]), "/alerts/0 is not an object"),
        (webhook(alerts=[{"status": "firing", "labels": {}}]), "/alerts/0 has no alertname or no status"),
        (webhook(alerts=[{"status": "maybe", "labels": {"alertname": "A"}}]), "/alerts/0 has no alertname or no status"),
        (webhook(alerts=[{"status": "firing", "labels": {"alertname": 1}}]), "/alerts/0/labels must be an object of at most 64 texts"),
        (
            webhook(alerts=[{"status": "firing", "labels": {str(n): "x" for n in range(65)}}]),
            "/alerts/0/labels must be an object of at most 64 texts",
        ),
    ],
)
def test_what_is_no_webhook_is_refused_by_name(doc: Any, what: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(doc)
    assert caught.value.what == what


def test_half_a_message_is_refused() -> None:
    with pytest.raises(BadInput, match="the body is not JSON"):
        alertmanager.SOURCE.read(b'{"version": "4", "al', {})


def test_a_delivery_is_known_by_its_bytes() -> None:
    assert (
        alertmanager.SOURCE.identify(b"a", {}) == alertmanager.SOURCE.identify(b"a", {"x": "y"}) != alertmanager.SOURCE.identify(b"b", {})
    )


TASK = """
apiVersion: flyball/v1
kind: Task
metadata: {name: tidy-web}
spec: {goal: make room in the logs of web, target: web, alert: DiskAlmostFull, labels: {severity: low}}
"""


def test_a_task_spec_becomes_a_signal_with_its_body() -> None:
    (signal,) = spec.SOURCE.read(TASK.encode(), {})
    assert (signal.key, signal.target, signal.name) == ("spec:tidy-web", "web", "DiskAlmostFull")
    assert signal.labels == {"severity": "low", "service": "web"}
    assert signal.body["metadata"]["name"] == "tidy-web"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("kind: Task", "kind: Chore"), "the task spec is wrong at /kind"),
        (("goal: make room in the logs of web, ", ""), "the task spec is wrong at /spec"),
        (("target: web", "target: web, colour: red"), "the task spec is wrong at /spec"),
        (("name: tidy-web", "name: Tidy Web"), "the task spec is wrong at /metadata/name"),
        (("target: web", "target: web, max_cost_micros: 0"), "the task spec cannot be met"),
        (("{name", "{{name"), "the task spec is not YAML"),
    ],
)
def test_a_bad_spec_is_refused_before_work(change: tuple[str, str], what: str) -> None:
    with pytest.raises(BadInput) as caught:
        spec.SOURCE.read(TASK.replace(*change).encode(), {})
    assert caught.value.what == what


def test_a_huge_spec_is_refused() -> None:
    with pytest.raises(BadInput, match="the task spec has 70000 bytes"):
        spec.SOURCE.read(b"x" * 70_000, {})


def test_a_spec_cannot_make_python_objects() -> None:
    with pytest.raises(BadInput, match="the task spec is not YAML"):
        spec.SOURCE.read(b"!!python/object/apply:os.system ['true']", {})


def test_schedules_know_their_ticks() -> None:
    at = datetime(2026, 11, 20, 10, 7, tzinfo=UTC).timestamp()
    assert schedule.next_tick("*/15 * * * *", at) == datetime(2026, 11, 20, 10, 15, tzinfo=UTC).timestamp()
    assert schedule.last_tick("*/15 * * * *", at) == datetime(2026, 11, 20, 10, 0, tzinfo=UTC).timestamp()
    assert schedule.last_tick("0 0 29 2 *", at) == 0.0
    assert schedule.check("0 3 * * *") == ""
    assert schedule.check("0 25 * * *") != ""


def test_one_tick_is_one_delivery() -> None:
    raw = json.dumps({"name": "nightly", "target": "web", "tick": 100.0, "goal": "look"}).encode()
    (signal,) = schedule.SOURCE.read(raw, {})
    assert (signal.key, signal.target, signal.at, signal.summary) == ("schedule:nightly", "web", 100.0, "look")
    with pytest.raises(BadInput, match="this is not a tick"):
        schedule.SOURCE.read(b'{"name": "nightly"}', {})
