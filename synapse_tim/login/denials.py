"""Answers to what is refused at the login."""

from synapse_tim.core.denial import Denial

#: A way to log in that is not used at this server.
LOGIN_METHOD = Denial(
    "login_method",
    "login",
    ("AF_10057", "AF_10234", "A_22936", "A_23611", "A_23612", "R4.1", "R4.4"),
    "This way to log in is not used here; use your identity provider. (AF_10057, AF_10234)",
)

#: A token of an identity provider that is refused. Clients get Synapse's own text; browsers get the reason.
ID_TOKEN = Denial(
    "id_token", "login", ("AF_10057", "AF_10234", "R4.4", "R4.5"), "Invalid username or password"
)

#: A login or logout could not be stored.
LOGIN_UNAVAILABLE = Denial(
    "login_unavailable",
    "login",
    ("AF_10057", "AF_10234", "R4.2"),
    "The login could not be completed. Try again later. (AF_10057, R4.2)",
    status=503,
)

#: A logout token that is refused.
LOGOUT_TOKEN = Denial(
    "logout_token",
    "login",
    ("A_22936", "R4.2"),
    "'logout_token' has to be a logout token of a provider that this server uses. (R4.2)",
    status=400,
    errcode="M_INVALID_PARAM",
)
