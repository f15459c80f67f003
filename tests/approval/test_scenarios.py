"""The scenarios of gematik's approval, as far as a server has to do with them."""

import pytest

from tests.approval.scenarios import all_scenarios, play

pytestmark = pytest.mark.servers
SCENARIOS = all_scenarios()


def cases():
    """Of one generation after the other, since each has servers of its own."""
    for generation in ("1.2", "1.1", "legacy-1.1"):
        for scenario in SCENARIOS:
            if generation in scenario.generations:
                products = ("pro",) if generation == "legacy-1.1" else scenario.products
                for product in products:
                    name = f"{generation}-{product}-{scenario.use_case:02}-{scenario.name.replace(' ', '_')}"
                    yield pytest.param(generation, scenario, product, id=name)


@pytest.mark.parametrize(("generation", "scenario", "product"), [*cases()])
def test_scenario(interfaces_of, generation, scenario, product):
    interfaces = interfaces_of(generation)
    found = {}
    for name, where in scenario.actors.items():
        place = where["at"] if isinstance(where, dict) else where
        fitting = at(interfaces, product, place)
        if fitting is None:
            pytest.skip(f"no interface for {name} ({place})")
        found[name] = fitting
    for each in {id(each): each for each in found.values()}.values():
        each.clean()
    play(scenario, found)


def at(interfaces, product, place):
    """The interface of a place: ``a`` and ``b`` of the product, ``other`` product, or of an ``org-admin``."""
    if place == "org-admin":
        return next((each for each in interfaces if each.is_org_admin), None)
    wanted = {"pro": "epa", "epa": "pro"}[product] if place == "other" else product
    clients = [each for each in interfaces if each.product == wanted and not each.is_org_admin]
    number = {"a": 0, "b": 1, "other": 0}[place]
    return clients[number] if number < len(clients) else None


def test_each_use_case_has_a_scenario():
    assert {each.use_case for each in SCENARIOS} == set(range(1, 21))
