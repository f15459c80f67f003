"""Store of the accepted list in Synapse's own database, SQLite or PostgreSQL.

Stored are the signed bytes, so that everyone who reads them verifies them again; what is remembered of
accepted lists, which is the floor for later ones; and the certificates that signer paths are built from.
Transactions may be retried by Synapse, so each can run twice.
"""

from __future__ import annotations

import datetime as dt
import logging
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from cryptography import x509
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_tim.adapter.database import create_tables
from synapse_tim.federation.acceptance import Acceptance
from synapse_tim.federation.list import parse_payload
from synapse_tim.federation.refusals import ListRefusedError, as_refusals
from synapse_tim.jose.large_jws import CompactJws, JwsLimits
from synapse_tim.pki.certificates import fingerprint, parse_certificate, to_der
from synapse_tim.pki.errors import CertificateError
from synapse_tim.pki.trust_anchors import RootLink
from synapse_tim.pki.trust_store import TrustMaterial

logger = logging.getLogger(__name__)

_CHUNK: Final = 256 * 1024
_SLICE: Final = 1 << 20

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS synapse_tim_federation_list (
        id INTEGER PRIMARY KEY,
        version BIGINT NOT NULL,
        jws_digest TEXT NOT NULL,
        payload_digest TEXT NOT NULL,
        accepted_ts BIGINT NOT NULL,
        confirmed_ts BIGINT NOT NULL,
        latest_ts BIGINT NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS synapse_tim_federation_list_chunk (
        jws_digest TEXT NOT NULL,
        position INTEGER NOT NULL,
        data BYTEA NOT NULL,
        PRIMARY KEY (jws_digest, position)
    )""",
    """CREATE TABLE IF NOT EXISTS synapse_tim_trust_certificate (
        fingerprint TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        certificate BYTEA NOT NULL,
        cross_certificate BYTEA,
        followed_ts BIGINT NOT NULL
    )""",
)
_ROW: Final = 1
_ROOT, _SUB_CA = "root", "sub_ca"


class ListStore:
    """Reads and writes the tables ``synapse_tim_…``.

    Args:
        api: Synapse's module API.
    """

    def __init__(self, api: ModuleApi) -> None:
        self._api = api

    async def create_tables(self) -> None:
        """Create what is missing; for one process only."""
        await create_tables(self._api, TABLES, "synapse_tim_create_tables")

    async def read_acceptance(self) -> Acceptance | None:
        """What is remembered of accepted lists."""
        return await self._api.run_db_interaction("synapse_tim_read_acceptance", _read_acceptance)

    async def read(self, max_bytes: int) -> tuple[Acceptance | None, bytearray | None, TrustMaterial]:
        """Everything, in one transaction.

        Args:
            max_bytes: a stored list over this size is left out.
        """
        return await self._api.run_db_interaction("synapse_tim_read_list", read_stored, max_bytes)

    async def write(self, remembered: Acceptance, data: bytearray | None, material: TrustMaterial) -> bool:
        """Store a step of the update cycle, unless a later version is stored already.

        Args:
            remembered: what to remember.
            data: the list itself, unless it is stored already.
            material: the certificates that it rests on.

        Returns:
            Whether it was stored. Two processes may fetch for a while, when background tasks move.
        """
        return await self._api.run_db_interaction(
            "synapse_tim_write_list", write_step, remembered, data, material
        )


def read_stored(txn: Any, max_bytes: int) -> tuple[Acceptance | None, bytearray | None, TrustMaterial]:
    """Everything that is stored, with the cursor of a transaction; arguments as for ``ListStore.read``."""
    remembered = _read_acceptance(txn)
    data = _read_list(txn, remembered.jws_digest, max_bytes) if remembered else None
    return remembered, data, _read_material(txn)


def write_step(txn: Any, remembered: Acceptance, data: bytearray | None, material: TrustMaterial) -> bool:
    """Store a step with the cursor of a transaction; arguments and result as for ``ListStore.write``."""
    stored = _read_acceptance(txn)
    if stored is not None and stored.version > remembered.version:
        return False
    if data is not None:
        _write_list(txn, remembered.jws_digest, data)
    _write_acceptance(txn, remembered)
    _write_material(txn, material)
    return True


def read_stored_insurers(cursor: Any) -> frozenset[str] | None:
    """The insurers' servers of the stored list, which was verified before; ``None`` if there is none.

    For commands that look into the database from outside.

    Args:
        cursor: of a transaction.
    """
    remembered = _read_acceptance(cursor)
    data = _read_list(cursor, remembered.jws_digest, JwsLimits().total) if remembered else None
    try:
        with as_refusals():
            payload = CompactJws.parse(data).verified_payload() if data else None
        return parse_payload(payload).insurance_domains if payload is not None else None
    except ListRefusedError as error:
        logger.error("The stored federation list is not usable: %s", error)
        return None


def _read_acceptance(txn: LoggingTransaction) -> Acceptance | None:
    txn.execute(
        "SELECT version, jws_digest, payload_digest, accepted_ts, confirmed_ts, latest_ts"
        " FROM synapse_tim_federation_list WHERE id = ?",
        (_ROW,),
    )
    row = txn.fetchone()
    if row is None:
        return None
    version, jws_digest, payload_digest, *times = row
    return Acceptance(version, jws_digest, payload_digest, *(_from_ms(ms) for ms in times))


def _write_acceptance(txn: LoggingTransaction, remembered: Acceptance) -> None:
    txn.execute(
        "INSERT INTO synapse_tim_federation_list"
        " (id, version, jws_digest, payload_digest, accepted_ts, confirmed_ts, latest_ts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version,"
        " jws_digest = excluded.jws_digest, payload_digest = excluded.payload_digest,"
        " accepted_ts = excluded.accepted_ts, confirmed_ts = excluded.confirmed_ts,"
        " latest_ts = excluded.latest_ts",
        (
            _ROW,
            remembered.version,
            remembered.jws_digest,
            remembered.payload_digest,
            _to_ms(remembered.accepted_at),
            _to_ms(remembered.confirmed_at),
            _to_ms(remembered.latest_time),
        ),
    )


def _read_list(txn: LoggingTransaction, digest: str, max_bytes: int) -> bytearray | None:
    """Read a list chunk by chunk, so that no single step keeps other threads waiting."""
    inflate, data = zlib.decompressobj(), bytearray()
    try:
        for chunk in _chunks(txn, digest):
            data += inflate.decompress(chunk, max_bytes + 1 - len(data))
            if len(data) > max_bytes:
                logger.error("The stored federation list is larger than a list may be")
                return None
    except zlib.error:
        logger.error("The stored federation list is damaged")
        return None
    return data if inflate.eof else None


def _chunks(txn: LoggingTransaction, digest: str) -> Iterator[bytes]:
    position = 0
    while True:
        txn.execute(
            "SELECT data FROM synapse_tim_federation_list_chunk WHERE jws_digest = ? AND position = ?",
            (digest, position),
        )
        row = txn.fetchone()
        if row is None:
            return
        yield bytes(row[0])
        position += 1


def _write_list(txn: LoggingTransaction, digest: str, data: bytearray) -> None:
    txn.execute("DELETE FROM synapse_tim_federation_list_chunk")
    for position, chunk in enumerate(_deflated(data)):
        txn.execute(
            "INSERT INTO synapse_tim_federation_list_chunk (jws_digest, position, data) VALUES (?, ?, ?)",
            (digest, position, bytearray(chunk)),  # Synapse refuses bytes on PostgreSQL
        )


def _deflated(data: bytearray) -> Iterator[bytes]:
    deflate, pending, view = zlib.compressobj(1), bytearray(), memoryview(data)
    for start in range(0, len(data), _SLICE):
        pending += deflate.compress(view[start : start + _SLICE])
        while len(pending) >= _CHUNK:
            yield bytes(pending[:_CHUNK])
            del pending[:_CHUNK]
    pending += deflate.flush()
    for start in range(0, len(pending), _CHUNK):
        yield bytes(pending[start : start + _CHUNK])


def _read_material(txn: LoggingTransaction) -> TrustMaterial:
    txn.execute(
        "SELECT kind, certificate, cross_certificate, followed_ts FROM synapse_tim_trust_certificate"
        " ORDER BY followed_ts, fingerprint"
    )
    links, sub_cas = [], []
    for kind, der, cross_der, followed_ts in txn.fetchall():
        try:
            certificate = parse_certificate(bytes(der))
            cross = parse_certificate(bytes(cross_der)) if cross_der is not None else None
        except CertificateError as error:
            logger.error("A stored certificate is not usable: %s", error)
            continue
        if kind == _ROOT:
            links.append(RootLink(certificate, cross, _from_ms(followed_ts)))
        elif kind == _SUB_CA:
            sub_cas.append(certificate)
    return TrustMaterial(tuple(links), tuple(sub_cas))


def _write_material(txn: LoggingTransaction, material: TrustMaterial) -> None:
    """Store the evidence as it counts now: that of earlier pins may lead nowhere any more."""
    for row in _material_rows(material.links, material.sub_cas):
        txn.execute(
            "INSERT INTO synapse_tim_trust_certificate"
            " (fingerprint, kind, certificate, cross_certificate, followed_ts)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (fingerprint) DO UPDATE SET"
            " cross_certificate = excluded.cross_certificate, followed_ts = excluded.followed_ts",
            row,
        )


def _material_rows(
    links: Iterable[RootLink], sub_cas: Iterable[x509.Certificate]
) -> Iterator[tuple[Any, ...]]:
    for link in links:
        cross = bytearray(to_der(link.cross)) if link.cross is not None else None
        root = bytearray(to_der(link.certificate))
        yield (fingerprint(link.certificate), _ROOT, root, cross, _to_ms(link.followed_at))
    for sub_ca in sub_cas:
        yield (fingerprint(sub_ca), _SUB_CA, bytearray(to_der(sub_ca)), None, 0)


def _to_ms(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)


def _from_ms(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
