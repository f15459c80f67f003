"""The alert rules and the dashboard: accepted by Prometheus, tested, and about metrics that there are."""

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from synapse_tim.cli import main
from synapse_tim.cli.monitoring import FILES, text_of
from tests.monitoring.names import (
    ALERTS,
    EVERYWHERE,
    FOREIGN,
    RULES,
    grouped_by,
    in_expression,
    of_this_project,
)

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
SUITES = sorted(HERE.glob("*.test.yaml"))
DASHBOARD = json.loads(text_of("dashboard"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SHOWN = [target["expr"] for panel in PANELS for target in panel["targets"]]
EXPRESSIONS = ALERTS + SHOWN
#: Metrics that nobody needs to look at: the buckets say the same.
NOT_SHOWN = {
    "synapse_tim_directory_lookup_duration_seconds_count",
    "synapse_tim_directory_lookup_duration_seconds_sum",
    "synapse_tim_federation_list_update_duration_seconds_count",
    "synapse_tim_federation_list_update_duration_seconds_sum",
}


def promtool(*arguments):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("what", sorted(FILES))
def test_the_command_prints_them(what, capsys):
    assert main(["monitoring", what]) == 0
    assert capsys.readouterr().out == (ROOT / "synapse_tim" / "monitoring" / FILES[what]).read_text()


# Alerts


def test_prometheus_accepts_the_rules(tmp_path):
    file = tmp_path / "alerts.yaml"
    file.write_text(text_of("alerts"))
    promtool("check", "rules", file)


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name)
def test_alerts_fire_when_they_should(suite):
    promtool("test", "rules", suite)


def test_every_alert_is_tested_both_ways():
    """Each that fires is about one homeserver, which it names, and not about a process."""
    checks = [
        check
        for suite in SUITES
        for case in yaml.safe_load(suite.read_text())["tests"]
        for check in case.get("promql_expr_test", ())
    ]
    for rule in RULES:
        of_the_rule = f'ALERTS{{alertname="{rule["alert"]}",alertstate="firing"}}'
        samples = [check["exp_samples"] for check in checks if check["expr"] == of_the_rule]
        assert {bool(each) for each in samples} == {True, False}, rule["alert"]
        for sample in itertools.chain(*samples):
            assert "instance=" not in sample["labels"]
            assert 'job="synapse"' in sample["labels"] or rule["alert"] == "SynapseTimMetricsAbsent"


def test_every_alert_says_what_to_do():
    text = (ROOT / "docs" / "operations.md").read_text()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    sections = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        annotations = rule["annotations"]
        assert set(annotations) == {"summary", "description", "runbook"}, rule["alert"]
        assert "$labels.job" in annotations["summary"], rule["alert"]
        assert "$labels.instance" not in str(annotations), rule["alert"]
        file, _, section = annotations["runbook"].partition("#")
        assert file == "docs/operations.md"
        assert section in sections, rule["alert"]
        assert f"| `{rule['alert']}` |" in text


def test_runbooks_are_where_the_operator_serves_them(capsys, tmp_path):
    page = "https://wiki.clinic.example/synapse_tim/operations.html"
    assert main(["monitoring", "alerts", "--runbook-base", page]) == 0
    text = capsys.readouterr().out
    (tmp_path / "alerts.yaml").write_text(text)
    promtool("check", "rules", tmp_path / "alerts.yaml")
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    for rule, packaged in zip(rules, RULES, strict=True):
        section = packaged["annotations"]["runbook"].removeprefix("docs/operations.md")
        assert rule["annotations"]["runbook_url"] == page + section
        assert "runbook" not in rule["annotations"]


@pytest.mark.parametrize(
    "url",
    ["docs", "ftp://x.example", "https://", "https://x.example/#a", "https://[x", "https://x.example/: a"],
)
def test_a_runbook_that_is_no_page_is_refused(url, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["monitoring", "alerts", "--runbook-base", url])
    assert stopped.value.code == 2
    assert "--runbook-base" in capsys.readouterr().err


def test_names_of_alerts_are_told_apart():
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    assert all(name.startswith("SynapseTim") for name in names)


def test_the_example_of_what_is_scraped_is_a_configuration(tmp_path):
    (body,) = re.findall(
        r"```yaml\n(scrape_configs.*?)```", (ROOT / "docs/operations.md").read_text(), re.DOTALL
    )
    (tmp_path / "prometheus.yml").write_text(body)
    promtool("check", "config", tmp_path / "prometheus.yml")


# Metrics


def test_only_metrics_that_there_are_are_named():
    known = of_this_project() | FOREIGN
    for expression in EXPRESSIONS:
        named = list(in_expression(expression))
        assert named, expression
        for name, labels in named:
            assert name in known, expression
            assert labels <= known[name] | EVERYWHERE, expression
        all_labels = set().union(*(known[name] for name, _ in named))
        assert grouped_by(expression) <= all_labels | EVERYWHERE, expression


def test_every_metric_is_looked_at():
    named = {name for expression in EXPRESSIONS for name, _ in in_expression(expression)}
    assert set(of_this_project()) - named == NOT_SHOWN


def test_every_metric_is_documented():
    text = (ROOT / "docs" / "operations.md").read_text()
    for name in set(of_this_project()) - NOT_SHOWN:
        short = name.removeprefix("synapse_tim_federation_list").removesuffix("_bucket")
        assert f"`{name}" in text or f"`…{short}`" in text or f"`{name.removesuffix('_bucket')}`" in text, (
            name
        )


# The dashboard


def test_panels_have_ids_of_their_own():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert DASHBOARD["schemaVersion"] >= 36
    assert DASHBOARD["uid"] == "synapse-tim"
    assert "id" not in DASHBOARD


def test_panels_do_not_overlap():
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    for place in places:
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        assert min(place["w"], place["h"]) > 0
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_the_datasource_is_chosen_in_grafana():
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in PANELS:
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])
    for name in ("job", "instance"):
        assert variables[name]["datasource"] == chosen
    used = set(re.findall(r"\$\{?([a-z]+)", json.dumps(PANELS)))
    assert used == set(variables)


def test_every_panel_is_explained_and_can_be_narrowed():
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"], panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(letters) == len(set(letters)) > 0, panel["title"]
        for target in panel["targets"]:
            assert 'job=~"$job",instance=~"$instance"' in target["expr"], panel["title"]


def test_every_number_says_which_homeserver_it_is_about():
    """Several are chosen at the same time: the number of one does not hide that of another."""
    for panel in PANELS:
        for target in panel["targets"]:
            if panel["type"] == "stat" or "{{instance}}" in target["legendFormat"]:
                assert "{{job}}" in target["legendFormat"], panel["title"]


def test_prometheus_understands_every_expression_of_the_dashboard(tmp_path):
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(SHOWN)
    ]
    file = tmp_path / "dashboard.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", file)
