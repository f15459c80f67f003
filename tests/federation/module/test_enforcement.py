"""The allow-list follows the list in force, whatever happens on the way."""

import datetime as dt
import functools
import json

import pytest

from synapse_tim.adapter.allow_list import AllowList
from synapse_tim.federation.acceptance import Acceptance, ListState, OnStale
from synapse_tim.federation.compiled import VerifiedList
from synapse_tim.federation.enforcement import ListInForce, StalenessPolicy
from synapse_tim.federation.list import parse_payload
from synapse_tim.pki.signer_path import SignerPath
from synapse_tim.testing.simulator.pki.world import make_world

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


@functools.cache
def path():
    world = make_world(NOW)
    return SignerPath(*(each.certificate for each in (world.list_signer, world.sub_ca, world.sub_ca_root)))


class Clock:
    now = NOW

    def __call__(self):
        return self.now


def state(version, *domains, confirmed=NOW):
    rows = [{"domain": d, "telematikID": "1", "isInsurance": False} for d in domains]
    content = parse_payload(json.dumps({"version": version, "domainList": rows}).encode())
    remembered = Acceptance(version, f"d{version}", "p", confirmed, confirmed, confirmed)
    return ListState(remembered, VerifiedList(content, path(), f"d{version}"))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(api, clock):
    def make(on_stale=OnStale.DENY):
        denied = []
        allow_list = AllowList(denied.append)
        in_force = ListInForce(
            api,
            allow_list,
            StalenessPolicy(dt.timedelta(hours=72), on_stale),
            product_is_insurance=False,
            clock=clock,
        )
        return in_force, allow_list, denied

    return make


def test_it_starts_with_nobody(make):
    in_force, allow_list, _ = make()
    assert not allow_list
    assert in_force.members.check("a.example")
    assert in_force.members.check("hospital.example") is None


def test_it_follows_in_place(make):
    in_force, allow_list, denied = make()
    names = [f"h{i}.example" for i in range(12_000)]
    in_force.take(state(1, *names))
    assert set(allow_list) == set(names)
    in_force.take(state(2, "a.example", *names[10:]))
    assert set(allow_list) == {"a.example", *names[10:]}
    in_force.take(state(3, "b.example"))
    assert dict(allow_list) == {"b.example": True}
    assert "b.example" in allow_list
    assert "c.example" not in allow_list
    assert denied == ["c.example"]


@pytest.mark.parametrize(("on_stale", "left"), [(OnStale.DENY, set()), (OnStale.KEEP, {"a.example"})])
def test_r1_11_stale(make, clock, on_stale, left):
    in_force, allow_list, _ = make(on_stale)
    in_force.take(state(1, "a.example"))
    clock.now = NOW + dt.timedelta(hours=71)
    in_force.judge()
    assert set(allow_list) == {"a.example"}
    clock.now = NOW + dt.timedelta(hours=73)
    in_force.judge()
    assert set(allow_list) == left
    assert bool(in_force.members.check("a.example")) is not bool(left)
    in_force.take(state(1, "a.example", confirmed=clock.now))
    assert set(allow_list) == {"a.example"}


def test_a_signer_that_has_expired_makes_the_list_stale(make, clock):
    in_force, allow_list, _ = make()
    clock.now = path().not_after - dt.timedelta(days=1)
    in_force.take(state(1, "a.example", confirmed=clock.now))
    assert set(allow_list) == {"a.example"}
    clock.now = path().not_after + dt.timedelta(hours=1)
    in_force.judge()
    assert not allow_list


def test_a_clock_set_back_keeps_the_list_but_not_for_ever(make, clock, monkeypatch):
    seconds = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: seconds[0])
    in_force, allow_list, _ = make()
    in_force.take(state(1, "a.example"))
    clock.now = NOW - dt.timedelta(days=30)
    in_force.judge()
    assert set(allow_list) == {"a.example"}
    seconds[0] += 73 * 3600
    in_force.judge()
    assert not allow_list


def test_a_change_is_one_assignment(make):
    """Whoever was removed is not allowed for an instant longer than who was added is denied."""
    in_force, allow_list, _ = make()
    in_force.take(state(1, "a.example", "evil.example"))
    seen = []

    class Watched(type(allow_list)):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            seen.append((set(self), set(in_force.members.usable_list.domains)))

    allow_list.__class__ = Watched
    in_force.take(state(2, "a.example", "b.example"))
    assert seen == [({"a.example", "b.example"},) * 2]


def test_an_error_of_who_is_told_changes_nothing(api, clock):
    allow_list = AllowList(lambda _: None)
    policy = StalenessPolicy(dt.timedelta(hours=72), OnStale.DENY)

    def fail():
        raise RuntimeError("the sender is gone")

    in_force = ListInForce(api, allow_list, policy, product_is_insurance=False, clock=clock, on_applied=fail)
    with pytest.raises(RuntimeError):
        in_force.take(state(1, "a.example"))
    assert set(allow_list) == {"a.example"}
    assert in_force.members.check("a.example") is None


def test_the_last_verified_list_is_known_also_when_it_is_stale(make, clock):
    in_force, allow_list, _ = make()
    assert in_force.known_list is None
    in_force.take(state(1, "a.example"))
    clock.now = NOW + dt.timedelta(hours=73)
    in_force.judge()
    assert not allow_list
    assert "a.example" in in_force.known_list


def test_a_list_that_was_stored_long_ago_is_said_to_be_stale_once_nobody_confirms_it(make, caplog):
    old = NOW - dt.timedelta(days=10)
    caplog.set_level("INFO")
    in_force, allow_list, _ = make()
    in_force.take(state(1, "a.example", confirmed=old), restored=True)
    in_force.judge()
    assert dict(allow_list) == {}
    assert "stale" not in caplog.text
    in_force.not_confirmed()
    in_force.judge()
    assert "The federation list is stale (not_confirmed)" in caplog.text
    in_force.take(state(1, "a.example"))
    assert "current again" in caplog.text


def test_or_not_at_all_if_somebody_does(make, caplog):
    caplog.set_level("INFO")
    in_force, allow_list, _ = make()
    in_force.take(state(1, "a.example", confirmed=NOW - dt.timedelta(days=10)), restored=True)
    in_force.take(state(1, "a.example"))
    assert dict(allow_list) == {"a.example": True}
    assert "stale" not in caplog.text
    assert "current again" not in caplog.text
