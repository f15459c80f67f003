"""The mirror as a process, in front of a simulated TI: what it serves, to whom, and what it withstands."""

import contextlib
import datetime as dt
import socket
import sqlite3
import ssl
import threading
import time

import httpx
import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from synapse_tim.cli import main
from synapse_tim.mirror.web_server import MAX_BODY, REQUEST_SECONDS
from synapse_tim.pki.revocation import build_request, judge_answer
from synapse_tim.testing import TiSimulator, wait_for
from synapse_tim.testing.servers.mirror import MirrorServer
from synapse_tim.testing.simulator.pki.world import file_name

LIST, ROOTS = "/federationList.jws", "/ECC/ROOT-CA/roots.json"
MAX_CONNECTIONS = 40


@pytest.fixture(scope="module")
def ti():
    with TiSimulator() as simulator:
        simulator.add("hospital.example")
        yield simulator


@pytest.fixture(scope="module")
def start(ti, tmp_path_factory):
    """Start a mirror that has the list; stopped at the end."""
    with contextlib.ExitStack() as stack:

        def run(**settings):
            server = MirrorServer(tmp_path_factory.mktemp("mirror"), ti, **settings)
            stack.callback(server.stop)
            return with_list(server.start())

        yield run


def with_list(server):
    wait_for(lambda: server.metrics().get("synapse_tim_federation_list_version"), what="the list")
    return server


@pytest.fixture(scope="module")
def mirror(start):
    return start(max_connections=MAX_CONNECTIONS)


@pytest.fixture(autouse=True)
def no_faults(ti):
    yield
    ti.faults.reset()
    ti.start()


@pytest.fixture
def get(mirror, ti):

    def run(path, **more):
        return httpx.get(mirror.url + path, timeout=30, **more)

    wait_for(lambda: run(f"{LIST}?version={ti.version}").status_code == 204, what="the newest version")
    return run


def question(ti, nonce=None):
    return build_request(ti.world.list_signer.certificate, ti.world.sub_ca.certificate, nonce)


def updates(mirror, result):
    return mirror.metrics().get(f'synapse_tim_federation_list_updates_total{{result="{result}"}}', 0)


# What is served


def test_the_list_is_served_with_a_validator_and_its_age(get, ti):
    whole = get(LIST)
    assert (whole.status_code, whole.headers["Content-Type"]) == (200, "application/jose")
    assert int(whole.headers["Age"]) <= 60
    etag = whole.headers["ETag"]
    for headers, params, status in (
        ({"If-None-Match": etag}, {}, 304),
        ({"If-None-Match": f'"x", {etag}'}, {}, 304),
        ({"If-None-Match": '"x"'}, {}, 200),
        ({}, {"version": ti.version}, 204),
        ({}, {"version": ti.version - 1}, 200),
        ({}, {"version": ti.version, "sigAlg": "BP256R1"}, 204),
    ):
        answer = get(LIST, headers=headers, params=params)
        assert (answer.status_code, answer.headers["ETag"]) == (status, etag), (headers, params)
        assert answer.content == (whole.content if status == 200 else b"")
    head = httpx.head(whole.url)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(whole.content)))


def test_a_version_that_is_newer_than_the_mirrors_is_no_rollback(get, ti):
    """Whoever has it asked another mirror: an older list would alarm them."""
    answer = get(LIST, params={"version": ti.version + 1})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "15")


@pytest.mark.parametrize(
    ("params", "status"),
    [("version=x", 400), ("version=-1", 400), (f"version={'9' * 40}", 400), ("sigAlg=ES256", 406)],
)
def test_a_request_for_what_there_is_not_is_refused(get, params, status):
    assert get(f"{LIST}?{params}").status_code == status


@pytest.mark.parametrize(
    "path",
    [
        *("/", "//", "/%00", "/metrics", "/federationList.jws/", "/" + "x" * 4000),
        *("/ECC/SUB-CA/", "/ECC/SUB-CA/..%2f..%2fetc%2fpasswd", "/ECC/SUB-CA/GEM.CA99.der"),
        *("/ECC/SUB-CA/a..der", "/ECC/SUB-CA/%ff.der"),
    ],
)
def test_there_is_nothing_else(get, path):
    assert get(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", LIST, 405), ("PUT", "/x", 405), ("GET", "/ocsp", 405), ("BREW", "/", 405)],
)
def test_other_methods_are_refused(get, mirror, method, path, status):
    assert httpx.request(method, mirror.url + path).status_code == status


def test_roots_and_sub_cas_are_served_as_on_the_download_server(get, ti):
    assert get(ROOTS).content == ti.world.roots_json()
    assert get(f"/ECC/SUB-CA/{file_name(ti.world.sub_ca)}").content == ti.world.sub_ca.der


