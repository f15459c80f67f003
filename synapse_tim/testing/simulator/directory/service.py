"""What the simulated directory knows: the domains of the federation and the version of its list."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from synapse_tim.testing.simulator.pki.signing import compact_json

_EXTRA_ROW = {
    "domain": "equivocation.tim.example",
    "telematikID": "1-SMC-B-EQUIVOCATION",
    "timAnbieter": "ORG-0001:BT-0001",
    "isInsurance": False,
}


class Directory:
    """The content of the federation list; thread-safe.

    Every change makes a new version, as in the genuine directory.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._rows: dict[str, dict[str, Any]] = {}
        self._generated = 0
        self._version = 1
        self._revision = 0

    @property
    def version(self) -> int:
        """The version of the list; may be set to any other."""
        return self._version

    @version.setter
    def version(self, value: int) -> None:
        with self._lock:
            self._version = value
            self._revision += 1

    @property
    def revision(self) -> int:
        """A number that is another after every change, unlike the version when that is set."""
        return self._revision

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that were added, without generated ones."""
        with self._lock:
            return tuple(self._rows)

    def add(
        self, domain: str, *, insurance: bool = False, ik: Iterable[str] = (), telematik_id: str | None = None
    ) -> None:
        """Put a domain on the list, or replace its entry.

        Args:
            domain: a server name, with its port if it has one.
            insurance: whether it belongs to a health insurer.
            ik: the insurer's institution codes, nine digits each.
            telematik_id: default one made up from the position on the list.
        """
        with self._lock:
            self._put(domain, insurance=insurance, ik=ik, telematik_id=telematik_id)
            self._changed()

    def remove(self, domain: str) -> None:
        """Take a domain off the list; ``KeyError`` if it is not on it."""
        with self._lock:
            del self._rows[domain]
            self._changed()

    def set_domains(self, domains: Iterable[str]) -> None:
        """Replace the whole list, as one change; none of the domains is an insurer's."""
        with self._lock:
            self._rows.clear()
            self._generated = 0
            for domain in domains:
                self._put(domain)
            self._changed()

    def set_generated(self, n: int) -> None:
        """Append this many made-up domains, every thousandth of an insurer, for lists of national size."""
        with self._lock:
            self._generated = n
            self._changed()

    def rows(self) -> list[dict[str, Any]]:
        """The entries as they stand in the list, without generated ones."""
        with self._lock:
            return [dict(row) for row in self._rows.values()]

    def restore(self, rows: Iterable[Mapping[str, Any]], version: int) -> None:
        """Set the entries, as ``rows`` gave them, and the version."""
        with self._lock:
            self._rows = {row["domain"]: dict(row) for row in rows}
            self._version = version
            self._revision += 1

    def payload(self, *, rollback: int = 0, extra: bool = False) -> bytes:
        """The list's payload as JSON.

        Args:
            rollback: by how much the version is lower than the true one.
            extra: whether it contains a domain that the directory does not know.
        """
        with self._lock:
            rows = [compact_json(row) for row in self._rows.values()]
            version, generated = max(0, self._version - rollback), self._generated
        rows.extend(_generated_rows(generated))
        if extra:
            rows.append(compact_json(_EXTRA_ROW))
        return b'{"version":%d,"domainList":[%b]}' % (version, b",".join(rows))

    def _changed(self) -> None:
        self._version += 1
        self._revision += 1

    def _put(
        self, domain: str, *, insurance: bool = False, ik: Iterable[str] = (), telematik_id: str | None = None
    ) -> None:
        row = {
            "domain": domain,
            "telematikID": telematik_id or f"1-SMC-B-TESTKARTE-{len(self._rows) + 1:06}",
            "timAnbieter": "ORG-0001:BT-0001",
            "isInsurance": insurance,
        }
        if codes := list(ik):
            row["ik"] = codes
        self._rows[domain] = row


def _generated_rows(n: int) -> Iterator[bytes]:
    row = (
        b'{"domain":"org-%06d.tim.example","telematikID":"1-SMC-B-GENERATED-%06d",'
        b'"timAnbieter":"ORG-0001:BT-0001","isInsurance":%b}'
    )
    return (row % (i, i, b"false" if i % 1000 else b"true") for i in range(1, n + 1))
