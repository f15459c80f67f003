"""Counts the unreadable permission configurations in a homeserver's database; read-only."""

import json
from typing import Final

from synapse_tim.admin.database import ReadOnlyDatabase
from synapse_tim.check.facts import StoredPermissions
from synapse_tim.core.products import Product
from synapse_tim.invites.permission_config import ACCOUNT_DATA_TYPES, PermissionConfigError, is_empty, parse

_PAGE: Final = 5_000
_SELECT: Final = (
    "SELECT user_id, content FROM account_data WHERE account_data_type = ? AND user_id > ? "
    "ORDER BY user_id LIMIT ?"
)


def count_stored_permissions(database: ReadOnlyDatabase, product: Product) -> StoredPermissions:
    """Hold every stored document against the schema.

    Args:
        product: of the server, for the account data type and the schema.

    Raises:
        DatabaseUnusableError: the database does not answer, or has no such table.
    """
    total = empty = unreadable = 0
    after = ""
    while True:
        with database.transaction() as cursor:
            cursor.execute(_SELECT, (ACCOUNT_DATA_TYPES[product], after, _PAGE))
            rows = list(cursor.fetchall())
        for user_id, content in rows:
            after = user_id
            total += 1
            document = _value(content)
            if is_empty(document):
                empty += 1
            elif not _is_valid(document, product):
                unreadable += 1
        if len(rows) < _PAGE:
            return StoredPermissions(total, empty, unreadable)


def _value(content: object) -> object:
    try:
        return json.loads(str(content))
    except (ValueError, RecursionError):
        return None


def _is_valid(document: object, product: Product) -> bool:
    try:
        parse(document, product)
    except PermissionConfigError:
        return False
    return True
