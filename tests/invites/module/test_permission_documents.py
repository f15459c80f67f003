"""A_25043, A_26021-01: what local users allow, looked up in Synapse's account data."""

import logging
from unittest.mock import AsyncMock, Mock

import pytest
from immutabledict import immutabledict
from synapse.module_api import AccountDataManager
from synapse.types import UserInfo

from synapse_tim.adapter.users import LocalUsers
from synapse_tim.core.products import Product
from synapse_tim.invites.denials import (
    INVITEE_UNKNOWN,
    INVITEE_UNREADABLE,
    PERMISSION_MALFORMED,
    PERMISSION_UNAVAILABLE,
)
from synapse_tim.invites.permission_config import ACCOUNT_DATA_TYPES, LOCAL_SERVER, parse
from synapse_tim.invites.permission_documents import PermissionDocuments

ALICE, BOT = "@alice:hospital.example", "@bot:hospital.example"
BLOCK = {"defaultSetting": "block all"}
PRO, EPA = Product.PRO, Product.EPA


@pytest.fixture
def api(api):
    """Alice is there and has stored nothing."""
    api.get_userinfo_by_id = AsyncMock(return_value=Mock(spec=UserInfo, is_deactivated=False))
    api.account_data_manager = Mock(spec=AccountDataManager, get_global=AsyncMock(return_value=None))
    return api


def documents(api, product=PRO, **default):
    hs = Mock()
    services = {BOT: "a service"}
    hs.get_datastores.return_value.main.get_app_service_by_user_id = services.get
    users = LocalUsers(hs, api)
    return PermissionDocuments(api, users, product, {"defaultSetting": "allow all", **default})


@pytest.mark.parametrize("product", Product)
def test_what_a_user_has_stored_counts(api, run, product):
    api.account_data_manager.get_global.return_value = BLOCK
    assert run(documents(api, product).of(ALICE)) == parse(BLOCK, product)
    api.get_userinfo_by_id.assert_awaited_once_with(ALICE)
    api.account_data_manager.get_global.assert_awaited_once_with(ALICE, ACCOUNT_DATA_TYPES[product])


def test_r2_10_who_has_stored_nothing_has_the_default_with_the_own_server_in_it(api, run):
    looked_up = documents(api, **BLOCK, serverExceptions={LOCAL_SERVER: {}})
    assert looked_up.default == {**BLOCK, "serverExceptions": {"hospital.example": {}}}
    assert run(looked_up.of(ALICE)) == parse(looked_up.default, PRO)


@pytest.mark.parametrize("user", [None, Mock(spec=UserInfo, is_deactivated=True)])
def test_r2_14_nobody_who_is_not_there_or_not_any_more_can_be_invited(api, run, user):
    api.get_userinfo_by_id.return_value = user
    assert run(documents(api).of(ALICE)) is INVITEE_UNKNOWN
    api.account_data_manager.get_global.assert_not_awaited()


def test_an_application_service_has_no_account_and_may_be_invited(api, run):
    api.get_userinfo_by_id.return_value = None
    assert run(documents(api, **BLOCK).of(BOT)) == parse(BLOCK, PRO)
    api.get_userinfo_by_id.return_value = Mock(spec=UserInfo, is_deactivated=True)
    assert run(documents(api).of(BOT)) is INVITEE_UNKNOWN


@pytest.mark.parametrize("stored", [{}, immutabledict()])
def test_what_matrix_leaves_of_a_deleted_document_counts_as_none(api, run, stored):
    api.account_data_manager.get_global.return_value = stored
    looked_up = documents(api, **BLOCK)
    assert run(looked_up.of(ALICE)) == parse(BLOCK, PRO)
    assert run(looked_up.stored(ALICE)) is None
    assert looked_up.validate(stored).rule == PERMISSION_MALFORMED.rule


@pytest.mark.parametrize(
    "stored", [{"x": 1}, [], {"defaultSetting": "allow"}, {**BLOCK, "userExceptions": []}]
)
def test_r2_10_a_document_that_cannot_be_read_refuses_and_stays(api, run, stored):
    api.account_data_manager.get_global.return_value = stored
    looked_up = documents(api)
    assert run(looked_up.of(ALICE)) is INVITEE_UNREADABLE
    assert run(looked_up.stored(ALICE)) is stored
    api.account_data_manager.put_global.assert_not_called()


@pytest.mark.parametrize("broken", ["get_userinfo_by_id", "account_data_manager.get_global"])
def test_a_look_up_that_fails_refuses_for_now_and_names_no_user(api, run, caplog, broken):
    api.configure_mock(**{f"{broken}.side_effect": RuntimeError(f"no row for {ALICE}")})
    assert run(documents(api).of(ALICE)) is PERMISSION_UNAVAILABLE
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "A permission configuration could not be looked up: RuntimeError"
    assert record.exc_info is None


def test_a_26390_a_document_is_checked_by_the_product_before_it_is_stored(api):
    groups = {**BLOCK, "groupExceptions": [{"groupName": "isInsuredPerson"}]}
    assert documents(api, PRO).validate(groups) is None
    fault = "groupExceptions: there are no groups in TI-M ePA"
    assert documents(api, EPA).validate(groups) == PERMISSION_MALFORMED.with_detail(fault)
    assert documents(api, PRO).validate([]) == PERMISSION_MALFORMED.with_detail("expected an object")
