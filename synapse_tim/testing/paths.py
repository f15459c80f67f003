"""The paths under which the simulator serves, named as in the genuine TI."""

from typing import Final

#: gematik's download server.
ROOTS: Final = "/ECC/ROOT-CA/roots.json"
SUB_CA: Final = "/ECC/SUB-CA/"

OCSP: Final = "/ocsp"

#: The list at a service of the operator's own.
OPERATOR_LIST: Final = "/list/federationList.jws"

#: The directory: authorisation server, exchange of tokens, list (I_VZD_TIM_Provider_Services).
TOKEN: Final = "/auth/realms/TI-Provider/protocol/openid-connect/token"
AUTHENTICATE: Final = "/ti-provider-authenticate"
DIRECTORY_LIST: Final = "/tim-provider-services/FederationList/federationList.jws"
LOCALIZATION: Final = "/tim-provider-services/localization"
SEARCH: Final = "/search/"
INSURED_SEARCH: Final = "/fdv/search/"
TIM_AUTHENTICATE: Final = "/tim-authenticate"
OWNER_AUTHENTICATE: Final = "/owner-authenticate"
OWNER: Final = "/owner/"

#: The identity providers: the central IDP-Dienst, a sectoral one, and a broker; all of theirs is below.
CENTRAL_IDP: Final = "/idp"
SECTORAL_IDP: Final = "/sectoral"
BROKER: Final = "/broker"

#: The federation master, who vouches for sectoral identity providers and their clients.
FEDERATION_MASTER: Final = "/federation-master"
