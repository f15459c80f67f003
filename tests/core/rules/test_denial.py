"""Requirements §0.4: what a refused client or server is told."""

import importlib
import pkgutil
import re

import pytest

import synapse_tim
from synapse_tim.client_api.denials import PROFILE_HIDDEN
from synapse_tim.compliance.denials import CATALOGUE
from synapse_tim.contacts.denials import CONTACT_MALFORMED
from synapse_tim.core.denial import Denial
from synapse_tim.events.denials import REACTION, REDACTION_TOO_LATE, THREAD
from synapse_tim.federation.denials import (
    INVITES_BY_ADDRESS,
    NO_USABLE_LIST,
    NOT_A_MEMBER,
    RELAYED_FOR_NON_MEMBER,
)
from synapse_tim.information.denials import INFORMATION_QUERY, REPORT_MALFORMED
from synapse_tim.invites.denials import (
    INSURED_INVITES_INSURED,
    INVITEE_REFUSES,
    INVITEE_UNKNOWN,
    INVITEE_UNREADABLE,
    PERMISSION_MALFORMED,
    TOO_MANY_INVITES,
)
from synapse_tim.login.denials import ID_TOKEN
from synapse_tim.rooms.denials import (
    JOIN_RULE,
    NO_ROOM_DIRECTORY,
    PUBLIC_ROOM_OF_INSURED,
    PUBLISHED_FEDERATING,
    ROOM_MALFORMED,
    ROOM_VERSION,
    STATE_MALFORMED,
    WORLD_READABLE,
)
from tests.support.helpers import for_each

#: gematik's identifiers of requirements and use cases, or the numbers of our own.
REQUIREMENT = re.compile(r"A_[0-9]{5}(-[0-9]{2})?|AF_[0-9]{5}(-[0-9]{2})?|R[0-9]\.[0-9]{1,2}")
#: What is wrong is added to these.
WITH_FAULT = (
    PERMISSION_MALFORMED,
    ROOM_MALFORMED,
    STATE_MALFORMED,
    INFORMATION_QUERY,
    REPORT_MALFORMED,
    CONTACT_MALFORMED,
)
#: Answered alike, so that nobody learns who is there and what is allowed.
ABOUT_THE_INVITEE = (INVITEE_REFUSES, INVITEE_UNREADABLE, INVITEE_UNKNOWN)

NAMES = {denial: name for name, denial in CATALOGUE.items()}
each_denial = for_each(CATALOGUE.values(), NAMES.__getitem__)


def answer(denial):
    """All that a client gets to see."""
    return denial.status, denial.errcode, denial.text, denial.retry_after


def test_every_denial_is_in_the_catalogue_once_under_its_own_name():
    found = []
    for module in pkgutil.walk_packages(synapse_tim.__path__, "synapse_tim."):
        if module.name.endswith("denials"):
            subject = vars(importlib.import_module(module.name))
            found += [(name.lower(), value) for name, value in subject.items() if isinstance(value, Denial)]
    assert sorted(found, key=str) == sorted(CATALOGUE.items(), key=str)
    assert len(NAMES) == len(CATALOGUE) > 0, "no two are the same"


@each_denial
def test_a_denial_is_counted_under_its_first_requirement(denial):
    assert denial.requirements and len(set(denial.requirements)) == len(denial.requirements)
    assert all(REQUIREMENT.fullmatch(requirement) for requirement in denial.requirements)
    assert denial.rule == denial.requirements[0]
    assert re.fullmatch(r"[a-z][a-z_]*", denial.policy)


@each_denial
def test_a_denial_is_an_error_of_the_client_or_passes(denial):
    if denial.status == 503:
        assert denial.errcode == "M_UNKNOWN"
        assert denial.retry_after > 0
    elif denial.status == 429:
        assert denial.retry_after > 0
    else:
        assert denial.status in (400, 401, 403, 404, 405)
        assert denial.retry_after is None


