//! What the loop knows of each resource, and what it does about it. Invariant: at most one pass runs for a resource, and what happens during a
//! pass leads to another one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};

use super::directory::{Content, Listing};
use super::document;
use super::feed::{Change, Changes, Heard};
use super::handle::{Command, DeleteError};
use super::kept::Kept;
use super::observers::Observers;
use super::pass::{Job, Next, Passed, pass};
use super::queue::{Queue, backoff};
use crate::machine::Dispatch;
use crate::{Machine, Resource as _, ResourceId, Runner};

/// The resources of a file. One that stands already is named by its id alone.
type Found<R> = Vec<(ResourceId, Option<R>)>;

/// The files that can be read, by name.
type Read<'f, R> = BTreeMap<&'f String, (Arc<Content>, Found<R>)>;

/// How a task of a pass has ended.
type Done<R> = Result<(Id, Passed<R>), JoinError>;

pub(super) struct Desk<M: Machine, T> {
    runner: Runner<M, T>,
    observers: Observers<M>,
    concurrency: usize,
    entries: BTreeMap<ResourceId, Entry<M::Resource>>,
    queue: Queue,
    passes: JoinSet<Passed<M::Resource>>,
    /// Which resource each task is for.
    running: HashMap<Id, ResourceId>,
    /// Who wants to know when nothing is left to do.
    settling: Vec<oneshot::Sender<()>>,
    files: Files,
}

/// What is known of the files of a directory.
#[derive(Default)]
struct Files {
    /// The files whose documents are taken over, with their resources.
    read: BTreeMap<String, (Arc<Content>, Vec<ResourceId>)>,
    /// What was reported of each file, or of the directory under the empty name.
    reported: BTreeMap<String, String>,
}

/// One resource.
struct Entry<R> {
    /// As the source wants it; none if it does not.
    wanted: Option<R>,
    /// The file that it was read from.
    file: Option<String>,
    /// Its copy in the store.
    kept: Option<Kept<R>>,
    /// Whether the source has said if it is wanted. Until then no pass runs: a pass for a resource that is not wanted would undo it.
    is_told: bool,
    /// Whether `kept` is what the store has.
    is_known: bool,
    is_running: bool,
    /// Something has happened during its pass.
    again: bool,
    failures: u32,
    /// In how many listings in a row it was missing.
    missing: u8,
}

/// A resource is gone when it is missing in this many listings in a row: one listing may miss a file that is being renamed.
const GONE: u8 = 2;

impl<R> Entry<R> {
    fn new(kept: Option<Kept<R>>) -> Self {
        Self {
            wanted: None,
            file: kept.as_ref().and_then(|kept| kept.file.clone()),
            kept,
            is_told: false,
            is_known: true,
            is_running: false,
            again: false,
            failures: 0,
            missing: 0,
        }
    }

    fn is_deleting(&self) -> bool {
        self.wanted.is_none() && self.kept.as_ref().is_some_and(|kept| kept.deleting)
    }
}

/// What is wrong with a file.
struct Unread {
    why: String,
    text: Option<String>,
}

