//! Disks of this machine, as far as SQLite files and our own temporary files need them.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

/// The bytes that this user may still write to a folder's disk; `None` where nobody knows.
pub fn free(folder: &Path) -> Option<u64> {
    let disk = statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether this user may write to a file or a folder.
pub fn is_writable(path: &Path) -> bool {
    access(path, Access::WRITE_OK).is_ok()
}

/// The folder that a file is in.
pub fn folder(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}
