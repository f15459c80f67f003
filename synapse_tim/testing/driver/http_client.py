"""HTTP to homeservers and the directory: their refusals become the driver's, with the same status."""

import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from synapse_tim.testing.driver.errors import DriverError, Source

_TIMEOUT_SECONDS: Final = 60.0
_LONGEST_WAIT_SECONDS: Final = 5.0
_ATTEMPTS: Final = 4


def tls_context(ca_certificates: Path | None) -> ssl.SSLContext:
    """Trusts a file, or what the system trusts."""
    return ssl.create_default_context(cafile=str(ca_certificates) if ca_certificates else None)


class HttpClient:
    """Requests to one server, in any thread.

    Args:
        base_url: of it, without a slash at the end.
        ca_certificates: PEM file; ``None`` for what the system trusts.
        source: whose refusals those are.
    """

    def __init__(self, base_url: str, ca_certificates: Path | None, source: Source) -> None:
        self._base_url = base_url
        self._source = source
        self._client = httpx.Client(
            verify=tls_context(ca_certificates), timeout=_TIMEOUT_SECONDS, trust_env=False
        )

    def close(self) -> None:
        """End all connections."""
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        json: Any = None,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """An answer that is a success; waits as a client does when it is told that it asks too often.

        Args:
            method: of HTTP.
            path: below the base URL, or a whole URL.
            headers: to send.
            json: the body.
            params: the query.
            content: the body in bytes, in place of ``json``.

        Raises:
            DriverError: the server refused, or gave no answer (502).
        """
        url = path if "://" in path else self._base_url + path
        for attempt in range(_ATTEMPTS):
            try:
                answer = self._client.request(
                    method, url, headers=dict(headers), json=json, params=params, content=content
                )
            except httpx.HTTPError as error:
                text = f"no answer to {method} {path}: {error}"
                raise DriverError(502, "NO_ANSWER", text, self._source) from None
            if answer.status_code != 429 or attempt == _ATTEMPTS - 1:
                break
            time.sleep(min(_retry_after(answer), _LONGEST_WAIT_SECONDS))
        if answer.is_success:
            return answer
        raise self._refusal(answer)

    def _refusal(self, answer: httpx.Response) -> DriverError:
        body = _object(answer)
        code = body.get("errcode") or body.get("errorCode") or str(answer.status_code)
        message = body.get("error") or body.get("errorMessage") or answer.text[:1000] or answer.reason_phrase
        return DriverError(answer.status_code, str(code), str(message), self._source)


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _retry_after(answer: httpx.Response) -> float:
    milliseconds = _object(answer).get("retry_after_ms", 500)
    return milliseconds / 1000 if isinstance(milliseconds, int) else 0.5