impl<M, T> Desk<M, T>
where
    M: Dispatch<T>,
    M::Resource: Serialize + DeserializeOwned,
    T: Send + Sync + 'static,
{
    /// With the resources that were known before. They go on at once if nothing lists what is wanted, and if they are to be deleted.
    pub(super) fn new(
        runner: Runner<M, T>,
        observers: Observers<M>,
        concurrency: usize,
        is_listed: bool,
        kept: Vec<(ResourceId, Kept<M::Resource>)>,
    ) -> Self {
        let mut desk = Self {
            runner,
            observers,
            concurrency,
            entries: BTreeMap::new(),
            queue: Queue::default(),
            passes: JoinSet::new(),
            running: HashMap::new(),
            settling: Vec::new(),
            files: Files::default(),
        };
        for (id, kept) in kept {
            let deleting = kept.deleting;
            let wanted = (!is_listed && !deleting).then(|| kept.resource.clone());
            let goes_on = deleting || wanted.is_some();
            desk.entries.insert(id.clone(), Entry { wanted, is_told: goes_on, ..Entry::new(Some(kept)) });
            if goes_on {
                desk.due(&id);
            }
        }
        desk
    }

    fn now(&self) -> Duration {
        self.runner.driver.clock.monotonic()
    }

    fn due(&mut self, id: &ResourceId) {
        self.queue.put(id, self.now());
    }

    /// Begins passes for what is due, as far as there is room, and tells those who wait when nothing is left to do.
    pub(super) fn begin_due(&mut self) {
        let now = self.now();
        while self.passes.len() < self.concurrency
            && let Some((id, late)) = self.queue.take(now)
        {
            self.begin(id, late);
        }
        if self.passes.is_empty() && self.queue.next().is_none_or(|due| due > now) {
            for waiting in self.settling.drain(..) {
                // One that waits no more has nothing to learn.
                waiting.send(()).ok();
            }
        }
    }

    /// How long until the next pass is due; none if nothing is, or there is no room.
    pub(super) fn until_due(&self) -> Option<Duration> {
        let next = self.queue.next().filter(|_| self.passes.len() < self.concurrency)?;
        Some(next.saturating_sub(self.now()))
    }

    fn begin(&mut self, id: ResourceId, late: Duration) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.is_told) else { return };
        if entry.is_running {
            entry.again = true;
            return;
        }
        entry.is_running = true;
        entry.again = false;
        let is_known = std::mem::replace(&mut entry.is_known, false);
        let job =
            Job { id: id.clone(), wanted: entry.wanted.clone(), file: entry.file.clone(), kept: entry.kept.clone() };
        if let Some(kept) = entry.kept.as_mut().filter(|_| job.undoes()) {
            // What is wanted under this name from here on is another one.
            kept.deleting = true;
        }
        self.observers.began(late);
        let (runner, observers) = (self.runner.clone(), self.observers.clone());
        let task = self.passes.spawn(pass(runner, observers, job, is_known));
        self.running.insert(task.id(), id);
    }

    /// The next pass that has ended; none if none is under way.
    pub(super) async fn next_done(&mut self) -> Option<Done<M::Resource>> {
        self.passes.join_next_with_id().await
    }

    /// A pass has ended.
    pub(super) fn end(&mut self, done: Done<M::Resource>) {
        let (task, passed) = match done {
            Ok((task, passed)) => (task, Ok(passed)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(id) = self.running.remove(&task) else { return };
        let now = self.now();
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.is_running = false;
        let next = match passed {
            Ok(Passed { kept, next }) => {
                entry.kept = kept;
                entry.is_known = next.is_ok();
                next.map_err(|error| error.to_string())
            }
            Err(error) => Err(format!("the pass panicked: {}", panic_text(error))),
        };
        let again = std::mem::take(&mut entry.again);
        match next {
            Err(error) => {
                entry.failures += 1;
                let (failures, after) = (entry.failures, backoff(entry.failures, self.runner.driver.clock.chance()));
                tracing::warn!(
                    machine = M::GRAPH.name, resource = %id, error, failures, ?after,
                    "the pass has failed, and is tried again"
                );
                self.queue.put(&id, now + after);
            }
            Ok(next) => {
                entry.failures = 0;
                match next {
                    _ if again => self.queue.put(&id, now),
                    Next::Again => self.queue.put(&id, now),
                    Next::After(time) => self.queue.put(&id, now + time),
                    Next::Rest => {}
                    Next::Forget => {
                        if entry.wanted.is_some() {
                            self.queue.put(&id, now);
                        } else {
                            self.entries.remove(&id);
                        }
                    }
                }
            }
        }
    }

    /// Waits for the passes that are under way.
    pub(super) async fn finish(mut self) {
        while let Some(done) = self.passes.join_next_with_id().await {
            self.end(done);
        }
    }

    /// Does what a handle asks for.
    pub(super) fn obey(&mut self, command: Command, changes: &Changes<M::Resource>) {
        match command {
            Command::Wake(id) => {
                if self.entries.contains_key(&id) {
                    self.due(&id);
                }
            }
            Command::WakeAll => {
                for id in self.entries.keys().cloned().collect::<Vec<_>>() {
                    self.due(&id);
                }
            }
            Command::Delete(id, answer) => drop(answer.send(self.delete(&id))),
            Command::Settle(done) => changes.look(done),
        }
    }

    fn delete(&mut self, id: &ResourceId) -> Result<(), DeleteError> {
        let entry = self.entries.get(id).ok_or_else(|| DeleteError::Unknown(id.clone()))?;
        if let (Some(file), Some(_)) = (&entry.file, &entry.wanted) {
            return Err(DeleteError::Wanted { id: id.clone(), file: file.clone() });
        }
        self.unwant(id);
        Ok(())
    }

    fn unwant(&mut self, id: &ResourceId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.wanted = None;
            entry.is_told = true;
            self.due(id);
        }
    }

    fn want(&mut self, resource: M::Resource, file: Option<String>) {
        let id = resource.id();
        let entry = self.entries.entry(id.clone()).or_insert_with(|| Entry::new(None));
        entry.missing = 0;
        entry.is_told = true;
        let is_same = |before: &M::Resource| {
            serde_json::to_value(before).ok() == serde_json::to_value(&resource).ok() && entry.file == file
        };
        if entry.wanted.as_ref().is_some_and(is_same) {
            return;
        }
        entry.wanted = Some(resource);
        entry.file = file;
        self.due(&id);
    }

    /// Takes over what the source tells.
    pub(super) fn hear(&mut self, heard: Heard<M::Resource>) {
        match heard {
            Heard::Change(Change::Wanted(resource)) => self.want(resource, None),
            Heard::Change(Change::Unwanted(id)) => self.unwant(&id),
            Heard::Listing(listing) => self.list(&listing),
            Heard::Looked(done) => self.settling.push(done),
        }
    }

    fn list(&mut self, listing: &Listing) {
        let path = listing.path.display().to_string();
        let files = match &listing.files {
            Ok(files) => files,
            Err(why) => {
                self.report(BTreeMap::from([(String::new(), why.clone())]), &path);
                for id in self.entries.keys().cloned().collect::<Vec<_>>() {
                    self.leave(&id);
                }
                return;
            }
        };
        let mut unread: BTreeMap<String, Unread> = BTreeMap::new();
        let mut read: Read<'_, M::Resource> = BTreeMap::new();
        for (name, content) in files {
            match self.resources(name, content) {
                Ok(resources) => drop(read.insert(name, (Arc::clone(content), resources))),
                Err(bad) => drop(unread.insert(name.clone(), bad)),
            }
        }
        for (name, bad) in twice(&read) {
            read.remove(&name);
            unread.insert(name, bad);
        }
        let mut present = BTreeSet::new();
        let mut taken = BTreeMap::new();
        for (name, (content, resources)) in read {
            present.extend(resources.iter().map(|(id, _)| id.clone()));
            taken.insert(name.clone(), (content, resources.iter().map(|(id, _)| id.clone()).collect()));
            for resource in resources.into_iter().filter_map(|(_, resource)| resource) {
                self.want(resource, Some(name.clone()));
            }
        }
        let absent: Vec<ResourceId> = self.entries.keys().filter(|id| !present.contains(*id)).cloned().collect();
        let files_known: BTreeSet<String> = self.entries.values().filter_map(|entry| entry.file.clone()).collect();
        for id in absent {
            let file = self.entries.get(&id).and_then(|entry| entry.file.clone());
            let may_be_in = |(name, bad): (&String, &Unread)| {
                let mentions = bad.text.as_ref().is_none_or(|text| text.contains(&id.name));
                file.as_ref() == Some(name) || mentions || !files_known.contains(name)
            };
            if unread.iter().any(may_be_in) {
                self.leave(&id);
            } else {
                self.miss(&id);
            }
        }
        // What was read stands for as long as the file says nothing else that can be read.
        self.files.read.retain(|name, _| unread.contains_key(name));
        self.files.read.extend(taken);
        self.report(unread.into_iter().map(|(name, bad)| (name, bad.why)).collect(), &path);
    }

    /// The resources of a file; those that stand already, by their ids alone.
    fn resources(&self, name: &str, content: &Arc<Content>) -> Result<Found<M::Resource>, Unread> {
        let documents = match &**content {
            Content::Documents(documents) => documents,
            Content::Unread { why, text } => return Err(Unread { why: why.clone(), text: text.clone() }),
        };
        if let Some((_, ids)) = self.files.read.get(name).filter(|(known, _)| Arc::ptr_eq(known, content))
            && ids.iter().all(|id| self.entries.get(id).is_some_and(|entry| entry.wanted.is_some()))
        {
            return Ok(ids.iter().map(|id| (id.clone(), None)).collect());
        }
        let read = |document: &Value| {
            let resource = document::resource::<M::Resource>(document, |bare| self.uid_for(bare))
                .map_err(|why| Unread { why, text: Some(document.to_string()) })?;
            Ok((resource.id(), Some(resource)))
        };
        documents.iter().map(read).collect()
    }

    /// The uid of a resource whose document says none: the one that it has, or a new one.
    fn uid_for(&self, bare: &M::Resource) -> String {
        let entry = self.entries.get(&bare.id());
        let wanted = entry.and_then(|entry| entry.wanted.as_ref());
        let kept = entry.and_then(|entry| entry.kept.as_ref()).filter(|kept| !kept.deleting);
        let known = wanted.or(kept.map(|kept| &kept.resource));
        let clock = &self.runner.driver.clock;
        known.map_or_else(|| format!("{:016x}{:016x}", clock.chance(), clock.chance()), |it| it.uid().to_owned())
    }

    /// It may be in a file that cannot be read: it stays as it was wanted last.
    fn leave(&mut self, id: &ResourceId) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.missing = 0;
        let kept = entry.kept.as_ref().filter(|kept| !kept.deleting);
        if let (None, Some(kept)) = (&entry.wanted, kept) {
            entry.wanted = Some(kept.resource.clone());
            entry.is_told = true;
            self.due(id);
        }
    }

    /// It is in no file.
    fn miss(&mut self, id: &ResourceId) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        if entry.is_deleting() {
            return;
        }
        entry.missing = entry.missing.saturating_add(1);
        if entry.missing == GONE {
            tracing::info!(machine = M::GRAPH.name, resource = %id, "its document is gone; the resource is deleted");
            self.unwant(id);
        }
    }

    /// Says once what cannot be read, and once that it can be read again.
    fn report(&mut self, unread: BTreeMap<String, String>, path: &str) {
        for (file, why) in &unread {
            if self.files.reported.get(file) != Some(why) {
                let what = if file.is_empty() { "the directory" } else { "the document" };
                tracing::warn!(
                    machine = M::GRAPH.name,
                    directory = path,
                    file,
                    why,
                    "{what} cannot be read; its resources stay as they are and are not deleted: mend it"
                );
            }
        }
        for file in self.files.reported.keys().filter(|file| !unread.contains_key(*file)) {
            tracing::info!(
                machine = M::GRAPH.name,
                directory = path,
                file,
                "the documents that could not be read are mended or gone"
            );
        }
        self.files.reported = unread;
    }
}

/// The files that have a document of a resource that another file, or the same, has too.
fn twice<R>(read: &Read<'_, R>) -> Vec<(String, Unread)> {
    let mut places: BTreeMap<&ResourceId, Vec<&String>> = BTreeMap::new();
    for (name, (_, resources)) in read {
        for (id, _) in resources {
            places.entry(id).or_default().push(name);
        }
    }
    let clashes = places.into_iter().filter(|(_, files)| files.len() > 1);
    clashes
        .flat_map(|(id, files)| {
            let all = files.iter().map(|file| file.as_str()).collect::<Vec<_>>().join(" and ");
            let why = format!("{id} has more than one document, in {all}; keep one");
            let bad = move |file: &&String| ((*file).clone(), Unread { why: why.clone(), text: Some(id.name.clone()) });
            files.iter().map(bad).collect::<Vec<_>>()
        })
        .collect()
}

fn panic_text(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "it was cancelled".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}
