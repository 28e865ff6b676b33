//! Carries out what an operator asks for, with only the graph. Invariant: a request that the record does not allow is refused, with the reason, and changes
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use durable_fsm_graph::Graph;
use serde_json::Value;

use crate::driver::Driver;
use crate::driver::waits::after_attempt;
use crate::probe::Watch;
use crate::record::{
    Direction, Event, Expected, Held, HeldReason, Illegal, Record, Resolution, Stamp, Unreadable, fingerprint_of, next,
};
use crate::{Clock, FactError, RecordId, ResourceId, Store, StoreError, SystemClock, Version};

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperateError {
    /// There is no record of this resource.
    #[error("{0} has no record; there is nothing to operate on")]
    NoRecord(ResourceId),
    /// The record cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The record does not allow it.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// The facts that were given do not make the state.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// The record was written by another release of the machine than the graph that was given.
    #[error(
        "the record of {resource} was written by version {found} of the machine (graph {found_graph}), and the graph that was given is version {version} (graph {graph}); give the lock file of the release that wrote it"
    )]
    OtherGraph {
        /// The resource.
        resource: ResourceId,
        /// The version in the record.
        found: u32,
        /// The fingerprint in the record.
        found_graph: String,
        /// The version of the graph.
        version: u32,
        /// The fingerprint of the graph.
        graph: String,
    },
    /// The attempt that the request is about may still be under way.
    #[error(
        "`{transition}` may still be under way (attempt {attempt}); ask again after {} s, or as soon as the resource is held in doubt",
        left.as_secs() + 1
    )]
    UnderWay {
        /// The transition.
        transition: String,
        /// The number of the attempt.
        attempt: u32,
        /// How long until its outcome can be told, as far as the asked controller or operator has seen.
        left: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Decides about a resource that is held or blocked: whether an effect in doubt has happened, or that it is tried again.
    Resolve(Resolution),
    /// Pauses the resource. Until it is resumed, no pass runs, not even for deletion.
    Pause,
    /// Ends a pause.
    Resume,
    /// Gives the record to the resource that has this uid now.
    Rebind {
        /// The uid.
        uid: String,
    },
}

/// A thing at a provider that a released record leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The transition that made it.
    pub transition: String,
    /// The subject, for a member of a set.
    pub subject: Option<String>,
    /// The idempotency key under which it was made.
    pub key: String,
    /// Whether it may not exist: its outcome was in doubt, or it was sent and never committed.
    pub in_doubt: bool,
}

/// What a release has left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Released {
    /// What the record knew of.
    pub left: Vec<Left>,
    /// Why there may be more: the record could not be read, so what it covered is unknown.
    pub unreadable: Option<Unreadable>,
}

impl Released {
    fn of(graph: &Graph<'_>, bytes: &[u8]) -> Self {
        match Record::decode(graph, bytes) {
            Ok(record) => Self { left: left_behind(&record), unreadable: None },
            // What still decodes can be named, whatever this version makes of it.
            Err(error) => {
                let left = Record::parse(graph, bytes).map(|record| left_behind(&record)).unwrap_or_default();
                Self { left, unreadable: Some(error) }
            }
        }
    }
}

/// How often a request is tried when others write at the same time.
const TRIES: u32 = 10;

/// Judges the facts of a record that a request has changed.
pub(crate) type Check = fn(&Graph<'_>, &Record) -> Result<(), FactError>;

/// Since when somebody has seen what. A controller lends its own; an operator without one has its own.
pub(crate) trait Eyes: Send + Sync {
    /// The open or unconfirmed attempt of this record that may still be under way, and for how long: its transition and number.
    fn under_way(
        &self,
        graph: &'static Graph<'static>,
        id: &RecordId,
        record: &Record,
    ) -> Option<(String, u32, Duration)>;
    /// There is no such record any more.
    fn forget(&self, id: &RecordId);
}

impl Eyes for Driver {
    fn under_way(
        &self,
        graph: &'static Graph<'static>,
        id: &RecordId,
        record: &Record,
    ) -> Option<(String, u32, Duration)> {
        Driver::under_way(self, graph, id, record)
    }

    fn forget(&self, id: &RecordId) {
        Driver::forget(self, id);
    }
}

/// Carries out what operators ask for on the records of one machine. It needs the graph, as from a [lock file](crate::graph::json), and not the
/// machine's types, so a tool can be built on it. [`Runner`](crate::Runner)'s own verbs go through it.
///
/// # Without the types
/// Facts that an operator gives are checked by name, and by type where the type is a plain one: a text, a number, a flag, a list, or an option
/// of these. A record that another release has written is refused ([`OperateError::OtherGraph`]).
///
/// # While an attempt is under way
/// Whether an effect has happened can be said only when its attempt is over: when the resource is held in doubt, or when the attempt was seen for its
/// `timeout` and `settle`, by the runner that made this, or by this operator and its clones. Until then `applied`, `not-applied` and a release are refused
/// ([`OperateError::UnderWay`]). `retry`, `roll-back`, `waive` and a rebind leave the attempt open.
#[derive(Clone)]
pub struct Operator {
    graph: &'static Graph<'static>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    check: Check,
    eyes: Arc<dyn Eyes>,
    /// Whether a record of another release is refused.
    strict: bool,
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator").field("machine", &self.graph.name).finish_non_exhaustive()
    }
}

