//! Opening the directory of a store. Invariant: the path that is kept leads to the directory that was locked, or is found out not to.

use std::io;
use std::path::{Path, PathBuf};

use super::FileOps;

/// Why a directory cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Somebody else has it open.
    #[error(
        "{0} is locked by another process, or by another handle of this one; stop that controller, or give this one a directory of its own"
    )]
    Locked(PathBuf),
    /// The directory cannot be made, read or locked.
    #[error("cannot open the record directory {path}: {source}; it must be a directory that this user may write to")]
    Io {
        /// The path.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
}

/// Makes and locks a directory, and gives the path that it keeps.
pub(super) fn open_root(ops: &impl FileOps, root: &Path) -> Result<PathBuf, OpenError> {
    let failed = |source| OpenError::Io { path: root.to_owned(), source };
    make(ops, root).map_err(failed)?;
    let root = ops.resolve(root).map_err(failed)?;
    if ops.lock(&root).map_err(failed)? { Ok(root) } else { Err(OpenError::Locked(root)) }
}

/// Makes the root and those above it that are not there. The names of the others are somebody else's.
fn make(ops: &impl FileOps, directory: &Path) -> io::Result<()> {
    let parent = directory.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    if let Some(parent) = parent.filter(|parent| *parent != directory) {
        if !ops.is_dir(directory)? {
            make(ops, parent)?;
            ops.create_dir(directory)?;
        }
        ops.sync_dir(parent)?;
    }
    Ok(())
}
