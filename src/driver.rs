//! The driver: carries a record forward, or back. Invariant: no effect is called without an intent that is durable, ours, and young
//! enough that no other controller has taken it over.
//!
//! The protocol and which of its rules is needed for what stand in `DESIGN.md`.

mod asked;
mod attempt;
mod backoff;
mod base;
mod begin;
mod brake;
mod compute;
mod decide;
mod decision;
pub(crate) mod gate;
mod import;
mod incarnation;
mod load;
mod looked;
mod looks;
mod lost;
mod members;
mod pass;
mod reading;
mod replacing;
mod seen;
mod sets;
mod sightings;
mod undoing;
mod upgrade;
mod verify;
pub(crate) mod waits;
mod watches;
mod write;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use decision::{Decision, Ending};
pub(crate) use incarnation::Incarnation;
pub(crate) use pass::{Planned, Report};
use sightings::OpenEnd;
use tracing::Instrument as _;
pub(crate) use watches::LostLimit;

use crate::probe::Watch;
use crate::record::{Held, Record};
use crate::steps::Steps;
use crate::{Clock, RecordId, Store, StoreError, Undos};

/// Carries records of one store.
pub(crate) struct Driver {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) probe: Watch,
    /// After how long a blocked resource is tried again all the same.
    pub(crate) blocked_for: Duration,
    /// How many resources may lose things in one period before nothing is made again.
    pub(crate) lost_limit: LostLimit,
    /// What lets undos run.
    pub(crate) undos: Undos,
    incarnation: Arc<Incarnation>,
}

impl Driver {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, probe: Watch, blocked_for: Duration) -> Self {
        let incarnation = Arc::new(Incarnation::new(clock.chance()));
        Self { store, clock, probe, blocked_for, lost_limit: LostLimit::default(), undos: Undos::new(), incarnation }
    }

    /// The same incarnation, on another store of the same records.
    pub(crate) fn on_store(&self, store: Arc<dyn Store>) -> Self {
        let (clock, incarnation) = (Arc::clone(&self.clock), Arc::clone(&self.incarnation));
        let (blocked_for, lost_limit, undos) = (self.blocked_for, self.lost_limit, self.undos.clone());
        Self { store, clock, probe: self.probe.clone(), blocked_for, lost_limit, undos, incarnation }
    }

    /// This incarnation as it is between two passes.
    #[cfg(feature = "testing")]
    pub(crate) fn copied_incarnation(&self) -> Incarnation {
        self.incarnation.copied()
    }

    /// Goes on as this incarnation, which somebody else may go on as too: they know nothing of each other.
    #[cfg(feature = "testing")]
    pub(crate) fn going_on_as(&self, incarnation: &Incarnation) -> Self {
        Self {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            probe: self.probe.clone(),
            blocked_for: self.blocked_for,
            lost_limit: self.lost_limit,
            undos: self.undos.clone(),
            incarnation: Arc::new(incarnation.copied()),
        }
    }

    /// What tells this incarnation from every other.
    pub(crate) fn incarnation(&self) -> &str {
        self.incarnation.name()
    }

    /// Carries one resource as far as it goes.
    pub(crate) async fn reconcile(&self, steps: &dyn Steps, id: &RecordId, delete: bool) -> Result<Report, StoreError> {
        let call = self.incarnation.begin_call();
        let pass = pass::Pass::run(self, steps, id, call.holder.clone(), delete).instrument(seen::pass(id, delete));
        let report = pass.await?;
        self.incarnation.told.ended(id, &report.ending, report.record.as_deref(), report.unwritten.as_ref());
        Ok(report)
    }

    /// What a pass would do first, and the record it would do it on.
    pub(crate) async fn plan(&self, steps: &dyn Steps, id: &RecordId) -> Result<Planned, StoreError> {
        pass::Pass::plan(self, steps, id).await
    }

    /// No pass begins another effect from here on.
    pub(crate) fn stop(&self) {
        self.incarnation.stop();
    }

    /// Returns when no pass is under way.
    pub(crate) async fn idle(&self) {
        self.incarnation.idle().await;
    }

    fn is_draining(&self) -> bool {
        self.incarnation.is_draining()
    }

    /// Whether the call that wrote an intent is over: it is one of this incarnation's and has ended, or it belongs to another
    /// incarnation and the store proves that none is left.
    fn is_gone(&self, holder: &str) -> bool {
        self.incarnation.is_over(holder).unwrap_or_else(|| self.store.exclusive())
    }

    fn sightings(&self) -> &sightings::Sightings {
        &self.incarnation.sightings
    }

    fn watches(&self) -> &watches::Watches {
        &self.incarnation.watches
    }

    fn looks(&self) -> &looks::Looks {
        &self.incarnation.looks
    }

    /// What this resource has is asked about in its next pass, and transitions that look at rest look.
    pub(crate) fn verify_now(&self, graph: &durable_fsm_graph::Graph<'_>, id: &RecordId) {
        self.looks().forget(id);
        if graph.states.iter().any(|state| state.verify.is_some()) {
            self.watches().hurry(id, self.clock.monotonic());
        }
    }

    /// What is asked about of this record.
    pub(crate) fn asked(
        graph: &'static durable_fsm_graph::Graph<'static>,
        record: &Record,
    ) -> Option<(String, Option<String>)> {
        let (_, _, first) = asked::asked(graph, record).next()?;
        Some((first.transition.clone(), first.subject.clone()))
    }

    /// Who may still be at something that stands in this record as open or unconfirmed, and for how long, as this incarnation has seen it: the transition
    /// and the attempt. None if all of it is quiet. The record is seen with this, if it was not before.
    pub(crate) fn under_way(
        &self,
        graph: &'static durable_fsm_graph::Graph<'static>,
        id: &RecordId,
        record: &Record,
    ) -> Option<(String, u32, Duration)> {
        let now = self.clock.monotonic();
        let whose = self.sightings().whose(id, &record.origin);
        self.sightings().observe(whose, graph, record, now);
        let left = |end, transition: &String, attempt| {
            let contract = graph.transition(transition).and_then(|(_, step)| step.contract())?;
            let left = self.sightings().until_quiet(whose, end, contract, now)?;
            Some((transition.clone(), attempt, left))
        };
        match &record.intent {
            Some(intent) => left(OpenEnd::Intent(intent), &intent.transition, intent.attempt),
            None => {
                let sent = record.unconfirmed.iter();
                let sent = sent.filter_map(|it| left(OpenEnd::Unconfirmed(it), &it.transition, it.attempt));
                sent.max_by_key(|(_, _, left)| *left)
            }
        }
    }

    /// There is no record of this resource any more.
    pub(crate) fn forget(&self, id: &RecordId) {
        self.sightings().forget(id);
        self.watches().forget(id);
        self.looks().forget(id);
        self.incarnation.told.forget(id);
    }
}

/// A record that may not be changed, as it is reported: held without being written.
pub(crate) fn held_unwritten(record: Option<Arc<Record>>, held: Held) -> Report {
    Report { ending: Ending::Held, record, waits: None, unwritten: Some(held) }
}