@each_denial
def test_the_errcode_fits_the_status(denial):
    expected = {
        400: {
            "M_BAD_JSON",
            "M_FORBIDDEN",
            "M_INVALID_PARAM",
            "M_INVALID_ROOM_STATE",
            "M_UNSUPPORTED_ROOM_VERSION",
        },
        403: {"M_UNKNOWN" if denial is PUBLISHED_FEDERATING else "M_FORBIDDEN"},
        401: {"M_UNKNOWN_TOKEN"},
        404: {"M_NOT_FOUND", "M_UNRECOGNIZED"},
        405: {"M_UNRECOGNIZED"},
        429: {"M_LIMIT_EXCEEDED"},
        503: {"M_UNKNOWN"},
    }
    assert denial.errcode in expected[denial.status]


@each_denial
def test_a_denial_of_a_policy_names_its_requirement(denial):
    # Two have Synapse's own text, another that of the invitee who refuses.
    own_text = (PUBLISHED_FEDERATING, INVITEE_UNKNOWN, ID_TOKEN)
    if denial.status == 403 and denial not in own_text:
        assert re.search(rf"\([^)]*\b{re.escape(denial.rule)}\b[^)]*\)$", denial.text)


@each_denial
def test_a_text_names_requirements_of_its_own_only(denial):
    named = {match[0] for match in REQUIREMENT.finditer(denial.text)}
    assert named <= {*denial.requirements, *INVITEE_REFUSES.requirements}


@each_denial
def test_a_denial_is_a_sentence(denial):
    synapses = (PUBLISHED_FEDERATING, ID_TOKEN)
    ending = r"[a-z)]" if denial in (*WITH_FAULT, *synapses) else r"[.)]"
    assert re.fullmatch(rf"('[a-z_]+' |[A-Z]).{{10,}}{ending}|Malformed state", denial.text)
    assert "{" not in denial.text and "%" not in denial.text and "  " not in denial.text


@each_denial
def test_a_22813_a_denial_names_no_user_and_no_room(denial):
    """Denials are constants, so they cannot; this keeps it so."""
    assert not re.search(r"[@!#$][^ ]*:", denial.text)


def test_af_10064_02_a_server_off_the_list_is_answered_403_m_forbidden():
    for denial in (NOT_A_MEMBER, RELAYED_FOR_NON_MEMBER, INVITES_BY_ADDRESS):
        assert (denial.status, denial.errcode, denial.rule) == (403, "M_FORBIDDEN", "AF_10064-02")


def test_r1_14_without_a_list_the_request_may_succeed_later():
    denial = NO_USABLE_LIST
    assert (denial.status, denial.errcode, denial.rule) == (503, "M_UNKNOWN", "AF_10064-02")
    assert denial.retry_after == 30


def test_r2_14_whether_an_invitee_exists_or_refuses_does_not_show():
    assert len({answer(denial) for denial in ABOUT_THE_INVITEE}) == 1
    assert {(denial.status, denial.errcode) for denial in ABOUT_THE_INVITEE} == {(403, "M_FORBIDDEN")}
    assert len(set(ABOUT_THE_INVITEE)) == 3
    assert {denial.policy for denial in ABOUT_THE_INVITEE} == {"invite"}


@pytest.mark.parametrize(
    ("denial", "status", "errcode"),
    [
        (INSURED_INVITES_INSURED, 403, "M_FORBIDDEN"),
        (TOO_MANY_INVITES, 400, "M_FORBIDDEN"),
        (PERMISSION_MALFORMED, 400, "M_BAD_JSON"),
        (ROOM_VERSION, 400, "M_UNSUPPORTED_ROOM_VERSION"),
        (WORLD_READABLE, 400, "M_INVALID_ROOM_STATE"),
        (JOIN_RULE, 400, "M_INVALID_ROOM_STATE"),
        (PUBLIC_ROOM_OF_INSURED, 403, "M_FORBIDDEN"),
        (REACTION, 400, "M_BAD_JSON"),
        (THREAD, 400, "M_FORBIDDEN"),
        (REDACTION_TOO_LATE, 403, "M_FORBIDDEN"),
        (NO_ROOM_DIRECTORY, 403, "M_FORBIDDEN"),
        (PROFILE_HIDDEN, 403, "M_FORBIDDEN"),
    ],
)
def test_what_gematiks_tests_expect(denial, status, errcode):
    assert (denial.status, denial.errcode) == (status, errcode)