def test_an_ocsp_answer_is_the_responders_own_for_everybody(get, mirror, ti):
    signer, sub_ca = ti.world.list_signer.certificate, ti.world.sub_ca.certificate
    before, answers = ti.count("/ocsp"), set()
    for nonce in (None, b"a" * 16, b"b" * 16):
        answer = httpx.post(f"{mirror.url}/ocsp", content=question(ti, nonce)).content
        assert not judge_answer(answer, signer, sub_ca, dt.datetime.now(dt.UTC), nonce).revoked
        answers.add(answer)
    assert len(answers) == 1
    assert ti.count("/ocsp") == before  # it was at hand since the list was verified
    with pytest.raises(x509.ExtensionNotFound):
        ocsp.load_der_ocsp_response(answers.pop()).extensions.get_extension_for_class(x509.OCSPNonce)


def test_ocsp_requests_about_others_go_nowhere(get, mirror, ti):
    """The mirror is no open relay: only issuers that the list has to do with are asked about."""
    before = ti.count("/ocsp")
    foreign = ti.world.look_alike_sub_ca()
    about = build_request(ti.world.list_signer.certificate, foreign.certificate, None)
    assert httpx.post(f"{mirror.url}/ocsp", content=about).status_code == 404
    for wrong in (b"", b"x", b"\x30\x03\x02\x01\x05"):
        assert httpx.post(f"{mirror.url}/ocsp", content=wrong).status_code == 400
    assert ti.count("/ocsp") == before


# What is refused from the source


@pytest.mark.parametrize(
    ("fault", "value", "reason"),
    [
        ("bad_signature", True, "signature_invalid"),
        ("wrong_role", True, "signer_role"),
        ("rollback", 1, "rollback"),
        ("same_version_other_content", True, "equivocation"),
        ("status", 500, "http_status"),
    ],
)
def test_what_does_not_verify_is_not_served(get, mirror, ti, fault, value, reason):
    good, before = get(LIST).content, updates(mirror, reason)
    setattr(ti.faults, fault, value)
    wait_for(lambda: updates(mirror, reason) > before, what=reason)
    assert httpx.get(mirror.url + LIST).content == good


def test_many_wait_for_one_look_up(start, ti):
    server = start()
    before = ti.count(ROOTS)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(httpx.get(server.url + ROOTS, timeout=30).status_code))
        for _ in range(30)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 30
    assert ti.count(ROOTS) <= before + 1


# While the source is down


def test_the_last_good_list_survives_a_restart_without_the_source(start, ti):
    server = start()
    before = httpx.get(server.url + LIST)
    ti.stop()
    try:
        server.stop()
        server.start()
        with_list(server)
        after = httpx.get(server.url + LIST)
        assert (after.content, after.headers["ETag"]) == (before.content, before.headers["ETag"])
        assert httpx.get(server.url + "/health").status_code == 200
        assert httpx.get(server.url + ROOTS).content == ti.world.roots_json()
        assert httpx.get(f"{server.url}/ECC/SUB-CA/{file_name(ti.world.sub_ca)}").status_code == 200
        assert httpx.post(f"{server.url}/ocsp", content=question(ti)).status_code == 200
        assert httpx.get(f"{server.url}/ECC/SUB-CA/GEM.CA98.der").status_code == 503
        wait_for(lambda: int(httpx.get(server.url + LIST).headers["Age"]) >= 2, what="the list to age")
    finally:
        ti.start()
    wait_for(lambda: httpx.get(server.url + LIST).headers["Age"] in "01", what="a confirmation")


def test_a_list_that_is_too_old_is_not_served(start, ti):
    server = start(federation_list={"max_age": "3s"})
    ti.stop()
    try:
        wait_for(lambda: httpx.get(server.url + LIST).status_code == 503, what="the end of max_age")
        assert httpx.get(server.url + LIST, params={"version": ti.version}).status_code == 503
        assert httpx.get(server.url + "/health").status_code == 503
        wait_for(lambda: server.metrics()["synapse_tim_federation_list_stale"] == 1, what="the metric")
    finally:
        ti.start()
    wait_for(lambda: httpx.get(server.url + LIST).status_code == 200, what="the list")


def test_what_somebody_writes_into_the_database_is_not_served(start, ti):
    server = start()
    server.stop()
    with contextlib.closing(sqlite3.connect(server.database)) as database, database:
        for table in ("synapse_tim_federation_list_chunk", "synapse_tim_mirror_document"):
            assert database.execute(f"UPDATE {table} SET data = ?", (b"forged",)).rowcount > 0
    ti.stop()
    try:
        server.start()
        for path in (LIST, ROOTS, "/health"):
            assert httpx.get(server.url + path, timeout=30).status_code == 503
        assert httpx.post(f"{server.url}/ocsp", content=question(ti), timeout=30).status_code in (404, 503)
    finally:
        ti.start()
    with_list(server)


# Hostile clients


