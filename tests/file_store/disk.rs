//! A simulated file system that can lose what was not flushed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use durable_fsm::store::{FileOps, Stamp};

/// A file's content: what programs see, and what `fsync` has made durable.
#[derive(Clone, Default)]
pub struct Content {
    pub live: Vec<u8>,
    pub durable: Option<Vec<u8>>,
    /// What was done to a file that is written in place since it was last flushed, and is not lost yet.
    pub pending: Vec<Pending>,
}

/// Something done to a file that is written in place.
#[derive(Clone)]
#[cfg_attr(not(feature = "embedded"), expect(dead_code, reason = "only the embedded database writes in place"))]
pub enum Pending {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Pending {
    pub fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Pending::Write(at, bytes) => {
                content.resize(content.len().max(at + bytes.len()), 0);
                content[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Pending::Length(length) => content.resize(*length, 0),
        }
    }
}

#[derive(Clone, Default)]
pub struct Image {
    pub files: Vec<Content>,
    /// Names of files, each an index; what programs see, and what was made durable.
    pub live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    dirs: BTreeMap<PathBuf, bool>,
    /// Directories that were changed since they were last flushed. A flush of another one does nothing.
    changed: BTreeSet<PathBuf>,
    operations: Vec<String>,
    crash_at: Option<usize>,
    fault: Option<Fault>,
    /// Every operation of this name fails.
    broken: Option<&'static str>,
    pub syncs_nothing: bool,
    /// For how many more renames no flush ends.
    held: usize,
    /// The root was moved away, and another directory has its name.
    moved: bool,
}

/// One operation that fails; the machine goes on.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub operation: usize,
    pub errno: i32,
    /// What was asked was done, and the error came after.
    pub applied: bool,
}

/// A file system in memory; every clone is the same one.
#[derive(Clone, Default)]
pub struct SimulatedDisk {
    image: Arc<Mutex<Image>>,
    renamed: Arc<Condvar>,
}

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
        let mut image = self.image.lock().unwrap();
        image.operations.clear();
        image.crash_at = Some(operation);
    }

    /// Lets one operation from now on fail, and the machine go on.
    pub fn fail(&self, fault: Fault) {
        let mut image = self.image.lock().unwrap();
        image.operations.clear();
        image.fault = Some(fault);
    }

    /// Lets every operation of this name fail from now on, or none.
    pub fn break_all(&self, name: Option<&'static str>) {
        let mut image = self.image.lock().unwrap();
        image.operations.clear();
        image.broken = name;
    }

    /// Lets no flush end before so many files were renamed.
    pub fn hold_flushes(&self, renames: usize) {
        let mut image = self.image.lock().unwrap();
        image.operations.clear();
        image.held = renames;
    }

    /// Lets no flush of a file that is written in place end before what is returned is dropped.
    #[cfg(feature = "embedded")]
    pub fn hold_pages(&self) -> Held {
        self.image.lock().unwrap().held = 1;
        Held(self.clone())
    }

    /// Waits until flushes are let go on.
    #[cfg(feature = "embedded")]
    pub fn wait_while_held(&self) {
        drop(self.renamed.wait_while(self.image.lock().unwrap(), |image| image.held > 0).unwrap());
    }

    /// Moves the root away and puts another directory in its place.
    pub fn replace_root(&self) {
        self.image.lock().unwrap().moved = true;
    }

    /// A disk that answers `fsync` and does nothing: to see the tests fail.
    pub fn that_lies(self) -> Self {
        self.image.lock().unwrap().syncs_nothing = true;
        self
    }

    /// The operations since the crash was armed.
    pub fn operations(&self) -> Vec<String> {
        self.image.lock().unwrap().operations.clone()
    }

    /// What is on the disk when the machine comes up again.
    pub fn after_crash(&self, survival: Survival) -> Self {
        let old = self.image.lock().unwrap();
        let mut image = Image { syncs_nothing: old.syncs_nothing, ..Image::default() };
        let names = if survival.names { &old.live } else { &old.durable };
        for (path, index) in names {
            let content = &old.files[*index];
            let bytes = match &content.durable {
                Some(durable) => some(durable, &content.pending, survival.content),
                None => torn(&content.live, survival.content),
            };
            image.live.insert(path.clone(), image.files.len());
            image.durable.insert(path.clone(), image.files.len());
            image.files.push(Content { live: bytes.clone(), durable: Some(bytes), pending: Vec::new() });
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
        Self { image: Arc::new(Mutex::new(image)), renamed: Arc::default() }
    }

    pub fn step<A>(&self, name: &str, path: &Path, work: impl FnOnce(&mut Image) -> io::Result<A>) -> io::Result<A> {
        let mut image = self.image.lock().unwrap();
        let number = image.operations.len();
        if image.crash_at.is_some_and(|at| number >= at) {
            return Err(io::Error::other("the machine is down"));
        }
        image.operations.push(format!("{name} {}", path.display()));
        if image.broken == Some(name) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let Some(fault) = image.fault.filter(|fault| fault.operation == number) else { return work(&mut image) };
        // What could not be written is taken for clean from here on.
        if name == "sync-dir" {
            image.changed.remove(path);
        } else if name == "sync-pages" {
            let index = image.live[path];
            image.files[index].pending.clear();
        } else if fault.applied {
            drop(work(&mut image));
        }
        Err(io::Error::from_raw_os_error(fault.errno))
    }
}

