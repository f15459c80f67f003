"""Registering users with a server's shared secret (Synapse's admin API)."""

import hashlib
import hmac

from synapse_tim.testing import loopback
from synapse_tim.testing.servers.client import MatrixUser

_PATH = "/_synapse/admin/v1/register"


def register_user(
    base_url: str, shared_secret: str, user: str, *, admin: bool = False, password: str = "password"
) -> MatrixUser:
    """Register a user and log in.

    Args:
        base_url: of the server's client API.
        shared_secret: its ``registration_shared_secret``.
        user: the localpart.
        admin: whether the user is a server admin.
        password: of the user.

    Raises:
        httpx.HTTPStatusError: the server refuses, for instance because the name is taken.
    """
    nonce = loopback.get(base_url + _PATH).raise_for_status().json()["nonce"]
    parts = (nonce, user, password, "admin" if admin else "notadmin")
    mac = hmac.new(shared_secret.encode(), "\0".join(parts).encode(), hashlib.sha1).hexdigest()
    body = {"nonce": nonce, "username": user, "password": password, "admin": admin, "mac": mac}
    session = loopback.post(base_url + _PATH, json=body).raise_for_status().json()
    return MatrixUser(session["user_id"], session["access_token"], base_url, session["device_id"])
