"""R1.7: whatever arrives in whatever order, the accepted version never decreases."""

import functools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from synapse_tim.federation.acceptance import accept
from synapse_tim.federation.compiled import VerifiedList
from synapse_tim.federation.list import parse_payload
from synapse_tim.federation.refusals import ListRefusedError
from synapse_tim.pki.certificates import CLOCK_SKEW
from synapse_tim.pki.signer_path import SignerPath
from synapse_tim.testing.simulator.pki.world import make_world
from tests.support.helpers import MINUTE, NOW, document, entry

NAMES = st.permutations(["a.example", "b.example"]) | st.sampled_from([["a.example"], ["b.example"]])


@functools.cache
def path():
    world = make_world(NOW)
    return SignerPath(*(each.certificate for each in (world.list_signer, world.sub_ca, world.sub_ca_root)))


class Updates(RuleBasedStateMachine):
    """A server that is shown genuine lists by somebody who can choose among all that were ever signed."""

    @initialize(minimum=st.integers(0, 3))
    def start(self, minimum):
        self.minimum = minimum
        self.now = NOW
        self.latest = None  # the latest moment that was remembered
        self.remembered = self.in_force = None
        self.shown = {}

    @rule(version=st.integers(0, 6), names=NAMES, jws=st.sampled_from(["x", "y"]))
    def show(self, version, names, jws):
        content = parse_payload(document(*(entry(name) for name in names), version=version))
        candidate = VerifiedList(content, path(), jws)
        before = self.remembered
        try:
            self.remembered = accept(candidate, before, self.in_force, self.now, self.minimum)
        except ListRefusedError:
            assert self.remembered is before
            return
        self.in_force = candidate
        assert version >= self.minimum
        assert self.latest is None or self.now + CLOCK_SKEW >= self.latest
        assert self.shown.setdefault(version, set(names)) == set(names), "equivocation"
        if before is not None:
            assert version >= before.version
            assert self.remembered.latest_time >= before.latest_time
        self.see()

    def see(self):
        self.latest = self.now if self.latest is None else max(self.latest, self.now)

    @rule(minutes=st.integers(-20, 60))
    def pass_time(self, minutes):
        self.now += minutes * MINUTE

    @rule()
    def restart_without_the_list(self):
        self.in_force = None

    @rule()
    def confirm(self):
        if self.remembered is not None:
            self.remembered = self.remembered.confirmed(self.now)
            self.see()

    @invariant()
    def what_is_in_force_is_what_is_remembered(self):
        if getattr(self, "in_force", None) is not None:
            assert self.remembered.version == self.in_force.content.version
            assert self.remembered.payload_digest == self.in_force.content.digest
            assert self.remembered.latest_time == self.latest


TestUpdates = Updates.TestCase
TestUpdates.settings = settings(max_examples=60, stateful_step_count=25)
