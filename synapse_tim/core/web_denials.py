"""Denials of requests for which there is no endpoint or method."""

from synapse_tim.core.denial import Denial

#: A path below a service of this project that nothing is at.
ENDPOINT_UNRECOGNIZED = Denial(
    "endpoint_unrecognized",
    "information",
    ("A_25641-01",),
    "There is no such endpoint.",
    status=404,
    errcode="M_UNRECOGNIZED",
    has_reference=False,
)

#: A method that an endpoint of this project does not have; ``Allow`` says which it has.
METHOD_UNRECOGNIZED = Denial(
    "method_unrecognized",
    "information",
    ("A_25641-01", "A_26265"),
    "The endpoint does not have this method.",
    status=405,
    errcode="M_UNRECOGNIZED",
    has_reference=False,
)
