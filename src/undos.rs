//! How many undos a controller may begin, and whether it may begin any. Invariant: no request of an undo is sent without a permit, and none is given
//! while undos are stopped.

use std::collections::VecDeque;
use std::fmt;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::text::redacted;

/// What a rate is counted over.
const MINUTE: Duration = Duration::from_secs(60);

/// How much of a file is read that says why undos are stopped, in bytes.
const LONGEST_WHY: u64 = 300;

/// Limits the undos of one or more runners, and stops them all. A wrong selector, spec or release that asks for the removal of a whole fleet
/// then removes a few things before somebody sees it.
///
/// Every clone is the same limit, so that the runners of all machines of a program can share one:
///
/// ```
/// # fn main() {
/// use durable_fsm::Undos;
///
/// // At most five undos at once and sixty in a minute; none while this file exists.
/// let undos = Undos::new().at_once(5).per_minute(60).stopped_while("/run/operator/stop-undos");
/// // WorkerRunner::builder(provider, store).undos(undos.clone()).build();
///
/// undos.stop("the release of this morning deletes too much");
/// assert!(undos.stopped().is_some());
/// undos.allow();
/// assert!(undos.stopped().is_none());
/// # }
/// ```
///
/// What counts is every call of an `undo` or an `abort`, and every step that is made or looked up only to be undone: in a deletion, a rewind or a
/// roll-back, for members that leave their set, for what is replaced, and for an [orphan](crate::Runner::remove_orphan). A call that has begun is not
/// cut off by a stop.
///
/// The limits are those of one process. Two replicas of a controller begin twice as many. The file can be the same for all of them.
#[derive(Debug, Clone, Default)]
pub struct Undos {
    at_once: Option<u32>,
    per_minute: Option<u32>,
    file: Option<PathBuf>,
    now: Arc<Mutex<Now>>,
}

#[derive(Debug, Default)]
struct Now {
    stopped: Option<String>,
    running: u32,
    /// When the undos of the last minute began, the latest last.
    begun: VecDeque<Duration>,
}

/// Lets one undo run. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Option<Arc<Mutex<Now>>>);

/// Why no undo may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// None may, for this reason.
    Stopped(String),
    /// As many as may are running, or have begun. One may begin after this time.
    Full { after: Duration, why: String },
}

impl Undos {
    /// No limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// At most so many at once. A number below one counts as one: see [`stop`](Self::stop) for none.
    ///
    /// A resource that finds no place is [`Progressing`](crate::Outcome::Progressing), and tries again after one to two seconds.
    #[must_use]
    pub fn at_once(mut self, most: u32) -> Self {
        self.at_once = Some(most.max(1));
        self
    }

    /// At most so many begin in any minute. A number below one counts as one.
    #[must_use]
    pub fn per_minute(mut self, most: u32) -> Self {
        self.per_minute = Some(most.max(1));
        self
    }

    /// None begins while this file exists. If it cannot be read, that counts as if it existed. It is looked for before every undo, so a stop lasts
    /// through restarts. What is written in the file is shown as the reason.
    #[must_use]
    pub fn stopped_while(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Lets no further undo begin in this process, until [`allow`](Self::allow). Nor does a deletion, a rewind or a roll-back. A resource that comes
    /// to that is [`Blocked`](crate::Outcome::Blocked) with [`UndosStopped`](crate::record::BlockedReason::UndosStopped), and looks again
    /// after half a minute. Everything else goes on. The reason is shown in its message.
    pub fn stop(&self, why: &str) {
        tracing::warn!(why, "undos are stopped");
        self.now().stopped = Some(redacted(why));
    }

    /// Ends a [`stop`](Self::stop). A file of [`stopped_while`](Self::stopped_while) has to be removed by the program or person who made it.
    pub fn allow(&self) {
        if self.now().stopped.take().is_some() {
            tracing::warn!("undos are allowed again");
        }
    }

    /// Why [`stop`](Self::stop) has stopped them; none if it has not. The file is not looked for.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        self.now().stopped.clone()
    }

    /// How many run now, where [`at_once`](Self::at_once) limits them; otherwise none is counted.
    #[must_use]
    pub fn running(&self) -> u32 {
        self.now().running
    }

    /// Why no undo may begin, whatever runs; none if one may.
    pub(crate) async fn why_stopped(&self) -> Option<String> {
        if let Some(why) = self.stopped() {
            return Some(format!("undos are stopped: {why}; they go on after `Undos::allow`, or a restart"));
        }
        let file = self.file.clone()?;
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                let read = runtime.spawn_blocking(move || of_file(&file)).await;
                read.unwrap_or_else(|error| Some(format!("undos are stopped: {error}; try again")))
            }
            Err(_) => of_file(&file),
        }
    }

    /// Lets an undo begin, `now` by the monotonic clock.
    pub(crate) async fn permit(&self, now: Duration, chance: u64) -> Result<Permit, Refused> {
        if let Some(why) = self.why_stopped().await {
            return Err(Refused::Stopped(why));
        }
        if self.at_once.is_none() && self.per_minute.is_none() {
            return Ok(Permit(None));
        }
        let jitter = Duration::from_millis(chance % 1000);
        let mut state = self.now();
        if let Some(most) = self.at_once.filter(|most| state.running >= *most) {
            let why = format!("{most} undos are under way, and no more may run at once");
            return Err(Refused::Full { after: Duration::from_secs(1) + jitter, why });
        }
        if let Some(most) = self.per_minute {
            while state.begun.front().is_some_and(|begun| now.saturating_sub(*begun) >= MINUTE) {
                state.begun.pop_front();
            }
            if let Some(first) = state.begun.front().filter(|_| state.begun.len() >= most as usize) {
                let left = MINUTE.saturating_sub(now.saturating_sub(*first));
                let why = format!("{most} undos have begun within a minute, and no more may");
                return Err(Refused::Full { after: left + jitter, why });
            }
            state.begun.push_back(now);
        }
        state.running += 1;
        Ok(Permit(Some(Arc::clone(&self.now))))
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        locked(&self.now)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(now) = &self.0 {
            locked(now).running -= 1;
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Stopped(why) | Refused::Full { why, .. } => f.write_str(why),
        }
    }
}

fn locked(now: &Mutex<Now>) -> MutexGuard<'_, Now> {
    now.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why this file stops undos; none if it does not exist.
fn of_file(file: &Path) -> Option<String> {
    let mut why = Vec::new();
    let read = std::fs::File::open(file).and_then(|opened| opened.take(LONGEST_WHY).read_to_end(&mut why));
    let path = file.display();
    match read {
        Ok(_) => {
            let why = redacted(String::from_utf8_lossy(&why).trim());
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            Some(format!("undos are stopped by {path}{why}; they go on when it is removed"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => Some(format!("undos are stopped, because {path} cannot be read: {error}; remove or mend it")),
    }
}
