"""Operations: media.

A file's id is made of its ``mxc:`` URI, so that every device of every driver knows it by the same one. A file
that goes into an encrypted room is encrypted and uploaded once more, as a client does it.
"""

import base64
from typing import Any
from urllib.parse import quote

from synapse_tim.testing.driver.call import Call, answer
from synapse_tim.testing.driver.errors import refused_by_client
from synapse_tim.testing.driver.session import MatrixSession
from synapse_tim.testing.http import Answer

_MEDIA = "/_matrix/media/v3"
_AUTHENTICATED = "/_matrix/client/v1/media"


def upload(call: Call) -> Answer:
    """``postMediaFile``."""
    kind = call.request.headers.get("content-type") or "application/octet-stream"
    return answer({"fileId": _file_id(_upload(call.session, call.request.body, kind))}, 201)


def _upload(session: MatrixSession, content: bytes, kind: str) -> str:
    sent = session.request("POST", f"{_MEDIA}/upload", content=content, headers={"Content-Type": kind})
    return str(sent.json()["content_uri"])


def download(call: Call) -> Answer:
    """``getMediaFile``: the way without a log-in."""
    return _download(call, f"{_MEDIA}/download")


def download_authenticated(call: Call) -> Answer:
    """``getAuthenticatedMediaFile``."""
    return _download(call, f"{_AUTHENTICATED}/download")


def _download(call: Call, base: str) -> Answer:
    uri = _uri(call.path["fileId"])
    content = _fetch(call.session, base, uri)
    if call.at.has_encryption:
        content = call.at.encryption().decrypt_file(uri, content)
    return Answer(200, content, "application/octet-stream")


def _fetch(session: MatrixSession, base: str, uri: str) -> bytes:
    server, _, media_id = uri.removeprefix("mxc://").partition("/")
    return session.request("GET", f"{base}/{quote(server, safe='')}/{quote(media_id, safe='')}").content


def attachment(call: Call, file_id: str, encrypt: bool) -> dict[str, Any]:
    """What of a message's content says where the file is.

    Args:
        call: the request that sends the message.
        file_id: of the uploaded file.
        encrypt: whether the room is encrypted.
    """
    uri = _uri(file_id)
    if not encrypt:
        return {"url": uri}
    content, file = call.at.encryption().encrypt_file(_fetch(call.session, f"{_AUTHENTICATED}/download", uri))
    file["url"] = _upload(call.session, content, "application/octet-stream")
    call.at.encryption().remember_file(file)
    return {"file": file}


def file_id_of(content: dict[str, Any]) -> str | None:
    """The id of the file that a message has, if it has one."""
    file = content.get("file")
    uri = file.get("url") if isinstance(file, dict) else content.get("url")
    return _file_id(uri) if isinstance(uri, str) and uri.startswith("mxc://") else None


def _file_id(uri: str) -> str:
    return base64.urlsafe_b64encode(uri.encode()).decode().rstrip("=")


def _uri(file_id: str) -> str:
    try:
        uri = base64.urlsafe_b64decode(file_id + "=" * (-len(file_id) % 4)).decode()
    except ValueError:
        uri = ""
    if not uri.startswith("mxc://"):
        raise refused_by_client(404, "there is no file with this id")
    return uri
