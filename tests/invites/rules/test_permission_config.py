"""A_25043, A_26389, A_26390, A_26021-01: permission configurations, what they say and which are refused."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from synapse_tim.core.products import Product
from synapse_tim.invites.permission_config import (
    ACCOUNT_DATA_TYPES,
    LOCAL_SERVER,
    PermissionConfig,
    PermissionConfigError,
    for_server,
    parse,
)

PRO, EPA = Product.PRO, Product.EPA
ALLOW, BLOCK = "allow all", "block all"
INSURED = [{"groupName": "isInsuredPerson"}]
_SCHEMAS = Path(__file__).parents[4] / "shared" / "data" / "gematik"


def config(default=ALLOW, **members):
    return {"defaultSetting": default, **members}


def refused(document, product=PRO):
    with pytest.raises(PermissionConfigError) as caught:
        parse(document, product)
    assert str(caught.value)
    return caught.value


def test_a_26389_each_product_has_its_own_type():
    assert ACCOUNT_DATA_TYPES == {
        PRO: "de.gematik.tim.account.permissionconfig.pro.v1",
        EPA: "de.gematik.tim.account.permissionconfig.epa.v1",
    }


@pytest.mark.parametrize("product", Product)
@pytest.mark.parametrize(("default", "allows"), [(ALLOW, True), (BLOCK, False)])
def test_a_26390_just_a_default_is_a_permission_configuration(product, default, allows):
    assert parse(config(default), product) == PermissionConfig(allows_by_default=allows)


def test_a_26390_everything_is_read():
    document = config(
        BLOCK,
        serverExceptions={"Practice.EXAMPLE": {}, "clinic.example:8448": {"future": 1}},
        userExceptions={"@Alice:practice.example": {}},
        groupExceptions=INSURED,
    )
    assert parse(document, PRO) == PermissionConfig(
        allows_by_default=False,
        servers=frozenset({"practice.example", "clinic.example:8448"}),
        users=frozenset({"@Alice:practice.example"}),
        insured_persons=True,
    )


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (None, ""),
        ([], ""),
        ("allow all", ""),
        ({}, "defaultSetting"),
        (config("block-all"), "defaultSetting"),
        (config("Allow all"), "defaultSetting"),
        (config(None), "defaultSetting"),
        (config([ALLOW]), "defaultSetting"),
        (config(serverExceptions=None), "serverExceptions"),
        (config(serverExceptions=["a.example"]), "serverExceptions"),
        (config(serverExceptions={"a.example": None}), "serverExceptions"),
        (config(serverExceptions={"a.example": True}), "serverExceptions"),
        (config(userExceptions=["@a:a.example"]), "userExceptions"),
        (config(userExceptions={"a:a.example": {}}), "userExceptions"),
        (config(userExceptions={" @a:a.example": {}}), "userExceptions"),
        (config(userExceptions={"@a:a.example": []}), "userExceptions"),
        (config(groupExceptions={"groupName": "isInsuredPerson"}), "groupExceptions"),
        (config(groupExceptions=["isInsuredPerson"]), "groupExceptions"),
        (config(groupExceptions=[{}]), "groupExceptions"),
        (config(groupExceptions=[{"groupName": "isinsuredperson"}]), "groupExceptions"),
        (config(groupExceptions=[{"groupName": ["isInsuredPerson"]}]), "groupExceptions"),
        (config(groupExceptions=[*INSURED, *INSURED]), "groupExceptions"),
        (config(groupExceptions=[*INSURED, {**INSURED[0], "future": 1}]), "groupExceptions"),
        (config(groupException=INSURED), "groupException"),
        (config(domainExceptions={}), "domainExceptions"),
        (config(userexceptions={}), "userexceptions"),
        (config(DefaultSetting=BLOCK), "DefaultSetting"),
    ],
)
def test_a_26390_a_document_that_says_something_else_than_meant_is_refused(document, path):
    error = refused(document)
    assert error.path == path
    assert str(error).startswith(f"{path}: " if path else "expected")


@pytest.mark.parametrize("name", ["@a:x.example exception", "exception\n", "Exception" + 40 * "s"])
def test_a_22813_a_member_that_may_be_a_name_is_not_repeated(name):
    error = refused(config(**{name: {}}))
    assert error.path == ""
    assert name not in str(error)


def test_a_26390_there_are_no_groups_in_ti_m_epa():
    assert refused(config(groupExceptions=[]), EPA).path == "groupExceptions"
    assert not parse(config(groupExceptions=[]), PRO).insured_persons


@given(st.text().filter(lambda name: "exception" not in name.lower()), st.integers() | st.text() | st.none())
def test_unknown_members_are_for_future_versions(name, value):
    assume(name.lower() != "defaultsetting")
    assert parse({name: value, **config()}, PRO) == parse(config(), PRO)


# Requirement R2.7: the decision table ---------------------------------------------------------------------

INVITERS = st.builds("@{}:{}".format, st.sampled_from("abA"), st.sampled_from(["x.example", "y.example:1"]))
NAMES = st.sets(st.sampled_from(["x.example", "X.example", "y.example:1", "y.example", "example"]))


@given(st.sampled_from([ALLOW, BLOCK]), NAMES, st.sets(INVITERS), st.booleans(), INVITERS, st.booleans())
def test_r2_7_an_exception_turns_the_default_round_once(default, servers, users, group, inviter, insured):
    document = config(
        default,
        serverExceptions={name: {} for name in servers},
        userExceptions={user: {} for user in users},
        groupExceptions=INSURED if group else [],
    )
    match = (
        inviter in users
        or inviter.split(":", 1)[1] in {name.lower() for name in servers}
        or (group and insured)
    )
    allowed = (default == "allow all") != match
    assert parse(document, PRO).allows(inviter, inviter_is_insured=insured) is allowed


@pytest.mark.parametrize("default", [ALLOW, BLOCK])
def test_r2_7_several_exceptions_do_not_cancel_each_other_out(default):
    inviter = "@a:x.example"
    one = config(default, userExceptions={inviter: {}})
    all_three = {**one, "serverExceptions": {"x.example": {}}, "groupExceptions": INSURED}
    for document in (one, all_three):
        assert parse(document, PRO).allows(inviter, inviter_is_insured=True) is (default == BLOCK)


@pytest.mark.parametrize(
    "inviter", ["@A:x.example", "@a:x.example:8448", "@a:y.x.example", "@a:xyexample", "@a", ""]
)
def test_r2_7_users_are_compared_exactly_and_servers_with_their_port(inviter):
    document = config(BLOCK, userExceptions={"@a:x.example": {}}, serverExceptions={"example": {}})
    assert not parse(document, PRO).allows(inviter, inviter_is_insured=False)


# Whatever is stored ---------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda x: st.lists(x, max_size=4) | st.dictionaries(st.text(), x, max_size=4),
    max_leaves=12,
)
LINE = st.text(st.characters(exclude_characters="\n"), max_size=12)  # for keys with line breaks, see below
EXCEPTIONS = st.dictionaries(LINE | LINE.map("@{}".format), st.just({}) | JSON, max_size=3)
NEARLY = st.fixed_dictionaries(
    {"defaultSetting": st.sampled_from([ALLOW, BLOCK]) | JSON},
    optional={
        "serverExceptions": EXCEPTIONS | JSON,
        "userExceptions": EXCEPTIONS | JSON,
        "groupExceptions": st.lists(st.just(INSURED[0]) | JSON, max_size=2) | JSON,
        "future": JSON,
    },
)


@pytest.fixture(scope="module")
def schemas():
    """gematik's own, by product."""
    if not _SCHEMAS.is_dir():
        pytest.skip(f"gematik's schemas are not at hand: no directory {_SCHEMAS}")
    documents = {p: json.loads((_SCHEMAS / f"permissionConfig_{p}_V1.json").read_bytes()) for p in Product}
    return {product: jsonschema.Draft7Validator(schema) for product, schema in documents.items()}


