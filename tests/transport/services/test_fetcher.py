"""Transport: mutual TLS, own CA bundle, end at shutdown."""

import socket
import ssl
import threading

import pytest

from synapse_tim.federation.refusals import Refusal
from synapse_tim.testing.simulator.simulator import TiSimulator
from synapse_tim.testing.waiting import HANGING_SECONDS, wait_for
from synapse_tim.transport.errors import TransportError, TransportReason
from synapse_tim.transport.fetcher import Fetcher
from synapse_tim.transport.tls import client_context


def get(fetcher, url, **changes):
    return fetcher.get(url, **{"max_bytes": 1_000_000, "deadline": 60.0, **changes})


def reason(caught):
    return caught.value.reason


def test_mutual_tls(bench):
    with TiSimulator(require_client_certificate=True) as ti:
        ti.add("hospital.example")
        assert bench(ti, with_client_certificate=True).step().result == "accepted"
        assert bench(ti).step().refusal.reason is Refusal.UNREACHABLE


def test_a_server_whose_certificate_nobody_vouches_for_is_not_talked_to(ti):
    fetcher = Fetcher(ssl.create_default_context())
    with pytest.raises(TransportError) as caught:
        get(fetcher, ti.list_url)
    assert reason(caught) is TransportReason.UNREACHABLE
    assert caught.value.is_certificate_refused
    ti.stop()
    with pytest.raises(TransportError) as caught:
        get(fetcher, ti.list_url)
    assert reason(caught) is TransportReason.UNREACHABLE
    assert not caught.value.is_certificate_refused
    fetcher.close()


def test_the_query_of_the_url_is_kept(ti):
    fetcher = Fetcher(client_context(ti.ca_file))
    get(fetcher, ti.list_url + "?tenant=7", params={"version": "1"})
    assert "tenant=7" in ti.requests[-1][1]
    assert "version=1" in ti.requests[-1][1]
    fetcher.close()


@pytest.mark.parametrize("fault", ["slow_drip", "slow_headers"])
def test_closing_ends_an_exchange_that_is_under_way(ti, fault):
    setattr(ti.faults, fault, 0.1)
    fetcher = Fetcher(client_context(ti.ca_file))
    ended = []

    def fetch():
        with pytest.raises(TransportError):
            get(fetcher, ti.list_url, deadline=600.0)
        ended.append(True)

    thread = threading.Thread(target=fetch)
    thread.start()
    wait_for(lambda: fetcher._running, what="the exchange")
    threading.Event().wait(0.3)
    fetcher.close()
    thread.join(HANGING_SECONDS)
    assert ended == [True]


def test_nothing_is_fetched_after_closing(ti):
    fetcher = Fetcher(client_context(ti.ca_file))
    fetcher.close()
    with pytest.raises(TransportError) as caught:
        get(fetcher, ti.list_url)
    assert reason(caught) is TransportReason.UNREACHABLE


def test_a_name_that_takes_for_ever_to_look_up_does_not_hold_anybody_up(monkeypatch):
    answered = threading.Event()
    look_up = socket.getaddrinfo

    def slow(*args, **kwargs):
        answered.wait(HANGING_SECONDS)
        return look_up(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    fetcher = Fetcher()
    with pytest.raises(TransportError) as caught:
        get(fetcher, "http://localhost:9/", deadline=0.2)
    assert reason(caught) is TransportReason.DEADLINE
    answered.set()
    fetcher.close()


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Encoding: \x1b[2J\x9b2J",
        b"HTTP/1.1 200 OK\r\n\x1b[2J: x",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x1b[2J",
        b"\x1b[2J",
    ],
)
def test_a_server_does_not_speak_to_the_terminal(head, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fetcher = Fetcher()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(head + b"\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(TransportError) as caught:
            get(fetcher, f"http://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join()
    fetcher.close()
    assert str(caught.value).isprintable()
