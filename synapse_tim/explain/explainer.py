"""Explains, with the rules of the modules, what a homeserver would decide about users and servers."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from synapse_tim.contacts.three_stage_rules import decided_by_invitee, stage_three
from synapse_tim.core.denial import Denial
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.core.server_name import normalise, of_matrix_id
from synapse_tim.directory.failures import DirectoryError
from synapse_tim.directory.owner_types import OwnerType
from synapse_tim.explain.explanation import Explanation, Step
from synapse_tim.explain.stored import Stored, UnreadableDocument
from synapse_tim.federation.acceptance import Acceptance, OnStale
from synapse_tim.federation.federation_members import FederationMembers
from synapse_tim.federation.list import FederationList
from synapse_tim.invites.denials import (
    APPROVAL_UNAVAILABLE,
    INSURED_INVITES_INSURED,
    INVITEE_NOT_REGISTERED,
    INVITEE_REFUSES,
    INVITEE_UNKNOWN,
    INVITEE_UNREADABLE,
)
from synapse_tim.invites.permission_config import PermissionConfig, PermissionConfigError, for_server, parse
from synapse_tim.invites.rules import InviteRules, InviteSwitches

_LIST: Final = "federation list"
#: Asks the directory for the owner of a user's entries; ``None`` if no directory is configured.
OwnerTypes = Callable[[str], OwnerType] | None


@attrs.frozen
class Policy:
    """What the configuration says."""

    server_name: str
    product: Product
    spec_version: SpecVersion
    default: Mapping[str, object]  #: the permission configuration of users who have stored none
    max_age: dt.timedelta  #: of the list since its last confirmation
    on_stale: OnStale
    now: dt.datetime
    switches: InviteSwitches = attrs.field(
        factory=InviteSwitches
    )  #: what the operator allows beside gematik's rules


@attrs.frozen
class Explainer:
    """Answers questions about one homeserver."""

    policy: Policy
    stored: Stored
    owner_type: OwnerTypes = None

    def invitation(self, inviter: str, invitee: str) -> Explanation:
        """Why one user may invite another, or may not; the same holds for contact without an invitation."""
        question = f"May {inviter} invite {invitee}?"
        list_step, found = self._list()
        members = self._members(found)
        rules = InviteRules(members, self.policy.product, self.policy.switches)
        steps = [list_step, Step("generation", f"{self.policy.product} {self.policy.spec_version}")]
        for role, user_id in (("inviter", inviter), ("invitee", invitee)):
            steps.append(self._server(f"{role}'s server", of_matrix_id(user_id), rules))
        denial = rules.check(inviter, invitee)
        if denial is None:
            steps.append(Step("two insured persons", "no"))
        elif denial is INSURED_INVITES_INSURED:
            steps.append(Step("two insured persons", "yes, who never invite each other", denial))
        elif all(step.denial is None for step in steps):
            steps.append(Step("invites.insured, invites.outgoing", "switched off by the operator", denial))
        if denial is not None:
            return Explanation(question, tuple(steps), "No, whatever the invitee wants.")
        if of_matrix_id(invitee) != self.policy.server_name:
            other = of_matrix_id(invitee)
            steps.append(Step("who decides", f"{other}: only the invitee's server knows what they want"))
            result = f"As far as this server is concerned; {other} may refuse. Its helpdesk knows."
            return Explanation(question, tuple(steps), result)
        if self.policy.spec_version.is_legacy:
            steps += self._approval(inviter, invitee)
        else:
            steps += self._permission(inviter, invitee, insured=rules.is_insured(inviter))
        explanation = Explanation(question, tuple(steps))
        if explanation.denial is APPROVAL_UNAVAILABLE:
            return attrs.evolve(explanation, result="Unknown: the directory decides.", known=False)
        return attrs.evolve(explanation, result="No." if explanation.denial else "Yes.")

    def server(self, name: str) -> Explanation:
        """Whether this homeserver talks to another one."""
        list_step, found = self._list()
        rules = InviteRules(self._members(found), self.policy.product, self.policy.switches)
        normal = normalise(name)
        steps = [list_step]
        if normal is None:
            steps.append(Step("name", "no server name", rules.members.check(None)))
        else:
            steps.append(self._server("server", normal, rules))
        if found is not None and normal is not None:
            codes = sorted(code for code, domain in found[1].ik_to_domain.items() if domain == normal)
            if codes:
                steps.append(Step("institution codes", ", ".join(codes)))
        explanation = Explanation(f"Is {name} in the federation?", tuple(steps))
        return attrs.evolve(explanation, result="No." if explanation.denial else "Yes.")

    def user(self, user_id: str) -> Explanation:
        """What is stored about a local user."""
        account = self.stored.account(user_id)
        if account is None:
            steps = [Step("account", "none, unless an application service has it", self._unknown())]
            return Explanation(f"What about {user_id}?", tuple(steps), "Cannot be invited.")
        kind = "an administrator's" if account.is_administrator else "a user's"
        if account.is_deactivated:
            steps = [Step("account", f"{kind}, deactivated", self._unknown())]
        else:
            steps = [Step("account", kind)]
        if not self.policy.spec_version.is_legacy:
            steps.append(self._document(user_id)[0])
        for link in self.stored.links(user_id):
            ended = (
                f"; all sessions were ended by the provider at {_time(link.ended_at)}"
                if link.ended_at
                else ""
            )
            steps.append(Step("belongs to a person at", link.provider + ended))
        for session in self.stored.sessions(user_id):
            of = (
                f"in a session of {', '.join(session.providers)}"
                if session.providers
                else "in no provider's session"
            )
            steps.append(Step("device", f"{session.device_id}, {of}"))
        explanation = Explanation(f"What about {user_id}?", tuple(steps))
        return attrs.evolve(explanation, result="Cannot be invited." if explanation.denial else "")

    def _list(self) -> tuple[Step, tuple[Acceptance, FederationList] | None]:
        found = self.stored.federation_list()
        if found is None:
            return Step(_LIST, "none is stored, so no other server is a member"), None
        remembered, content = found
        text = (
            f"version {remembered.version}, accepted {_time(remembered.accepted_at)}, "
            f"confirmed {_time(remembered.confirmed_at)}, {len(content.domains)} domains"
        )
        stale = self._why_stale(remembered, content)
        if stale is not None:
            text += f"; stale, {stale}"
            text += (
                ", so no other server is a member" if self.policy.on_stale is OnStale.DENY else ", and kept"
            )
        return Step(_LIST, text), found

    def _why_stale(self, remembered: Acceptance, content: FederationList) -> str | None:
        if self.policy.now - remembered.confirmed_at > self.policy.max_age:
            return "not confirmed for too long"
        if content.expires_at is not None and content.expires_at < self.policy.now:
            return "it has expired"
        return None

    def _members(self, found: tuple[Acceptance, FederationList] | None) -> FederationMembers:
        usable = None if found is None else found[1]
        if found is not None and self.policy.on_stale is OnStale.DENY and self._why_stale(*found):
            usable = None
        return FederationMembers(self.policy.server_name, usable)

    def _server(self, subject: str, name: str | None, rules: InviteRules) -> Step:
        denial = rules.members.check(name)
        if denial is not None:
            return Step(subject, f"{name}: not a member", denial)
        kind = "an insurer's" if rules.is_insurer(name) else "an organisation's"
        own = "this server, " if name == self.policy.server_name else ""
        return Step(subject, f"{name}: {own}{kind}")

    def _permission(self, inviter: str, invitee: str, *, insured: bool) -> list[Step]:
        account = self.stored.account(invitee)
        if account is None or account.is_deactivated:
            return [Step("invitee's account", "none, or deactivated", INVITEE_UNKNOWN)]
        step, config = self._document(invitee)
        if config is None or config.allows(inviter, inviter_is_insured=insured):
            return [Step("invitee's account", "there is one"), step]
        return [Step("invitee's account", "there is one"), attrs.evolve(step, denial=INVITEE_REFUSES)]

    def _document(self, user_id: str) -> tuple[Step, PermissionConfig | None]:
        document, subject = self.stored.permissions(user_id), "permission configuration"
        if document is None:
            config = parse(for_server(self.policy.default, self.policy.server_name), self.policy.product)
            return Step(subject, f"none stored, so the default: {_summary(config)}"), config
        fault = "no JSON"
        if not isinstance(document, UnreadableDocument):
            try:
                config = parse(document, self.policy.product)
                return Step(subject, f"stored: {_summary(config)}"), config
            except PermissionConfigError as error:
                fault = str(error)
        return Step(
            subject, f"stored, but unreadable ({fault}), so nobody may invite", INVITEE_UNREADABLE
        ), None

    def _approval(self, inviter: str, invitee: str) -> list[Step]:
        account = self.stored.account(invitee)
        if account is None or account.is_deactivated:
            return [Step("invitee's account", "none, or deactivated", INVITEE_NOT_REGISTERED)]
        if of_matrix_id(inviter) == self.policy.server_name:
            return [Step("invitee's account", "there is one, and colleagues may invite each other")]
        steps = [Step("invitee's account", "there is one")]
        window = self.stored.approval(invitee, inviter)
        if window is not None:
            start, end = window
            until = "for ever" if end is None else f"until {_time(dt.datetime.fromtimestamp(end, dt.UTC))}"
            text = f"from {_time(dt.datetime.fromtimestamp(start, dt.UTC))} {until}"
            now = self.policy.now.timestamp()
            if start <= now and (end is None or now <= end):
                return [*steps, Step("approval list", f"names the inviter {text}")]
            steps.append(Step("approval list", f"names the inviter {text}, which is not now"))
        else:
            steps.append(Step("approval list", "does not name the inviter"))
        return [*steps, self._directory(inviter, invitee)]

    def _directory(self, inviter: str, invitee: str) -> Step:
        if self.owner_type is None:
            return Step("directory", "not asked: none is configured", APPROVAL_UNAVAILABLE)
        try:
            owner = self.owner_type(invitee)
            other = OwnerType.NONE if decided_by_invitee(owner) else self.owner_type(inviter)
        except DirectoryError as error:
            return Step("directory", f"no answer: {error}", APPROVAL_UNAVAILABLE)
        asked = "" if decided_by_invitee(owner) else f", the inviter as {other.value}"
        return Step("directory", f"lists the invitee as {owner.value}{asked}", stage_three(owner, other))

    def _unknown(self) -> Denial:
        return INVITEE_NOT_REGISTERED if self.policy.spec_version.is_legacy else INVITEE_UNKNOWN


def _summary(config: PermissionConfig) -> str:
    exceptions = [*sorted(config.servers), *sorted(config.users)]
    if config.insured_persons:
        exceptions.append("all insured persons")
    default = "allow all" if config.allows_by_default else "block all"
    return f"{default} except {', '.join(exceptions)}" if exceptions else default


def _time(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
