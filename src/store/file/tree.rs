//! The directory behind a file store. Invariant: a name is taken by `rename` alone, from a file whose content is durable, and what was read
//! or written is durable before it is told.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::disk::{FileOps, Stamp};
use super::flush::Flushes;
use super::layout::{Layout, too_long};
use super::text;
use crate::ResourceId;
use crate::store::counts::Counts;
use crate::store::open::{OpenError, open_root};
use crate::store::{RecordId, StoreError};

/// Where files are written before they get the name of a record. No record has a name that begins with a dot.
const TEMPORARIES: &str = ".tmp";

/// The directory, locked.
#[derive(Debug)]
pub(super) struct Tree<O> {
    ops: O,
    layout: Layout,
    temporaries: PathBuf,
    next: AtomicU64,
    counts: Mutex<Counts>,
    busy: Busy,
    flushes: Flushes,
}

impl<O: FileOps> Tree<O> {
    pub(super) fn open(ops: O, root: &Path) -> Result<Self, OpenError> {
        let root = open_root(&ops, root)?;
        let temporaries = root.join(TEMPORARIES);
        let failed = |source| OpenError::Io { path: temporaries.clone(), source };
        ops.create_dir(&temporaries).map_err(failed)?;
        if !ops.is_dir(&temporaries).map_err(failed)? {
            return Err(failed(io::Error::from(io::ErrorKind::NotADirectory)));
        }
        sweep(&ops, &temporaries).map_err(failed)?;
        Ok(Self {
            ops,
            layout: Layout { root },
            temporaries,
            next: AtomicU64::new(0),
            counts: Mutex::default(),
            busy: Busy::default(),
            flushes: Flushes::default(),
        })
    }

    pub(super) fn path(&self, id: &RecordId) -> PathBuf {
        self.layout.path(id)
    }

    /// Reads a record, which is durable when this returns, and gives its version.
    pub(super) fn read(&self, id: &RecordId) -> Result<(Option<Vec<u8>>, String), StoreError> {
        let path = self.layout.possible_path(id)?;
        let _busy = self.busy.enter(id);
        self.check_root()?;
        let directory = path.parent().unwrap_or(&self.layout.root);
        let failed = |error| refused(id, &error);
        if self.ops.is_dir(directory).map_err(failed)? {
            self.settle(directory).map_err(failed)?;
        }
        let found = self.ops.read(&path).map_err(failed)?;
        let version = self.version(id, found.as_ref().map(|(_, stamp)| stamp));
        Ok((found.map(|(text, _)| text::read_back(&text)), version))
    }

    pub(super) fn replace(&self, id: &RecordId, expected: &str, bytes: &[u8]) -> Result<String, StoreError> {
        let path = self.layout.possible_path(id)?;
        let _busy = self.busy.enter(id);
        self.check_root()?;
        self.expect(id, &path, expected)?;
        let directory = path.parent().unwrap_or(&self.layout.root);
        self.settle(directory).map_err(|error| refused(id, &error))?;
        let temporary = self.temporaries.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let stamp = match self.write(&temporary, &text::lay_out(bytes)) {
            Ok(stamp) => stamp,
            Err(error) => {
                // The record is untouched. What is left of the temporary file is swept at the next opening, if this fails too.
                drop(self.ops.remove(&temporary));
                return Err(refused(id, &error));
            }
        };
        if let Err(error) = self.ops.rename(&temporary, &path) {
            // The directory may have been removed by hand: the next write makes it anew.
            self.flushes.forget();
            // A file that still has its temporary name has not got the other.
            return Err(match self.ops.remove(&temporary) {
                Ok(()) => refused(id, &error),
                Err(_) => StoreError::Unknown(error.to_string()),
            });
        }
        self.counts().moved(id);
        self.finish(directory)?;
        Ok(self.version(id, Some(&stamp)))
    }

