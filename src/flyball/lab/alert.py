"""When an alert fires, and the exact JSON in which Alertmanager (webhook version 4) would say so.

Called by the prober, which acts as Prometheus and Alertmanager in one where the real ones are not installed, and by
`telemetry`, which writes the same `RULES` as configuration for the real ones. Shapes and rules after Alertmanager 0.25:
notify/webhook (Message), template (Data), prometheus/common/model (Alert, LabelSet.Fingerprint).
"""

import dataclasses
import time
from collections.abc import Iterable
from typing import Any

RECEIVER = "flyball"
GROUP_BY = ("alertname", "service")
NEVER = "0001-01-01T00:00:00Z"  # Go's zero time: a firing alert's end, as Alertmanager gives it
FNV_OFFSET, FNV_PRIME, FNV_MASK = 14695981039346656037, 1099511628211, 2**64 - 1
RETRY_FIRST_S, RETRY_LONGEST_S = 0.5, 5.0

Labels = tuple[tuple[str, str], ...]  # sorted by name


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """Fires when `metric` is at least `threshold` (or, with `below`, less) for `for_s`; goes on for `hold_s` after."""

    name: str
    metric: str
    threshold: float
    for_s: int
    hold_s: int
    severity: str
    summary: str
    below: bool = False

    def holds(self, value: float) -> bool:
        """Say whether a value is one to worry about."""
        return value < self.threshold if self.below else value >= self.threshold


RULES = (
    Rule("ServiceDown", "lab_probe_up", 1, 1, 2, "critical", "gives no answer to its probe", below=True),
    Rule("DiskAlmostFull", "lab_disk_used_ratio", 0.9, 0, 2, "warning", "has its log file system almost full"),
    Rule("ServiceErrors", "lab_error_ratio", 0.4, 2, 1, "critical", "answers with server errors"),
    Rule("ServiceSlow", "lab_latency_seconds", 0.4, 2, 1, "warning", "answers slowly"),
    Rule("ServiceCrashLooping", "lab_crash_loop", 1, 2, 1, "critical", "fails again and again at its start"),
    Rule("LogFlood", "lab_log_growth_bytes", 6000, 2, 1, "warning", "writes far more log than usual"),
)
# While the first fires for a service, the others say nothing new about it.
INHIBITED_BY = {
    "ServiceErrors": ("ServiceDown", "DiskAlmostFull"),
    "ServiceSlow": ("ServiceDown",),
    "ServiceCrashLooping": ("ServiceDown",),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """One measured value; `note` is what a person may read about it (untrusted: it may quote a log)."""

    metric: str
    labels: Labels
    value: float
    note: str = ""


@dataclasses.dataclass(slots=True)
class Alert:
    """One rule on one set of labels, from its first suspicion to its resolved message. Times in Unix seconds."""

    rule: Rule
    labels: Labels
    pending_since: float
    last_true: float
    note: str = ""
    firing_since: float | None = None
    resolved_at: float | None = None
    told: bool = False  # the receiver knows that it fires
    next_at: float = 0.0
    retry_s: float = RETRY_FIRST_S

    @property
    def service(self) -> str:
        """The service that it is about."""
        return dict(self.labels)["service"]

    @property
    def firing(self) -> bool:
        """Whether it fires now."""
        return self.firing_since is not None and self.resolved_at is None


def label_set(**labels: str) -> Labels:
    """Sort labels into the shape that everything here uses."""
    return tuple(sorted(labels.items()))


def fingerprint(labels: Labels) -> str:
    """Prometheus's fingerprint of a label set: FNV-1a, 64 bits, over names and values, each closed by 0xff."""
    value = FNV_OFFSET
    for pair in labels:
        for text in pair:
            for byte in (*text.encode(), 255):
                value = (value ^ byte) * FNV_PRIME & FNV_MASK
    return f"{value:016x}"


def rfc3339(at: float) -> str:
    """Unix seconds as RFC 3339 in UTC with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"


def message(alert: Alert, origin: str) -> dict[str, Any]:
    """The webhook's JSON for an alert; `origin` is the URL of the prober's own page."""
    labels = dict(alert.labels)
    status = "firing" if alert.resolved_at is None else "resolved"
    group = {name: labels[name] for name in GROUP_BY}
    annotations = {
        "description": alert.note,
        "summary": f"{alert.service} {alert.rule.summary}",
    }
    return {
        "receiver": RECEIVER,
        "status": status,
        "alerts": [
            {
                "status": status,
                "labels": labels,
                "annotations": annotations,
                "startsAt": rfc3339(alert.firing_since or alert.pending_since),
                "endsAt": NEVER if alert.resolved_at is None else rfc3339(alert.resolved_at),
                "generatorURL": f"{origin}/metrics",
                "fingerprint": fingerprint(alert.labels),
            }
        ],
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": origin,
        "version": "4",
        "groupKey": "{}:{" + ", ".join(f'{name}="{value}"' for name, value in group.items()) + "}",
        "truncatedAlerts": 0,
    }


class Book:
    """All alerts that are suspected, fire or have yet to be told as resolved. Pure: the caller brings the time."""

    def __init__(self, repeat_s: float) -> None:
        self.repeat_s = repeat_s
        self.alerts: dict[Labels, Alert] = {}

    def observe(self, samples: Iterable[Sample], now: float) -> None:
        """Take in one round of samples."""
        rules = {rule.metric: rule for rule in RULES}
        for sample in samples:
            rule = rules.get(sample.metric)
            if rule is None:
                continue
            labels = label_set(alertname=rule.name, severity=rule.severity, **dict(sample.labels))
            alert = self.alerts.get(labels)
            if rule.holds(sample.value):
                if alert is None or alert.resolved_at is not None:
                    alert = self.alerts[labels] = Alert(rule, labels, pending_since=now, last_true=now)
                alert.last_true = now
                alert.note = sample.note
                if alert.firing_since is None and now - alert.pending_since >= rule.for_s:
                    alert.firing_since = now
            elif alert is not None and alert.firing_since is None:
                del self.alerts[labels]
            elif alert is not None and alert.resolved_at is None and now - alert.last_true >= rule.hold_s:
                alert.resolved_at, alert.next_at, alert.retry_s = now, now, RETRY_FIRST_S
                if not alert.told:
                    del self.alerts[labels]

    def inhibited(self, alert: Alert) -> bool:
        """Say whether a firing alert that explains this one speaks for it."""
        stronger = INHIBITED_BY.get(alert.rule.name, ())
        return any(other.firing and other.service == alert.service and other.rule.name in stronger for other in self.alerts.values())

    def due(self, now: float) -> list[Alert]:
        """What has to be told now: new, to be repeated, to be tried again, or resolved."""
        return [
            alert
            for alert in self.alerts.values()
            if alert.firing_since is not None and now >= alert.next_at and (alert.resolved_at is not None or not self.inhibited(alert))
        ]

    def told(self, alert: Alert, *, again: bool, now: float) -> None:
        """Take in what became of a message; `again`: the receiver failed in a way that is worth another try."""
        if again:
            alert.next_at = now + alert.retry_s
            alert.retry_s = min(alert.retry_s * 2, RETRY_LONGEST_S)
            return
        alert.told, alert.retry_s, alert.next_at = True, RETRY_FIRST_S, now + self.repeat_s
        if alert.resolved_at is not None and self.alerts.get(alert.labels) is alert:
            del self.alerts[alert.labels]
