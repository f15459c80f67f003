"""What a superior lets an entity say about itself (OpenID Federation §6.1).

All standard operators, applied to one policy: in this federation nothing stands between the trust anchor and
an entity, so policies are never merged.
"""

from collections.abc import Mapping
from typing import Any, Final

from synapse_tim.openid_federation.errors import FederationError, FederationReason

#: The operators, in the order in which they apply.
OPERATORS: Final = ("value", "add", "default", "one_of", "subset_of", "superset_of", "essential")


def apply_policy(
    policy: Mapping[str, Any], metadata: Mapping[str, Any], critical: list[str]
) -> dict[str, Any]:
    """Apply the policy for one kind of entity.

    Args:
        policy: by parameter, an object with an entry for each operator.
        metadata: what the entity says.
        critical: operators that have to be understood (``metadata_policy_crit``).

    Returns:
        The metadata that holds.

    Raises:
        FederationError: ``policy``: it is malformed, demands more than is understood, or does not permit
            what the entity says.
    """
    if unknown := set(critical) - set(OPERATORS):
        raise FederationError(FederationReason.POLICY, f"critical: {min(unknown):.40}")
    result = dict(metadata)
    for parameter, operators in policy.items():
        if not isinstance(operators, dict):
            raise FederationError(FederationReason.POLICY, parameter[:60])
        for operator in OPERATORS:
            if operator in operators:
                _apply(operator, operators[operator], parameter, result)
    return result


def _apply(operator: str, wanted: Any, parameter: str, result: dict[str, Any]) -> None:
    found = result.get(parameter)
    permitted = True
    match operator:
        case "value" if wanted is None:
            result.pop(parameter, None)
        case "value":
            result[parameter] = wanted
        case "add":
            known = _entries(found, parameter)
            result[parameter] = known + [entry for entry in _entries(wanted, parameter) if entry not in known]
        case "default":
            result.setdefault(parameter, wanted)
        case "one_of":
            permitted = found is None or found in _entries(wanted, parameter)
        case "subset_of" if found is not None:
            choices = _entries(wanted, parameter)
            result[parameter] = [entry for entry in _entries(found, parameter) if entry in choices]
        case "superset_of":
            entries = _entries(found, parameter)
            permitted = found is None or all(entry in entries for entry in _entries(wanted, parameter))
        case "essential":
            permitted = wanted is not True or found is not None
    if not permitted:
        raise FederationError(FederationReason.POLICY, f"{parameter:.60}: {operator}")


def _entries(value: Any, parameter: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise FederationError(FederationReason.POLICY, f"{parameter:.60}: not a list")
    return value
