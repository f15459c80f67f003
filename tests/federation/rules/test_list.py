"""R1.1: reading the payload of a federation list."""

import attrs
import pytest

from synapse_tim.federation import list as federation_list
from synapse_tim.federation.list import MAX_VERSION, parse_payload
from synapse_tim.federation.refusals import Refusal
from tests.support.helpers import document, entry, refused

IK = "109500969"
OTHER_IK = "101575519"


def test_members_insurers_and_institution_codes_are_read():
    found = parse_payload(
        document(entry("hospital.example"), entry("insurer.example", True, ik=[IK]), version=1650)
    )
    assert found.version == 1650
    assert dict(found.domains) == {"hospital.example": False, "insurer.example": True}
    assert found.insurance_domains == {"insurer.example"}
    assert dict(found.ik_to_domain) == {IK: "insurer.example"}
    assert (found.issued_at, found.expires_at, found.skipped) == (None, None, 0)
    assert "hospital.example" in found
    assert "other.example" not in found
    assert repr(found) == "<FederationList version=1650 domains=2 insurance_domains=1>"


def test_an_empty_list_has_no_members():
    assert len(parse_payload(document()).domains) == 0


def test_unknown_members_are_accepted():
    row = entry("hospital.example", novelty={"a": [1, {"b": None}]})
    found = parse_payload(document(row, extra={"c": 1}, signature=None))
    assert dict(found.domains) == {"hospital.example": False}
    assert found.skipped == 0


def test_an_entry_may_have_any_member_name_even_domain_list():
    row = entry("hospital.example", domainList=[entry("outsider.example")])
    assert set(parse_payload(document(row)).domains) == {"hospital.example"}


@pytest.mark.parametrize("member", ["ik", "iks", "ikNumbers"])
@pytest.mark.parametrize("value", [[IK], [int(IK)], IK, int(IK)], ids=repr)
def test_institution_codes_come_under_three_names_as_text_or_number(member, value):
    found = parse_payload(document(entry("insurer.example", True, **{member: value})))
    assert dict(found.ik_to_domain) == {IK: "insurer.example"}
    assert found.skipped == 0


@pytest.mark.parametrize("value", [None, []], ids=repr)
def test_an_insurer_without_institution_codes_is_accepted(value):
    found = parse_payload(
        document(entry("a.example", True), entry("b.example", True, ik=value, iks=value, timAnbieter=None))
    )
    assert found.insurance_domains == {"a.example", "b.example"}
    assert (len(found.ik_to_domain), found.skipped) == (0, 0)


@pytest.mark.parametrize(
    "value", ["12345678", "1234567890", "10950096a", "١٠٩٥٠٠٩٦٩", -1, True, 1.5, {}, [[IK]]]
)
def test_an_unusable_institution_code_is_skipped_and_counted(value):
    found = parse_payload(document(entry("insurer.example", True, ik=[IK, value])))
    assert dict(found.ik_to_domain) == {IK: "insurer.example"}
    assert found.insurance_domains == {"insurer.example"}
    assert found.skipped == 1


def test_an_institution_code_belongs_to_the_insurer_that_has_it_first():
    rows = (entry("a.example", True, ik=[IK]), entry("b.example", True, ik=[IK, OTHER_IK]))
    found = parse_payload(document(*rows))
    assert dict(found.ik_to_domain) == {IK: "a.example", OTHER_IK: "b.example"}
    assert found.insurance_domains == {"a.example", "b.example"}
    assert found.skipped == 1


def test_institution_codes_of_others_than_insurers_do_not_count():
    assert len(parse_payload(document(entry("hospital.example", ik=[IK]))).ik_to_domain) == 0


@pytest.mark.parametrize("order", [(True, False), (False, True), (True, True)])
def test_of_two_entries_that_disagree_the_insurer_wins(order):
    found = parse_payload(document(*(entry("double.example", insurance) for insurance in order)))
    assert dict(found.domains) == {"double.example": True}
    assert found.insurance_domains == {"double.example"}


def test_a_name_that_occurs_twice_in_other_spelling_is_one_member():
    found = parse_payload(document(entry("Double.example", True), entry("double.EXAMPLE")))
    assert dict(found.domains) == {"double.example": True}


def test_a_missing_is_insurance_is_false():
    row = entry("hospital.example")
    del row["isInsurance"]
    assert dict(parse_payload(document(row)).domains) == {"hospital.example": False}


BAD_ROWS = [
    {},
    {"name": "hospital.example"},
    entry(None),
    entry(1),
    entry(["bad.example"]),
    entry({"domain": "bad.example"}),
    entry(""),
    entry("bad_name.example"),
    entry("bad.example\nevil.example"),
    entry("\u212aranken.example"),
    entry("bad.example", "true"),
    entry("bad.example", 1),
    entry("bad.example", None),
    entry("bad.example", telematikID=None),
    entry("bad.example", telematikID=7),
    entry("bad..example", True, ik=[IK]),
    {"domain": "bad.example", "isInsurance": False},
]


