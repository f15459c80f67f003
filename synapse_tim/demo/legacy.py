"""The part of the demo's story about a server of the legacy generation: three stages for an invitation."""

import time
from collections.abc import Iterator
from typing import Any, Final

import httpx

from synapse_tim.demo.attempt import FORBIDDEN, Attempt, invited
from synapse_tim.demo.world import DemoWorld
from synapse_tim.testing import MatrixUser
from synapse_tim.testing.servers.client import url_part

_CONTACTS: Final = "/tim-contact-mgmt/v1.0.2/contacts"
_STAGES: Final = "AF_10061-01"


def legacy(world: DemoWorld) -> Iterator[Attempt]:
    """Approval list and directory decide at the ward, whose server is of the legacy generation."""
    sister, physician = world.sister, world.physician
    room = physician.create_room()
    yield Attempt(
        _STAGES,
        "the physician invites a sister of the legacy ward",
        FORBIDDEN,
        physician.invite(room, sister.user_id),
    )
    window = {"start": int(time.time()) - 60}
    contact = {"displayName": "Physician", "mxid": physician.user_id, "inviteSettings": window}
    yield Attempt(
        _STAGES,
        "the sister puts the physician on her approval list",
        "200",
        _contacts(sister, "POST", "", contact),
    )
    physician.invite(room, sister.user_id)
    yield Attempt(_STAGES, "the physician invites again", "invited", invited(sister, room))
    _contacts(sister, "DELETE", f"/{url_part(physician.user_id)}").raise_for_status()
    yield Attempt(
        _STAGES,
        "the sister takes the physician off it; the physician invites once more",
        FORBIDDEN,
        physician.invite(physician.create_room(), sister.user_id),
    )
    reception = world.reception
    world.ti.entries.add_organisation("Ward", [reception.user_id])
    open_to_all = world.insured.create_room()
    world.insured.invite(open_to_all, reception.user_id)
    yield Attempt(
        _STAGES,
        "the insured person invites the ward's reception, which the directory lists",
        "invited",
        invited(reception, open_to_all),
    )
    yield Attempt(
        "AF_10104-01",
        "the reception creates a room with its colleague and the doctor",
        "200",
        reception.try_create_room(invite=[sister.user_id, world.doctor.user_id]),
    )


def _contacts(user: MatrixUser, method: str, path: str, contact: Any = None) -> httpx.Response:
    """A request to the contact management, with an OpenID token as clients have it."""
    token_path = f"/_matrix/client/v3/user/{url_part(user.user_id)}/openid/request_token"
    token = user.request("POST", token_path, {}).raise_for_status().json()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Mxid": user.user_id}
    url = f"{user.base_url}{_CONTACTS}{path}"
    return httpx.request(method, url, headers=headers, json=contact, trust_env=False, timeout=30)
