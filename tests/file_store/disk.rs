//! A file system that can lose what was not made durable.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use durable_fsm::store::FileOps;

/// A file's content: what programs see, and what `fsync` has made durable.
#[derive(Clone, Default)]
struct Content {
    live: Vec<u8>,
    durable: Option<Vec<u8>>,
}

#[derive(Clone, Default)]
struct Image {
    files: Vec<Content>,
    /// Names of files, each an index; what programs see, and what was made durable.
    live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    dirs: BTreeMap<PathBuf, bool>,
    operations: Vec<String>,
    crash_at: Option<usize>,
    syncs_nothing: bool,
}

/// A file system in memory; every clone is the same one.
#[derive(Clone, Default)]
pub struct SimulatedDisk(Arc<Mutex<Image>>);

/// What of the things that were not durable is there after a crash.
#[derive(Clone, Copy, Debug)]
pub struct Survival {
    /// Names that were not made durable are there all the same.
    pub names: bool,
    /// How much of a content that was not made durable is there.
    pub content: Torn,
}

#[derive(Clone, Copy, Debug)]
pub enum Torn {
    Nothing,
    One,
    Half,
    AllButOne,
    All,
}

impl Survival {
    pub fn all() -> Vec<Self> {
        let torn = [Torn::Nothing, Torn::One, Torn::Half, Torn::AllButOne, Torn::All];
        torn.into_iter().flat_map(|content| [false, true].map(|names| Self { names, content })).collect()
    }
}

impl SimulatedDisk {
    /// Lets the n-th operation from now on, and all later ones, fail: the machine is down.
    pub fn crash_at(&self, operation: usize) {
        let mut image = self.0.lock().unwrap();
        image.operations.clear();
        image.crash_at = Some(operation);
    }

    /// A disk that answers `fsync` and does nothing: to see the tests fail.
    pub fn that_lies(self) -> Self {
        self.0.lock().unwrap().syncs_nothing = true;
        self
    }

    /// The operations since the crash was armed.
    pub fn operations(&self) -> Vec<String> {
        self.0.lock().unwrap().operations.clone()
    }

    /// What is on the disk when the machine comes up again.
    pub fn after_crash(&self, survival: Survival) -> Self {
        let old = self.0.lock().unwrap();
        let mut image = Image { syncs_nothing: old.syncs_nothing, ..Image::default() };
        let names = if survival.names { &old.live } else { &old.durable };
        for (path, index) in names {
            let content = &old.files[*index];
            let bytes = match &content.durable {
                Some(durable) if *durable == content.live => durable.clone(),
                _ => torn(&content.live, survival.content),
            };
            image.live.insert(path.clone(), image.files.len());
            image.durable.insert(path.clone(), image.files.len());
            image.files.push(Content { live: bytes.clone(), durable: Some(bytes) });
        }
        image.dirs = old
            .dirs
            .iter()
            .filter(|(_, durable)| **durable || survival.names)
            .map(|(path, _)| (path.clone(), true))
            .collect();
        // A file whose directory is gone is gone.
        let dirs = image.dirs.clone();
        let kept = |path: &PathBuf| path.ancestors().skip(1).all(|dir| dir == Path::new("/") || dirs.contains_key(dir));
        image.live.retain(|path, _| kept(path));
        image.durable.retain(|path, _| kept(path));
        Self(Arc::new(Mutex::new(image)))
    }

    fn step<A>(&self, name: &str, path: &Path, work: impl FnOnce(&mut Image) -> io::Result<A>) -> io::Result<A> {
        let mut image = self.0.lock().unwrap();
        let number = image.operations.len();
        if image.crash_at.is_some_and(|at| number >= at) {
            return Err(io::Error::other("the machine is down"));
        }
        image.operations.push(format!("{name} {}", path.display()));
        work(&mut image)
    }
}

fn torn(bytes: &[u8], torn: Torn) -> Vec<u8> {
    let length = match torn {
        Torn::Nothing => 0,
        Torn::One => 1,
        Torn::Half => bytes.len() / 2,
        Torn::AllButOne => bytes.len().saturating_sub(1),
        Torn::All => bytes.len(),
    };
    bytes[..length.min(bytes.len())].to_vec()
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl FileOps for SimulatedDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.step("create-dir", path, |image| {
            image.dirs.entry(path.to_owned()).or_insert(false);
            Ok(())
        })
    }
    fn is_dir(&self, path: &Path) -> bool {
        path == Path::new("/") || self.0.lock().unwrap().dirs.contains_key(path)
    }
    fn create(&self, path: &Path) -> io::Result<()> {
        self.step("create", path, |image| {
            image.files.push(Content::default());
            image.live.insert(path.to_owned(), image.files.len() - 1);
            Ok(())
        })
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.step("write", path, |image| {
            let index = *image.live.get(path).ok_or_else(missing)?;
            image.files[index].live = bytes.to_vec();
            Ok(())
        })
    }
    fn sync(&self, path: &Path) -> io::Result<()> {
        self.step("sync", path, |image| {
            let index = *image.live.get(path).ok_or_else(missing)?;
            if !image.syncs_nothing {
                image.files[index].durable = Some(image.files[index].live.clone());
            }
            Ok(())
        })
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename", to, |image| {
            let index = image.live.remove(from).ok_or_else(missing)?;
            image.live.insert(to.to_owned(), index);
            Ok(())
        })
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step("sync-dir", path, |image| {
            if image.syncs_nothing {
                return Ok(());
            }
            let inside = |it: &PathBuf| it.parent() == Some(path);
            image.durable.retain(|it, _| !inside(it));
            let live: Vec<_> =
                image.live.iter().filter(|(it, _)| inside(it)).map(|(it, index)| (it.clone(), *index)).collect();
            image.durable.extend(live);
            for (dir, durable) in &mut image.dirs {
                *durable |= inside(dir);
            }
            Ok(())
        })
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step("remove", path, |image| image.live.remove(path).map(drop).ok_or_else(missing))
    }
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let image = self.0.lock().unwrap();
        Ok(image.live.get(path).map(|index| image.files[*index].live.clone()))
    }
    fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>> {
        let image = self.0.lock().unwrap();
        let inside = |it: &&PathBuf| it.parent() == Some(path);
        let name = |it: &PathBuf| it.file_name().unwrap().to_str().unwrap().to_owned();
        let files = image.live.keys().filter(inside).map(|it| (name(it), false));
        Ok(files.chain(image.dirs.keys().filter(inside).map(|it| (name(it), true))).collect())
    }
    fn lock(&self, _path: &Path) -> io::Result<bool> {
        Ok(true)
    }
}
