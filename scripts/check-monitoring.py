#!/usr/bin/env -S python3 -B
"""Checks k8s/monitoring: the alerts, their tests, the runbook, the dashboard, and what is scraped.

    scripts/check-monitoring.py                       what needs no service
    scripts/check-monitoring.py --metrics FILE...     the same, and that every metric which an alert or the dashboard
                                                      names is in one of these expositions
    scripts/check-monitoring.py --write               write prometheus-rule.yaml from alerts.yaml

Prints each finding; exit status 1 where there is one. Needs PyYAML.
"""

import argparse
import json
import pathlib
import re
import sys
from collections.abc import Iterator

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "k8s/monitoring"
SEVERITIES = {"page", "ticket"}
# What a section of the runbook must say.
PARTS = ("Means", "At stake", "Look at", "Now")
# Metrics of others, that neither the ledger nor etcd exposes: Prometheus itself and kube-state-metrics.
FOREIGN = {
    "up",
    "kube_cronjob_status_last_successful_time",
    "kube_cronjob_created",
    "kube_pod_container_status_restarts_total",
}
# Not there on every ledger: those of the archive, and of etcd's quota and breakers.
OPTIONAL = {
    "ledger_etcd_breaker",
    "ledger_etcd_database_bytes",
    "ledger_etcd_quota_bytes",
    "ledger_etcd_seconds_until_full",
    "ledger_archive_lag_seconds",
    "ledger_archive_requests_total",
    "ledger_archive_through",
    "ledger_archive_trimmed",
}
WORDS = set(
    "and or unless on ignoring by without group_left group_right bool offset sum min max avg count rate increase "
    "irate changes delta deriv absent histogram_quantile predict_linear time max_over_time min_over_time topk".split()
)


