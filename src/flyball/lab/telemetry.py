"""The real Prometheus and Alertmanager beside the lab, with the same rules as the prober's own.

Called by the estate for ``lab start --prometheus``. Both come from Debian's packages (prometheus and
prometheus-alertmanager), listen on 127.0.0.1, keep their data in the lab's folder, and talk to nobody but the prober
and the receiver. Their configuration is written as JSON, which is YAML.
"""

import json
import shutil
from typing import Any

from flyball.lab.alert import GROUP_BY, INHIBITED_BY, RECEIVER, RULES, Rule
from flyball.lab.home import SEARCH_PATH, Lab, LabError, Settings, write_whole

PROGRAMS = ("prometheus", "prometheus-alertmanager")


def find_missing() -> list[str]:
    """The programs that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=SEARCH_PATH) is None]


def _rule(rule: Rule) -> dict[str, Any]:
    sign = "<" if rule.below else ">="
    note = (
        f'{{{{ $n := printf "lab_note{{metric=\\"{rule.metric}\\",service=\\"%s\\"}}" $labels.service | query }}}}'
        '{{ if $n }}{{ $n | first | label "note" }}{{ end }}'
    )
    return {
        "alert": rule.name,
        "expr": f"{rule.metric} {sign} {rule.threshold}",
        "for": f"{rule.for_s}s",
        "keep_firing_for": f"{rule.hold_s}s",
        "labels": {"severity": rule.severity},
        "annotations": {"summary": f"{{{{ $labels.service }}}} {rule.summary}", "description": note},
    }


def _prometheus(settings: Settings, rules_path: str) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [rules_path],
        "scrape_configs": [
            {
                "job_name": "prober",
                "honor_labels": True,
                "static_configs": [{"targets": [f"127.0.0.1:{settings.prober_port}"]}],
                "metric_relabel_configs": [{"regex": "job", "action": "labeldrop"}],
            }
        ],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{settings.alertmanager_port}"]}]}]},
    }


def _alertmanager(settings: Settings) -> dict[str, Any]:
    return {
        "route": {
            "receiver": RECEIVER,
            "group_by": list(GROUP_BY),
            "group_wait": "1s",
            "group_interval": "1s",
            "repeat_interval": f"{max(1, round(settings.repeat_s))}s",
        },
        "inhibit_rules": [
            {
                "source_matchers": [f'alertname="{stronger}"'],
                "target_matchers": [f'alertname="{weaker}"'],
                "equal": ["service"],
            }
            for weaker, all_stronger in INHIBITED_BY.items()
            for stronger in all_stronger
        ],
        "receivers": [
            {
                "name": RECEIVER,
                "webhook_configs": [
                    {
                        "url": settings.alert_url,
                        "send_resolved": True,
                        "http_config": {"authorization": {"type": "Bearer", "credentials": settings.token}},
                    }
                ],
            }
        ],
    }


def units(lab: Lab, settings: Settings) -> list[dict[str, Any]]:
    """Write the configuration of both and give their units.

    Raises:
        LabError: one is not installed, or there is no receiver to tell.
    """
    missing = find_missing()
    if missing:
        raise LabError(f"{' and '.join(missing)} not installed. Install with: apt-get install {' '.join(missing)}")
    if not settings.alert_url:
        raise LabError("The real Alertmanager needs a receiver. Give the URL of Flyball's alert endpoint.")
    first, second = lab.home / "prometheus", lab.home / "alertmanager"
    rules = {"groups": [{"name": "lab", "rules": [_rule(rule) for rule in RULES]}]}
    write_whole(first / "rules.yml", json.dumps(rules, indent=2))
    write_whole(first / "prometheus.yml", json.dumps(_prometheus(settings, str(first / "rules.yml")), indent=2))
    write_whole(second / "alertmanager.yml", json.dumps(_alertmanager(settings), indent=2))
    own = f"127.0.0.1:{settings.alertmanager_port}"
    argvs = {
        "alertmanager": [
            "prometheus-alertmanager",
            f"--config.file={second / 'alertmanager.yml'}",
            f"--storage.path={second / 'data'}",
            f"--web.listen-address={own}",
            "--cluster.listen-address=",
        ],
        "prometheus": [
            "prometheus",
            f"--config.file={first / 'prometheus.yml'}",
            f"--storage.tsdb.path={first / 'data'}",
            "--storage.tsdb.retention.time=2h",
            f"--web.listen-address=127.0.0.1:{settings.prometheus_port}",
        ],
    }
    return [{"name": name, "argv": argv} for name, argv in argvs.items()]
