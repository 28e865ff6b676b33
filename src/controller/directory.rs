//! A directory of documents. Invariant: a listing tells of every file that is there, so a file that is in none of two listings in a row is gone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::document;

/// A directory whose files are the resources that are wanted: `*.yaml` and `*.yml` with one document or more, `*.json` with one.
/// Names that begin with a dot, other endings and subdirectories are left alone; links are followed.
///
/// The directory is read once a second, or as [`every`](Self::every) says. A file is read again when its size or time has changed. Reading works
/// on every file system, network file systems and mounted ConfigMaps included, where change notifications do not arrive.
///
/// # What deletes a resource
///
/// A resource is deleted when no file has its document in two readings in a row. It is not deleted while any of these holds:
///
/// - The directory cannot be read.
/// - The file that it was read from is there and cannot be read now. An empty file cannot be read, because it may be half-written.
/// - A file that cannot be read mentions its name, or has not been read by this controller before.
///
/// If two files have a document of one resource, neither counts as read.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
    pub(super) every: Duration,
}

impl Directory {
    /// The directory at this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), every: Duration::from_secs(1) }
    }

    /// How often the directory is read. Once a second unless set.
    #[must_use]
    pub fn every(mut self, time: Duration) -> Self {
        self.every = time;
        self
    }
}

/// What was found in a directory.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) path: PathBuf,
    /// Files by name, or why the directory cannot be read.
    pub(super) files: Result<BTreeMap<String, Arc<Content>>, String>,
}

/// What is in a file. The same allocation is told again for as long as the file has not changed.
#[derive(Debug)]
pub(super) enum Content {
    Documents(Vec<Value>),
    /// Why it cannot be read, and its text, if that much can be had.
    Unread {
        why: String,
        text: Option<String>,
    },
}

/// A directory that is read again and again.
pub(super) struct Watch {
    path: PathBuf,
    seen: BTreeMap<String, Seen>,
}

struct Seen {
    stamp: Stamp,
    /// When it was read.
    at: SystemTime,
    content: Arc<Content>,
}

/// What changes when a file does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    size: u64,
}

/// A file that was written so shortly before it was read may be written again without its time changing.
const YOUNG: Duration = Duration::from_secs(3);

impl Watch {
    pub(super) fn new(directory: Directory) -> Self {
        Self { path: directory.path, seen: BTreeMap::new() }
    }

    /// Reads the directory, away from the runtime's threads.
    pub(super) async fn read(self, now: SystemTime) -> (Self, Listing) {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut watch = self;
            let files = watch.look(now);
            (watch, files)
        });
        match read.await {
            Ok((watch, files)) => {
                let files = files.map_err(|error| error.to_string());
                (watch, Listing { path, files })
            }
            // The runtime is going down, or reading has panicked.
            Err(error) => {
                let watch = Self { path: path.clone(), seen: BTreeMap::new() };
                (watch, Listing { path, files: Err(error.to_string()) })
            }
        }
    }

    fn look(&mut self, now: SystemTime) -> io::Result<BTreeMap<String, Arc<Content>>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_document = [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending));
            if is_document && !name.starts_with('.') {
                let before = self.seen.remove(&name);
                if let Some(seen) = look_at(&entry.path(), &name, before, now) {
                    found.insert(name, seen);
                }
            }
        }
        self.seen = found;
        Ok(self.seen.iter().map(|(name, seen)| (name.clone(), Arc::clone(&seen.content))).collect())
    }
}

