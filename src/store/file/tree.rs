//! The directory behind a file store. Invariant: a name is taken by `rename` alone, from a file whose content is durable.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::name::{joined, parts};
use super::{FileOps, OpenError};
use crate::ResourceId;
use crate::store::{RecordId, StoreError};

const SUFFIX: &str = ".json";
const TEMPORARY: &str = ".json.tmp";

/// The directory, locked.
#[derive(Debug)]
pub(super) struct Tree<O> {
    ops: O,
    root: PathBuf,
    /// How often this handle has written or removed each record.
    counts: HashMap<RecordId, u64>,
    count: u64,
    /// Directories whose names are known to be durable.
    durable: HashSet<PathBuf>,
}

/// A version: how often this handle has written the record, and what stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stand(String);

impl std::fmt::Display for Stand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<O: FileOps> Tree<O> {
    pub(super) fn open(ops: O, root: PathBuf) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { path: root.clone(), source };
        let mut tree = Self { ops, root: root.clone(), counts: HashMap::new(), count: 0, durable: HashSet::new() };
        tree.make_durable(&root).map_err(failed)?;
        let lock = root.join(".lock");
        if !tree.ops.lock(&lock).map_err(failed)? {
            return Err(OpenError::Locked(lock));
        }
        sweep(&tree.ops, &root).map_err(failed)?;
        Ok(tree)
    }

    pub(super) fn path(&self, id: &RecordId) -> PathBuf {
        let mut path = self.directory(&id.machine);
        path.extend(parts(&id.resource.namespace));
        path.extend(parts(&id.resource.name));
        path.as_mut_os_string().push(SUFFIX);
        path
    }

    fn directory(&self, machine: &str) -> PathBuf {
        let mut path = self.root.clone();
        path.extend(parts(machine));
        path
    }

    pub(super) fn read(&self, id: &RecordId) -> Result<(Option<Vec<u8>>, Stand), StoreError> {
        let bytes = self.ops.read(&self.path(id)).map_err(|error| unavailable(&error))?;
        let stand = self.stand(id, bytes.as_deref());
        Ok((bytes, stand))
    }

    pub(super) fn replace(&mut self, id: &RecordId, expected: &str, bytes: &[u8]) -> Result<Stand, StoreError> {
        self.expect(id, expected)?;
        let path = self.path(id);
        let mut temporary = path.clone();
        temporary.as_mut_os_string().push(".tmp");
        let directory = path.parent().unwrap_or(&self.root).to_owned();
        let prepared = self
            .make_durable(&directory)
            .and_then(|()| self.ops.create(&temporary))
            .and_then(|()| self.ops.write(&temporary, bytes))
            .and_then(|()| self.ops.sync(&temporary));
        if let Err(error) = prepared {
            // The record is untouched. What is left of the temporary file is swept at the next opening, if this fails too.
            drop(self.ops.remove(&temporary));
            return Err(unavailable(&error));
        }
        // From here on the new record may be there, whatever is answered.
        self.moved(id);
        let done = self.ops.rename(&temporary, &path).and_then(|()| self.ops.sync_dir(&directory));
        done.map_err(|error| StoreError::Unknown(error.to_string()))?;
        Ok(self.stand(id, Some(bytes)))
    }

    pub(super) fn remove(&mut self, id: &RecordId, expected: &str) -> Result<(), StoreError> {
        if self.expect(id, expected)?.is_none() {
            return Err(StoreError::Conflict);
        }
        let path = self.path(id);
        let directory = path.parent().unwrap_or(&self.root).to_owned();
        self.moved(id);
        let done = self.ops.remove(&path).and_then(|()| self.ops.sync_dir(&directory));
        done.map_err(|error| StoreError::Unknown(error.to_string()))
    }

    pub(super) fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        let mut found = Vec::new();
        self.collect(&self.directory(machine), &mut Vec::new(), &mut found).map_err(|error| unavailable(&error))?;
        Ok(found)
    }

    /// Walks the namespaces and names below a machine. Files that no name has are not records of ours.
    fn collect(&self, directory: &Path, above: &mut Vec<String>, found: &mut Vec<ResourceId>) -> io::Result<()> {
        for (name, is_directory) in self.ops.list(directory)? {
            if is_directory {
                // A name ends with the first part that does not go on, so no path of ours is deeper than this.
                if above.len() < 64 {
                    above.push(name.clone());
                    self.collect(&directory.join(&name), above, found)?;
                    above.pop();
                }
            } else if let Some(last) = name.strip_suffix(SUFFIX) {
                let mut all = above.clone();
                all.push(last.to_owned());
                let split = all.iter().position(|part| !part.ends_with('+')).map_or(all.len(), |index| index + 1);
                let (namespace, name) = all.split_at(split);
                if let (Some(namespace), Some(name)) = (joined(namespace), joined(name)) {
                    found.push(ResourceId { namespace, name });
                }
            }
        }
        Ok(())
    }

    /// Makes a directory and those above it, and makes their names durable; also of one that is there, because whoever made it may have
    /// died before its name was durable.
    fn make_durable(&mut self, directory: &Path) -> io::Result<()> {
        if self.durable.contains(directory) || directory.as_os_str().is_empty() {
            return Ok(());
        }
        let parent = directory.parent().map(Path::to_owned);
        // Above the root is somebody else's; it is made if need be, and its names are left alone.
        let inside = directory != self.root;
        if let Some(parent) = parent.as_deref().filter(|_| inside || !self.ops.is_dir(directory)) {
            self.make_durable(parent)?;
        }
        self.ops.create_dir(directory)?;
        if let Some(parent) = parent.filter(|parent| !parent.as_os_str().is_empty()) {
            self.ops.sync_dir(&parent)?;
        }
        self.durable.insert(directory.to_owned());
        Ok(())
    }

    fn expect(&self, id: &RecordId, expected: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (bytes, stand) = self.read(id)?;
        if stand.0 == expected { Ok(bytes) } else { Err(StoreError::Conflict) }
    }

    fn stand(&self, id: &RecordId, bytes: Option<&[u8]>) -> Stand {
        let count = self.counts.get(id).copied().unwrap_or_default();
        // The content is part of it, so an edit by hand is noticed.
        let content = bytes.map_or_else(|| "absent".to_owned(), |bytes| blake3::hash(bytes).to_hex()[..16].to_owned());
        Stand(format!("{count}-{content}"))
    }

    fn moved(&mut self, id: &RecordId) {
        self.count += 1;
        self.counts.insert(id.clone(), self.count);
    }
}

/// Removes temporary files that a crash has left.
fn sweep<O: FileOps>(ops: &O, directory: &Path) -> io::Result<()> {
    for (name, is_directory) in ops.list(directory)? {
        let path = directory.join(&name);
        if is_directory {
            sweep(ops, &path)?;
        } else if name.ends_with(TEMPORARY) {
            ops.remove(&path)?;
        }
    }
    Ok(())
}

fn unavailable(error: &io::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
