"""The process that reads a list: the same answers as here, its death has a name, and it inherits nothing."""

import os
import signal
import socket
import sys
import threading

import attrs
import pytest

from synapse_tim.federation import list_reader, reader_process
from synapse_tim.federation.list_reader import Task, pack
from synapse_tim.federation.reader_process import ReaderProcess
from synapse_tim.federation.refusals import ListRefusedError, Refusal
from synapse_tim.jose.large_jws import JwsLimits
from synapse_tim.testing.simulator.pki.world import make_world, sign_list

ALGORITHMS = frozenset({"BP256R1"})


@pytest.fixture(scope="module")
def world():
    return make_world()


@pytest.fixture(scope="module")
def signed(world):
    return sign_list(
        b'{"version":7,"domainList":[{"domain":"a.example","telematikID":"1","isInsurance":true,"ik":["109500969"]},'
        b'{"domain":"b.example","telematikID":"2","isInsurance":false}]}',
        world.list_signer,
    )


def task(data, **changes):
    return attrs.evolve(Task(data, ALGORITHMS, JwsLimits()), **changes)


def refused(reader, what):
    with pytest.raises(ListRefusedError) as error:
        reader(what)
    return error.value


@pytest.mark.parametrize("changes", [{}, {"pack": True}, {"packed": True}])
def test_it_reads_what_would_be_read_here(signed, changes):
    data = pack(signed) if "packed" in changes else signed
    there, here = ReaderProcess()(task(data, **changes)), list_reader.read(task(data, **changes))
    assert there.compiled.data == here.compiled.data
    assert there.certificates == here.certificates
    assert there.packed == here.packed
    assert dict(there.compiled.content.domains) == {"a.example": True, "b.example": False}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"version":1,"version":2,"domainList":[]}', Refusal.PAYLOAD_MALFORMED),
        (b'{"version":1,"domainList":{}}', Refusal.DOMAIN_LIST_INVALID),
        (b'{"version":-1,"domainList":[]}', Refusal.VERSION_INVALID),
        (b'{"version":1,"hashAlgorithm":"x","domainList":[]}', Refusal.PAYLOAD_HASHED),
        (b'{"version":1,"iat":"x","domainList":[]}', Refusal.TIMES_INVALID),
        (b'{"version":1,"domainList":[' + b"[" * 100_000, Refusal.PAYLOAD_MALFORMED),
    ],
)
def test_refusals_have_the_same_names(world, payload, reason):
    what = task(sign_list(payload, world.list_signer))
    there, here = refused(ReaderProcess(), what), refused(list_reader.read, what)
    assert there.reason is here.reason is reason
    assert there.detail == here.detail


def test_other_refusals_too(signed):
    cut = signed[:-4] + b"AAAA"
    assert refused(ReaderProcess(), task(cut)).reason is Refusal.SIGNATURE_INVALID
    assert refused(ReaderProcess(), task(b"")).reason is Refusal.NOT_A_COMPACT_JWS
    assert refused(ReaderProcess(), task(b"x", packed=True)).reason is Refusal.NOT_A_COMPACT_JWS
    es256 = task(signed, algorithms=frozenset({"ES256"}))
    assert refused(ReaderProcess(), es256).reason is Refusal.ALGORITHM_NOT_ALLOWED
    small = task(signed, limits=JwsLimits(total=100))
    assert refused(ReaderProcess(), small).reason is Refusal.TOO_LARGE


def test_a_list_that_needs_too_much_memory(world):
    """Signed by whoever may, and made of what takes twenty times its size in memory."""
    payload = b'{"version":1,"domainList":[' + b"[],[],[],[]," * 3_500_000 + b"[]]}"
    assert refused(ReaderProcess(), task(sign_list(payload, world.list_signer))).reason is (
        Refusal.READER_OUT_OF_MEMORY
    )


def test_one_that_is_late_is_killed(signed, monkeypatch):
    stands_still(monkeypatch)
    reader = ReaderProcess(seconds=0.2)
    assert refused(reader, task(signed)).reason is Refusal.READER_TOO_SLOW
    assert not reader._running


def stands_still(monkeypatch):
    """A program that takes the list and never answers."""
    program(monkeypatch, "import sys, time; sys.stdin.buffer.read(); time.sleep(1000)")


