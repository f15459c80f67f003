"""Migration of approval lists, one user after the other.

Each user is looked at again right before anything is written, and what was written is read back from the
database. A run that is interrupted anywhere can be repeated: what is done is not done again.
"""

from collections.abc import Callable, Iterable, Iterator

import attrs

from synapse_tim.admin.api import HomeserverAdmin, NoAnswerError, StoringError
from synapse_tim.contacts.migration_rules import MigrationRules, Plan, UserList, digest, encoded
from synapse_tim.contacts.migration_store import ContactLists, ContactNotes


@attrs.frozen
class Done:
    """What became of a user."""

    plan: Plan  #: that was carried out, or that failed
    fault: str = ""  #: why it failed; empty if it did not
    no_answer: bool = False  #: whether the homeserver did not answer


@attrs.frozen(eq=False)
class ContactMigration:
    """Migrates lists."""

    rules: MigrationRules
    kind: str  #: the account data type of permission configurations
    lists: ContactLists
    notes: ContactNotes
    admin: HomeserverAdmin
    clock: Callable[[], int]  #: seconds since 1970

    def migrate_all(self, owners: Iterable[str]) -> Iterator[Done]:
        """Migrate the lists of users, until the homeserver no longer answers."""
        answers = True
        for owner in owners:
            done = self.migrate(owner) if answers else self._pass_over(owner)
            answers = answers and not done.no_answer
            yield done

    def migrate(self, owner: str) -> Done:
        """Migrate the list of a user, as far as that is not done."""
        user = self.lists.of(owner)
        plan = self.rules.plan(user, self.clock())
        if plan.document is None:
            self.notes.done(plan, _ours(user), self.clock())
            return Done(plan)
        written = digest(plan.document)
        self.notes.intend(owner, written)
        try:
            self.admin.store(owner, self.kind, encoded(plan.document))
        except StoringError as error:
            return Done(plan.failed(), str(error), isinstance(error, NoAnswerError))
        if self.lists.stored(owner) != plan.document:
            fault = "what was stored is not in the database of this configuration"
            return Done(plan.failed(), fault)
        self.notes.done(plan, written, self.clock())
        return Done(plan)

    def _pass_over(self, owner: str) -> Done:
        plan = self.rules.plan(self.lists.of(owner), self.clock())
        return Done(plan) if plan.document is None else Done(plan.failed(), "not tried")


def _ours(user: UserList) -> str | None:
    """The digest of what is stored, if it was written by an earlier run."""
    stored = digest(user.stored)
    return stored if stored in user.written else None
