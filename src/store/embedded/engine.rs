//! The thread that commits, and the database it commits to. Invariant: after a commit that failed, nothing is read or written before the
//! database was copied into a new file, and that file is durable.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redb::Database;

use super::database::{self, Answers, Failed};
use super::pages::{BackupError, Pages};
use super::request::Request;
use crate::ResourceId;
use crate::store::counts::Counts;
use crate::store::open::{OpenError, open_root};
use crate::store::{RecordId, StoreError, Version};

const DATABASE: &str = "records.redb";

/// A database that is being written, before it takes the name of the other.
const NEXT: &str = "records.redb.next";

/// How many writes one commit holds at most.
const LARGEST_BATCH: usize = 1024;

/// How long a commit waits at most for as many writers as the last one had.
const LONGEST_GATHERING: Duration = Duration::from_millis(1);

/// The database, and the thread that commits to it.
#[derive(Debug)]
pub(super) struct Engine<P: Pages> {
    shared: Arc<Shared<P>>,
    queue: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared<P: Pages> {
    pages: P,
    root: PathBuf,
    /// None after a commit that failed, until the database is whole again.
    open: RwLock<Option<Open>>,
    counts: Mutex<Counts>,
    commits: AtomicU64,
}

#[derive(Debug)]
struct Open {
    database: Database,
    /// The number of the file, to notice one that was put in its place.
    file: u64,
}

impl<P: Pages> Engine<P> {
    pub(super) fn open(pages: P, root: &Path) -> Result<Self, OpenError> {
        let root = open_root(&pages, root)?;
        let shared = Arc::new(Shared {
            pages,
            root,
            open: RwLock::new(None),
            counts: Mutex::default(),
            commits: AtomicU64::new(0),
        });
        let failed = |source| OpenError::Io { path: shared.path(DATABASE), source };
        let open = shared.find().map_err(failed)?;
        *shared.open.write().unwrap_or_else(PoisonError::into_inner) = Some(open);
        let (queue, requests) = channel();
        let thread = std::thread::Builder::new().name("durable-fsm records".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.serve(&requests)
        });
        let thread = thread.map_err(failed)?;
        Ok(Self { shared, queue: Some(queue), thread: Some(thread) })
    }

    pub(super) fn send(&self, request: Request) -> Result<(), StoreError> {
        let ended = || StoreError::Unavailable("the thread of the database has ended".to_owned());
        self.queue.as_ref().ok_or_else(ended)?.send(request).map_err(|_| ended())
    }

    pub(super) fn load(&self, id: &RecordId) -> Result<(Option<Vec<u8>>, Version), StoreError> {
        self.shared.read(|database| database::load(database, id, |version| version(&self.shared.counts())))
    }

    pub(super) fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.shared.read(|database| database::list(database, machine))
    }

    pub(super) fn machines(&self) -> Result<Vec<String>, StoreError> {
        self.shared.read(database::machines)
    }

    pub(super) fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// Copies the database as it is now into a new file.
    pub(super) fn backup(&self, file: &Path) -> Result<(), BackupError> {
        let failed = |why: &dyn std::fmt::Display| BackupError::new(file.to_owned(), why);
        let pages = &self.shared.pages;
        let mut part = file.to_owned();
        part.as_mut_os_string().push(".part");
        let is_there = pages.stamp(file).map_err(|error| failed(&error))?.is_some();
        if is_there {
            return Err(failed(&"there is a file of that name"));
        }
        let copied = pages.create_pages(&part).map_err(|error| failed(&error)).and_then(|backing| {
            let to = database::open(backing).map_err(|error| failed(&error))?;
            let copied =
                self.shared.with_database(|from, _| database::copy(from, &to).map_err(|error| unavailable(&error)));
            copied.map_err(|error| failed(&error))
        });
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let named = copied.and_then(|()| {
            pages.rename(&part, file).and_then(|()| pages.sync_dir(parent)).map_err(|error| failed(&error))
        });
        if named.is_err() {
            drop(pages.remove(&part));
        }
        named
    }
}