/// What is in a file now. None if it is no file, or gone by now.
fn look_at(path: &Path, name: &str, before: Option<Seen>, now: SystemTime) -> Option<Seen> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return None,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return Some(Seen::unread(Stamp::NONE, now, error.to_string(), None, before)),
    };
    let stamp = Stamp { modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), size: metadata.len() };
    if let Some(before) = before.as_ref().filter(|before| before.stamp == stamp) {
        let was_old = before.at.duration_since(stamp.modified).is_ok_and(|age| age > YOUNG);
        if was_old {
            return Some(Seen { stamp, at: before.at, content: Arc::clone(&before.content) });
        }
    }
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => Some(Seen::unread(stamp, now, error.to_string(), None, before)),
        Ok(bytes) => match String::from_utf8(bytes) {
            Err(error) => Some(Seen::unread(stamp, now, error.to_string(), None, before)),
            Ok(text) => match document::read(name, &text) {
                Err(why) => Some(Seen::unread(stamp, now, why, Some(text), before)),
                Ok(documents) => Some(Seen::with(stamp, now, Content::Documents(documents), before)),
            },
        },
    }
}

impl Stamp {
    const NONE: Self = Self { modified: SystemTime::UNIX_EPOCH, size: 0 };
}

impl Seen {
    fn unread(stamp: Stamp, at: SystemTime, why: String, text: Option<String>, before: Option<Seen>) -> Self {
        Self::with(stamp, at, Content::Unread { why, text }, before)
    }

    /// What says the same as before stays the same allocation.
    fn with(stamp: Stamp, at: SystemTime, content: Content, before: Option<Seen>) -> Self {
        let is_same = |before: &Content| match (before, &content) {
            (Content::Documents(before), Content::Documents(now)) => before == now,
            (Content::Unread { why: before, text: old }, Content::Unread { why: now, text: new }) => {
                before == now && old == new
            }
            _ => false,
        };
        match before.filter(|before| is_same(&before.content)) {
            Some(before) => Self { stamp, at, content: before.content },
            None => Self { stamp, at, content: Arc::new(content) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &BTreeMap<String, Arc<Content>>) -> Vec<&str> {
        files.keys().map(String::as_str).collect()
    }

    #[test]
    fn documents_are_found_and_everything_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("a.yaml", "name: a");
        write("b.json", "{}");
        write("c.yml", "");
        write(".hidden.yaml", "name: h");
        write("README.md", "# no document");
        fs::create_dir(folder.path().join("d.yaml")).unwrap();
        let mut watch = Watch::new(Directory::new(folder.path()));
        let files = watch.look(SystemTime::now()).unwrap();
        assert_eq!(names(&files), ["a.yaml", "b.json", "c.yml"]);
        assert!(matches!(&*files["c.yml"], Content::Unread { text: Some(text), .. } if text.is_empty()));
        fs::write(folder.path().join("c.yml"), [0xff, 0xfe]).unwrap();
        assert!(matches!(&*watch.look(SystemTime::now()).unwrap()["c.yml"], Content::Unread { text: None, .. }));
        drop(folder);
        assert!(watch.look(SystemTime::now()).is_err());
    }

    #[test]
    fn a_change_of_the_same_size_within_the_clocks_grain_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "a: 1").unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let mut watch = Watch::new(Directory::new(folder.path()));
        let first = watch.look(modified).unwrap();
        fs::write(&path, "a: 2").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        let second = watch.look(modified + YOUNG).unwrap();
        assert!(matches!(&*second["a.yaml"], Content::Documents(found) if found[0]["a"] == 2));
        assert!(!Arc::ptr_eq(&first["a.yaml"], &second["a.yaml"]));
        // Once it was read when it was old, its time and size are believed.
        let third = watch.look(modified + YOUNG * 2).unwrap();
        assert!(Arc::ptr_eq(&second["a.yaml"], &third["a.yaml"]));
        fs::write(&path, "a: 3").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        let fourth = watch.look(modified + YOUNG * 3).unwrap();
        assert!(Arc::ptr_eq(&third["a.yaml"], &fourth["a.yaml"]));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_one_that_leads_nowhere_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("..data")).unwrap();
        fs::write(folder.path().join("..data/a.yaml"), "name: a").unwrap();
        std::os::unix::fs::symlink("..data/a.yaml", folder.path().join("a.yaml")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("b.yaml")).unwrap();
        let mut watch = Watch::new(Directory::new(folder.path()));
        assert_eq!(names(&watch.look(SystemTime::now()).unwrap()), ["a.yaml"]);
    }
}
