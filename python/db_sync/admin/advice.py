"""What to do about each error code, in one sentence: the log keeps what happened, not the hint."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

ADVICE: dict[str, Promise] = {
    "DB_CONN_001": _(
        "Check that the server runs and that host, port and firewall allow a connection; after a "
        "lost connection run the sync again."
    ),
    "DB_CONN_002": _("Check the network, or raise DB_CONNECT_TIMEOUT or DB_READ_TIMEOUT."),
    "DB_CONN_003": _("Check user and password, and from which hosts the user may connect."),
    "DB_CONN_004": _("Create the database (manage.py migrate), or correct its name in .env."),
    "SYNC_001": _(
        "A migration is probably missing on one side: sync_check --schema shows the SQL that mends "
        "the tables."
    ),
    "SYNC_002": _(
        "Two rows have one value in a unique key: change one of them. Both are among the conflicts."
    ),
    "SYNC_003": _("Widen the column or change the value; nothing was rounded."),
    "SYNC_004": _("Sync the other table too, or repair the reference; the row waits until then."),
    "SYNC_005": _("Run the sync again: everything applied so far is consistent."),
    "SYNC_006": _("Give the table a primary key, or a unique key of columns that are NOT NULL."),
    "SYNC_007": _("Decide the open conflicts, or choose a strategy for the table."),
    "SYNC_008": _("Look at what happened to the rows. If it is meant, run sync_db with --force."),
    "SYNC_009": _("Another run is at work on the table: wait for it, or sync with --wait SECONDS."),
    "SYNC_010": _("Run the sync again; if the same rows differ again, run it with --type FULL."),
    "CFG_001": _(
        "Set the keys that the message names in .env; docs/settings.md and .env.example, both in "
        "the source checkout, show each."
    ),
    "CFG_002": _("Correct the value; the message says what is allowed."),
    "CFG_003": _("Use a table that is configured, or register it with sync_config enable."),
    "CFG_004": _("Use BOTH, REMOTE_TO_LOCAL or LOCAL_TO_REMOTE."),
    "SYS_001": _("Free space on that server; nothing is half written."),
    "SYS_002": _("Raise max_allowed_packet on the server, or lower DB_SYNC_BATCH_SIZE."),
    "SYS_003": _("Run the sync again when the application is less busy."),
    "SYS_004": _("Grant the missing right: the message says which."),
}
