//! The store as one pass uses it: the pass begins with the object that the controller has already, and knows the object after each of its writes.
//!
//! Invariant: an object that was not read from the server in this pass is relied on for the first write alone, which is conditional on its version. If that
//! write conflicts, the pass ends, and another one begins with a read.

use std::sync::Arc;

use async_trait::async_trait;
use durable_fsm::{Loaded, RecordId, ResourceId, Store, StoreError, Version};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use crate::object::Object;
use crate::request::Request;
use crate::store::{AnnotationStore, Seen};

/// What a status becomes while a pass is under way, from the object as it then is. None if nothing changes, or if no step is under way.
pub(crate) type Tells = Arc<dyn Fn(&Object) -> Option<Value> + Send + Sync>;

/// The store of one pass. Every clone is the same.
#[derive(Clone)]
pub(crate) struct PassStore {
    store: AnnotationStore,
    tells: Tells,
    state: Arc<Mutex<State>>,
}

/// What a pass knows of its object.
pub(crate) struct State {
    /// The object as it was last read or written. None if it is gone.
    latest: Option<Object>,
    /// Whether it is whole, as the server has answered; otherwise parts of its status may be missing.
    is_exact: bool,
    /// Whether the next load is answered from it.
    is_fresh: bool,
    /// Whether everything so far is what a cache said.
    is_cached: bool,
    /// The cache was wrong, or somebody else writes.
    is_outdated: bool,
    /// The version that the driver has, and the one that our own write of the status has made of it.
    moved: Option<(Version, Seen)>,
    /// A write of the status was refused since the last answer.
    is_mute: bool,
    /// The record was written, or a request was carried out.
    has_written: bool,
    /// How many writes were refused because the object had changed.
    conflicts: u64,
}

/// A write of the status.
#[derive(Debug)]
pub(crate) enum StatusWrite {
    /// It is written.
    Done,
    /// The object has changed meanwhile.
    Conflict,
    /// There is no such status: the object is gone, or its definition has none.
    NotFound,
    /// The server failed, or refused it.
    Failed(kube::Error),
}

impl PassStore {
    /// A pass that begins with this object, which the server has just answered with, or which was in a cache.
    pub(crate) fn new(store: AnnotationStore, object: Object, is_cached: bool, tells: Tells) -> Self {
        let state = State {
            latest: Some(object),
            is_exact: !is_cached,
            is_fresh: true,
            is_cached,
            is_outdated: false,
            moved: None,
            is_mute: false,
            has_written: false,
            conflicts: 0,
        };
        Self { store, tells, state: Arc::new(Mutex::new(state)) }
    }

    /// The same store for carrying out one request. Its write also takes the annotation of the request off.
    pub(crate) fn consuming(&self, request: &Request) -> Self {
        Self { store: self.store.clone().consuming(request), ..self.clone() }
    }

    /// Lets the next load be answered from what is known.
    pub(crate) async fn begin(&self) {
        let mut state = self.state.lock().await;
        state.is_fresh = state.latest.is_some();
    }

    /// The object as it was last read or written, and whether it is whole.
    pub(crate) async fn latest(&self) -> Option<(Object, bool)> {
        let state = self.state.lock().await;
        state.latest.clone().map(|object| (object, state.is_exact))
    }

    /// Whether the pass has to be run again, from a new read.
    pub(crate) async fn is_outdated(&self) -> bool {
        self.state.lock().await.is_outdated
    }

    /// Whether this pass has changed the record, or the requests on the object.
    pub(crate) async fn has_written(&self) -> bool {
        self.state.lock().await.has_written
    }

    /// How many writes of this pass were refused because the object had changed.
    pub(crate) async fn conflicts(&self) -> u64 {
        self.state.lock().await.conflicts
    }

    /// The pass has to be run again, from a new read.
    pub(crate) async fn set_outdated(&self) {
        self.state.lock().await.is_outdated = true;
    }

