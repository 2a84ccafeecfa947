"""Alertmanager's webhook, version 4. Repeats are normal, `resolved` closes, unknown fields are let pass, labels are untrusted text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from flyball.errors import BadInput
from flyball.model.session import Signal

FIX = "send Alertmanager's webhook JSON, version 4, without a custom payload template"
MOST_TEXT = 2_000
MOST_LABELS = 64


class Alertmanager:
    """Meets `ports.Source`."""

    name = "alertmanager"

    def identify(self, raw: bytes, headers: Mapping[str, str]) -> str:
        """Give the digest of the bytes: Alertmanager sends the same notification again byte for byte, a new one differs."""
        del headers  # it signs nothing and numbers nothing
        return hashlib.sha256(raw).hexdigest()[:32]

    def read(self, raw: bytes, headers: Mapping[str, str]) -> tuple[Signal, ...]:
        """Give one signal per alert. Raises BadInput with the field that is wrong."""
        del headers
        try:
            doc = orjson.loads(raw)
        except orjson.JSONDecodeError as fault:
            raise BadInput("the body is not JSON", str(fault), FIX) from fault
        if not isinstance(doc, dict) or doc.get("version") != "4":
            raise BadInput("this is not an Alertmanager webhook", '`version` must be "4"', FIX)
        alerts = doc.get("alerts")
        if not isinstance(alerts, list) or not alerts:
            raise BadInput("the notification holds no alerts", "`alerts` must be a list that is not empty", FIX)
        cut = doc.get("truncatedAlerts")
        return tuple(self._one(alert, index, cut if isinstance(cut, int) else 0) for index, alert in enumerate(alerts))

    @staticmethod
    def _one(alert: Any, index: int, cut: int) -> Signal:
        if not isinstance(alert, dict):
            raise BadInput(f"/alerts/{index} is not an object", "every alert has labels, annotations and a status", FIX)
        labels, notes = (
            _texts(alert.get("labels"), f"/alerts/{index}/labels"),
            _texts(alert.get("annotations"), f"/alerts/{index}/annotations"),
        )
        name, status = labels.get("alertname", ""), alert.get("status")
        if not name or status not in ("firing", "resolved"):
            raise BadInput(f"/alerts/{index} has no alertname or no status", "status is firing or resolved", FIX)
        starts = str(alert.get("startsAt", ""))
        target = labels.get("service", "")
        print_ = str(alert.get("fingerprint", "")) or hashlib.sha256(orjson.dumps(labels, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
        summary = notes.get("summary", "") or f"{name} on {target or 'unknown'}"
        if cut:
            notes["flyball_truncated"] = f"{cut} more alerts of this group were cut off by Alertmanager"
        return Signal(
            source="alertmanager",
            id=f"{print_}:{starts}:{status}",
            key=f"{name}:{target}" if target else f"{name}:{print_}",
            name=name,
            target=target,
            part=print_,
            firing=status == "firing",
            at=_seconds(starts),
            summary=summary[:200],
            labels=labels,
            annotations=notes,
        )


def _texts(found: Any, where: str) -> dict[str, str]:
    """Give labels as text: capped, control characters made visible. They are an attacker's to write."""
    if found is None:
        return {}
    if not isinstance(found, dict) or len(found) > MOST_LABELS or any(not isinstance(value, str) for value in found.values()):
        raise BadInput(f"{where} must be an object of at most {MOST_LABELS} texts", "labels and annotations are text", FIX)
    return {str(key)[:200]: shown(value) for key, value in found.items() if str(key).isascii()}


def shown(text: str) -> str:
    """Give text with control and direction characters made visible, cut at a length."""
    return "".join(one if one.isprintable() or one == "\n" else f"\\u{ord(one):04x}" for one in text[:MOST_TEXT])


def _seconds(stamp: str) -> float:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return 0.0


SOURCE = Alertmanager()
