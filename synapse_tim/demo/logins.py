"""The part of the demo's story about logging in: with a card, and with a health insurance."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import httpx

from synapse_tim.demo.attempt import FORBIDDEN, Attempt, answer
from synapse_tim.demo.gateway import login_by_browser
from synapse_tim.demo.world import AUDIENCE, PASSWORD, DemoWorld
from synapse_tim.testing import RelyingParty, SynapseServer
from synapse_tim.testing.simulator.idp.provider import labels

_LOGIN: Final = "/_matrix/client/v3/login"
_ID_TOKEN: Final = "org.synapse_tim.login.id_token"  # noqa: S105  # a name
_METRIC: Final = "synapse_tim_login_tokens_total"


def logins(world: DemoWorld) -> Iterator[Attempt]:
    """A doctor, an organisation and an insured person log in, and one of each does not."""
    app = RelyingParty(world.ti, AUDIENCE, "https://messenger-app.invalid/callback")
    doctor = app.central_id_token("doctor")
    yield Attempt("AF_10057", "a doctor logs in with her card (HBA)", "200", _try(world.hospital, doctor))
    yield Attempt(
        "AF_10057",
        "another person uses the doctor's token again",
        f"{FORBIDDEN}: replayed",
        _try(world.hospital, doctor),
    )
    hospital = app.central_id_token("hospital")
    yield Attempt(
        "AF_10057", "the hospital logs in with its card (SMC-B)", "200", _try(world.hospital, hospital)
    )
    cost_unit = app.central_id_token("insurer")
    yield Attempt(
        "AF_10057",
        "a health insurer tries its card at the hospital",
        f"{FORBIDDEN}: profession_not_permitted",
        _try(world.hospital, cost_unit),
    )
    yield Attempt(
        "AF_10057",
        "the doctor logs in in a browser, through the identity gateway",
        "200",
        _by_browser(world, "doctor"),
    )
    yield Attempt(
        "AF_10057",
        "a pharmacist tries the same at the hospital",
        "400: profession_not_permitted",
        _by_browser(world, "pharmacist"),
    )
    erika = app.sectoral_id_token("erika")
    yield Attempt("AF_10234", "an insured person logs in (GesundheitsID)", "200", _try(world.insurer, erika))
    ulla = app.sectoral_id_token("ulla")
    yield Attempt(
        "AF_10234",
        "a person insured elsewhere tries the same",
        f"{FORBIDDEN}: other_insurer",
        _try(world.insurer, ulla),
    )
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": world.insured.localpart},
        "password": PASSWORD,
    }
    yield Attempt(
        "AF_10234", "an insured person tries a password, the right one", FORBIDDEN, _post(world.insurer, body)
    )


def _try(server: SynapseServer, token: str) -> str:
    """What becomes of a token."""
    return _outcome(server, lambda: _post(server, {"type": _ID_TOKEN, "token": token}))


def _by_browser(world: DemoWorld, card: str) -> str:
    """What becomes of somebody with a card and a browser."""

    def log_in() -> httpx.Response:
        came_back = login_by_browser(world.ti, world.hospital, labels(world.ti.idp.cards)[card])
        return came_back if isinstance(came_back, httpx.Response) else _post(world.hospital, came_back)

    return _outcome(world.hospital, log_in)


def _outcome(server: SynapseServer, log_in: Callable[[], httpx.Response]) -> str:
    """The answer to a login, and if it is refused, the reason that the metrics have."""
    before = server.metrics()
    response = log_in()
    if response.status_code == httpx.codes.OK:
        return answer(response)
    grown = [
        name.removeprefix(f'{_METRIC}{{result="').removesuffix('"}')
        for name, count in server.metrics().items()
        if name.startswith(_METRIC) and count > before.get(name, 0)
    ]
    return f"{answer(response)}: {', '.join(grown)}"


def _post(server: SynapseServer, body: Mapping[str, object]) -> httpx.Response:
    return httpx.post(f"{server.client_url}{_LOGIN}", json=body, timeout=30, trust_env=False)
