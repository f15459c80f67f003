"""What is stored of a list: in force at once if this homeserver made it, refused if somebody changed it."""

import datetime as dt

import attrs
import pytest

from synapse_tim.federation.acceptance import ListState
from synapse_tim.federation.compiled import CompiledList, Seal
from synapse_tim.federation.list import parse_payload
from synapse_tim.federation.list_reader import pack
from synapse_tim.federation.refusals import ListRefusedError, Refusal
from synapse_tim.federation.store import ListStore
from synapse_tim.federation.stored_list import StoredList
from synapse_tim.federation.updater import Update
from synapse_tim.jose.large_jws import JwsLimits
from tests.support.bench import bench, ti

__all__ = ["bench", "ti"]

NAMES = {"hospital.example", "insurer.example"}
SEAL = Seal.of(b"secret", "hospital.example")


class Threads:
    """Runs everything at once."""

    async def run(self, function, *args):
        return function(*args)


@pytest.fixture
def process(api, bench, run):
    """A process of the homeserver, with its own trust and its own memory."""

    def make(seal=SEAL, **options):
        b = bench(**options)
        stored = StoredList(ListStore(api), b.updater, b.trust, Threads(), seal)
        run(stored.create_tables())
        return b, stored

    return make


@pytest.fixture
def leader(process, run):
    """One that has fetched a list and stored it."""
    b, stored = process()
    before = b.state
    update = b.step()
    assert run(stored.write(update, before))
    return b, stored


def names(state):
    return set(state.in_force.content.domains) if state is not None and state.in_force else None


def refused(reason):
    from synapse_tim.adapter.metrics import LIST_COMPILED_REFUSED

    return LIST_COMPILED_REFUSED.labels(reason)._value.get()


def test_other_processes_have_it_in_force_without_the_network(leader, process, run, ti):
    _, follower = process()
    asked = len(ti.requests)
    state = run(follower.compiled())
    assert names(state) == NAMES
    assert state.remembered.jws_digest == leader[0].state.remembered.jws_digest
    assert state.in_force.content.ik_to_domain == {"109500969": "insurer.example"}
    assert state.in_force.path.certificates == leader[0].state.in_force.path.certificates
    assert run(follower.contradiction(state)) is None
    assert len(ti.requests) == asked


def test_a_confirmation_leaves_it_alone(leader, process, run):
    b, stored = leader
    before = b.state
    update = b.step()
    assert update.result == "confirmed"
    assert run(stored.write(update, before))
    state = run(process()[1].compiled())
    assert names(state) == NAMES
    assert state.remembered.confirmed_at > state.remembered.accepted_at


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE synapse_tim_federation_list_compiled SET data = x'00'",
        "UPDATE synapse_tim_federation_list_compiled SET data = substr(data, 1, 100)",
        "UPDATE synapse_tim_federation_list_compiled SET data = CAST(data || x'00' AS BLOB)",
    ],
)
def test_an_edited_database_is_no_list(leader, process, run, database, edit, caplog):
    database.execute(edit)
    _, follower = process()
    counted = refused("not_authentic")
    assert run(follower.compiled()) is None
    assert refused("not_authentic") == counted + 1
    assert "was not made by this homeserver" in caplog.text
    assert names(run(follower.verified())) == NAMES


@pytest.mark.parametrize("seal", [Seal.of(b"other", "hospital.example"), Seal.of(b"secret", "other.example")])
def test_one_of_another_homeserver_is_no_list(leader, process, run, seal):
    _, follower = process(seal=seal)
    assert run(follower.compiled()) is None
    assert names(run(follower.verified())) == NAMES


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE synapse_tim_federation_list SET version = version - 1",
        "UPDATE synapse_tim_federation_list SET jws_digest = 'other'",
        "UPDATE synapse_tim_federation_list SET confirmed_ts = 99999999999999",  # after its signer's time
        "DELETE FROM synapse_tim_federation_list",
    ],
)
def test_it_belongs_to_what_was_accepted(leader, process, run, database, edit):
    database.execute(edit)
    assert run(process()[1].compiled()) is None


def test_one_of_an_earlier_list_is_not_used(leader, process, run, ti, api):
    """An older release stores a later list and knows nothing of compiled ones; so does a crash in between."""
    b, _ = leader
    ti.add("practice.example")
    update = b.step()
    assert run(ListStore(api).write(update.state.remembered, update.packed, b.trust.material))
    _, follower = process()
    assert run(follower.compiled()) is None
    assert names(run(follower.verified())) == {*NAMES, "practice.example"}


