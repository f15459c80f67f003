"""One world for all scenarios of logins."""

import contextlib

import pytest

from synapse_tim.testing import SynapseServer, TiSimulator, WorkerDeployment
from tests.login.e2e.world import (
    DOCTOR,
    HOSPITAL,
    IK,
    OTHER_IK,
    SSO,
    Keys,
    LoginWorld,
    broker,
    central,
    module,
    sectoral,
    single_sign_on,
)

pytestmark = pytest.mark.servers


@pytest.fixture(scope="package")
def world(request, tmp_path_factory):
    """The running servers, the list in force."""
    directory = tmp_path_factory.mktemp("login")
    keys = Keys(directory)
    current_path, current_key = keys.private("current")
    old_path, old_key = keys.private("old")
    hash_key = keys.secret("hash-key")
    with contextlib.ExitStack() as stack:
        ti = stack.enter_context(TiSimulator())
        clinic_options = {
            "modules": [
                module(
                    ti,
                    "pro",
                    {
                        "providers": [central(ti), broker(ti, hash_key)],
                        "token_types": ["com.example.login.jwt"],
                        "break_glass_administrators": ["root", "orderly"],
                    },
                )
            ],
            "extra": {
                **SSO,
                "oidc_providers": [
                    single_sign_on(
                        ti,
                        "clinic",
                        {
                            "profile": "gematik_idp",
                            "professions": [DOCTOR, HOSPITAL],
                            "localpart": {"template": "sso-{idNummer}"},
                        },
                    ),
                    single_sign_on(ti, "plain", {"localpart_template": "plain-{{ user.sub }}"}, _JINJA),
                ],
            },
        }
        insurer_options = {
            "modules": [
                module(
                    ti,
                    "epa",
                    {"providers": [sectoral(ti)], "decryption_keys": [current_path, old_path]},
                )
            ],
            "extra": {
                **SSO,
                "oidc_providers": [
                    single_sign_on(
                        ti,
                        "insurer",
                        {
                            "profile": "gesundheitsid",
                            "localpart": {
                                "hash_of": ["urn:telematik:claims:id"],
                                "hash_key_path": hash_key,
                            },
                        },
                    )
                ],
            },
        }
        if request.config.getoption("--with-workers"):
            databases = [request.getfixturevalue(f"{kind}_server") for kind in ("postgres", "redis")]
            clinic = WorkerDeployment(
                "clinic", directory / "clinic", ti.world, *databases, n_workers=2, **clinic_options
            )
        else:
            clinic = SynapseServer("clinic", directory / "clinic", ti.world, **clinic_options)
        insurer = SynapseServer("insurer", directory / "insurer", ti.world, **insurer_options)
        ti.add(clinic.server_name)
        ti.add(insurer.server_name, insurance=True, ik=[IK])
        ti.add("other-insurer.example", insurance=True, ik=[OTHER_IK])
        for server in (clinic, insurer):
            # Browsers send Synapse's cookies over TLS only.
            server.config["public_baseurl"] = f"{server.federation_url}/"
            stack.callback(server.stop)
            server.start()
        for server in (clinic, insurer):
            server.wait()
        _until_the_list_is_there(insurer)
        yield LoginWorld(ti, clinic, insurer, current_key, old_key)


_JINJA = "synapse.handlers.oidc.JinjaOidcMappingProvider"


def _until_the_list_is_there(server):
    from synapse_tim.testing import wait_for

    wait_for(lambda: server.metrics().get("synapse_tim_federation_list_version"), what="the list")