impl Operator {
    /// Operates on the records of this machine in this store, on the system's clock.
    pub fn new(graph: &'static Graph<'static>, store: impl Store) -> Self {
        let (store, clock): (Arc<dyn Store>, Arc<dyn Clock>) = (Arc::new(store), Arc::new(SystemClock::new()));
        let eyes = Arc::new(Driver::new(Arc::clone(&store), Arc::clone(&clock), Watch::default(), Duration::ZERO));
        Self { graph, store, clock, check: by_graph, eyes, strict: true }
    }

    /// With a check that knows the machine's types.
    pub(crate) fn typed(
        graph: &'static Graph<'static>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        check: Check,
        eyes: Arc<dyn Eyes>,
    ) -> Self {
        Self { graph, store, clock, check, eyes, strict: false }
    }

    /// The record, as it is stored; none if there is none.
    ///
    /// # Errors
    /// The store's, or that the record cannot be read.
    pub async fn inspect(&self, resource: &ResourceId) -> Result<Option<Record>, OperateError> {
        Ok(self.read(resource).await?.map(|(record, _)| record))
    }

    /// The record as it would be after the request, before its next write. Nothing is written.
    ///
    /// # Errors
    /// As for [`carry_out`](Self::carry_out).
    pub async fn preview(
        &self,
        resource: &ResourceId,
        request: &Request,
        expected: &Expected,
    ) -> Result<Record, OperateError> {
        let (record, _) = self.read(resource).await?.ok_or_else(|| OperateError::NoRecord(resource.clone()))?;
        self.may(&record, request)?;
        self.changed(resource, &record, request, expected)
    }

