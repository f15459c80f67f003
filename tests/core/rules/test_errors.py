"""Each reason of a lower layer has a name at every subject that shows it."""

import ast
import inspect

import pytest

from synapse_tim.core.errors import ReasonError
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.federation.refusals import ListRefusedError, Refusal
from synapse_tim.federation.refusals import as_refusals as as_refusals_of_lists
from synapse_tim.jose import compact, jwe, large_jws, signed_token
from synapse_tim.jose.errors import JoseError, JoseReason
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError
from synapse_tim.login.rules.refusals import as_refusals as as_refusals_of_tokens
from synapse_tim.pki.errors import CertificateError, CertificateReason
from synapse_tim.transport.errors import TransportError, TransportReason


def reasons_in(*modules):
    """The JOSE reasons that modules name."""
    return {
        JoseReason[node.attr]
        for module in modules
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "JoseReason"
    }


def test_every_reason_of_transport_and_of_certificates_is_a_refusal_of_a_list():
    for error in (
        *(TransportError(reason, "why") for reason in TransportReason),
        *(CertificateError(reason, "why") for reason in CertificateReason),
        *(JoseError(reason, "why") for reason in reasons_in(large_jws, compact)),
        DirectoryError(DirectoryFailure.AUTHENTICATION, "why"),
        DirectoryError(DirectoryFailure.HTTP_STATUS, "why"),
        DirectoryError(DirectoryFailure.DEADLINE, "why"),
    ):
        with pytest.raises(ListRefusedError) as caught, as_refusals_of_lists():
            raise error
        assert caught.value.reason is Refusal(error.reason.value)
        assert str(caught.value) == str(error)


def test_every_reason_of_a_token_is_a_refusal_of_it():
    for reason in reasons_in(signed_token, jwe, compact):
        with pytest.raises(TokenRefusedError) as caught, as_refusals_of_tokens():
            raise JoseError(reason, "why")
        assert caught.value.reason is TokenRefusal(reason.value)
        assert str(caught.value) == f"{reason.value}: why"


def test_every_reason_of_jose_is_one_of_a_list_or_of_a_token():
    assert reasons_in(signed_token, jwe, compact, large_jws) == set(JoseReason)


def test_every_reason_of_transport_is_a_failure_of_the_directory():
    assert {reason.value for reason in TransportReason} <= {failure.value for failure in DirectoryFailure}


def test_what_is_no_error_of_a_lower_layer_stays_what_it_is():
    for mapping in (as_refusals_of_lists, as_refusals_of_tokens):
        with pytest.raises(ZeroDivisionError), mapping():
            raise ZeroDivisionError


def test_an_error_says_its_reason_and_what_was_found():
    assert str(ReasonError(TransportReason.DEADLINE)) == "deadline"
    assert str(ReasonError(TransportReason.DEADLINE, "late")) == "deadline: late"
    assert str(CertificateError(CertificateReason.OCSP_STALE, "old")) == (
        "ocsp_stale: old; the clock of this machine may be wrong"
    )