def names(expression: str) -> set[str]:
    """The metrics that an expression of PromQL reads."""
    text = re.sub(r'"(?:[^"\\]|\\.)*"', "", expression)
    text = re.sub(r"\{[^}]*\}", "{}", text)
    text = re.sub(r"\[[^\]]*\]", "", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", text)
    found = set(re.findall(r"(?<![\w:.])[a-zA-Z_:][\w:]*", text))
    return found - WORDS


def exposed(texts: list[str]) -> set[str]:
    """The names under which Prometheus stores what expositions hold."""
    return {
        match[1]
        for text in texts
        for line in text.splitlines()
        if (match := re.match(r"([a-zA-Z_:][\w:]*)[ {]", line))
    }


class Monitoring:
    """The files, read once."""

    def __init__(self, folder: pathlib.Path = FOLDER, runbook: pathlib.Path = ROOT / "docs/runbook.md"):
        self.folder = folder
        self.rules = yaml.safe_load((folder / "alerts.yaml").read_text())
        self.tests = yaml.safe_load((folder / "alerts-test.yaml").read_text())
        self.dashboard = json.loads((folder / "dashboard.json").read_text())
        self.runbook = runbook.read_text()

    @property
    def alerts(self) -> list[dict]:
        return [rule for group in self.rules["groups"] for rule in group["rules"]]

    @property
    def dashboard_expressions(self) -> Iterator[str]:
        for panel in self.dashboard["panels"]:
            for target in panel.get("targets", []):
                yield target["expr"]
        for annotation in self.dashboard["annotations"]["list"]:
            yield annotation["expr"]

    def operator_rule(self) -> str:
        """The alerts for the Prometheus Operator."""
        head = "# Written by scripts/check-monitoring.py --write, from alerts.yaml.\n"
        rule = {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {
                "name": "immutable-ledger",
                "labels": {"app.kubernetes.io/name": "ledger-service"},
            },
            "spec": self.rules,
        }
        return head + yaml.safe_dump(rule, sort_keys=False, width=115)

    # What is checked

    def check_operator_rule(self) -> Iterator[str]:
        path = self.folder / "prometheus-rule.yaml"
        if not path.exists() or path.read_text() != self.operator_rule():
            yield f"{path.name} is not what alerts.yaml says: run scripts/check-monitoring.py --write"

    def check_alerts(self) -> Iterator[str]:
        seen = set()
        for alert in self.alerts:
            name = alert["alert"]
            if name in seen:
                yield f"{name}: there are two of that name"
            seen.add(name)
            if alert.get("labels", {}).get("severity") not in SEVERITIES:
                yield f"{name}: the severity is none of {sorted(SEVERITIES)}"
            notes = alert.get("annotations", {})
            if not notes.get("summary"):
                yield f"{name}: has no summary"
            if notes.get("runbook") != f"docs/runbook.md#{name.lower()}":
                yield f"{name}: its runbook is not docs/runbook.md#{name.lower()}"

    def check_tests(self) -> Iterator[str]:
        fired, quiet = set(), set()
        for test in self.tests["tests"]:
            for case in test.get("alert_rule_test", []):
                (fired if case.get("exp_alerts") else quiet).add(case["alertname"])
        known = {alert["alert"] for alert in self.alerts}
        for name in sorted(known - fired):
            yield f"{name}: no test fires it"
        for name in sorted(known - quiet):
            yield f"{name}: no test sees that it does not fire"
        for name in sorted((fired | quiet) - known):
            yield f"{name}: has a test and does not exist"

    def check_runbook(self) -> Iterator[str]:
        sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", self.runbook, re.M | re.S))
        known = {alert["alert"] for alert in self.alerts}
        for name in sorted(known - set(sections)):
            yield f"{name}: docs/runbook.md has no section of that name"
        for name in sorted(set(sections) - known):
            yield f"docs/runbook.md, {name}: there is no such alert"
        for name in sorted(known & set(sections)):
            for part in PARTS:
                if not re.search(rf"^\*\*{part}\.\*\* \S", sections[name], re.M):
                    yield f"docs/runbook.md, {name}: does not say {part!r}"
        for name in sorted(set(re.findall(r"\bLedger[A-Z]\w+", self.runbook)) - known):
            yield f"docs/runbook.md: names {name}, which is no alert"

    def check_scraping(self) -> Iterator[str]:
        """What the two monitors select is what the manifests have."""
        monitors = list(yaml.safe_load_all((self.folder / "service-monitor.yaml").read_text()))
        service, monitor = monitors
        deployment = next(
            each
            for each in yaml.safe_load_all((ROOT / "k8s/ledger-service/ledger-deployment.yaml").read_text())
            if each["kind"] == "Deployment"
        )
        yield from self._selects("ServiceMonitor", monitor["spec"]["selector"]["matchLabels"], service)
        yield from self._selects("Service", service["spec"]["selector"], deployment["spec"]["template"])
        yield from self._has_port(
            "Service", service["spec"]["ports"][0]["targetPort"], deployment["spec"]["template"]
        )
        named = {port["name"] for port in service["spec"]["ports"]}
        for endpoint in monitor["spec"]["endpoints"]:
            if endpoint["port"] not in named:
                yield f"ServiceMonitor: the Service has no port {endpoint['port']}"
        pods = yaml.safe_load((self.folder / "pod-monitor.yaml").read_text())
        members = next(
            each
            for each in yaml.safe_load_all((ROOT / "k8s/etcd/etcd-statefulset.yaml").read_text())
            if each["kind"] == "StatefulSet"
        )["spec"]["template"]
        yield from self._selects("PodMonitor", pods["spec"]["selector"]["matchLabels"], members)
        for endpoint in pods["spec"]["podMetricsEndpoints"]:
            yield from self._has_port("PodMonitor", endpoint["port"], members)

    @staticmethod
    def _selects(what: str, selector: dict, template: dict) -> Iterator[str]:
        labels = template["metadata"]["labels"]
        if any(labels.get(key) != value for key, value in selector.items()):
            yield f"{what}: selects {selector}, and there is {labels}"

    @staticmethod
    def _has_port(what: str, port: str, template: dict) -> Iterator[str]:
        ports = [each["name"] for one in template["spec"]["containers"] for each in one.get("ports", [])]
        if port not in ports:
            yield f"{what}: no container has the port {port}"

    def check_metrics(self, texts: list[str]) -> Iterator[str]:
        """Every metric that is named is exposed."""
        there = exposed(texts)
        named = {alert["alert"]: alert["expr"] for alert in self.alerts}
        for index, expression in enumerate(self.dashboard_expressions):
            named[f"dashboard, expression {index + 1}"] = expression
        for where, expression in named.items():
            for name in sorted(names(expression) - there - FOREIGN - OPTIONAL):
                yield f"{where}: nobody exposes {name}"

    def findings(self, texts: list[str] | None = None) -> list[str]:
        found = [
            *self.check_operator_rule(),
            *self.check_alerts(),
            *self.check_tests(),
            *self.check_runbook(),
            *self.check_scraping(),
        ]
        if texts is not None:
            found += self.check_metrics(texts)
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="write prometheus-rule.yaml")
    parser.add_argument("--metrics", nargs="+", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    monitoring = Monitoring()
    if options.write:
        (FOLDER / "prometheus-rule.yaml").write_text(monitoring.operator_rule())
    texts = [path.read_text() for path in options.metrics] if options.metrics else None
    found = monitoring.findings(texts)
    for finding in found:
        print(finding)
    print(f"{len(monitoring.alerts)} alerts, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
