"""The table of what is touched: true of the installed Synapse, and asserted when a capability is made."""

import inspect
from unittest.mock import Mock

import attr
import pytest
from synapse import rest
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.reference import touched as everything_touched
from synapse_tim.adapter.shape import TOUCHED, Touches, Use

from .conftest import real_owner

CAPABILITIES = (
    "accounts",
    "arrivals",
    "client_api",
    "device_inbox",
    "events",
    "federation",
    "federation_requests",
    "listeners",
    "local_users",
    "open_id_tokens",
    "purges",
    "received_events",
    "remote_joins",
    "room_previews",
    "rooms",
    "user_directory",
)


class Owner:
    async def method(self, first, second=2):
        return first, second


@pytest.fixture(autouse=True)
def _groups(monkeypatch):
    monkeypatch.setitem(rest.SERVLET_GROUPS, "client", rest.SERVLET_GROUPS["client"])


@pytest.fixture
def touches():
    """Declares for the time of a test."""
    known = len(TOUCHED)
    yield Touches("test")
    del TOUCHED[known:]


def is_there(touched):
    owner = real_owner(touched)
    if not isinstance(owner, type):
        return hasattr(owner, touched.name)
    kinds = [kind for kind in owner.__mro__ if kind.__module__.startswith("synapse.")]
    return (
        any(touched.name in vars(kind) for kind in owner.__mro__)
        or (attr.has(owner) and touched.name in attr.fields_dict(owner))
        or any(f"self.{touched.name}" in inspect.getsource(kind) for kind in kinds)
        or any(touched.name in getattr(kind, "__annotations__", ()) for kind in kinds)
        or touched.name in (section.section for section in getattr(owner, "config_classes", ()))
    )


def test_everything_in_the_table_is_where_it_says():
    assert [each.path for each in everything_touched() if is_there(each) is not each.expected] == []


def test_everything_in_the_table_has_the_parameters_it_says():
    functions = [each for each in everything_touched() if each.parameters and each.expected]
    assert len(functions) > 30
    for touched in functions:
        touched.of(real_owner(touched))


def test_each_capability_fits_this_synapse(api):
    for name in CAPABILITIES:
        assert getattr(Homeserver.of(api), name) is getattr(Homeserver.of(api), name)


def test_whoever_has_another_module_api_shares_the_adapter(api, hs):
    first = Homeserver.of(api)
    assert Homeserver.of(Mock(_hs=hs)) is first
    assert first.api is api


@pytest.mark.parametrize("missing", ["_hs", "_clock"])
def test_a_module_api_without_what_is_needed_is_rejected(api, missing):
    delattr(api, missing)
    with pytest.raises(ConfigError, match="does not know this Synapse"):
        Homeserver.of(api)


def test_what_is_missing_is_named(touches):
    touched = touches.reads("synapse.here.Owner.gone", "for this test")
    with pytest.raises(
        ConfigError, match=r"does not know this Synapse \(.*\): Owner\.gone is not as expected"
    ):
        touched.of(Owner())


@pytest.mark.parametrize(
    ("parameters", "fits"),
    [
        ("(first, second)", True),
        ("(first)", False),
        ("(second, first)", False),
        ("(first, …)", True),
        ("(second, …)", False),
        ("(…, second, first)", True),
        ("(…, third)", False),
    ],
)
def test_parameters_are_compared(touches, parameters, fits):
    touched = touches.calls(f"synapse.here.Owner.method{parameters}", "for this test")
    for owner in (Owner(), Owner):
        if fits:
            assert callable(touched.of(owner))
        else:
            with pytest.raises(ConfigError, match=r"Owner\.method\("):
                touched.of(owner)


def test_what_is_wrapped_can_be_called_with_other_arguments(touches, run):
    async def double(proceed, arguments):
        arguments["first"] *= 2
        return await proceed()

    owner = Owner()
    touched = touches.wraps("synapse.here.Owner.method(…, first)", "for this test")
    assert touched.use is Use.WRAPPED
    touched.wrap(owner, double)
    assert run(owner.method(4)) == (8, 2)
    assert run(owner.method(second=5, first=4)) == (8, 5)
    assert run(owner.method(4, 5)) == (8, 5)
    for call in (
        lambda: owner.method(1, 2, 3),
        lambda: owner.method(1, first=2),
        lambda: owner.method(1, third=2),
    ):
        with pytest.raises(TypeError, match="argument"):
            run(call())


def test_a_function_whose_parameters_have_no_name_is_wrapped_as_well(touches, run):
    class Vague:
        async def method(self, first, *others, last):
            return first, others, last

    async def double(proceed, arguments):
        arguments["first"] *= 2
        return await proceed()

    owner = Vague()
    touches.wraps("synapse.here.Vague.method(first, …)", "for this test").wrap(owner, double)
    assert run(owner.method(4, 5, 6, last=7)) == (8, (5, 6), 7)
