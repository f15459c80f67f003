"""End-to-end encryption of sessions, by matrix-nio with vodozemac (extra ``driver``).

Each session has an Olm account and a store of its own. It syncs when it is about to send or to read, which is
enough: servers keep messages to devices. Devices are not verified, as those of a client that nobody has
verified; there is no cross-signing and no key backup, which matrix-nio does not have.
"""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import secrets
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

from synapse_tim.testing.driver.errors import DriverError, Source, bad_request, refused_by_client
from synapse_tim.testing.driver.http_client import tls_context
from synapse_tim.testing.driver.session import MatrixSession

_TIMEOUT_SECONDS: Final = 120.0
_ATTEMPTS: Final = 10
_WAIT_MS: Final = 1000

T = TypeVar("T")


def is_available() -> bool:
    """Whether what it needs is installed."""
    return all(importlib.util.find_spec(name) for name in ("nio", "vodozemac", "peewee"))


class Keyring:
    """Where the keys of all sessions are, and the thread in which matrix-nio runs.

    Args:
        directory: where to keep them; ``None`` for a temporary one, removed at the end.
    """

    def __init__(self, directory: Path | None) -> None:
        self._own = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="test-driver-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="encryption", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for the result; ``DriverError`` 504 if there is none in time, 502 if there was no answer."""
        from aiohttp import ClientError

        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(_TIMEOUT_SECONDS)
        except TimeoutError:
            future.cancel()
            raise DriverError(504, "TIMEOUT", "keys were not exchanged in time") from None
        except ClientError as error:
            raise DriverError(502, "NO_ANSWER", str(error), Source.HOMESERVER) from None

    def encryption_of(self, session: MatrixSession) -> Encryption:
        """Make the keys of a session; ``DriverError`` 501 if encryption is not installed."""
        if not is_available():
            raise DriverError(501, "NOT_IMPLEMENTED", 'encryption needs "synapse-tim[driver]"')
        return Encryption(self, session)

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._own:
            shutil.rmtree(self.directory, ignore_errors=True)