impl<P: Pages> Drop for Engine<P> {
    fn drop(&mut self) {
        // The thread ends when the queue does, and what was sent before is still done.
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl<P: Pages> Shared<P> {
    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits what has gathered, again and again, until the queue is closed.
    fn serve(&self, requests: &Receiver<Request>) {
        let (mut last, mut took) = (1, Duration::ZERO);
        while let Ok(first) = requests.recv() {
            let mut batch = vec![first];
            // Those that the last commit has answered are about to write again.
            let until = Instant::now() + (took / 4).min(LONGEST_GATHERING);
            while batch.len() < LARGEST_BATCH {
                let left = until.saturating_duration_since(Instant::now());
                let next = if batch.len() < last && !left.is_zero() {
                    requests.recv_timeout(left).ok()
                } else {
                    requests.try_recv().ok()
                };
                let Some(next) = next else { break };
                batch.push(next);
            }
            last = batch.len();
            let begun = Instant::now();
            let answers = self.commit(&batch);
            took = begun.elapsed();
            for (Request { reply, .. }, answer) in batch.into_iter().zip(answers) {
                // A caller that has stopped waiting reads the record when it comes back.
                drop(reply.send(answer));
            }
        }
    }

    /// Does what is asked and makes it durable. One answer for each request.
    fn commit(&self, batch: &[Request]) -> Answers {
        let all = |error: &StoreError| batch.iter().map(|_| Err(error.clone())).collect();
        if let Err(error) = self.mend() {
            return all(&error);
        }
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Open { database, file }) = &*open else { return all(&unavailable(&"it is being mended")) };
        if let Err(error) = self.check(*file) {
            return all(&error);
        }
        // The counts are free again before the flush.
        let applied = database::apply(database, batch, &mut self.counts());
        let error = match applied {
            Ok((None, answers)) => return answers,
            Ok((Some(transaction), answers)) => match transaction.commit() {
                Ok(()) => {
                    self.commits.fetch_add(1, Ordering::Relaxed);
                    return match self.check(*file) {
                        Ok(()) => answers,
                        // It may have gone into a file that is not the database any more.
                        Err(error) => all(&StoreError::Unknown(error.to_string())),
                    };
                }
                Err(error) => StoreError::Unknown(error.to_string()),
            },
            Err(error) => unavailable(&error),
        };
        drop(open);
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = None;
        all(&error)
    }

    /// Reads. A read that fails closes the database as a commit does, because redb answers nothing more after an error.
    fn read<A>(&self, work: impl Fn(&Database) -> Result<A, Failed>) -> Result<A, StoreError> {
        let mut failed = None;
        let done = self.with_database(|database, file| {
            work(database).map_err(|error| {
                failed = Some(file);
                unavailable(&error)
            })
        });
        if let Some(file) = failed {
            let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
            // Another thread may have put a new one in its place by now.
            open.take_if(|open| open.file == file);
        }
        done
    }

    fn with_database<A>(&self, work: impl FnOnce(&Database, u64) -> Result<A, StoreError>) -> Result<A, StoreError> {
        self.mend()?;
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Open { database, file }) = &*open else { return Err(unavailable(&"it is being mended")) };
        self.check(*file)?;
        work(database, *file)
    }

    /// If a commit has failed: copies the database into a new file, and puts it in place of the other.
    fn mend(&self) -> Result<(), StoreError> {
        if self.open.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            self.check_root()?;
            *open = Some(self.copied().map_err(|error| unavailable(&error))?);
        }
        Ok(())
    }

    /// Opens the database that is there, or makes an empty one.
    fn find(&self) -> io::Result<Open> {
        let path = self.path(DATABASE);
        self.clear()?;
        if self.pages.stamp(&path)?.is_none() {
            return self.replace(|_| Ok(()));
        }
        let database = database::open(self.pages.open_pages(&path)?).map_err(io::Error::other)?;
        self.opened(database)
    }

    /// A copy of the database that is there, in its place.
    fn copied(&self) -> io::Result<Open> {
        self.clear()?;
        let from = database::open(self.pages.open_pages(&self.path(DATABASE))?).map_err(io::Error::other)?;
        self.replace(|to| database::copy(&from, to))
    }

    /// Makes a database, and gives it the name when it is durable.
    fn replace(&self, fill: impl FnOnce(&Database) -> Result<(), Failed>) -> io::Result<Open> {
        let next = self.path(NEXT);
        let database = database::open(self.pages.create_pages(&next)?).map_err(io::Error::other)?;
        fill(&database).map_err(io::Error::other)?;
        self.pages.rename(&next, &self.path(DATABASE))?;
        self.pages.sync_dir(&self.root)?;
        self.opened(database)
    }

    fn opened(&self, database: Database) -> io::Result<Open> {
        let stamp = self.pages.stamp(&self.path(DATABASE))?;
        let stamp = stamp.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Open { database, file: stamp.file })
    }

    /// Removes a database that was being written when the machine or the process stopped.
    fn clear(&self) -> io::Result<()> {
        let next = self.path(NEXT);
        if self.pages.stamp(&next)?.is_some() { self.pages.remove(&next) } else { Ok(()) }
    }

    fn check(&self, file: u64) -> Result<(), StoreError> {
        self.check_root()?;
        let stands = self.pages.stamp(&self.path(DATABASE)).map_err(|error| unavailable(&error))?;
        if stands.is_some_and(|stamp| stamp.file == file) { Ok(()) } else { Err(self.moved()) }
    }

    fn check_root(&self) -> Result<(), StoreError> {
        match self.pages.is_locked(&self.root) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.moved()),
            Err(error) => Err(unavailable(&error)),
        }
    }

    fn moved(&self) -> StoreError {
        StoreError::Refused(format!(
            "the database {} was moved or replaced while it was open; move it back, or stop this controller and start it again",
            self.path(DATABASE).display()
        ))
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
