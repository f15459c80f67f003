"""Denials of requests for which there is no endpoint or method."""

from __future__ import annotations

from synapse_tim.core.denial import Denial

#: A path below a service of this project that nothing is at.
ENDPOINT_UNRECOGNIZED = Denial(
    policy="information",
    requirements=("A_25641-01",),
    status=404,
    errcode="M_UNRECOGNIZED",
    text="There is no such endpoint.",
)

#: A method that an endpoint of this project does not have; ``Allow`` says which it has.
METHOD_UNRECOGNIZED = Denial(
    policy="information",
    requirements=("A_25641-01", "A_26265"),
    status=405,
    errcode="M_UNRECOGNIZED",
    text="The endpoint does not have this method.",
)
