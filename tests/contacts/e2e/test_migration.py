"""``synapse-tim contacts``: from legacy-1.1 to 1.2 on real servers, with the approvals of their users."""

import contextlib
import json

import attrs
import pytest

from synapse_tim.admin import api as homeserver_admin
from synapse_tim.admin.api import HomeserverAdmin
from synapse_tim.cli import main
from synapse_tim.testing import SynapseServer, TiSimulator, WorkerDeployment, wait_for
from tests.contacts.e2e.world import in_database, lines_of_ours, now, owner_of, part
from tests.support.world import PRIVATE, PRO, at_worker, invited, module, versions_at

pytestmark = pytest.mark.servers

OPEN = {"defaultSetting": "allow all"}
OWN = {"defaultSetting": "block all", "serverExceptions": {"x.example": {}}}


@pytest.fixture(autouse=True)
def _directly(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")


@attrs.define
class Clinic:
    """A server that is of the legacy generation at first."""

    server: SynapseServer
    ti: TiSimulator
    root: object
    token_file: object
    capsys: object
    later: list

    def user(self, name, *contacts, **limited):
        """A user with contacts: those of ``limited`` with an end."""
        user = at_worker(self.server, self.server.register(name))
        owner = owner_of(user)
        wait_for(lambda: owner.send("GET").status_code == 200, what="the table")
        for mxid in contacts:
            owner.post(mxid).raise_for_status()
        for other, end in limited.items():
            owner.post(f"@{other}:a.example", end=end).raise_for_status()
        return user

    def command(self, *arguments):
        """Exit code, what was printed, what was said."""
        self.capsys.readouterr()
        code = main(["contacts", *arguments])
        printed = self.capsys.readouterr()
        assert self.root.access_token not in printed.out + printed.err
        return code, printed.out, printed.err

    def migrate(self, *more):
        """Exit code, and what there is about each user."""
        code, out, _ = self.command("migrate", str(self.server.config_path), "--json", *self.access, *more)
        return code, {each["user_id"]: each for each in json.loads(out)["users"]} if out else {}

    @property
    def access(self):
        return ("--homeserver-url", self.server.client_url, "--access-token-file", str(self.token_file))

    def remove_old(self, *more):
        return self.command("remove-old", str(self.server.config_path), "--yes", *more)

    def move_on(self):
        """Restart as generation 1.2."""
        self.server.config["modules"] = self.later
        self.server.restart()
        wait_for(lambda: versions_at(self.server) == {self.ti.version}, what="the list")


@pytest.fixture
def clinic(request, ti, tmp_path, capsys):
    later = [module(ti)]
    options = {"modules": later, "extra": {"federation_domain_whitelist": []}}
    if request.config.getoption("--with-workers"):
        databases = [request.getfixturevalue(f"{kind}_server") for kind in ("postgres", "redis")]
        server = WorkerDeployment("clinic", tmp_path / "clinic", ti.world, *databases, n_workers=1, **options)
    else:
        server = SynapseServer("clinic", tmp_path / "clinic", ti.world, **options)
    ti.add(server.server_name)
    server.config["modules"] = [
        part(),
        part("FederationAllowList", federation_list=ti.federation_list_config()),
        part("LoginPolicy", login={"permitted": ["password"]}),
    ]
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        server.start().wait()
        root = server.register("root", admin=True)
        token_file = tmp_path / "admin.token"
        token_file.write_text(f"{root.access_token}\n")
        token_file.chmod(0o600)
        yield Clinic(server, ti, root, token_file, capsys, later)


def outcomes(found, user):
    return sorted(each["outcome"] for each in found[user.user_id]["approvals"])


def test_af_10061_01_whoever_is_approved_may_still_invite_after_the_move(clinic, ti, tmp_path, start):
    practice = start(SynapseServer("practice", tmp_path / "practice", ti.world))
    ti.add(practice.server_name)
    erika, stranger = practice.register("erika"), practice.register("stranger")
    doctor = clinic.user("doctor", erika.user_id)
    free = clinic.user("free")
    colleague = at_worker(clinic.server, clinic.server.register("colleague"))

    code, found = clinic.migrate("--dry-run")
    assert (code, list(found)) == (0, [doctor.user_id])
    document = {
        "defaultSetting": "block all",
        "serverExceptions": {clinic.server.server_name: {}},
        "userExceptions": {erika.user_id: {}},
    }
    assert found[doctor.user_id]["written"] == document
    assert doctor.account_data(PRO).status_code == 404, "nothing was changed"

    code, found = clinic.migrate()
    assert (code, found[doctor.user_id]["written"]) == (0, document)
    assert doctor.account_data(PRO).json() == document
    assert free.account_data(PRO).status_code == 404
    assert owner_of(doctor).contacts[0]["mxid"] == erika.user_id, "the list is still there"

    clinic.move_on()
    assert doctor.account_data(PRO).json() == document
    for inviter, status in ((erika, 200), (colleague, 200), (stranger, 403)):
        room = inviter.create_room(**(PRIVATE if inviter is not colleague else {}))
        assert inviter.invite(room, doctor.user_id).status_code == status, inviter.user_id
        if status == 200:
            invited(doctor, room)
    room = stranger.create_room(**PRIVATE)
    assert stranger.invite(room, free.user_id).status_code == 200, "the operator's default applies"

    assert clinic.migrate() == (0, {doctor.user_id: {**found[doctor.user_id], "written": None}})
    code, out, _ = clinic.remove_old()
    assert (code, "0 approvals are lost" in out) == (0, True)
    code, out, _ = clinic.remove_old()
    assert (code, out) == (0, "There is no table of contacts: nothing to do.\n")
    assert clinic.migrate() == (0, {})
    assert doctor.account_data(PRO).json() == document
    assert not any(doctor.user_id in line for line in lines_of_ours(clinic.server))


def test_what_becomes_of_each_list(clinic):
    plain = clinic.user("plain", "@a:a.example", "@b:a.example")
    limited = clinic.user("limited", "@a:a.example", other=now() + 5000)
    expired = clinic.user("expired", other=now() + 5000)
    later = clinic.user("later", "@a:a.example", "@b:a.example")
    own = clinic.user("own", "@a:a.example")
    agreeing = clinic.user("agreeing", "@a:a.example")
    locked = clinic.user("locked", "@a:a.example")
    skipped = clinic.user("skipped", "@a:a.example")
    owner_of(clinic.root).post("@a:a.example").raise_for_status()
    change = "UPDATE synapse_tim_contacts SET {1} = {0} WHERE owner = {0} AND contact = {0}"
    for user, column, value, contact in (
        (expired, "end_s", now() - 5, "@other:a.example"),
        (later, "start_s", now() + 5000, "@b:a.example"),
    ):
        in_database(clinic.server, change.replace("{1}", column), (value, user.user_id, contact))
    ghost = "INSERT INTO synapse_tim_contacts VALUES ({0}, {0}, 'A', 0, NULL)"
    in_database(clinic.server, ghost, (f"@ghost:{clinic.server.server_name}", "@a:a.example"))
    own.put_account_data(PRO, OWN).raise_for_status()
    agreeing.put_account_data(PRO, OPEN).raise_for_status()
    path = f"/_synapse/admin/v2/users/{locked.user_id}"
    clinic.root.request("PUT", path, {"locked": True}).raise_for_status()
    users = (plain, limited, later, expired, skipped, clinic.root)

    skip = ("--skip", skipped.user_id)
    code, found = clinic.migrate("--dry-run", *skip)
    assert code == 1
    assert outcomes(found, limited) == ["migrated", "undecided"]
    code, out, err = clinic.command("migrate", str(clinic.server.config_path), *clinic.access, *skip)
    assert (code, out) == (2, "")
    assert err.startswith("1 approvals have an end date") and "Nothing was done" in err
    assert all(user.account_data(PRO).status_code == 404 for user in users)

    code, found = clinic.migrate("--limited", "leave-out", *skip)
    assert code == 1
    assert outcomes(found, plain) == ["migrated", "migrated"]
    assert outcomes(found, limited) == ["left out", "migrated"]
    assert outcomes(found, expired) == ["expired"]
    assert outcomes(found, later) == ["later", "migrated"]
    assert outcomes(found, own) == ["kept"]
    assert outcomes(found, agreeing) == ["covered"]
    assert outcomes(found, locked) == ["locked"]
    assert outcomes(found, skipped) == ["skipped"]
    assert outcomes(found, clinic.root) == ["migrated"]
    (nobodys,) = found[f"@ghost:{clinic.server.server_name}"]["approvals"]
    assert nobodys["outcome"] == "no account"
    assert own.account_data(PRO).json() == OWN
    assert agreeing.account_data(PRO).json() == OPEN
    for user, contacts in ((plain, "ab"), (limited, "a"), (later, "a"), (clinic.root, "a")):
        exceptions = user.account_data(PRO).json()["userExceptions"]
        assert list(exceptions) == [f"@{name}:a.example" for name in contacts]
    for user in (expired, skipped):
        assert user.account_data(PRO).status_code == 404

    # The list goes on until the move, and a later run follows it.
    owner_of(plain).send("DELETE", "/tim-contact-mgmt/v1.0.2/contacts/@a:a.example").raise_for_status()
    in_database(clinic.server, change.replace("{1}", "start_s"), (now() - 5, later.user_id, "@b:a.example"))
    clinic.root.request("PUT", path, {"locked": False}).raise_for_status()
    own.put_account_data(PRO, OPEN).raise_for_status()
    code, found = clinic.migrate()
    assert code == 0
    assert outcomes(found, limited) == ["left out", "migrated"]
    assert outcomes(found, skipped) == ["migrated"]
    assert list(plain.account_data(PRO).json()["userExceptions"]) == ["@b:a.example"]
    assert len(later.account_data(PRO).json()["userExceptions"]) == 2
    assert locked.account_data(PRO).status_code == 200


def test_no_session_is_left_behind(clinic):
    user = clinic.user("user", "@a:a.example")
    tokens = "SELECT COUNT(*) FROM access_tokens"
    before = in_database(clinic.server, tokens, fetch=True)
    devices = in_database(clinic.server, "SELECT user_id, device_id FROM devices ORDER BY 1, 2", fetch=True)
    assert clinic.migrate()[0] == 0
    assert in_database(clinic.server, tokens, fetch=True) == before
    after = in_database(clinic.server, "SELECT user_id, device_id FROM devices ORDER BY 1, 2", fetch=True)
    assert after == devices
    assert user.account_data(PRO).status_code == 200, "the user's own session goes on"


class Killed(BaseException):
    """Ends a command at once."""


@pytest.mark.parametrize("before", [True, False], ids=["before it is stored", "before it is noted"])
def test_an_interrupted_run_is_resumed_and_nothing_is_done_twice(clinic, monkeypatch, before):
    users = [clinic.user(f"user{number}", "@a:a.example") for number in range(4)]
    store, stores = HomeserverAdmin.store, []

    def counted(self, user_id, kind, content):
        if len(stores) == 2 and before:
            raise Killed
        store(self, user_id, kind, content)
        stores.append(user_id)
        if len(stores) == 3 and not before:
            raise Killed

    monkeypatch.setattr(HomeserverAdmin, "store", counted)
    with pytest.raises(Killed):
        clinic.migrate()
    there = [user.account_data(PRO).status_code for user in users]
    assert there == ([200, 200, 404, 404] if before else [200, 200, 200, 404])
    # Meanwhile one of them approves somebody else; its document is known as ours all the same.
    owner_of(users[2]).post("@b:a.example").raise_for_status()
    monkeypatch.setattr(HomeserverAdmin, "store", lambda *all_: stores.append(all_[1]) or store(*all_))
    del stores[:]
    code, found = clinic.migrate()
    assert (code, stores) == (0, [users[2].user_id, users[3].user_id])
    assert outcomes(found, users[2]) == ["migrated", "migrated"]
    assert len(users[2].account_data(PRO).json()["userExceptions"]) == 2
    del stores[:]
    assert (clinic.migrate()[0], stores) == (0, [])


def test_a_homeserver_that_goes_away_is_not_asked_for_each_user(clinic, monkeypatch):
    users = [clinic.user(f"user{number}", "@a:a.example") for number in range(3)]
    store, stores = HomeserverAdmin.store, []

    def then_stop(self, user_id, kind, content):
        stores.append(user_id)
        store(self, user_id, kind, content)
        clinic.server.stop()

    monkeypatch.setattr(homeserver_admin, "_ATTEMPTS", 1)
    monkeypatch.setattr(HomeserverAdmin, "store", then_stop)
    code, found = clinic.migrate()
    assert (code, stores) == (1, [user.user_id for user in users[:2]])
    assert [outcomes(found, user) for user in users] == [["migrated"], ["failed"], ["failed"]]
    faults = [found[user.user_id]["fault"] for user in users]
    assert faults == [None, "the homeserver does not answer (ConnectError)", "not tried"]
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    clinic.server.start().wait()
    assert clinic.migrate()[0] == 0
    assert [user.account_data(PRO).status_code for user in users] == [200, 200, 200]


def test_a_move_before_the_migration_is_not_too_late_and_is_warned_about(clinic):
    user = clinic.user("user", "@a:a.example", limited=now() + 5000)
    code, _, err = clinic.remove_old()
    assert (code, "legacy-1.1" in err) == (2, True)
    clinic.move_on()
    warning = "2 approvals of 1 users were neither migrated nor decided on"
    wait_for(lambda: warning in clinic.server.log_text(), what="the warning")
    assert clinic.server.log_text().count(warning) == 1
    assert user.account_data(PRO).json() == OPEN, "shown to clients, and not stored"
    code, out, err = clinic.remove_old()
    assert (code, out) == (1, "")
    assert err.startswith("2 approvals of 1 users were neither migrated nor decided on")
    code, found = clinic.migrate("--limited", "allow")
    assert (code, outcomes(found, user)) == (0, ["migrated", "migrated"])
    assert len(user.account_data(PRO).json()["userExceptions"]) == 2
    changed = {**OWN, "userExceptions": {"@new:a.example": {}}}
    user.put_account_data(PRO, changed).raise_for_status()
    code, found = clinic.migrate()
    assert (code, outcomes(found, user)) == (0, ["migrated", "migrated"])
    assert user.account_data(PRO).json() == changed, "what users change is theirs"
    clinic.move_on()
    assert clinic.server.log_text().count("Approval lists of legacy-1.1") == 1, "no more"
    assert clinic.remove_old()[0] == 0


def test_force_loses_what_is_left(clinic):
    clinic.user("user", "@a:a.example")
    clinic.move_on()
    code, out, _ = clinic.remove_old("--force")
    assert (code, out) == (0, "The approval lists are removed; 1 approvals are lost.\n")


def test_what_the_command_cannot_work_with(clinic, tmp_path):
    user = clinic.user("user", "@a:a.example")
    config, token = str(clinic.server.config_path), tmp_path / "token"
    url = ("--homeserver-url", clinic.server.client_url)
    for content, said in (
        ("", "expected one access token"),
        ("a b", "expected one access token"),
        ("unknown", "status 401 M_UNKNOWN_TOKEN"),
        (user.access_token, "status 403 M_FORBIDDEN"),
    ):
        token.write_text(content)
        code, out, err = clinic.command("migrate", config, *url, "--access-token-file", str(token))
        assert (code, out) == (2, "")
        assert said in err
        assert user.access_token not in err
    access = ("--access-token-file", str(clinic.token_file))
    for arguments, said in (
        (access, "--homeserver-url and --access-token-file are required"),
        (url, "--homeserver-url and --access-token-file are required"),
        ((*access, "--homeserver-url", "http://127.0.0.1:1"), "the homeserver does not answer"),
        ((*access, "--homeserver-url", "nonsense"), "has to be an http or https URL"),
        (
            (*access, *url, "--skip", "@nobody:x.example"),
            "--skip: these users have no approval list: @nobody:x.example",
        ),
    ):
        code, out, err = clinic.command("migrate", config, *arguments)
        assert (code, out) == (2, ""), arguments
        assert said in err
    assert user.account_data(PRO).status_code == 404