@pytest.mark.parametrize("row", BAD_ROWS, ids=str)
def test_a_bad_row_is_skipped_and_counted_and_cuts_nobody_off(row):
    found = parse_payload(document(entry("first.example"), row, entry("last.example")))
    assert set(found.domains) == {"first.example", "last.example"}
    assert found.skipped == 1


def test_a_bad_row_costs_no_other_of_its_batch(monkeypatch):
    monkeypatch.setattr(federation_list, "_BATCH", 4)
    rows = [entry(f"n{number}.example") for number in range(30)]
    rows[13] = entry("bad name")
    rows[17] = entry("N17.Example")
    found = parse_payload(document(*rows))
    assert set(found.domains) == {f"n{number}.example" for number in range(30)} - {"n13.example"}
    assert found.skipped == 1


@pytest.mark.parametrize("row", [None, 1, "hospital.example", True, [], [entry("evil.example")]], ids=str)
def test_a_row_that_is_no_object_refuses_the_list(row):
    with refused(Refusal.DOMAIN_LIST_INVALID):
        parse_payload(document(entry("first.example"), row))


@pytest.mark.parametrize(
    "rows", [None, {}, "x", 1, {"a": entry("evil.example")}, entry("evil.example")], ids=str
)
def test_a_domain_list_that_is_no_array_refuses_the_list(rows):
    with refused(Refusal.DOMAIN_LIST_INVALID):
        parse_payload(document(domainList=rows))


def test_a_missing_domain_list_refuses_the_list():
    with refused(Refusal.DOMAIN_LIST_INVALID):
        parse_payload(b'{"version":1}')


@pytest.mark.parametrize(
    "member",
    [
        {"redirectDomains": ["redirect.example"]},
        {"redirectDomains": [{"domain": "redirect.example"}]},
        {"redirectDomains": [entry("redirect.example")]},
        {"redirectDomains": [entry("redirect.example", True, ik=[IK])]},
        {"nested": entry("redirect.example")},
        {"nested": {"domainList": [entry("redirect.example")]}},
        {"nested": {"domain": "redirect.example", "domainList": []}},
        {"domainList": [entry("redirect.example")]},
    ],
    ids=str,
)
def test_redirect_domains_and_nested_objects_are_never_members(member):
    """R1.1: only elements of ``domainList`` itself are."""
    for row in (entry("hospital.example", **member), entry("hospital.example", True, **member)):
        found = parse_payload(document(row, entry("last.example")))
        assert set(found.domains) == {"hospital.example", "last.example"}
        assert len(found.ik_to_domain) == 0
    assert set(parse_payload(document(entry("last.example"), other=member)).domains) == {"last.example"}
    unusable = {"name": "no domain", **member}
    found = parse_payload(document(unusable, entry("last.example")))
    assert (set(found.domains), found.skipped) == ({"last.example"}, 1)


def test_a_nested_domain_is_no_member_even_if_another_row_has_none():
    """Counting objects with a domain alone would find two here and two rows."""
    rows = (entry("hospital.example", nested=entry("evil.example")), {"name": "no domain"})
    found = parse_payload(document(*rows))
    assert set(found.domains) == {"hospital.example"}
    assert found.skipped == 1


def test_a_member_domain_beside_the_list_is_no_entry():
    assert set(parse_payload(document(entry("a.example"), domain="evil.example")).domains) == {"a.example"}
    assert set(parse_payload(document(entry("a.example"), **entry("evil.example"))).domains) == {"a.example"}


@pytest.mark.parametrize("value", ["SHA-256", "", None, 0])
def test_lists_of_hashed_domains_are_refused(value):
    """A digest in hex would pass as a host name of one label."""
    with refused(Refusal.PAYLOAD_HASHED):
        parse_payload(document(entry("0f" * 31), hashAlgorithm=value))
    with refused(Refusal.PAYLOAD_HASHED):
        parse_payload(document(entry("a.example"), entry("0f" * 31, hashAlgorithm=value)))


@pytest.mark.parametrize("version", [0, 1, 1650, MAX_VERSION])
def test_a_version_is_an_integer_up_to_2_53(version):
    assert parse_payload(document(version=version)).version == version


@pytest.mark.parametrize("version", [None, True, False, 1.0, 1.5, "7", -1, 2**53, 10**400, [], {}], ids=str)
def test_any_other_version_refuses_the_list(version):
    with refused(Refusal.VERSION_INVALID):
        parse_payload(document(entry("a.example"), version=version))


def test_a_list_without_a_version_is_refused():
    with refused(Refusal.VERSION_INVALID):
        parse_payload(b'{"domainList":[]}')


