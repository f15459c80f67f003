"""``synapse_tim.InformationServices``: what this server tells clients about itself and about the federation.

- ``/tim-information``: which server an insurer has, and whether a server is an insurer's; for clients of
  product pro from generation 1.1 on, all others are told that there is no such thing (R5.8);
- ``/.well-known/matrix/support`` (A_26265): whom to turn to;
- ``/tim-client-report/report``, if wanted: takes clients' reports about structured data.

They are served on the listeners that serve the client API, by the main process and by workers.
"""

import logging
from typing import Any

from synapse.module_api import ModuleApi
from twisted.web.resource import Resource

from synapse_tim.adapter import registry
from synapse_tim.adapter.config_block import parse_block
from synapse_tim.adapter.endpoints import unrecognized
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.openid_auth import OpenIdUsers
from synapse_tim.core.products import Product
from synapse_tim.federation.federation_members import Federation
from synapse_tim.information import client_report_resource as client_reports
from synapse_tim.information import resource as information_resource
from synapse_tim.information.client_report_resource import ClientReportResource, ClientReports
from synapse_tim.information.config import InformationServicesConfig
from synapse_tim.information.denials import INFORMATION_TOKEN
from synapse_tim.information.resource import InformationResource, SupportResource

logger = logging.getLogger(__name__)


class InformationServices:
    """Serves information in one Synapse process.

    Raises:
        ConfigError: ``synapse_tim.FederationAllowList`` is needed and not loaded, or this is an unknown
            Synapse.
    """

    def __init__(self, config: InformationServicesConfig, api: ModuleApi) -> None:
        self._api = api
        homeserver = self._homeserver = Homeserver.of(api)
        wanted = config.information
        resources = {information_resource.BASE_PATH: self._information(config)}
        if wanted.client_report:
            reports = ClientReports(api, homeserver, wanted.client_report_procedures)
            resources[client_reports.BASE_PATH] = ClientReportResource(homeserver.client_api, reports)
        well_known: dict[str, Resource] = {}
        if wanted.support is not None:
            well_known["support"] = SupportResource(wanted.support.document())
        elif api.should_run_background_tasks():
            logger.warning(
                "information.support is not configured, so /.well-known/matrix/support says nothing: "
                "name contacts or a support page there (A_26265)"
            )
        homeserver.listeners.serve(resources, well_known, "InformationServices")
        registry.register(api, self, config)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> InformationServicesConfig:
        """Check the block of ``homeserver.yaml``; the ``ConfigError`` names the key and what is expected."""
        return parse_block(InformationServicesConfig, config)

    def _information(self, config: InformationServicesConfig) -> Resource:
        wanted = config.information
        if config.product is Product.EPA or config.spec_version.is_legacy:
            return unrecognized()
        federation: Federation = registry.require(self._api, "FederationAllowList", "InformationServices")
        users = OpenIdUsers(
            self._homeserver, INFORMATION_TOKEN, accept_access_tokens=wanted.accept_access_tokens
        )
        return InformationResource(wanted.info, lambda: federation.known_list, users.require)
