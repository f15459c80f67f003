"""Signing requests as a homeserver does (Matrix server-server API, "Request Authentication")."""

from typing import Any

import attrs
from signedjson.sign import sign_json


@attrs.frozen
class FederationSigner:
    """Makes the ``Authorization`` header of requests to other servers."""

    server_name: str  #: who signs
    signing_key: Any = attrs.field(repr=False)  #: its key, of ``signedjson``

    def headers(
        self,
        method: str,
        path: str,
        destination: str,
        content: Any = None,
        *,
        origin: str | None = None,
        key: Any = None,
    ) -> dict[str, str]:
        """The headers of one request.

        Args:
            method: of HTTP.
            path: with its query.
            destination: the name of the server it goes to.
            content: the JSON body; ``None`` for none.
            origin: sign as another server.
            key: sign with another key.
        """
        origin, key = origin or self.server_name, key or self.signing_key
        request = {"method": method, "uri": path, "origin": origin, "destination": destination}
        if content is not None:
            request["content"] = content
        signatures = sign_json(request, origin, key)["signatures"][origin]
        ((key_id, signature),) = signatures.items()
        value = f'X-Matrix origin="{origin}",destination="{destination}",key="{key_id}",sig="{signature}"'
        return {"Authorization": value}