def test_an_older_list_with_its_compiled_form_does_not_replace_what_is_stored(leader, process, run, ti):
    b, stored = leader
    old = Update(b.state, packed=pack(b"old"))
    before = b.state
    ti.add("practice.example")
    assert run(stored.write(b.step(), before))
    assert not run(stored.write(old, ListState()))
    run(stored.write_compiled(old.state.in_force))
    assert names(run(process()[1].compiled())) == {*NAMES, "practice.example"}


@pytest.mark.parametrize(
    "options",
    [{"pins": ["00" * 32]}, {"algorithms": ("ES256",)}, {"minimum_version": 99}, {"allow_test": False}],
)
def test_what_the_operator_trusts_now_counts(leader, process, run, options):
    _, follower = process(**options)
    assert run(follower.compiled()) is None
    assert names(run(follower.verified())) is None


def other_list(stored, verified, run, *domains):
    """Somebody with the homeserver's secret makes another list of it."""
    rows = ",".join(f'{{"domain":"{each}","telematikID":"1","isInsurance":false}}' for each in domains)
    payload = f'{{"version":{verified.content.version},"domainList":[{rows}]}}'
    forged = CompiledList.of(parse_payload(payload.encode()), verified.jws_digest, "BP256R1")
    run(stored.write_compiled(attrs.evolve(verified, compiled=forged)))


def test_a_contradiction_is_told_and_the_signed_list_counts(leader, process, run, caplog):
    b, stored = leader
    other_list(stored, b.state.in_force, run, "hospital.example", "evil.example")
    _, follower = process()
    state = run(follower.compiled())
    assert names(state) == {"hospital.example", "evil.example"}
    counted = refused("contradiction")
    instead = run(follower.contradiction(state))
    assert names(instead) == NAMES
    assert refused("contradiction") == counted + 1
    assert "contradicts the signed one" in caplog.text


@pytest.mark.parametrize(
    "edit",
    [
        "DELETE FROM synapse_tim_federation_list_chunk",
        "UPDATE synapse_tim_federation_list_chunk SET data = x'00'",
        "UPDATE synapse_tim_federation_list_chunk SET data = substr(data, 1, 100)",
    ],
)
def test_a_signed_list_that_does_not_verify_denies_everybody(leader, process, run, database, edit, caplog):
    _, follower = process()
    state = run(follower.compiled())
    database.execute(edit)
    counted = refused("contradiction")
    instead = run(follower.contradiction(state))
    assert instead.in_force is None
    assert instead.remembered == state.remembered  # the floor stays
    assert refused("contradiction") == counted + 1
    assert "remote traffic is denied" in caplog.text


def test_another_signed_list_under_the_same_digest_is_a_contradiction(leader, process, run, database, ti):
    b, _ = leader
    state = run(process()[1].compiled())
    ti.add("practice.example")
    other = b.step().packed
    database.execute("UPDATE synapse_tim_federation_list_chunk SET data = ?", (other,))
    assert run(process()[1].contradiction(state)).in_force is None


@pytest.mark.parametrize(
    "reason", [Refusal.READER_TOO_SLOW, Refusal.READER_OUT_OF_MEMORY, Refusal.READER_FAILED]
)
def test_a_list_that_could_not_be_read_is_no_contradiction(leader, process, run, reason):
    def fail(task):
        raise ListRefusedError(reason)

    b, follower = process()
    state = run(follower.compiled())
    b.updater._verifier = attrs.evolve(b.verifier, reader=fail)
    counted = refused("contradiction")
    with pytest.raises(ListRefusedError):
        run(follower.contradiction(state))
    assert refused("contradiction") == counted


def test_a_list_that_was_replaced_meanwhile_is_somebody_elses_turn(leader, process, run, ti):
    b, stored = leader
    _, follower = process()
    state = run(follower.compiled())
    before = b.state
    ti.add("practice.example")
    assert run(stored.write(b.step(), before))
    assert run(follower.contradiction(state)) is None


def test_a_signer_that_has_expired_since_is_no_reason_to_forget_the_list(leader, process, run):
    """It is stale then, which is another decision; what is stored counts as of its last confirmation."""
    b, follower = process()
    b.offset = dt.timedelta(days=4000)
    assert names(run(follower.compiled())) == NAMES


def test_a_list_of_an_older_release_is_read_and_then_compiled(leader, process, run, database, api):
    database.execute("DROP TABLE synapse_tim_federation_list_compiled")
    _, stored = process()  # makes the table
    assert run(stored.compiled()) is None
    state = run(stored.verified())
    assert names(state) == NAMES
    run(stored.write_compiled(state.in_force))
    assert names(run(process()[1].compiled())) == NAMES
    assert len(run(ListStore(api).read(JwsLimits().total))[1]) > 0
