//! Every variable that the engine reads, declared once. `.env.example` and the documentation are
//! compared with this list by a test.

/// One variable.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What stands in where it is not set; `None` where it must be set or has no default.
    pub default: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
}

const fn key(name: &'static str, default: Option<&'static str>, meaning: &'static str) -> Key {
    Key { name, default, meaning }
}

/// All of them, in the order of the documentation.
pub const KEYS: &[Key] = &[
    key("DB_ENV", Some("remote"), "which side Django's `default` alias uses: remote or local"),
    key("DB_REMOTE_ENGINE", Some("mysql"), "mysql (MySQL and MariaDB) or sqlite"),
    key("DB_REMOTE_HOST", None, "host of the remote server"),
    key("DB_REMOTE_PORT", Some("3306"), "port of the remote server"),
    key("DB_REMOTE_NAME", None, "remote database, or the path of a SQLite file"),
    key("DB_REMOTE_USER", None, "user on the remote server"),
    key("DB_REMOTE_PASSWORD", None, "password on the remote server"),
    key(
        "DB_REMOTE_SSL_MODE",
        Some("PREFERRED"),
        "DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY",
    ),
    key("DB_REMOTE_SSL_CA", None, "file with the certificate authority of the remote server"),
    key("DB_LOCAL_ENGINE", Some("mysql"), "mysql (MySQL and MariaDB) or sqlite"),
    key("DB_LOCAL_HOST", None, "host of the local server"),
    key("DB_LOCAL_PORT", Some("3306"), "port of the local server"),
    key("DB_LOCAL_NAME", None, "local database, or the path of a SQLite file"),
    key("DB_LOCAL_USER", None, "user on the local server"),
    key("DB_LOCAL_PASSWORD", None, "password on the local server"),
    key(
        "DB_LOCAL_SSL_MODE",
        Some("PREFERRED"),
        "DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY",
    ),
    key("DB_LOCAL_SSL_CA", None, "file with the certificate authority of the local server"),
    key("DB_CONNECT_TIMEOUT", Some("5"), "seconds until a connection must stand (1-600)"),
    key(
        "DB_READ_TIMEOUT",
        Some("60"),
        "seconds of silence after which a run ends by itself (1-600)",
    ),
    key("DB_SYNC_LOCK_WAIT", Some("30"), "seconds that locked rows are waited for (0-600)"),
    key(
        "DB_SYNC_ENABLED",
        Some("False"),
        "scheduled sync on or off; a manual sync_db always works",
    ),
    key("DB_SYNC_INTERVAL", Some("60"), "minutes between scheduled runs (1-10080)"),
    key("DB_SYNC_DIRECTION", Some("BOTH"), "BOTH, REMOTE_TO_LOCAL or LOCAL_TO_REMOTE"),
    key("DB_SYNC_TYPE", Some("INCREMENTAL"), "FULL or INCREMENTAL"),
    key(
        "DB_SYNC_CONFLICT",
        Some("REMOTE_WINS"),
        "REMOTE_WINS, LOCAL_WINS, SKIP or MANUAL, for newly registered tables",
    ),
    key("DB_SYNC_TABLES", Some("*"), "tables to register, comma separated, * allowed"),
    key(
        "DB_SYNC_EXCLUDE",
        Some(
            "django_migrations,django_session,django_q_*,db_sync_*,django_content_type,django_admin_log,auth_permission,auth_group_permissions,auth_user_user_permissions",
        ),
        "tables never to register, comma separated, * allowed",
    ),
    key("DB_SYNC_CAPTURE", Some("auto"), "auto, binlog, digest or watermark"),
    key("DB_SYNC_BATCH_SIZE", Some("1000"), "rows per applied batch (1-100000)"),
    key("DB_SYNC_PARALLEL", Some("2"), "tables or key ranges in flight (1-64)"),
    key(
        "DB_SYNC_MAX_DELETE_PERCENT",
        Some("50"),
        "largest share of a table that a run may delete (0-100)",
    ),
    key(
        "DB_SYNC_QUEUE_CAPACITY",
        Some("1000"),
        "outbox length from which health warns (1-1000000)",
    ),
    key(
        "DB_SYNC_LOG_RETENTION_DAYS",
        Some("30"),
        "days that db_sync_log is kept, 0 for ever (0-3650)",
    ),
    key(
        "DB_SYNC_UNDO_RETENTION_DAYS",
        Some("7"),
        "days that pre-images are kept, 0 for ever (0-3650)",
    ),
];