    /// Carries out a request, if the record is still what the operator was looking at. When it returns, the change is durable; the next pass
    /// acts on it. Returns the record that was written.
    ///
    /// # Errors
    /// [`OperateError::Illegal`] if the record does not allow it or has moved on, [`OperateError::Fact`] if the facts do not make the state,
    /// [`OperateError::NoRecord`], or the store's.
    pub async fn carry_out(
        &self,
        resource: &ResourceId,
        request: &Request,
        expected: &Expected,
    ) -> Result<Record, OperateError> {
        let id = self.record_id(resource);
        for attempt in 1..=TRIES {
            let (record, version) =
                self.read(resource).await?.ok_or_else(|| OperateError::NoRecord(resource.clone()))?;
            self.may(&record, request)?;
            let changed = self.changed(resource, &record, request, expected)?;
            let (written, bytes) = changed
                .encode_next(self.graph)
                .map_err(|error| FactError::Encode { name: "record".to_owned(), why: error.to_string() })?;
            // What an operator gives was never in a record.
            if Record::decode_to_undo(self.graph, &bytes)? != written {
                let why = "a given value reads back as another one".to_owned();
                return Err(FactError::Lossy { name: "record".to_owned(), why }.into());
            }
            match self.store.compare_and_swap(&id, &version, &bytes).await {
                Ok(_) => return Ok(written),
                Err(StoreError::Conflict) => self.clock.sleep(after_attempt(attempt)).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// What a release would leave behind. Nothing is written.
    ///
    /// # Errors
    /// [`OperateError::NoRecord`] or the store's.
    pub async fn preview_release(&self, resource: &ResourceId) -> Result<Released, OperateError> {
        let loaded = self.store.load(&self.record_id(resource)).await?;
        let bytes = loaded.bytes.ok_or_else(|| OperateError::NoRecord(resource.clone()))?;
        Ok(Released::of(self.graph, &bytes))
    }

    /// Removes the record and its mark, and lists what stays at the providers. Nothing is undone. A record that cannot be read can be released too; then
    /// the list is empty, and the answer says so.
    ///
    /// # Errors
    /// [`OperateError::NoRecord`] or the store's.
    pub async fn release(&self, resource: &ResourceId) -> Result<Released, OperateError> {
        let id = self.record_id(resource);
        for attempt in 1..=TRIES {
            let loaded = self.store.load(&id).await?;
            let bytes = loaded.bytes.ok_or_else(|| OperateError::NoRecord(resource.clone()))?;
            // What was sent and is not under way is listed.
            if let Ok(record) = Record::decode(self.graph, &bytes)
                && record.intent.is_some()
            {
                self.check_over(resource, &record)?;
            }
            let released = Released::of(self.graph, &bytes);
            match self.store.remove(&id, &loaded.version).await {
                Ok(()) => {
                    self.eyes.forget(&id);
                    return Ok(released);
                }
                Err(StoreError::Conflict) => self.clock.sleep(after_attempt(attempt)).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    fn changed(
        &self,
        resource: &ResourceId,
        record: &Record,
        request: &Request,
        expected: &Expected,
    ) -> Result<Record, OperateError> {
        let graph = fingerprint_of(self.graph);
        if self.strict && record.graph != graph {
            return Err(OperateError::OtherGraph {
                resource: resource.clone(),
                found: record.version,
                found_graph: record.graph.clone(),
                version: self.graph.version,
                graph: graph.to_owned(),
            });
        }
        let event = match request {
            Request::Resolve(resolution) => Event::Resolved {
                resolution: resolution.clone(),
                expected: expected.clone(),
                at: Stamp::from(self.clock.wall()),
            },
            Request::Pause => Event::Paused(true),
            Request::Resume => Event::Paused(false),
            Request::Rebind { uid } => Event::Rebound { owner: uid.clone() },
        };
        // A resolution is compared with what was looked at by the event itself.
        if let Some(seq) = expected.seq.filter(|seq| *seq != record.seq) {
            let why = format!("it is meant for sequence number {seq}, and the record is at {}", record.seq);
            return Err(Illegal { event: event.name(), why }.into());
        }
        let changed = next(self.graph, record, event)?;
        if changed.direction != Direction::Deleting {
            (self.check)(self.graph, &changed)?;
        }
        // What is not possible at all was refused for that.
        let leaves_open = match request {
            Request::Resolve(Resolution::Retry | Resolution::RollBack) => true,
            Request::Resolve(Resolution::Waive) => record.direction == Direction::Leaving,
            Request::Resolve(_) => false,
            Request::Pause | Request::Resume | Request::Rebind { .. } => true,
        };
        if !leaves_open {
            self.check_over(resource, record)?;
        }
        Ok(changed)
    }

    /// Whether nothing can come any more of the attempt that is open in this record or, where none is, of what was sent and never committed.
    fn check_over(&self, resource: &ResourceId, record: &Record) -> Result<(), OperateError> {
        let is_judged = |held: &Held| matches!(held.reason, HeldReason::InDoubt | HeldReason::Incomplete);
        let is_open = record.intent.is_some();
        match self.eyes.under_way(self.graph, &self.record_id(resource), record) {
            // An open attempt was waited for before it was held in doubt.
            Some(_) if is_open && record.held.as_ref().is_some_and(is_judged) => Ok(()),
            Some((transition, attempt, left)) => Err(OperateError::UnderWay { transition, attempt, left }),
            None => Ok(()),
        }
    }

    async fn read(&self, resource: &ResourceId) -> Result<Option<(Record, Version)>, OperateError> {
        let loaded = self.store.load(&self.record_id(resource)).await?;
        let Some(bytes) = loaded.bytes else { return Ok(None) };
        Ok(Some((Record::decode_to_undo(self.graph, &bytes)?, loaded.version)))
    }

    /// Of a record that this version cannot go on with, what it stands for can be left behind. Nothing else can be decided.
    fn may(&self, record: &Record, request: &Request) -> Result<(), OperateError> {
        if matches!(
            request,
            Request::Pause | Request::Resume | Request::Rebind { .. } | Request::Resolve(Resolution::Waive)
        ) {
            return Ok(());
        }
        Ok(record.check_names(self.graph)?)
    }

    fn record_id(&self, resource: &ResourceId) -> RecordId {
        RecordId { machine: self.graph.name.to_owned(), resource: resource.clone() }
    }
}

fn left_behind(record: &Record) -> Vec<Left> {
    let left = |transition: &str, subject: Option<&String>, life, in_doubt| Left {
        transition: transition.to_owned(),
        subject: subject.cloned(),
        key: record.key(transition, subject.map(String::as_str), life),
        in_doubt,
    };
    let live = record.undo.iter().map(|it| left(&it.transition, it.subject.as_ref(), it.life, false));
    let unconfirmed = record.unconfirmed.iter().map(|it| left(&it.transition, it.subject.as_ref(), it.life, true));
    let open = record.intent.iter().map(|it| left(&it.transition, it.subject.as_ref(), it.life, true));
    let mut listed: Vec<Left> = Vec::new();
    let retained = record.retained.iter().map(|it| left(&it.transition, it.subject.as_ref(), it.life, it.in_doubt));
    for it in live.chain(unconfirmed).chain(open).chain(retained) {
        // What is being undone, or sent again, is one thing, and may not exist.
        match listed.iter_mut().find(|other| other.key == it.key) {
            Some(other) => other.in_doubt |= it.in_doubt,
            None => listed.push(it),
        }
    }
    listed
}

/// What can be said of a record's facts by the graph: each that the state knows is there, none is of no state, and plain types fit.
fn by_graph(graph: &Graph<'_>, record: &Record) -> Result<(), FactError> {
    let declared = |name: &str| graph.states.iter().flat_map(|state| state.facts).find(|fact| fact.name == name);
    let (_, state) = graph.state(&record.state).ok_or_else(|| FactError::Foreign(record.state.clone()))?;
    for name in state.known {
        let is_set = declared(name).is_some_and(|fact| fact.each);
        if record.facts.value(name).is_none() && !is_set {
            return Err(FactError::Missing((*name).to_owned()));
        }
    }
    for (name, value) in record.facts.iter() {
        let fact = declared(name).ok_or_else(|| FactError::Foreign(format!("fact `{name}`")))?;
        if let (false, Some(wanted)) = (fact.each, misfit(fact.ty, value)) {
            let why = format!("{value} is no {wanted}");
            return Err(FactError::Decode { name: name.to_owned(), why });
        }
    }
    Ok(())
}

/// The type that a value does not have, where the type is a plain one.
fn misfit(ty: &str, value: &Value) -> Option<String> {
    let bare: String = ty.chars().filter(|c| !c.is_whitespace()).collect();
    let inner = |name: &str| bare.strip_prefix(name)?.strip_prefix('<')?.strip_suffix('>');
    if let Some(inner) = inner("Option") {
        return if value.is_null() { None } else { misfit(inner, value) };
    }
    if let Some(inner) = inner("Vec") {
        return match value.as_array() {
            Some(items) => items.iter().find_map(|item| misfit(inner, item)),
            None => Some(bare),
        };
    }
    let fits = match bare.as_str() {
        "String" => value.is_string(),
        "bool" => value.is_boolean(),
        "u8" | "u16" | "u32" | "u64" | "usize" => value.is_u64(),
        "i8" | "i16" | "i32" | "i64" | "isize" => value.is_i64() || value.is_u64(),
        "f32" | "f64" => value.is_number(),
        _ => true,
    };
    (!fits).then_some(bare)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::misfit;

    #[test]
    fn plain_types_are_told_apart_and_others_are_let_through() {
        let fits = |ty, value| misfit(ty, &value).is_none();
        assert!(fits("String", json!("a")) && !fits("String", json!(1)) && !fits("String", json!(null)));
        assert!(fits("u16", json!(1)) && !fits("u16", json!(-1)) && fits("i16", json!(-1)) && !fits("i16", json!(1.5)));
        assert!(fits("f64", json!(1)) && fits("f64", json!(1.5)) && !fits("f64", json!("1")));
        assert!(fits("bool", json!(true)) && !fits("bool", json!("true")));
        assert!(fits("Option < String >", json!(null)) && !fits("Option<String>", json!(1)));
        assert!(fits("Vec<u8>", json!([1, 2])) && !fits("Vec<u8>", json!([1, "2"])) && !fits("Vec<u8>", json!(1)));
        assert_eq!(misfit("Option<Vec<bool>>", &json!([1])).as_deref(), Some("bool"));
        assert!(fits("Address", json!(1)), "only the controller has this type");
    }
}
