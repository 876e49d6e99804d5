"""Keeps two databases the same, both ways.

The engine is native; this package is its Python face and a Django app. `sync` runs one sync and
answers a `SyncReport`; what ends a run as a whole arrives as a `SyncError`. Importing the package
needs no Django.
"""

from db_sync.contents import ContentsReport
from db_sync.diagnosis import Diagnosis
from db_sync.engine import check, check_schemas, diagnose, sync
from db_sync.errors import (
    ConfigError,
    ConflictPending,
    ConnectionFailed,
    LockHeld,
    SchemaMismatch,
    SyncError,
)
from db_sync.report import SchemaReport, SyncReport, TableReport

__all__ = [
    "ConfigError",
    "ConflictPending",
    "ConnectionFailed",
    "ContentsReport",
    "Diagnosis",
    "LockHeld",
    "SchemaMismatch",
    "SchemaReport",
    "SyncError",
    "SyncReport",
    "TableReport",
    "check",
    "check_schemas",
    "diagnose",
    "sync",
]