@given(JSON | NEARLY, st.sampled_from(Product))
def test_a_document_is_read_or_refused(document, product):
    try:
        read = parse(document, product)
    except PermissionConfigError:
        return
    assert isinstance(read, PermissionConfig)


@given(NEARLY, st.sampled_from(Product))
@example(config(serverExceptions={"": {}}, userExceptions={"@": {}}), EPA)
@example(config(groupExceptions=[{**INSURED[0], "future": 1}]), PRO)
def test_a_26390_what_is_read_follows_gematiks_schema(schemas, document, product):
    try:
        parse(document, product)
    except PermissionConfigError:
        return
    assert schemas[product].is_valid(document)


@pytest.mark.parametrize("name", ["serverExceptions", "userExceptions"])
def test_a_26390_a_key_with_a_line_break_is_refused_as_by_the_schema(schemas, name):
    document = config(**{name: {"@a\n:x.example": {}}})
    assert not schemas[PRO].is_valid(document)
    assert refused(document).path == name


@pytest.mark.parametrize("product", Product)
def test_a_26390_the_published_schema_refuses_less_about_groups(schemas, product):
    """It misplaces the rule about the names of groups, and says nothing of groups in TI-M ePA."""
    assert schemas[product].is_valid(config(groupExceptions=[{"groupName": "everybody"}]))


# The configured default -----------------------------------------------------------------------------------


def test_r2_9_the_own_server_takes_the_place_of_its_placeholder():
    default = config(BLOCK, serverExceptions={LOCAL_SERVER: {}, "x.example": {"a": 1}}, future=[1])
    before = json.dumps(default)
    assert for_server(default, "own.example") == config(
        BLOCK, serverExceptions={"own.example": {}, "x.example": {"a": 1}}, future=[1]
    )
    assert json.dumps(default) == before
    assert parse(for_server(default, "own.example"), PRO).allows("@a:own.example", inviter_is_insured=False)


def test_a_default_without_servers_stays_as_it_is():
    assert for_server(config(), "own.example") == config()
