"""Routes of the client API that parts guard."""

from typing import Final

from synapse_tim.adapter.shape import Touched, Touches

_SYNAPSE: Final = Touches("client API")
_THIRD_PARTY_IDS: Final = "e-mail addresses and telephone numbers are refused"

#: By servlet, as ``module.Class`` below ``synapse.rest.client``, and method of HTTP.
ROUTES: Final[dict[tuple[str, str], Touched]] = {
    (servlet, method): _SYNAPSE.wraps(f"synapse.rest.client.{servlet}.on_{method}", why)
    for servlet, methods, why in (
        ("account.EmailPasswordRequestTokenRestServlet", "POST", _THIRD_PARTY_IDS),
        ("account.EmailThreepidRequestTokenRestServlet", "POST", _THIRD_PARTY_IDS),
        ("account.MsisdnThreepidRequestTokenRestServlet", "POST", _THIRD_PARTY_IDS),
        ("account.PasswordRestServlet", "POST", "a local password is for those who may log in with one"),
        ("account.ThreepidAddRestServlet", "POST", _THIRD_PARTY_IDS),
        ("account.ThreepidBindRestServlet", "POST", _THIRD_PARTY_IDS),
        ("account.ThreepidDeleteRestServlet", "POST", _THIRD_PARTY_IDS),
        ("account.ThreepidRestServlet", "POST", _THIRD_PARTY_IDS),
        ("account.ThreepidUnbindRestServlet", "POST", _THIRD_PARTY_IDS),
        ("account_data.AccountDataServlet", "GET PUT", "permission configurations are validated"),
        ("account_data.UnstableAccountDataServlet", "DELETE", "permission configurations are validated"),
        ("capabilities.CapabilitiesRestServlet", "GET", "shows the room versions that may be created"),
        ("directory.ClientAppserviceDirectoryListServer", "PUT DELETE", "the room directory is closed"),
        ("directory.ClientDirectoryListServer", "GET PUT", "the room directory is closed, or for users only"),
        ("directory.ClientDirectoryServer", "GET", "aliases are shown to users only"),
        ("keys.KeyQueryServlet", "POST", "keys of strangers are hidden"),
        ("keys.OneTimeKeyServlet", "POST", "keys of strangers are hidden"),
        ("keys.SignaturesUploadServlet", "POST", "keys of strangers are hidden"),
        ("keys.UnstableOneTimeKeyServlet", "POST", "keys of strangers are hidden"),
        ("login.LoginRestServlet", "GET POST", "ways to log in that are not permitted are left out"),
        ("profile.ProfileFieldRestServlet", "PUT DELETE", "display names belong to the organisation"),
        ("profile.UnstableProfileFieldRestServlet", "PUT DELETE", "display names belong to the organisation"),
        ("register.EmailRegisterRequestTokenRestServlet", "POST", _THIRD_PARTY_IDS),
        ("register.MsisdnRegisterRequestTokenRestServlet", "POST", _THIRD_PARTY_IDS),
        ("register.RegisterAppServiceOnlyRestServlet", "POST", "users cannot register themselves"),
        ("register.RegisterRestServlet", "POST", "users cannot register themselves"),
        ("room.PublicRoomListRestServlet", "GET POST", "the room directory is closed"),
        ("room.RoomCreateRestServlet", "POST PUT", "what is left of a refused room is removed"),
        ("room.RoomMembershipRestServlet", "POST PUT", "invitations by address are refused"),
        ("room.RoomRedactEventRestServlet", "POST PUT", "Synapse trips over malformed ids"),
        (
            "room.RoomSendEventRestServlet",
            "POST PUT",
            "Synapse trips over malformed reactions",
        ),
        ("room.RoomSummaryRestServlet", "GET", "summaries are shown to users only"),
        ("room_upgrade_rest_servlet.RoomUpgradeRestServlet", "POST", "room versions are judged first"),
        ("user_directory.UserDirectorySearchRestServlet", "POST", "hits that are hidden are replaced"),
        ("versions.VersionsRestServlet", "GET", "shows the versions that gematik permits"),
    )
    for method in methods.split()
}