@pytest.mark.parametrize("member", ["iat", "exp"])
def test_times_are_whole_seconds(member):
    found = parse_payload(document(**{member: 1_780_000_000}))
    at = found.issued_at if member == "iat" else found.expires_at
    assert at.timestamp() == 1_780_000_000
    assert at.utcoffset().total_seconds() == 0
    parse_payload(document(**{member: None}))
    for value in (1.5, "1780000000", True, [], 10**30, -(10**30)):
        with refused(Refusal.TIMES_INVALID):
            parse_payload(document(**{member: value}))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b'{"version":1,"version":2,"domainList":[]}',
        b'{"version":1,"domainList":[],"domainList":[]}',
        b'{"version":1,"domainList":[{"domain":"a.example","domain":"b.example","telematikID":"x"}]}',
        b'{"version":1,"domainList":[{"domain":"a.example","telematikID":"x","z":{"q":1,"q":2}}]}',
        b'{"version":NaN,"domainList":[]}',
        b'{"version":1,"x":Infinity,"domainList":[]}',
        b'{"version":' + b"1" * 5_000 + b',"domainList":[]}',
        b'{"version":1,"domainList":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"\xef\xbb\xbf" + document(),
        document().decode().encode("utf-16"),
        b'{"version":1,"domainList":[{"domain":"\xff.example"}]}',
        document()[:-1],
        document() + b"{}",
    ],
    ids=lambda payload: repr(payload[:30]),
)
def test_what_is_not_one_strict_json_object_is_refused(payload):
    with refused(Refusal.PAYLOAD_MALFORMED):
        parse_payload(payload)


@pytest.mark.parametrize(
    "row", [entry("a.example"), entry("a.example", True), entry("bad name"), entry(None)], ids=str
)
@pytest.mark.parametrize("batch", [1, 2, 1_000])
def test_more_entries_than_the_limit_refuse_the_list(monkeypatch, row, batch):
    monkeypatch.setattr(federation_list, "MAX_ENTRIES", 3)
    monkeypatch.setattr(federation_list, "_BATCH", batch)
    parse_payload(document(*[row] * 3))
    with refused(Refusal.TOO_MANY_DOMAINS):
        parse_payload(document(*[row] * 4))
    with refused(Refusal.TOO_MANY_DOMAINS):
        parse_payload(document(*[row] * 4, domain="beside.example"))


def test_names_are_lowered_and_keep_their_port():
    found = parse_payload(document(entry("Hospital.EXAMPLE:8448")))
    assert "hospital.example:8448" in found
    assert "hospital.example" not in found
    assert "Hospital.EXAMPLE:8448" not in found


def test_the_digest_is_that_of_the_payload():
    a, b = document(entry("a.example")), document(entry("a.example")).replace(b" ", b"")
    assert parse_payload(a).digest == parse_payload(bytearray(a)).digest
    assert parse_payload(a).digest != parse_payload(b).digest


def test_a_snapshot_cannot_be_changed():
    found = parse_payload(document(entry("insurer.example", True, ik=[IK])))
    for mapping in (found.domains, found.ik_to_domain):
        with pytest.raises(TypeError):
            mapping["evil.example"] = True
        with pytest.raises(AttributeError):
            mapping.clear()
    with pytest.raises(AttributeError):
        found.insurance_domains.add("evil.example")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        found.version = 8


SAME = document(entry("a.example"), entry("i.example", True, ik=[IK]))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (document(entry("i.example", True, iks=[int(IK)]), entry("A.example", x=1), version=9), True),
        (document(entry("a.example"), entry("a.example"), entry("i.example", True, ik=[IK])), True),
        (document(entry("a.example")), False),
        (document(entry("a.example"), entry("i.example", True)), False),
        (document(entry("a.example", True), entry("i.example", True, ik=[IK])), False),
        (document(entry("b.example"), entry("i.example", True, ik=[IK])), False),
        (document(entry("a.example"), entry("i.example", True, ik=[OTHER_IK])), False),
        (document(entry("a.example"), entry("i.example", True, ik=[IK, OTHER_IK])), False),
        (document(entry("a.example", ik=[IK]), entry("i.example", False)), False),
    ],
)
def test_lists_say_the_same_if_members_insurers_and_codes_agree(other, same):
    one, two = parse_payload(SAME), parse_payload(other)
    assert one.says_the_same_as(two) is same
    assert two.says_the_same_as(one) is same


def test_the_same_code_at_another_insurer_is_not_the_same():
    one, two = (
        parse_payload(document(entry("a.example", True, ik=[a]), entry("b.example", True, ik=[b])))
        for a, b in ((IK, OTHER_IK), (OTHER_IK, IK))
    )
    assert not one.says_the_same_as(two)