/// Lets flushes go on when it is dropped.
#[cfg(feature = "embedded")]
pub struct Held(SimulatedDisk);

#[cfg(feature = "embedded")]
impl Drop for Held {
    fn drop(&mut self) {
        self.0.image.lock().unwrap().held = 0;
        self.0.renamed.notify_all();
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

/// A file that is written in place, with some of what was not flushed; also the later part without the earlier.
fn some(durable: &[u8], pending: &[Pending], torn: Torn) -> Vec<u8> {
    let kept = match torn {
        Torn::Nothing => 0..0,
        Torn::One => 0..pending.len().min(1),
        Torn::Half => 0..pending.len() / 2,
        Torn::AllButOne => pending.len().min(1)..pending.len(),
        Torn::All => 0..pending.len(),
    };
    let mut content = durable.to_vec();
    pending[kept].iter().for_each(|done| done.apply(&mut content));
    content
}

pub fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Image {
    fn change(&mut self, path: &Path) {
        self.changed.extend(path.parent().map(Path::to_owned));
    }
}

impl FileOps for SimulatedDisk {
    type File = PathBuf;

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.step("create-dir", path, |image| {
            if !image.dirs.contains_key(path) {
                image.dirs.insert(path.to_owned(), false);
                image.change(path);
            }
            Ok(())
        })
    }
    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        self.step("is-dir", path, |image| Ok(path == Path::new("/") || image.dirs.contains_key(path)))
    }
    fn create(&self, path: &Path) -> io::Result<PathBuf> {
        self.step("create", path, |image| {
            if image.live.contains_key(path) {
                return Err(io::Error::from(io::ErrorKind::AlreadyExists));
            }
            image.files.push(Content::default());
            image.live.insert(path.to_owned(), image.files.len() - 1);
            image.change(path);
            Ok(path.to_owned())
        })
    }
    fn write(&self, file: &mut PathBuf, bytes: &[u8]) -> io::Result<()> {
        self.step("write", file, |image| {
            let index = *image.live.get(file).ok_or_else(missing)?;
            image.files[index].live = bytes.to_vec();
            Ok(())
        })
    }
    fn sync(&self, file: &mut PathBuf) -> io::Result<Stamp> {
        self.step("sync", file, |image| {
            let index = *image.live.get(file).ok_or_else(missing)?;
            if !image.syncs_nothing {
                image.files[index].durable = Some(image.files[index].live.clone());
            }
            Ok(stamp(image, index))
        })
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename", to, |image| {
            let index = image.live.remove(from).ok_or_else(missing)?;
            image.live.insert(to.to_owned(), index);
            image.change(from);
            image.change(to);
            image.held = image.held.saturating_sub(1);
            self.renamed.notify_all();
            Ok(())
        })
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let flushed = self.step("sync-dir", path, |image| {
            if image.syncs_nothing || !image.changed.remove(path) {
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
        });
        drop(self.renamed.wait_while(self.image.lock().unwrap(), |image| image.held > 0).unwrap());
        flushed
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step("remove", path, |image| {
            image.change(path);
            image.live.remove(path).map(drop).ok_or_else(missing)
        })
    }
    fn read(&self, path: &Path) -> io::Result<Option<(Vec<u8>, Stamp)>> {
        self.step("read", path, |image| {
            Ok(image.live.get(path).map(|index| (image.files[*index].live.clone(), stamp(image, *index))))
        })
    }
    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        self.step("stamp", path, |image| Ok(image.live.get(path).map(|index| stamp(image, *index))))
    }
    fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>> {
        self.step("list", path, |image| {
            let inside = |it: &&PathBuf| it.parent() == Some(path);
            let name = |it: &PathBuf| it.file_name().unwrap().to_str().unwrap().to_owned();
            let files = image.live.keys().filter(inside).map(|it| (name(it), false));
            Ok(files.chain(image.dirs.keys().filter(inside).map(|it| (name(it), true))).collect())
        })
    }
    fn lock(&self, path: &Path) -> io::Result<bool> {
        self.step("lock", path, |_| Ok(true))
    }
    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.step("is-locked", path, |image| Ok(!image.moved))
    }
}

fn stamp(image: &Image, index: usize) -> Stamp {
    let length = image.files[index].live.len().try_into().unwrap();
    Stamp { file: index.try_into().unwrap(), length, written: 0 }
}
