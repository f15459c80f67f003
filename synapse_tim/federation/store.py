"""Store of the accepted list in Synapse's own database, SQLite or PostgreSQL.

Stored are the signed bytes, so that everyone who reads them verifies them again; the same list compiled and
sealed, so that nobody has to wait for that; what is remembered of accepted lists, which is the floor for
later ones; and the certificates that signer paths are built from.
Transactions may be retried by Synapse, so each can run twice.
"""

from __future__ import annotations

import datetime as dt
import itertools
import logging
from collections.abc import Iterable, Iterator
from typing import Any, Final

from cryptography import x509
from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_tim.adapter.database import create_tables, is_missing_table
from synapse_tim.federation.acceptance import Acceptance
from synapse_tim.federation.list import FederationList, parse_payload
from synapse_tim.federation.list_reader import pack, unpack
from synapse_tim.federation.refusals import ListRefusedError, as_refusals
from synapse_tim.jose.large_jws import CompactJws, JwsLimits
from synapse_tim.pki.certificates import fingerprint, parse_certificate, to_der
from synapse_tim.pki.errors import CertificateError
from synapse_tim.pki.trust_anchors import RootLink
from synapse_tim.pki.trust_store import TrustMaterial

logger = logging.getLogger(__name__)

_CHUNK: Final = 256 * 1024

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
    """CREATE TABLE IF NOT EXISTS synapse_tim_federation_list_compiled (
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
_SIGNED: Final = "synapse_tim_federation_list_chunk"
_COMPILED: Final = "synapse_tim_federation_list_compiled"
_ROW: Final = 1

#: What is remembered, the list in one of its forms, and the certificates that it rests on.
Stored = tuple[Acceptance | None, bytearray | None, TrustMaterial]
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

    async def read(self, max_bytes: int) -> Stored:
        """What is remembered, the list as it is stored, and the certificates, in one transaction.

        Args:
            max_bytes: a stored list over this size is left out.
        """
        return await self._api.run_db_interaction("synapse_tim_read_list", _read, _SIGNED, max_bytes)

    async def read_compiled(self, max_bytes: int) -> Stored:
        """The same with the compiled list; without one if nobody has made the table yet."""
        try:
            return await self._api.run_db_interaction(
                "synapse_tim_read_compiled_list", _read, _COMPILED, max_bytes
            )
        except Exception as error:
            if not is_missing_table(error):
                raise
            return await self.read_acceptance(), None, TrustMaterial()

    async def write(
        self,
        remembered: Acceptance,
        packed: bytes | bytearray | None,
        material: TrustMaterial,
        sealed: bytes | None = None,
    ) -> bool:
        """Store a step of the update cycle, unless a later version is stored already.

        Args:
            remembered: what to remember.
            packed: the list itself, unless it is stored already.
            material: the certificates that it rests on.
            sealed: the compiled list, unless it is stored already.

        Returns:
            Whether it was stored. Two processes may fetch for a while, when background tasks move.
        """
        return await self._api.run_db_interaction(
            "synapse_tim_write_list", _write, remembered, packed, material, sealed
        )

    async def write_compiled(self, jws_digest: str, sealed: bytes) -> None:
        """Store the compiled form of the list that is stored, unless it is another one by now."""

        def write(txn: LoggingTransaction) -> None:
            stored = _read_acceptance(txn)
            if stored is not None and stored.jws_digest == jws_digest:
                _write_chunks(txn, _COMPILED, jws_digest, sealed)

        await self._api.run_db_interaction("synapse_tim_write_compiled_list", write)


def read_stored(txn: Any, max_bytes: int) -> Stored:
    """What is remembered, the list itself, and the certificates, with the cursor of a transaction.

    Args:
        txn: the cursor.
        max_bytes: a stored list over this size is left out.
    """
    remembered, packed, material = _read(txn, _SIGNED, max_bytes)
    return remembered, unpack(packed, max_bytes) if packed is not None else None, material


def write_step(txn: Any, remembered: Acceptance, data: bytearray | None, material: TrustMaterial) -> bool:
    """Store a step with the cursor of a transaction, unless a later version is stored already.

    Args:
        txn: the cursor.
        remembered: what to remember.
        data: the list itself, unless it is stored already.
        material: the certificates that it rests on.
    """
    return _write(txn, remembered, pack(data) if data is not None else None, material, None)


def read_stored_list(cursor: Any) -> tuple[Acceptance, FederationList] | None:
    """The stored list, which was verified before; ``None`` if there is none, or an unusable one.

    For commands that look into the database from outside.

    Args:
        cursor: of a transaction.
    """
    remembered = _read_acceptance(cursor)
    limit = JwsLimits().total
    packed = _read_chunks(cursor, _SIGNED, remembered.jws_digest, limit) if remembered else None
    data = unpack(packed, limit) if packed is not None else None
    if remembered is None or data is None:
        return None
    try:
        with as_refusals():
            payload = CompactJws.parse(data).verified_payload()
        return remembered, parse_payload(payload)
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


def _read(txn: Any, table: str, max_bytes: int) -> Stored:
    remembered = _read_acceptance(txn)
    data = _read_chunks(txn, table, remembered.jws_digest, max_bytes) if remembered else None
    return remembered, data, _read_material(txn)


def _write(
    txn: Any,
    remembered: Acceptance,
    packed: bytes | bytearray | None,
    material: TrustMaterial,
    sealed: bytes | None,
) -> bool:
    stored = _read_acceptance(txn)
    if stored is not None and stored.version > remembered.version:
        return False
    for table, data in ((_SIGNED, packed), (_COMPILED, sealed)):
        if data is not None:
            _write_chunks(txn, table, remembered.jws_digest, data)
    _write_acceptance(txn, remembered)
    _write_material(txn, material)
    return True


def _read_chunks(txn: LoggingTransaction, table: str, digest: str, max_bytes: int) -> bytearray | None:
    """Read chunk by chunk, so that no single step keeps other threads waiting; ``None`` if there is none."""
    data = bytearray()
    for position in itertools.count():
        txn.execute(
            f"SELECT data FROM {table} WHERE jws_digest = ? AND position = ?",  # noqa: S608  # one of ours
            (digest, position),
        )
        row = txn.fetchone()
        if row is None:
            break
        data += row[0]
        if len(data) > max_bytes:
            logger.error("The stored federation list is larger than a list may be")
            return None
    return data or None


def _write_chunks(txn: LoggingTransaction, table: str, digest: str, data: bytes | bytearray) -> None:
    txn.execute(f"DELETE FROM {table}")  # noqa: S608  # one of ours
    for position, start in enumerate(range(0, len(data), _CHUNK)):
        txn.execute(
            f"INSERT INTO {table} (jws_digest, position, data) VALUES (?, ?, ?)",  # noqa: S608
            (
                digest,
                position,
                bytearray(data[start : start + _CHUNK]),
            ),  # Synapse refuses bytes on PostgreSQL
        )


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
