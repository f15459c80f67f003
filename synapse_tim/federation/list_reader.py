"""Reads a signed list: its signature, its payload, and into the compact form.

``read`` does it here; ``python -m synapse_tim.federation.list_reader`` does it as a process of its own, for
``reader_process``: the request comes on standard input, the answer goes to standard output. That process has
limits of its own for memory, time and files, knows no secret, and needs neither Synapse nor any network.

Whether the signer may be believed is not judged here: the path of its certificate belongs to the verifier.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import os
import resource
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import IO, Final

import attrs
from cryptography import x509

from synapse_tim.federation.compiled import CompiledList
from synapse_tim.federation.list import parse_payload
from synapse_tim.federation.refusals import ListRefusedError, Refusal, as_refusals
from synapse_tim.jose.large_jws import CompactJws, JwsLimits
from synapse_tim.pki.certificates import parse_certificate, to_der

#: What the interpreter takes, and what each byte of a list may: half a million entries take half of that.
_BASE_MEMORY: Final = 384 << 20
_MEMORY_PER_BYTE: Final = 8
#: All else is more urgent than to verify again what was verified.
_NICE: Final = 10
#: As they are stored, lists have an eighth of their size.
_MOST_INFLATED: Final = 16
_SLICE: Final = 1 << 20
_MAX_LINE: Final = 1 << 20


@attrs.frozen(eq=False)
class Task:
    """What is to be read.

    Attributes:
        data: the serialization.
        algorithms: signature algorithms that the operator allows.
        limits: the bounds of the serialization.
        packed: whether ``data`` is packed, as it is stored.
        pack: whether it is wanted packed.
    """

    data: bytes | bytearray
    algorithms: frozenset[str]
    limits: JwsLimits
    packed: bool = False
    pack: bool = False


@attrs.frozen(eq=False)
class ReadList:
    """What was read.

    Attributes:
        compiled: the list.
        certificates: ``x5c``; the key of the first one has made the signature.
        packed: the serialization as it is stored, if it was asked for.
    """

    compiled: CompiledList
    certificates: tuple[x509.Certificate, ...]
    packed: bytes | None = None


#: Reads a list, here or elsewhere; raises ``ListRefusedError``.
Reader = Callable[[Task], ReadList]


def pack(data: bytes | bytearray) -> bytes:
    """Deflate a serialization; other threads run meanwhile."""
    return zlib.compress(data, 1)


def unpack(packed: bytes | bytearray, max_bytes: int) -> bytearray | None:
    """Inflate what ``pack`` made; ``None`` if it is damaged, incomplete or too large."""
    inflate, data = zlib.decompressobj(), bytearray()
    view = memoryview(packed)
    try:
        for start in range(0, len(view), _SLICE):
            data += inflate.decompress(view[start : start + _SLICE], max_bytes + 1 - len(data))
            if len(data) > max_bytes:
                return None
    except zlib.error:
        return None
    return data if inflate.eof else None


@as_refusals()
def read(task: Task) -> ReadList:
    """Verify the signature with the key that the list itself names, and read the payload.

    Raises:
        ListRefusedError: with the reason.
    """
    data = unpack(task.data, task.limits.total) if task.packed else task.data
    if data is None:
        raise ListRefusedError(Refusal.NOT_A_COMPACT_JWS, "what is stored is damaged")
    with ThreadPoolExecutor(max_workers=1) as aside:
        packed = aside.submit(pack, data) if task.pack else None
        jws = CompactJws.parse(data, task.limits)
        jws.require_algorithm(task.algorithms)
        content = parse_payload(jws.verified_payload())
        compiled = CompiledList.of(content, jws.digest, jws.algorithm)
        return ReadList(compiled, jws.certificates, packed.result() if packed is not None else None)


def request(task: Task) -> bytes:
    """The line that announces a task; the data follows."""
    facts = {
        "bytes": len(task.data),
        "algorithms": sorted(task.algorithms),
        "limits": attrs.asdict(task.limits),
        "packed": task.packed,
        "pack": task.pack,
    }
    return json.dumps(facts).encode() + b"\n"


def answer_of(output: IO[bytes], max_bytes: int) -> ReadList:
    """Read the answer of the process.

    Raises:
        ListRefusedError: that the process has answered.
        ValueError: it is no complete answer, or one over ``max_bytes``.
    """
    answer = json.loads(output.readline(_MAX_LINE))
    if "refusal" in answer:
        raise ListRefusedError(Refusal(answer["refusal"]), answer["detail"])
    sizes = (answer["compiled"], answer["packed"])
    if not 0 <= sum(sizes) <= max_bytes:
        raise ValueError("the answer is too long")
    compiled, packed = (output.read(size) for size in sizes)
    if (len(compiled), len(packed)) != sizes or output.read(1):
        raise ValueError("the answer is incomplete, or goes on")
    certificates = tuple(parse_certificate(base64.b64decode(text)) for text in answer["certificates"])
    return ReadList(CompiledList.read(compiled), certificates, packed or None)


def main() -> None:
    """Answer one request, and end."""
    gc.disable()  # nothing here has cycles, and each pass would look at half a million entries
    with contextlib.suppress(OSError):  # should memory get short, this is the process to end
        Path("/proc/self/oom_score_adj").write_text("1000")
    source = sys.stdin.buffer
    assert isinstance(source, BufferedReader)  # noqa: S101  # as the interpreter opens it
    facts = json.loads(source.readline())
    size = facts["bytes"]
    if facts["packed"]:  # a list that was verified before
        os.nice(_NICE)
    inflated = size * _MOST_INFLATED if facts["packed"] else size
    _limit(resource.RLIMIT_AS, _BASE_MEMORY + _MEMORY_PER_BYTE * min(inflated, facts["limits"]["total"]))
    for what in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        _limit(what, 0)
    for piece in _answer(facts, size, source):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _limit(what: int, value: int) -> None:
    """Lower a limit. A sandbox may forbid that; who started this process ends it anyway when it is late."""
    _, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(what, (value, value))


def _answer(facts: dict[str, object], size: int, source: BufferedReader) -> Iterator[bytes]:
    try:
        data = bytearray(size)
        if source.readinto(data) != size:  # whoever asked is gone
            return
        found = read(_task(facts, data))
    except ListRefusedError as error:
        yield _refused(error.reason, error.detail)
    except MemoryError:
        yield _refused(Refusal.READER_OUT_OF_MEMORY, f"a list of {size} bytes")
    else:
        packed = found.packed or b""
        certificates = [base64.b64encode(to_der(each)).decode() for each in found.certificates]
        sizes = {"compiled": len(found.compiled.data), "packed": len(packed), "certificates": certificates}
        yield json.dumps(sizes).encode() + b"\n"
        yield found.compiled.data
        yield packed


def _refused(reason: Refusal, detail: str) -> bytes:
    return json.dumps({"refusal": reason.value, "detail": detail}).encode() + b"\n"


def _task(facts: dict[str, object], data: bytearray) -> Task:
    return Task(
        data,
        frozenset(facts["algorithms"]),  # type: ignore[call-overload]
        JwsLimits(**facts["limits"]),  # type: ignore[arg-type]
        packed=bool(facts["packed"]),
        pack=bool(facts["pack"]),
    )


if __name__ == "__main__":
    main()
