"""What there is of the sync's own tables in a database that Django is connected to.

What they should be is the engine's to say; nothing here changes anything.
"""

import json

from django.db.backends.base.base import BaseDatabaseWrapper

from db_sync import _native

_PREFIX = "db_sync_"
# A new row has to name a column that takes no NULL and that nothing else fills.
_COLUMNS = """
    SELECT table_name, column_name, column_type,
        is_nullable = 'NO' AND column_default IS NULL
        AND extra NOT LIKE '%auto_increment%' AND extra NOT LIKE '%GENERATED%',
        collation_name, extra LIKE '%on update%'
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND LEFT(table_name, 8) = 'db_sync_'
"""


def missing_statements(connection: BaseDatabaseWrapper) -> list[str]:
    """Lists the statements by which the sync's own tables come about, or are brought up to date.

    Args:
        connection: To a MySQL, MariaDB or SQLite database.

    Returns:
        What is to be executed there, in order; empty where nothing is missing.

    Raises:
        django.db.Error: The database cannot be asked.
    """
    found = _on_server(connection) if connection.vendor == "mysql" else _in_file(connection)
    return _native.control_statements(connection.vendor, json.dumps(found))


def _on_server(connection: BaseDatabaseWrapper) -> dict[str, dict[str, dict[str, object]]]:
    found: dict[str, dict[str, dict[str, object]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, None)
        for table, column, declared, required, collation, touched in cursor.fetchall():
            found.setdefault(table, {})[column] = {
                "declared": declared,
                "required": bool(required),
                "collation": collation,
                "touched": bool(touched),
            }
    return found


def _in_file(connection: BaseDatabaseWrapper) -> dict[str, dict[str, dict[str, object]]]:
    # No column of a file is ever changed, so its type makes no difference.
    had: dict[str, object] = {"declared": ""}
    introspection = connection.introspection
    with connection.cursor() as cursor:
        return {
            name: {column.name: had for column in introspection.get_table_description(cursor, name)}
            for name in introspection.table_names(cursor)
            if name.startswith(_PREFIX)
        }