def program(monkeypatch, text):
    popen = reader_process.subprocess.Popen

    def start(command, **options):
        return popen([sys.executable, "-c", text], **options)

    monkeypatch.setattr(reader_process.subprocess, "Popen", start)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("raise SystemExit(3)", "exit status 3"),
        ("import sys; sys.stdin.buffer.read(); print('{}')", "exit status 0"),
        ("import sys; sys.stdin.buffer.read(); print('[]')", "exit status 0"),
        ('import sys; sys.stdin.buffer.read(); print(\'{"compiled": 5, "packed": 0}\')', "exit status 0"),
        ('import sys; sys.stdin.buffer.read(); print(\'{"refusal": "new", "detail": ""}\')', "exit status 0"),
        ("import sys; sys.stdout.buffer.write(bytes(1 << 24))", ""),
    ],
)
def test_one_that_dies_or_talks_nonsense_has_failed(signed, monkeypatch, text, says):
    program(monkeypatch, text)
    error = refused(ReaderProcess(), task(signed, limits=JwsLimits(total=1 << 20)))
    assert error.reason is Refusal.READER_FAILED
    assert says in error.detail


def test_one_that_cannot_be_started_has_failed(signed, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert refused(ReaderProcess(), task(signed)).reason is Refusal.READER_FAILED
    monkeypatch.setattr(sys, "executable", "")
    assert refused(ReaderProcess(), task(signed)).reason is Refusal.READER_FAILED


def test_closing_ends_what_is_under_way(signed, monkeypatch):
    stands_still(monkeypatch)
    reader, found = ReaderProcess(), []
    thread = threading.Thread(target=lambda: found.append(refused(reader, task(signed))))
    thread.start()
    while not reader._running:
        pass
    reader.close()
    thread.join()
    assert found[0].reason is Refusal.READER_FAILED
    assert refused(reader, task(signed)).detail == "shutting down"


def test_it_inherits_no_secret_and_no_connection(signed, monkeypatch):
    monkeypatch.setenv("SYNAPSE_SECRET", "s3cr3t")
    listener = socket.create_server(("127.0.0.1", 0))
    listener.set_inheritable(True)
    try:
        program(
            monkeypatch,
            "import json, os, sys; sys.stdin.buffer.read();"
            "print(json.dumps({'refusal': 'internal', 'detail': json.dumps("
            "[dict(os.environ), sorted(os.listdir('/proc/self/fd')), os.getcwd()])}))",
        )
        detail = refused(ReaderProcess(), task(signed)).detail
    finally:
        listener.close()
    environment, files, directory = list_reader.json.loads(detail)
    assert set(environment) <= {"PYTHONPATH", "PATH", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX", "LC_CTYPE"}
    assert "s3cr3t" not in detail
    assert len(files) == 4  # standard input, output, error, and the listing itself
    assert directory == "/"


def test_it_takes_no_program_from_where_it_is_started(signed, tmp_path, monkeypatch):
    (tmp_path / "attrs.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    assert ReaderProcess()(task(signed)).compiled.content.version == 7


def test_it_lives_with_limits_that_it_cannot_change(signed, monkeypatch):
    """A sandbox that forbids ``setrlimit``, or has set lower limits already, is no reason to fail."""

    def forbidden(what, limits):
        raise PermissionError

    monkeypatch.setattr(list_reader.resource, "setrlimit", forbidden)
    list_reader._limit(list_reader.resource.RLIMIT_CORE, 0)
    monkeypatch.undo()
    popen, limited = reader_process.subprocess.Popen, 'ulimit -v 4000000; exec "$@"'
    monkeypatch.setattr(
        reader_process.subprocess,
        "Popen",
        lambda command, **options: popen(["/bin/sh", "-c", limited, "sh", *command], **options),
    )
    assert ReaderProcess()(task(signed)).compiled.content.version == 7


def test_a_child_without_its_parent_ends(signed):
    """Half a request: whoever asked is gone."""
    command = [sys.executable, "-m", list_reader.__name__]
    pipe = reader_process.subprocess.PIPE
    process = reader_process.subprocess.Popen(command, stdin=pipe, stdout=pipe, env=dict(os.environ))
    output, _ = process.communicate(list_reader.request(task(signed)) + signed[:100])
    assert (process.returncode, output) == (0, b"")
    assert process.returncode != signal.SIGKILL
