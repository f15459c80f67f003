"""One fault is one alert, however many processes notice it, and it names the homeserver."""

import shutil
import subprocess

import pytest
import yaml

from synapse_tim.cli.monitoring import text_of

#: What a process exports while all is well, by metric with the labels that it has besides job and instance.
WELL = {
    'synapse_build_info{version="1.163.2"}': "1x{n}",
    "synapse_tim_federation_list_stale": "0x{n}",
    "synapse_tim_federation_list_version": "7x{n}",
    "synapse_tim_federation_list_last_confirmed_timestamp_seconds": "0+60x{n}",
    "synapse_tim_federation_list_signer_expiry_timestamp_seconds": "99999999x{n}",
    "synapse_tim_federation_list_own_domain_listed": "1x{n}",
    "synapse_tim_federation_list_domains": "1000x{n}",
    "synapse_tim_federation_list_skipped_entries": "0x{n}",
    "synapse_tim_product_mismatch": "0x{n}",
    "synapse_tim_directory_down": "0x{n}",
    'synapse_tim_directory_lookups_total{kind="owner_type",result="none"}': "0+1x{n}",
    'synapse_tim_login_tokens_total{result="accepted"}': "0+10x{n}",
}
#: Three homeservers that one Prometheus watches.
HOSPITAL = [("hospital", "127.0.0.1:9101"), ("hospital", "127.0.0.1:9102"), ("hospital", "127.0.0.1:9103")]
OTHERS = [("practice", "127.0.0.1:9201"), ("clinic", "127.0.0.1:9301"), ("clinic", "127.0.0.1:9302")]

LIST = "synapse_tim_federation_list_"
NO_LIST = {f"{LIST}{name}": "0x{n}" for name in ("version", "domains", "own_domain_listed")}
LATE = "_x{before} 1x10"  # a counter begins ten minutes before the end

#: What is different at every process of the hospital; after how many minutes; which alert there is.
FAULTS = {
    "nobody has a list": (
        {
            **NO_LIST,
            f"{LIST}stale": "1x{n}",
            f"{LIST}last_confirmed_timestamp_seconds": "0x{n}",
            f"{LIST}signer_expiry_timestamp_seconds": "0x{n}",
        },
        60,
        "FederationListMissing critical",
    ),
    "the list goes stale": ({f"{LIST}stale": "1x{n}"}, 60, "FederationListStale critical"),
    "the list is not confirmed": (
        {f"{LIST}last_confirmed_timestamp_seconds": "60x{n}"},
        1500,
        "FederationListNotConfirmed warning",
    ),
    "the source fails, for two reasons": (
        {f'{LIST}updates_total{{result="{reason}"}}': LATE for reason in ("unreachable", "deadline")},
        60,
        "FederationListUnavailable warning",
    ),
    "the signer expires soon": (
        {f"{LIST}signer_expiry_timestamp_seconds": "15465600x{n}"},
        120,
        "SignerExpiresSoon warning",
    ),
    "the signer expires": (
        {f"{LIST}signer_expiry_timestamp_seconds": "2505600x{n}"},
        120,
        "SignerExpires critical",
    ),
    "it is not listed": ({f"{LIST}own_domain_listed": "0x{n}"}, 60, "OwnDomainNotListed critical"),
    "its product is another": ({"synapse_tim_product_mismatch": "1x{n}"}, 60, "ProductMismatch critical"),
    "domains go": ({f"{LIST}domains": "1000x30 800x{n}"}, 60, "FederationLostDomains warning"),
    "entries are unusable": ({f"{LIST}skipped_entries": "2x{n}"}, 60, "SkippedEntries info"),
    "the directory is down": ({"synapse_tim_directory_down": "1x{n}"}, 60, "DirectoryDown warning"),
    "the directory answers about nobody": (
        {
            'synapse_tim_directory_lookups_total{kind="owner_type",result="none"}': "0x{n}",
            'synapse_tim_directory_lookups_total{kind="owner_type",result="http_status"}': "0+1x{n}",
        },
        60,
        "DirectoryRefuses warning",
    ),
    "there are no keys": (
        {'synapse_tim_login_tokens_total{result="keys_unavailable"}': LATE},
        60,
        "LoginKeysUnavailable critical",
    ),
    "logins fail": (
        {'synapse_tim_login_tokens_total{result="internal"}': LATE},
        60,
        "LoginInternalError critical",
    ),
    "rooms cannot be cleaned up": (
        {
            f'synapse_tim_cleanup_rooms_total{{kind="{kind}",outcome="failed"}}': LATE
            for kind in ("inactive", "orphaned")
        },
        60,
        "CleanupFailed warning",
    ),
    "the module is not loaded": (
        dict.fromkeys((name for name in WELL if name.startswith("synapse_tim_")), ""),
        60,
        "NotLoaded critical",
    ),
    "it is down": (
        {name: f"{values.format(n=30)} stale _x{{n}}" for name, values in WELL.items()},
        60,
        "MetricsAbsent critical",
    ),
}


def series(process, values, minutes):
    job, instance = process
    for metric, value in values.items():
        if value:
            name, _, more = metric.rstrip("}").partition("{")
            labels = f'job="{job}",instance="{instance}"' + (f",{more}" if more else "")
            value = value.format(n=minutes, before=minutes - 10)
            yield {"series": f"{name}{{{labels}}}", "values": value}


def case(name):
    different, minutes, alert = FAULTS[name]
    alert, severity = alert.split()
    firing = f'alertname="SynapseTim{alert}",alertstate="firing",severity="{severity}",job="hospital"'
    return {
        "name": name,
        "interval": "1m",
        "input_series": [
            *(each for process in HOSPITAL for each in series(process, {**WELL, **different}, minutes)),
            *(each for process in OTHERS for each in series(process, WELL, minutes)),
        ],
        "promql_expr_test": [
            {
                "expr": 'ALERTS{alertstate="firing"}',  # of all rules
                "eval_time": f"{minutes - 5}m",
                "exp_samples": [{"labels": f"ALERTS{{{firing}}}", "value": 1}],
            }
        ],
    }


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_three_processes_of_one_homeserver_make_one_alert(tmp_path):
    (tmp_path / "alerts.yaml").write_text(text_of("alerts"))
    tests = [case(name) for name in FAULTS]
    suite = {"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
    done = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "suite.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