    pub(super) fn remove(&self, id: &RecordId, expected: &str) -> Result<(), StoreError> {
        let path = self.layout.possible_path(id)?;
        let _busy = self.busy.enter(id);
        self.check_root()?;
        let Some(stood) = self.expect(id, &path, expected)? else { return Err(StoreError::Conflict) };
        let directory = path.parent().unwrap_or(&self.layout.root);
        self.settle(directory).map_err(|error| refused(id, &error))?;
        if let Err(error) = self.ops.remove(&path) {
            self.flushes.forget();
            return Err(match self.ops.stamp(&path) {
                Ok(Some(stands)) if stands == stood => refused(id, &error),
                _ => StoreError::Unknown(error.to_string()),
            });
        }
        self.counts().moved(id);
        self.finish(directory)
    }

    pub(super) fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.check_root()?;
        self.layout.list(&self.ops, machine).map_err(|error| unavailable(&error))
    }

    pub(super) fn machines(&self) -> Result<Vec<String>, StoreError> {
        self.check_root()?;
        self.layout.machines(&self.ops).map_err(|error| unavailable(&error))
    }

    fn write(&self, temporary: &Path, text: &[u8]) -> io::Result<Stamp> {
        let mut file = self.ops.create(temporary)?;
        self.ops.write(&mut file, text)?;
        self.ops.sync(&mut file)
    }

    /// Makes durable what was just done to a name in this directory.
    fn finish(&self, directory: &Path) -> Result<(), StoreError> {
        self.flushes.flush(&self.ops, directory).map_err(|error| StoreError::Unknown(error.to_string()))?;
        // If the root was moved in between, the name may have been taken in another directory.
        self.check_root().map_err(|error| StoreError::Unknown(error.to_string()))
    }

    /// Makes sure that a directory is there, and that everything in it is durable.
    fn settle(&self, directory: &Path) -> io::Result<()> {
        self.flushes.settle(&self.ops, &self.layout.root, directory)
    }

    /// Another process may have locked what has the name of our directory by now.
    fn check_root(&self) -> Result<(), StoreError> {
        let root = &self.layout.root;
        match self.ops.is_locked(root) {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::Refused(format!(
                "the record directory {} was moved or replaced while it was open; move it back, or stop this controller and start it again",
                root.display()
            ))),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// What stands at the path, if it is what is expected.
    fn expect(&self, id: &RecordId, path: &Path, expected: &str) -> Result<Option<Stamp>, StoreError> {
        let stands = self.ops.stamp(path).map_err(|error| refused(id, &error))?;
        let (count, stamp) = expected.split_once(' ').ok_or(StoreError::Conflict)?;
        let count = count.parse().map_err(|_| StoreError::Conflict)?;
        let is_current = self.counts().is_current(id, count) && stamp == name(stands.as_ref());
        if is_current { Ok(stands) } else { Err(StoreError::Conflict) }
    }

    /// How often this handle has written the record, and what stands in the file.
    fn version(&self, id: &RecordId, stands: Option<&Stamp>) -> String {
        format!("{} {}", self.counts().of(id), name(stands))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(stands: Option<&Stamp>) -> String {
    stands.map_or_else(|| "absent".to_owned(), Stamp::to_string)
}

/// Removes files that a crash has left half written.
fn sweep(ops: &impl FileOps, temporaries: &Path) -> io::Result<()> {
    for (name, is_directory) in ops.list(temporaries)? {
        if !is_directory && name.bytes().all(|byte| byte.is_ascii_digit()) {
            ops.remove(&temporaries.join(name))?;
        }
    }
    Ok(())
}

fn unavailable(error: &io::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// An error before anything was done to the record.
fn refused(id: &RecordId, error: &io::Error) -> StoreError {
    if error.kind() == io::ErrorKind::InvalidFilename { too_long(id) } else { unavailable(error) }
}

/// The records that are being worked on, one operation at a time.
#[derive(Debug, Default)]
struct Busy {
    records: Mutex<HashSet<RecordId>>,
    freed: Condvar,
}

struct Entered<'b>(&'b Busy, RecordId);

impl Busy {
    fn enter(&self, id: &RecordId) -> Entered<'_> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        while !records.insert(id.clone()) {
            records = self.freed.wait(records).unwrap_or_else(PoisonError::into_inner);
        }
        Entered(self, id.clone())
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.records.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
        self.0.freed.notify_all();
    }
}
