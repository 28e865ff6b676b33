//! Flushes of directories. Invariant: a name counts as durable only after a flush that began when the name stood there, and that
//! succeeded; after one that failed, the directory is changed once more before it is flushed again.
//!
//! Many writers share one flush: a flush covers every name that was there when it began. A directory whose flush has failed is in doubt,
//! because a kernel may mark as clean what it could not write, and a second flush then succeeds and does nothing. So is a directory that a
//! process before this one has left.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::disk::FileOps;

/// The file that is made and removed in order to change a directory. No record has a name that begins with a dot.
const TOUCH: &str = ".touch";

/// What is known of each directory.
#[derive(Debug, Default)]
pub(super) struct Flushes(Mutex<HashMap<PathBuf, Arc<Directory>>>);

#[derive(Debug, Default)]
struct Directory {
    state: Mutex<State>,
    flushed: Condvar,
    /// Held while the directory is made or settled.
    settling: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Changes that want a flush are numbered; up to which number all are durable, and which of them were in a flush that failed.
    asked: u64,
    done: u64,
    failed: u64,
    why: String,
    running: bool,
    /// How often a flush has failed, and how many of the failures have been made good.
    failures: u64,
    mended: u64,
    /// The directory's own name is durable, and what an earlier process has left in it.
    known: bool,
}

impl State {
    fn is_settled(&self) -> bool {
        self.known && self.mended == self.failures
    }
}

impl Directory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes durable what the caller has changed in this directory.
    fn flush(&self, ops: &impl FileOps, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.asked += 1;
        let mine = state.asked;
        loop {
            if state.failed >= mine {
                return Err(io::Error::other(state.why.clone()));
            }
            if state.done >= mine {
                return Ok(());
            }
            if state.running {
                state = self.flushed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.running = true;
            let covered = state.asked;
            drop(state);
            let flushed = ops.sync_dir(path);
            state = self.state();
            state.running = false;
            match flushed {
                Ok(()) => state.done = covered,
                Err(error) => {
                    state.failed = covered;
                    state.why = error.to_string();
                    state.failures += 1;
                }
            }
            self.flushed.notify_all();
        }
    }

    /// Makes durable what was changed in this directory before.
    fn settle(&self, ops: &impl FileOps, path: &Path) -> io::Result<()> {
        let failures = self.state().failures;
        let touch = path.join(TOUCH);
        match ops.create(&touch) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        ops.remove(&touch)?;
        self.flush(ops, path)?;
        let mut state = self.state();
        state.mended = failures;
        state.known = true;
        Ok(())
    }
}

impl Flushes {
    fn directory(&self, path: &Path) -> Arc<Directory> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = all.get(path) {
            return Arc::clone(directory);
        }
        Arc::clone(all.entry(path.to_owned()).or_default())
    }

    /// Makes durable what the caller has changed in a directory, in one flush with others.
    pub(super) fn flush(&self, ops: &impl FileOps, path: &Path) -> io::Result<()> {
        self.directory(path).flush(ops, path)
    }

    /// Makes a directory below `root` and those above it, and makes durable whatever was done in it before; at once if that is known.
    pub(super) fn settle(&self, ops: &impl FileOps, root: &Path, path: &Path) -> io::Result<()> {
        let directory = self.directory(path);
        if directory.state().is_settled() {
            return Ok(());
        }
        let settling = directory.settling.lock().unwrap_or_else(PoisonError::into_inner);
        let known = {
            let state = directory.state();
            if state.is_settled() {
                return Ok(());
            }
            state.known
        };
        if let Some(parent) = path.parent().filter(|_| path != root && !known) {
            self.settle(ops, root, parent)?;
            ops.create_dir(path)?;
            self.flush(ops, parent)?;
        }
        let settled = directory.settle(ops, path);
        drop(settling);
        settled
    }

    /// Forgets what is known: somebody else has removed a directory.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
