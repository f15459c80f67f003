"""nginx and HAProxy on loopback, with the files of ``contrib/reverse-proxy``, and what is asked of them."""

import os
import shutil
import ssl
from pathlib import Path

import httpx
import pytest

from synapse_tim.contacts.resource import BASE_PATH as CONTACTS
from synapse_tim.information.client_report_resource import BASE_PATH as REPORTS
from synapse_tim.information.resource import BASE_PATH as INFORMATION
from synapse_tim.login.gateway_issuer import GATEWAY_PATH
from synapse_tim.login.resources import BASE_PATH as LOGIN
from synapse_tim.testing import wait_for
from synapse_tim.testing.ports import free_ports
from synapse_tim.testing.servers.processes import Child
from synapse_tim.testing.waiting import HANGING_SECONDS

CONFIGURATIONS = Path(__file__).resolve().parents[2] / "contrib" / "reverse-proxy"
CLIENT = "/_matrix/client/v3"
IK = "109500969"
#: What reaches Synapse.
PASSED = (
    f"{CLIENT}/account/whoami",
    "/_matrix/client/versions",
    "/_matrix/media/v3/config",
    "/_matrix/key/v2/server",
    "/_matrix/federation/v1/version",
    "/.well-known/matrix/client",
    "/.well-known/matrix/server",
    "/.well-known/matrix/support",
    "/_synapse/client/pick_idp",
    f"{LOGIN}/nonce",
    f"{LOGIN}/jwks.json",
    f"{LOGIN}/backchannel_logout",
    f"{GATEWAY_PATH}/.well-known/openid-configuration",
    f"{GATEWAY_PATH}/authorize",
    INFORMATION,
    f"{INFORMATION}/",
    f"{INFORMATION}/v1/server/findByIk?ikNumber={IK}",
    f"{REPORTS}/report",
    f"{CONTACTS}/",
)
#: What does not.
KEPT_AWAY = (
    "/",
    "/_synapse/admin/v1/server_version",
    "/_synapse/admin/v2/users",
    "/_synapse/mas/query_user",
    "/_synapse/metrics",
    "/_synapse/replication/presence_set_state/a",
    "/_matrix/../_synapse/admin/v1/server_version",
    "/_matrix/%2e%2e/_synapse/admin/v1/server_version",
    "/_synapse/client/../admin/v1/server_version",
    "//_synapse/admin/v1/server_version",
    "/_synapse/%61dmin/v1/server_version",
    "/tim-informationen",
    "/health",
)


def needs(program):
    """Skip where a program is missing."""
    missing = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None
    return pytest.mark.skipif(missing, reason=f"{program} is not installed (Debian: {program})")


class Proxy:
    """A proxy in front of a server.

    Args:
        file: of ``contrib/reverse-proxy``.
        directory: for what it writes.
        server: the homeserver, for certificate and key.
        ports: where Synapse is, by the port in the file.
    """

    def __init__(self, file, directory, server, ports, port=None):
        self.directory = directory
        directory.mkdir(parents=True)
        self.https, self.federation = free_ports(2)
        self.federation = port or self.federation
        text = (CONFIGURATIONS / file).read_text()
        for there, here in {":443": self.https, ":8448": self.federation, **ports}.items():
            text = text.replace(f"listen {there[1:]} ", f"listen 127.0.0.1:{here} ")
            text = text.replace(f"bind {there} ", f"bind 127.0.0.1:{here} ")
            text = text.replace(f"127.0.0.1{there}", f"127.0.0.1:{here}")
        text = "".join(line for line in text.splitlines(keepends=True) if "[::]" not in line)
        both = directory / "both.pem"
        both.write_bytes(server.secrets.certificate.read_bytes() + server.secrets.private_key.read_bytes())
        for path in ("/etc/ssl/private/messenger.pem", "/etc/ssl/messenger.pem"):
            text = text.replace(path, str(both))
        text = text.replace("/etc/ssl/private/messenger.key", str(server.secrets.private_key))
        text = text.replace("messenger.example.de", "localhost").replace("/var/log/nginx", str(directory))
        (directory / file).write_text(text)
        if file.startswith("nginx"):
            command = ["nginx", "-c", str(self._around(file)), "-e", str(directory / "errors")]
        else:
            command = ["haproxy", "-db", "-f", str(directory / file)]
        command[0] = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin")
        self._child = Child(file, command, directory / "output", cwd=directory)
        context = ssl.create_default_context(cafile=str(server.secrets.ca))
        options = {"verify": context, "trust_env": False, "timeout": HANGING_SECONDS}
        self.client = httpx.Client(base_url=f"https://localhost:{self.https}", **options)

    def _around(self, file):
        """What Debian's nginx.conf has around a file of ``sites-enabled``."""
        scratch = "".join(
            f"{name}_temp_path {self.directory / name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;\n" if os.getuid() == 0 else ""
        path = self.directory / "around.conf"
        path.write_text(
            f"{user}daemon off;\nworker_processes 1;\npid {self.directory / 'pid'};\nevents {{}}\n"
            f"http {{\n{scratch}include {self.directory / file};\n}}\n"
        )
        return path

    @property
    def federation_url(self):
        return f"https://localhost:{self.federation}"

    def start(self):
        self._child.start()

        def answers():
            try:
                return self.client.get("/health").status_code
            except httpx.TransportError:
                assert self._child.running, (self.directory / "output").read_text()
                return None

        wait_for(answers, what=self._child.name)
        return self

    def stop(self):
        self.client.close()
        self._child.stop()

    def written(self):
        """All that it logged."""
        return "".join(
            path.read_text()
            for path in self.directory.iterdir()
            if path.suffix in (".log", "") and path.is_file()
        )

    # What is asked

    def is_passed(self, path):
        """Whether Synapse answers, and not the proxy."""
        # httpx would take "/../" out of a path.
        request = self.client.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=path.encode())
        answer = self.client.send(request)
        own_page = "404 Not Found</h1>"  # Synapse has others
        return own_page not in answer.text

    def log_in(self, user, password="password"):
        """A client of a user."""
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": password,
        }
        session = self.client.post(f"{CLIENT}/login", json=body).raise_for_status().json()
        return {"Authorization": f"Bearer {session['access_token']}"}, session


