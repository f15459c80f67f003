"""Which metrics the alert rules and the dashboard name, and which ones there are."""

import re

import yaml
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from synapse_tim.adapter import metrics
from synapse_tim.cli.monitoring import text_of
from synapse_tim.mirror import metrics as mirror

RULES = [rule for group in yaml.safe_load(text_of("alerts"))["groups"] for rule in group["rules"]]
ALERTS = [rule["expr"] for rule in RULES]

#: Metrics of Synapse.
FOREIGN = {"synapse_build_info": set()}
#: What Prometheus itself adds.
EVERYWHERE = {"job", "instance"}

_METRIC = re.compile(r"(?<!\$)\b(synapse_[a-z_]+)(?:\{([^}]*)\})?")
_SELECTED = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
_GROUPED = re.compile(r"\b(?:by|on|ignoring|group_left)\s*\(([^)]*)\)")


def of_this_project():
    """Names, as Prometheus has them, and labels of all metrics of homeservers and of the mirror."""
    found = {}
    for metric in [*vars(metrics).values(), *vars(mirror).values()]:
        if isinstance(metric, MetricWrapperBase):
            labels = set(metric._labelnames)
            if isinstance(metric, Counter):
                found[f"{metric._name}_total"] = labels
            elif isinstance(metric, Histogram):
                found |= {f"{metric._name}_{end}": labels for end in ("count", "sum")}
                found[f"{metric._name}_bucket"] = labels | {"le"}
            else:
                found[metric._name] = labels
    return found


def in_expression(expression):
    """The metrics that an expression names, with the labels it selects by."""
    for name, selectors in _METRIC.findall(expression):
        yield name, set(_SELECTED.findall(selectors or ""))


def grouped_by(expression):
    """The labels by which an expression groups or matches."""
    return {
        label.strip() for group in _GROUPED.findall(expression) for label in group.split(",") if label.strip()
    }
