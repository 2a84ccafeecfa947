"""Metrics in Prometheus' text form, read from the store at each scrape. A scrape needs a key with the scope `read`, like every call."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flyball.core.house import House
from flyball.faces.http.guard import Caller, TheHouse

router = APIRouter(tags=["state"])
TABLES = {
    "sessions": ("session", ("open", "parked", "closed")),
    "actions": ("action", ("held", "denied", "running", "done", "failed", "unknown", "stuck", "undone")),
    "approvals": ("approval", ("waiting", "approved", "rejected", "expired", "used", "void", "edited", "changes")),
    "reviews": ("review", ("waiting", "fine", "wrong")),
    "inbox": ("inbox", ("new", "taken", "dead")),
}


class Figures(Collector):
    """Counts rows by state, and the log."""

    def __init__(self, house: House) -> None:
        """Keep the house."""
        self.house = house

    def collect(self) -> Iterator[Metric]:
        """Give every metric with its value now."""
        store, plugs = self.house.plugs.store, self.house.plugs
        yield CounterMetricFamily("flyball_log_entries", "Entries in the log.", value=store.size())
        for name, (table, states) in TABLES.items():
            family = GaugeMetricFamily(f"flyball_{name}", f"Rows of {name} by state.", labels=("state",))
            for state in states:
                family.add_metric((state,), store.count(table, state))
            yield family
        overdue = len(store.rows("review", state="waiting", due_by=plugs.clock.now(), limit=10_000))
        yield GaugeMetricFamily("flyball_reviews_overdue", "Reviews past their deadline: they turn yellow to red.", value=overdue)
        now = plugs.clock.now()
        frozen = sum(freeze.thawed_until <= now for freeze in plugs.freezer.freezes())
        yield GaugeMetricFamily("flyball_freezes", "Freezes in force.", value=frozen)
        yield GaugeMetricFamily("flyball_policy_rules", "Rules of the policy set; 0 is not ready.", value=plugs.policy.count)


@router.get("/metrics")
async def metrics(who: Caller, house: TheHouse) -> Response:
    """Give the metrics."""
    who.needs("read")
    registry = CollectorRegistry()
    registry.register(Figures(house))
    return Response(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")
