"""Each rule of logins again through the gateway, at the first and at the second log-in (AF_10057, AF_10234).

The reasons are those of a login with the same token; who was let in before is not let in any more.
"""

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.adapter import metrics
from synapse_tim.core.products import Product
from synapse_tim.federation.list import parse_payload
from tests.gateway.services.conftest import MAS_REDIRECT, URN, Gateway, Idp
from tests.support.helpers import document, entry

pytestmark = pytest.mark.requirement("AF_10057", "AF_10234")

DOCTOR = "@1-hba-1:hospital.example"
INSURED = "@x000000012:hospital.example"
IK, OTHER_IK = "109500969", "109999994"
STRANGER = ec.generate_private_key(ec.SECP256R1())


def refusals():
    return {
        sample.labels["result"]: sample.value
        for metric in metrics.LOGIN_TOKENS.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


def reason_of(gateway, **more):
    """Log in; ``None``, or why not."""
    before = refusals()
    found = gateway.log_in(**more)
    after = refusals()
    counted = {name for name in after if after[name] != before.get(name, 0)}
    if "code" in found:
        assert counted == {"accepted"}
        return None
    assert found["error"] == "access_denied"
    assert "Reference: " in found["error_description"]
    (reason,) = counted
    return reason


@pytest.fixture(params=["Synapse", "MAS"])
def clinic(request, api, database):
    """For doctors; Synapse makes the accounts, or another service does."""
    idp = Idp("idp", required_claims={"idNummer": ["1-HBA-1", "1-HBA-2"]})
    return gateway_of(request, api, database, idp)


@pytest.fixture(params=["Synapse", "MAS"])
def insurer(request, api, database):
    """For insured persons."""
    idp = Idp("idp", profile="gesundheitsid", types=["JWT"], professions=None)
    idp.person = {
        f"{URN}id": "X000000012",
        f"{URN}organization": IK,
        f"{URN}profession": "1.2.276.0.76.4.49",
        "amr": ["urn:telematik:auth:eGK"],
    }
    return gateway_of(request, api, database, idp, product=Product.EPA, known_list=list_with(IK))


def gateway_of(request, api, database, idp, **options):
    gateway = Gateway(api, database, idp, delegated=request.param == "MAS", **options)
    gateway.idp = idp
    gateway.more = {"client_id": "mas", "redirect_uri": MAS_REDIRECT} if request.param == "MAS" else {}
    return gateway


def list_with(*codes):
    own = entry("hospital.example", True, ik=list(codes))
    return parse_payload(document(own, entry("other.example", True, ik=[OTHER_IK])))


def first_and_second(gateway, user_id, reason, change):
    """Refused at the first log-in, let in without the change, and refused at the second one."""
    idp, before = gateway.idp, dict(gateway.idp.person)
    idp.person = {**before, **change}
    assert reason_of(gateway, **gateway.more) == reason
    assert gateway.users.names == []
    idp.person = before
    assert reason_of(gateway, **gateway.more) is None
    if gateway.more:  # the service makes the account
        gateway.users.add(user_id)
    assert gateway.users.names == [user_id]
    idp.person = {**before, **change}
    assert reason_of(gateway, **gateway.more) == reason
    idp.person = before
    assert reason_of(gateway, **gateway.more) is None
    assert gateway.users.names == [user_id]


_LONG_AGO = int(time.time()) - 4000
_FAR_AHEAD = int(time.time()) + 1_000_000  # longer than the tests take


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("issuer_unknown", {"iss": "https://evil.example"}),
        ("claim_missing", {"sub": None}),
        ("claims_malformed", {"sub": 1}),
        ("audience", {"aud": "another"}),
        ("audience", {"aud": ["synapse", "another"]}),
        ("expired", {"exp": _LONG_AGO, "iat": _LONG_AGO}),
        ("not_yet_valid", {"iat": _FAR_AHEAD, "exp": _FAR_AHEAD + 1000}),
        ("too_old", {"iat": int(time.time()) - 1000}),
        ("type_not_allowed", {"events": {}}),
        ("acr_too_low", {"acr": "gematik-ehealth-loa-substantial"}),
        ("claim_missing", {"acr": None}),
        ("amr_not_allowed", {"amr": ["pwd"]}),
        ("profession_not_permitted", {"professionOID": "1.2.276.0.76.4.32"}),
        ("insured_person", {"professionOID": "1.2.276.0.76.4.49"}),
        ("claim_not_permitted", {"idNummer": "1-HBA-3"}),
    ],
)
def test_a_doctor(clinic, reason, change):
    if reason == "insured_person":
        reason = "profession_not_permitted"  # which is looked at first
    first_and_second(clinic, DOCTOR, reason, change)


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("other_insurer", {f"{URN}organization": OTHER_IK}),
        ("insurer_malformed", {f"{URN}organization": "1"}),
        ("kvnr_malformed", {f"{URN}id": "0"}),
        ("profession_not_permitted", {f"{URN}profession": "1.2.276.0.76.4.30"}),
        ("acr_too_low", {"acr": "gematik-ehealth-loa-substantial"}),
        ("amr_not_allowed", {"amr": ["urn:telematik:auth:none"]}),
    ],
)
def test_an_insured_person(insurer, reason, change):
    first_and_second(insurer, INSURED, reason, change)


def test_an_insurers_code_that_is_taken_from_the_list(insurer):
    federation = insurer.login.context.federation
    assert reason_of(insurer, **insurer.more) is None
    federation.known_list = list_with(OTHER_IK)
    assert reason_of(insurer, **insurer.more) == "other_insurer"
    federation.known_list = list_with(IK)
    assert reason_of(insurer, **insurer.more) is None
    federation.known_list = None
    assert reason_of(insurer, **insurer.more) == "list_missing"