def check_clients(proxy, server, user):
    """Rooms, media, information and reports, as a client of a user uses them."""
    forged = {"X-Forwarded-For": "203.0.113.9"}
    token, session = proxy.log_in(user)
    headers = {**token, **forged}
    http = proxy.client
    room = http.post(f"{CLIENT}/createRoom", json={}, headers=headers).raise_for_status().json()["room_id"]
    escaped = room.replace("!", "%21").replace(":", "%3A")
    event = {"msgtype": "m.text", "body": "through the proxy"}
    sent = http.put(f"{CLIENT}/rooms/{escaped}/send/m.room.message/1%2F2", json=event, headers=headers)
    assert sent.status_code == 200, sent.text
    synced = http.get(f"{CLIENT}/sync", headers=headers).raise_for_status().json()
    assert room in synced["rooms"]["join"]
    large = http.post("/_matrix/media/v3/upload", content=b"x" * 3_000_000, headers=headers)
    assert large.status_code == 200, large.text
    asked = f"{CLIENT}/user/{session['user_id']}/openid/request_token"
    open_id = http.post(asked, json={}, headers=headers).raise_for_status().json()["access_token"]
    bearer = {"Authorization": f"Bearer {open_id}"}
    found = http.get(f"{INFORMATION}/v1/server/findByIk?ikNumber={IK}", headers=bearer)
    assert found.json() == {"serverName": "insurer.example"}
    report = {"start": "2026-03-23T12:13:23.183Z"}
    assert http.post(f"{REPORTS}/report", json=report, headers=headers).status_code == 200
    # Synapse takes the address from the proxy, and the proxy takes none from the client.
    devices = f"{CLIENT}/devices/{session['device_id']}"
    seen = wait_for(lambda: http.get(devices, headers=headers).json().get("last_seen_ip"), what="an address")
    assert seen == "127.0.0.1"
    written = proxy.written()
    assert "POST" in written
    for secret in (session["access_token"], session["user_id"], room, escaped, "findByIk"):
        assert secret not in written


def check_federation(proxy, server, other):
    """Signatures of another server are about the path as it was sent."""
    there = {"to": proxy.federation_url, "destination": server.server_name}
    profile = f"/_matrix/federation/v1/query/profile?user_id=%40somebody%3A{server.server_name}"
    answer = other.federation_request("GET", profile, **there)
    assert answer.json() == {"displayname": "somebody"}
    room = "/_matrix/federation/v1/make_join/%21unknown%3Aroom.example/%40a%2Fb%3Alocalhost?ver=10"
    answer = other.federation_request("GET", room, **there)
    assert (answer.status_code, answer.json()["errcode"]) == (404, "M_NOT_FOUND"), answer.text
    unsigned = proxy.client.get(f"{proxy.federation_url}/_matrix/federation/v1/query/profile?user_id=x")
    assert unsigned.status_code == 401
