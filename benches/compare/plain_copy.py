"""What somebody would write in an afternoon: SELECT on one server, INSERT on the other."""

import sys

from pymysql.cursors import SSCursor

from compare.server import Server
from compare.shop import TABLES

ROWS_AT_ONCE = 1000


def copy(source: Server, target: Server) -> None:
    """Copies every table, parents first, a thousand rows per INSERT."""
    with source.connect() as reader, target.connect() as writer:
        writer.autocommit(False)
        for table in TABLES:
            with reader.cursor(SSCursor) as rows, writer.cursor() as insert:
                rows.execute(f"SELECT * FROM {table}")
                columns = [column[0] for column in rows.description]
                places = ",".join(["%s"] * len(columns))
                # PyMySQL makes one statement of the many rows where it sees this form.
                into = f"INSERT INTO {table} ({','.join(columns)}) VALUES ({places})"
                while batch := rows.fetchmany(ROWS_AT_ONCE):
                    insert.executemany(into, batch)
                    writer.commit()


if __name__ == "__main__":
    copy(Server.at(sys.argv[1]), Server.at(sys.argv[2]))