def test_signatures(clinic):
    idp = clinic.idp
    mint = idp.token
    for reason, changes in (
        ("signature_invalid", {"key": STRANGER}),
        ("algorithm_not_allowed", {"algorithm": "HS256", "key": b"x" * 32}),
        ("algorithm_not_allowed", {"algorithm": "none", "key": ""}),
        ("type_not_allowed", {"kind": "at+jwt"}),
        (None, {}),
    ):
        idp.token = lambda changes=changes, **claims: mint(**changes, **claims)
        assert reason_of(clinic, **clinic.more) == reason
    for bad, reason in ((None, "not_a_token"), ("x.y", "not_a_token"), ("ü", "not_a_token")):
        idp.token = lambda bad=bad, **claims: bad
        assert reason_of(clinic, **clinic.more) == reason


def test_an_account_of_somebody_else_is_not_given_away(clinic):
    clinic.users.add(DOCTOR)
    assert reason_of(clinic, **clinic.more) == "not_linked"
    clinic.idp.person = {"idNummer": "1-HBA-2"}
    assert reason_of(clinic, **clinic.more) is None


def test_a_name_is_kept_for_the_person_who_came_first(clinic):
    assert reason_of(clinic, **clinic.more) is None
    clinic.idp.person = {"sub": "eve"}
    assert reason_of(clinic, **clinic.more) == "not_linked"
    clinic.idp.person = {}
    assert reason_of(clinic, **clinic.more) is None


@pytest.mark.parametrize("state", ["locked", "deactivated"])
def test_accounts_that_are_locked_or_closed(clinic, state):
    assert reason_of(clinic, **clinic.more) is None
    if clinic.more:
        clinic.users.add(DOCTOR)
    clinic.users.state[DOCTOR] = state
    assert reason_of(clinic, **clinic.more) == state
    clinic.users.state.clear()
    assert reason_of(clinic, **clinic.more) is None


def test_without_registration_only_those_come_in_who_have_an_account(api, database):
    for delegated in (False, True):
        idp = Idp(f"idp{delegated}", registration=False)
        database.execute("DROP TABLE IF EXISTS users")
        database.execute("DROP TABLE IF EXISTS user_external_ids")
        gateway = Gateway(api, database, idp, delegated=delegated)
        assert reason_of(gateway) == "registration_off"
        gateway.users.add(DOCTOR)
        assert reason_of(gateway) == "not_linked"
        gateway.run(gateway.users.link(idp.id, "dora", DOCTOR))
        assert reason_of(gateway) is None


def test_a_person_whose_account_was_never_made_elsewhere_is_judged_as_new(delegated):
    idp = delegated.idps["idp"]
    assert reason_of(delegated) is None
    idp.person = {"idNummer": "1-HBA-9"}  # another card
    found = delegated.claims_of(_id_token(delegated))
    assert found["localpart"] == "1-hba-9"
    delegated.users.add("@1-hba-9:hospital.example")
    idp.person = {"idNummer": "1-HBA-10"}
    assert delegated.claims_of(_id_token(delegated))["localpart"] == "1-hba-9"


def test_who_is_linked_to_another_account_is_another_person_to_relying_parties(gateway, database):
    before = gateway.claims_of(_id_token(gateway))
    gateway.users.add("@other:hospital.example")
    database.execute(
        "UPDATE user_external_ids SET user_id = '@other:hospital.example' WHERE auth_provider = 'idp'"
    )
    after = gateway.claims_of(_id_token(gateway))
    assert (before["localpart"], after["localpart"]) == ("1-hba-1", "other")
    assert before["sub"] != after["sub"]
    assert (("oidc-gateway", "@other:hospital.example")) in gateway.users.links


def test_a_link_of_synapse_that_leads_elsewhere_is_refused(gateway, database):
    assert reason_of(gateway) is None
    database.execute("UPDATE user_external_ids SET user_id = '@x:y' WHERE auth_provider = 'oidc-gateway'")
    assert reason_of(gateway) == "linked_otherwise"


def _id_token(gateway):
    import json

    return json.loads(gateway.token(gateway.log_in()["code"]).body)["id_token"]


def test_what_is_interrupted_can_be_done_again(gateway, api, database):
    """The process ends between any two writes: the next log-in goes on, and there is one account."""
    interact, left = api.run_db_interaction, [0]

    class KilledError(BaseException):
        pass

    async def some(desc, function, *args):
        if left[0] == 0:
            raise KilledError
        left[0] -= 1
        return await interact(desc, function, *args)

    async def register(name, mark, display_name):
        if left[0] == 0:
            raise KilledError
        left[0] -= 1
        gateway.users.add(f"@{name}:hospital.example", mark)

    gateway.login.accounts.synapse.register = register
    for steps in range(1, 200):
        for table in ("users", "user_external_ids", "synapse_tim_gateway_person", "synapse_tim_new_account"):
            database.execute(f"DELETE FROM {table}")
        left[0], api.run_db_interaction = steps, some
        try:
            found = gateway.log_in()
            assert gateway.token(found["code"]).status == 200
            finished = True
        except KilledError:
            finished = False
        api.run_db_interaction, left[0] = interact, 1000
        assert gateway.token(gateway.log_in()["code"]).status == 200
        assert gateway.users.names == [DOCTOR]
        assert gateway.users.links == [("idp", DOCTOR), ("oidc-gateway", DOCTOR)]
        if finished:
            return
    raise AssertionError("it never came to an end")