class Encryption:
    """The keys of one session; used by one thread at a time."""

    def __init__(self, keyring: Keyring, session: MatrixSession) -> None:
        self._keyring = keyring
        self._session = session
        self._files: dict[str, dict[str, Any]] = {}
        self._nio: Any = None
        self._directory = keyring.directory / secrets.token_hex(8)
        self._directory.mkdir(mode=0o700)
        self._keyring.run(self._open())

    async def _open(self) -> None:
        from nio import AsyncClient, AsyncClientConfig

        session = self._session
        server = session.homeserver
        config = AsyncClientConfig(max_limit_exceeded=5, max_timeouts=1, request_timeout=60)
        tls: Any = tls_context(server.ca_certificates)
        self._nio = AsyncClient(
            server.url, session.user_id, session.device_id, str(self._directory), config, ssl=tls
        )
        self._nio.restore_login(session.user_id, session.device_id, session.access_token)

    def close(self) -> None:
        """Forget the keys."""
        self._keyring.run(self._nio.close())
        shutil.rmtree(self._directory, ignore_errors=True)

    def prepare(self) -> None:
        """Publish the keys of the device."""
        self._keyring.run(self._sync())

    async def _sync(self, timeout_ms: int = 0) -> None:
        """Learn what is new, and do what it asks for."""
        nio = self._nio
        _successful(await nio.sync(timeout=timeout_ms, full_state=nio.next_batch is None))
        await nio.send_to_device_messages()
        if nio.should_upload_keys:
            _successful(await nio.keys_upload())
        if nio.should_query_keys:
            _successful(await nio.keys_query())

    # Messages

    def encrypt(self, room_id: str, kind: str, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """What to send in place of an event, after giving its keys to all devices in the room."""
        return self._keyring.run(self._encrypt(room_id, kind, content))

    async def _encrypt(self, room_id: str, kind: str, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        nio = self._nio
        await self._sync()
        for _ in range(_ATTEMPTS):
            if room_id in nio.rooms and nio.rooms[room_id].encrypted:
                break
            await self._sync(_WAIT_MS)
        else:
            raise refused_by_client(403, "the account is not in this encrypted room")
        _successful(await nio.joined_members(room_id))
        if nio.should_query_keys:
            _successful(await nio.keys_query())
        if nio.olm.should_share_group_session(room_id):
            _successful(await nio.share_group_session(room_id, ignore_unverified_devices=True))
        sent, encrypted = nio.encrypt(room_id, kind, content)
        return str(sent), dict(encrypted)

    def decrypt(self, events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The events, encrypted ones decrypted; those for which there is no key stay as they are."""
        return self._keyring.run(self._decrypt([*events]))

    async def _decrypt(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        await self._sync()
        return [self._decrypted(each) if each["type"] == "m.room.encrypted" else each for each in events]

    def _decrypted(self, event: dict[str, Any]) -> dict[str, Any]:
        from nio import EncryptionError, Event, MegolmEvent

        parsed = Event.parse_encrypted_event(copy.deepcopy(event))
        if not isinstance(parsed, MegolmEvent):
            return event
        parsed.room_id = event["room_id"]
        try:
            found = self._nio.decrypt_event(parsed)
        except EncryptionError:
            return event
        content = found.source.get("content")
        kind = found.source.get("type")
        if not isinstance(content, dict) or not isinstance(kind, str):
            return event
        if isinstance(content.get("file"), dict):
            self.remember_file(content["file"])
        return {**event, "type": kind, "content": content}

    # Files

    def encrypt_file(self, content: bytes) -> tuple[bytes, dict[str, Any]]:
        """The bytes to upload, and the ``file`` of the message without its ``url``."""
        from nio.crypto import attachments

        encrypted, file = attachments.encrypt_attachment(content)
        return encrypted, dict(file)

    def remember_file(self, file: dict[str, Any]) -> None:
        """Know the key to a file."""
        if isinstance(file.get("url"), str):
            self._files[file["url"]] = file

    def decrypt_file(self, uri: str, content: bytes) -> bytes:
        """The content of a file, as it is if its key is not known; ``DriverError`` 400 if it was changed."""
        from nio import EncryptionError
        from nio.crypto import attachments

        file = self._files.get(uri)
        if file is None:
            return content
        try:
            plain: bytes = attachments.decrypt_attachment(
                content, file["key"]["k"], file["hashes"]["sha256"], file["iv"]
            )
        except (EncryptionError, KeyError, TypeError):
            raise refused_by_client(400, "the file is not what its message says") from None
        return plain

    # Keys

    def export_keys(self) -> str:
        """The keys to messages, encrypted, after the passphrase to them."""
        passphrase = secrets.token_urlsafe(24)
        path = self._directory / "export"
        self._keyring.run(self._export(path, passphrase))
        try:
            return f"{passphrase}\n{path.read_text()}"
        finally:
            path.unlink()

    async def _export(self, path: Path, passphrase: str) -> None:
        await self._sync()
        await self._nio.export_keys(str(path), passphrase)

    def import_keys(self, key: str) -> None:
        """Take over what ``export_keys`` gave; ``DriverError`` 400 if it is anything else."""
        from nio import EncryptionError

        passphrase, _, exported = key.partition("\n")
        path = self._directory / "import"
        path.write_text(exported)
        try:
            self._keyring.run(self._nio.import_keys(str(path), passphrase))
        except (EncryptionError, ValueError):
            raise bad_request("the key is none that this driver has exported") from None
        finally:
            path.unlink()


def _successful(answer: Any) -> None:
    """Pass a refusal of the homeserver on."""
    from nio import ErrorResponse

    if isinstance(answer, ErrorResponse):
        status = getattr(answer.transport_response, "status", 502)
        raise DriverError(status, answer.status_code or "NO_ANSWER", answer.message, Source.HOMESERVER)