def connect(mirror):
    return socket.create_connection(("localhost", mirror.port), timeout=30)


def ended(connection):
    """What came before the other end closed the connection."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(4096):
            found += piece
    return found


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"x: " + b"a" * 20000 + b"\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 60 + b"\r\n", b"400"),
        (b"GET " + b"/" * 20000, b"400"),
        (b"rubbish\r\n\r\n", b"400"),
        (b"POST /ocsp HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), b"413"),
        (b"POST /ocsp HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", b"413"),
        (b"POST /ocsp HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /ocsp HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"413"),
        (b"POST /ocsp HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
    ],
)
def test_requests_that_are_too_large_or_no_http_end_the_connection(get, mirror, sent, status):
    with connect(mirror) as connection:
        connection.sendall(sent)
        answers = (status,) if len(sent) < 8192 else (status, b"")  # what is not read resets the connection
        assert ended(connection)[9:12] in answers
    assert get("/health").status_code == 200


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b""),
        (b"GET / HTT", b"P"),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n"),
        (b"POST /ocsp HTTP/1.1\r\nContent-Length: 4000\r\n\r\n", b"x"),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", b""),
    ],
    ids=["silence", "bytes", "headers", "body", "kept open"],
)
def test_a_connection_that_drips_is_ended_in_time(get, mirror, head, drop):
    began = time.monotonic()
    with connect(mirror) as connection:
        connection.settimeout(0.5)
        connection.sendall(head)
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 60:
                try:
                    if not connection.recv(4096):
                        break
                except TimeoutError:
                    connection.sendall(drop)
    assert REQUEST_SECONDS - 1 < time.monotonic() - began < 60
    assert get("/health").status_code == 200


def test_connections_beyond_the_limit_are_closed_and_the_others_answered(get, mirror):
    refused = "synapse_tim_mirror_connections_refused_total"
    before = mirror.metrics()[refused]
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(mirror)) for _ in range(MAX_CONNECTIONS)]
        wait_for(
            lambda: mirror.metrics()["synapse_tim_mirror_connections"] >= MAX_CONNECTIONS, what="connections"
        )
        assert ended(stack.enter_context(connect(mirror))) == b""
        assert mirror.metrics()[refused] > before
        held[0].sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in ended(held[0])
    wait_for(lambda: mirror.metrics()["synapse_tim_mirror_connections"] == 0, what="them to end")
    assert get("/health").status_code == 200


def test_nothing_is_said_about_who_asks(get, mirror):
    get(LIST)
    assert "127.0.0.1:" not in mirror.output.read_text().replace(f"127.0.0.1:{mirror.port}", "")
    assert get(LIST).headers["Server"] == "synapse_tim"


def test_with_tls_clients_can_be_asked_for_a_certificate(start, ti):
    tls = {"certificate": str(ti.dir / "server.pem"), "client_ca_certificates": str(ti.ca_file)}
    server = start(tls=tls)
    trusting = ssl.create_default_context(cafile=str(ti.ca_file))
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.url}/health", verify=trusting)
    trusting.load_cert_chain(ti.client_pem)
    assert httpx.get(f"{server.url}/health", verify=trusting).status_code == 200


# The file


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"listen": "8480"}, "listen: expected an address and a port"),
        ({"listen": "localhost:99999"}, "listen: expected an address and a port"),
        ({"lisen": "x"}, "lisen: this key is unknown"),
        ({"database": ""}, "database: "),
        ({"max_connections": 0}, "max_connections: "),
        ({"tls": {"certificate": "/nonexistent"}}, "tls.certificate: cannot read /nonexistent"),
        ({"federation_list": {"trust": {"pinned_roots": []}}}, "federation_list.trust.pinned_roots: "),
        ({"federation_list": {"url": "x"}}, "federation_list.url: "),
        ({"database": "/nonexistent/mirror.db"}, "database: /nonexistent/mirror.db: unable to open"),
    ],
)
def test_a_wrong_file_is_refused_with_its_keys(ti, tmp_path, capsys, change, said):
    server = MirrorServer(tmp_path, ti, **change)
    assert main(["federation-list", "mirror", str(server.config)]) == 2
    assert said in capsys.readouterr().err


def test_the_file_can_be_checked_alone(ti, tmp_path, capsys):
    server = MirrorServer(tmp_path, ti)
    assert main(["federation-list", "mirror", "--check", str(server.config)]) == 0
    assert capsys.readouterr().out == f"{server.config}: ok\n"
    assert not server.database.exists()


def test_an_address_that_is_taken_is_named(mirror, ti, tmp_path, capsys):
    server = MirrorServer(tmp_path, ti, listen=f"127.0.0.1:{mirror.port}")
    assert main(["federation-list", "mirror", str(server.config)]) == 2
    assert f"127.0.0.1:{mirror.port}" in capsys.readouterr().err
