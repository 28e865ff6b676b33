//! Where in the directory each record is. Invariant: a path that is given for a record is found again by [`Layout::list`].

use std::io;
use std::path::{Path, PathBuf};

use super::disk::FileOps;
use super::name::{joined, parts};
use crate::ResourceId;
use crate::store::{RecordId, StoreError};

const SUFFIX: &str = ".json";

/// The longest path that every system call takes, with its final zero byte.
const LONGEST_PATH: usize = 4095;

/// No name within the limit on paths makes more parts than this.
const DEEPEST: usize = 64;

/// The directory's paths.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
}

impl Layout {
    pub(super) fn path(&self, id: &RecordId) -> PathBuf {
        let mut path = self.directory(&id.machine);
        path.extend(parts(&id.resource.namespace));
        path.extend(parts(&id.resource.name));
        path.as_mut_os_string().push(SUFFIX);
        path
    }

    /// The path of a record, if the file system can have it.
    pub(super) fn possible_path(&self, id: &RecordId) -> Result<PathBuf, StoreError> {
        let path = self.path(id);
        if path.as_os_str().len() > LONGEST_PATH { Err(too_long(id)) } else { Ok(path) }
    }

    fn directory(&self, machine: &str) -> PathBuf {
        let mut path = self.root.clone();
        path.extend(parts(machine));
        path
    }

    /// The resources that have a record of this machine.
    pub(super) fn list(&self, ops: &impl FileOps, machine: &str) -> io::Result<Vec<ResourceId>> {
        let mut found = Vec::new();
        collect(ops, &self.directory(machine), &mut Vec::new(), &mut found)?;
        Ok(found)
    }

    /// The machines that have a directory here.
    pub(super) fn machines(&self, ops: &impl FileOps) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        machines(ops, &self.root, &mut Vec::new(), &mut found)?;
        Ok(found)
    }
}

/// Walks the namespaces and names below a machine. Files that no name has are not records of ours.
fn collect(
    ops: &impl FileOps,
    directory: &Path,
    above: &mut Vec<String>,
    found: &mut Vec<ResourceId>,
) -> io::Result<()> {
    for (name, is_directory) in ops.list(directory)? {
        if is_directory {
            if above.len() < DEEPEST {
                above.push(name.clone());
                collect(ops, &directory.join(&name), above, found)?;
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

/// Walks the parts of machines' names. A name ends with the first part that does not go on.
fn machines(ops: &impl FileOps, directory: &Path, above: &mut Vec<String>, found: &mut Vec<String>) -> io::Result<()> {
    for (name, is_directory) in ops.list(directory)? {
        if !is_directory || name.starts_with('.') || above.len() >= DEEPEST {
            continue;
        }
        above.push(name.clone());
        if name.ends_with('+') {
            machines(ops, &directory.join(&name), above, found)?;
        } else {
            found.extend(joined(above));
        }
        above.pop();
    }
    Ok(())
}

/// The names of a record do not fit into a path.
pub(super) fn too_long(id: &RecordId) -> StoreError {
    let mut name = format!("{id}");
    if name.len() > 100 {
        name = name.chars().take(100).chain(['…']).collect();
    }
    StoreError::Refused(format!(
        "the name {name} makes a path that the file system does not allow; shorten the name of the resource, or the path of the record directory"
    ))
}