    /// Reads the object again. False if the pass relied on a cache and the object is another version by now.
    pub(crate) async fn read_again(&self, id: &ResourceId) -> Result<bool, StoreError> {
        let mut state = self.state.lock().await;
        match self.store.get(id).await {
            Ok(object) => {
                let known = state.latest.as_ref().map(|known| &known.metadata);
                let is_same = known.is_some_and(|known| known.resource_version == object.metadata.resource_version);
                state.is_outdated = state.is_cached && !is_same;
                state.read(object);
                Ok(!state.is_outdated)
            }
            Err(StoreError::Gone) => {
                state.gone();
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes the status of the latest version.
    pub(crate) async fn publish(&self, id: &ResourceId, status: &Value) -> StatusWrite {
        let mut state = self.state.lock().await;
        self.publish_in(&mut state, id, status).await
    }

    async fn publish_in(&self, state: &mut State, id: &ResourceId, status: &Value) -> StatusWrite {
        let Some(object) = &state.latest else { return StatusWrite::NotFound };
        match self.store.patch_status(id, &object.metadata, status).await {
            Ok(object) => {
                state.answered(object);
                StatusWrite::Done
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                state.conflicts += 1;
                StatusWrite::Conflict
            }
            Err(kube::Error::Api(status)) if status.code == 404 => StatusWrite::NotFound,
            Err(error) => StatusWrite::Failed(error),
        }
    }

    /// Says in the status what is under way, if the object is known and that is news. A failure is left to the next write of the status.
    pub(crate) async fn tell(&self, id: &RecordId) {
        let mut state = self.state.lock().await;
        // What the driver asks with: it does not know of the writes of the status.
        let known = match &state.moved {
            Some((known, _)) => Some(known.clone()),
            None => self.seen_in(&state, id).and_then(|seen| seen.version().ok()),
        };
        if self.tell_in(&mut state, &id.resource).await {
            state.moved = known.zip(self.seen_in(&state, id));
        }
    }

    /// True if the status was written.
    async fn tell_in(&self, state: &mut State, id: &ResourceId) -> bool {
        let object = state.latest.as_ref().filter(|_| state.is_exact && !state.is_mute);
        let Some(status) = object.and_then(|object| (self.tells)(object)) else { return false };
        let written = self.publish_in(state, id, &status).await;
        state.is_mute = !matches!(written, StatusWrite::Done);
        !state.is_mute
    }

    fn seen_in(&self, state: &State, id: &RecordId) -> Option<Seen> {
        let names = self.store.names(&id.machine).ok()?;
        state.latest.as_ref().map(|object| self.store.seen(&names, object))
    }

    /// What the driver's version has become by our own writes of the status.
    fn seen(state: &State, expected: &Version) -> Result<Seen, StoreError> {
        match &state.moved {
            Some((known, now)) if known == expected => Ok(now.clone()),
            _ => Seen::from_version(expected),
        }
    }

    /// What a failed write means. The first one of a pass that relied on a cache says nothing of the object.
    fn failed(state: &mut MutexGuard<'_, State>, error: StoreError) -> StoreError {
        if error == StoreError::Conflict {
            state.conflicts += 1;
        }
        if error == StoreError::Conflict && state.is_cached {
            state.is_outdated = true;
            return StoreError::Refused(
                "the controller's cache is behind the API server; the object is read again".to_owned(),
            );
        }
        error
    }

    /// Takes annotations off the latest version.
    pub(crate) async fn take_off(&self, id: &RecordId, annotations: &[&str]) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        let Some(object) = &state.latest else { return Err(StoreError::Gone) };
        let taken = self.store.take_off(id, object, annotations).await;
        let object = taken.map_err(|error| Self::failed(&mut state, error))?;
        state.written(object);
        Ok(())
    }

    /// Takes what is left of a lost record off the latest version.
    pub(crate) async fn abandon(&self, id: &RecordId) -> Result<bool, StoreError> {
        let mut state = self.state.lock().await;
        let Some(object) = &state.latest else { return Err(StoreError::Gone) };
        let taken = self.store.abandon_version(id, object).await;
        let taken = taken.map_err(|error| Self::failed(&mut state, error))?;
        let is_taken = taken.is_some();
        if let Some(object) = taken {
            state.written(object);
        }
        Ok(is_taken)
    }
}

impl State {
    /// This is the object after our own write of the record.
    fn written(&mut self, object: Object) {
        self.has_written = true;
        self.answered(object);
    }

    /// This is the object after our own write.
    fn answered(&mut self, object: Object) {
        self.is_cached = false;
        self.read(object);
    }

    /// This is what the server has.
    fn read(&mut self, object: Object) {
        self.latest = Some(object);
        (self.is_exact, self.is_fresh, self.is_mute, self.moved) = (true, false, false, None);
    }

    fn gone(&mut self) {
        (self.latest, self.is_fresh, self.moved) = (None, false, None);
    }
}

#[async_trait]
impl Store for PassStore {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        let mut state = self.state.lock().await;
        if let Some(object) = state.latest.as_ref().filter(|_| state.is_fresh) {
            let loaded = self.store.load_from(id, object);
            state.is_fresh = false;
            return loaded;
        }
        match self.store.get(&id.resource).await {
            Ok(object) => {
                let loaded = self.store.load_from(id, &object);
                state.answered(object);
                loaded
            }
            Err(error) => {
                if error == StoreError::Gone {
                    state.gone();
                }
                Err(error)
            }
        }
    }

    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let mut state = self.state.lock().await;
        let seen = Self::seen(&state, expected)?;
        let written = self.store.write(id, &seen, bytes).await;
        let object = written.map_err(|error| Self::failed(&mut state, error))?;
        let has_status = object.status.as_ref().is_some_and(|status| status.get(self.store.status_field()).is_some());
        state.written(object);
        if !has_status && !seen.recorded {
            // Before the first effect: until then nothing says that a controller looks after the object.
            self.tell_in(&mut state, &id.resource).await;
        }
        let object = state.latest.as_ref().ok_or(StoreError::Gone)?;
        self.store.read(&self.store.names(&id.machine)?, object)
    }

    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        let seen = Self::seen(&state, expected)?;
        let removed = self.store.remove_version(id, seen).await;
        let object = removed.map_err(|error| Self::failed(&mut state, error))?;
        state.written(object);
        Ok(())
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.store.list(machine).await
    }

    fn room(&self, id: &RecordId, version: &Version) -> Option<usize> {
        self.store.room(id, version)
    }

    fn uid_of(&self, version: &Version) -> Option<String> {
        self.store.uid_of(version)
    }
}
