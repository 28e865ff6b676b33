//! The operations of a file system, one by one. Invariant: each does one thing, so that a test can crash between any two, or let one fail.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

/// Tells a file from every other that has or had the same name: which file it is, its length, and when it was last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// The file's number, such as its inode.
    pub file: u64,
    /// The length in bytes.
    pub length: u64,
    /// When the content was last written, in nanoseconds.
    pub written: u128,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.file, self.length, self.written)
    }
}

/// What the file store asks of a file system.
pub trait FileOps: Send + Sync + 'static {
    /// A file that is being written.
    type File: Send;

    /// Gives the path of a directory that stays the same when the working directory changes or a link is turned elsewhere.
    ///
    /// # Errors
    /// The operating system's.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;
    /// Makes a directory with mode 0700; one that is there already is left as it is.
    ///
    /// # Errors
    /// The operating system's.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Whether this is a directory, and not a link to one.
    ///
    /// # Errors
    /// The operating system's.
    fn is_dir(&self, path: &Path) -> io::Result<bool>;
    /// Makes an empty file with mode 0600. Whatever has the name already, a link too, is an error.
    ///
    /// # Errors
    /// The operating system's.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Writes a file's content.
    ///
    /// # Errors
    /// The operating system's.
    fn write(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file's content durable.
    ///
    /// # Errors
    /// The operating system's.
    fn sync(&self, file: &mut Self::File) -> io::Result<Stamp>;
    /// Gives a file another name, in place of the file that has it.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// The operating system's.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// The operating system's.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Reads a file; none if there is none.
    ///
    /// # Errors
    /// The operating system's.
    fn read(&self, path: &Path) -> io::Result<Option<(Vec<u8>, Stamp)>>;
    /// What tells this file from others; none if there is none.
    ///
    /// # Errors
    /// The operating system's.
    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>>;
    /// The names in a directory, and whether each is a directory; nothing if there is no such directory.
    ///
    /// # Errors
    /// The operating system's.
    fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>>;
    /// Locks a directory for as long as this lives; false if somebody else has it.
    ///
    /// # Errors
    /// The operating system's.
    fn lock(&self, path: &Path) -> io::Result<bool>;
    /// Whether the directory of this name is the one that was locked.
    ///
    /// # Errors
    /// The operating system's.
    fn is_locked(&self, path: &Path) -> io::Result<bool>;
}

/// The machine's own file system.
///
/// On Unix the directory itself is locked, which nothing but the end of the process undoes. Elsewhere a file `.lock` in it is.
#[derive(Debug, Default)]
pub struct Disk {
    locked: Mutex<Vec<File>>,
}

impl FileOps for Disk {
    type File = File;

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        }
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        Ok(found(fs::symlink_metadata(path))?.is_some_and(|it| it.is_dir()))
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        private(OpenOptions::new().write(true).create_new(true)).open(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &mut File) -> io::Result<Stamp> {
        file.sync_all()?;
        file.metadata().map(|metadata| stamp(&metadata))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn read(&self, path: &Path) -> io::Result<Option<(Vec<u8>, Stamp)>> {
        let Some(mut file) = found(File::open(path))? else { return Ok(None) };
        let metadata = file.metadata()?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
        file.read_to_end(&mut bytes)?;
        Ok(Some((bytes, stamp(&metadata))))
    }

    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        Ok(found(fs::metadata(path))?.map(|metadata| stamp(&metadata)))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>> {
        let Some(entries) = found(fs::read_dir(path))? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            // A link is neither: what it points at is not ours to read.
            let kind = entry.file_type()?;
            if let (Ok(name), true) = (entry.file_name().into_string(), kind.is_dir() || kind.is_file()) {
                names.push((name, kind.is_dir()));
            }
        }
        Ok(names)
    }

    fn lock(&self, path: &Path) -> io::Result<bool> {
        #[cfg(unix)]
        let file = File::open(path)?;
        #[cfg(not(unix))]
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path.join(".lock"))?;
        match file.try_lock() {
            Ok(()) => {
                self.locked.lock().unwrap_or_else(PoisonError::into_inner).push(file);
                Ok(true)
            }
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    #[cfg(unix)]
    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt as _;
        let Some(there) = found(fs::metadata(path))? else { return Ok(false) };
        for file in self.locked.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let locked = file.metadata()?;
            if (locked.dev(), locked.ino()) == (there.dev(), there.ino()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An open file keeps its directory from being moved here.
    #[cfg(not(unix))]
    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        Ok(path.is_dir())
    }
}

/// None where there is nothing, also where what should be a directory is a file.
fn found<A>(result: io::Result<A>) -> io::Result<Option<A>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn stamp(metadata: &fs::Metadata) -> Stamp {
    let written = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    #[cfg(unix)]
    let file = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let file = 0;
    Stamp { file, length: metadata.len(), written: written.map_or(0, |since| since.as_nanos()) }
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}
