//! Reading the record. Invariant: what cannot be honoured ends the pass; what is out of date costs nothing that was learnt.

use std::sync::Arc;
use std::time::Duration;

use super::base::Base;
use super::brake::Brake;
use super::decision::Ending;
use super::incarnation::call_of;
use super::looked::Looked;
use super::lost;
use super::pass::{Halt, Pass, stop};
use super::seen::Untold;
use super::sets::Sets;
use super::upgrade;
use super::write::TRIES;
use super::{Driver, held_unwritten};
use crate::probe::{Crossing, Side, Site};
use crate::record::{Direction, Event, Held, HeldReason, Intent, Record, Stamp, Unreadable, owner_tag};
use crate::steps::Steps;
use crate::{FactError, Loaded, RecordId, StoreError};

impl<'d> Pass<'d> {
    pub(super) async fn load(
        driver: &'d Driver,
        steps: &'d dyn Steps,
        id: &'d RecordId,
        holder: String,
        delete: bool,
    ) -> Result<Self, Halt> {
        let at = |side| Crossing { id, transition: "", subject: None, site: Site::Load, side };
        driver.probe.cross(&at(Side::Before)).await;
        let loaded = driver.store.load(id).await;
        driver.probe.cross(&at(Side::After)).await;
        let mut loaded = match loaded {
            Ok(loaded) => loaded,
            Err(StoreError::Gone) => {
                driver.forget(id);
                return Err(stop(Ending::Gone, None));
            }
            Err(error) => return Err(Halt::Store(error)),
        };
        if driver.store.uid_of(&loaded.version).is_some_and(|uid| uid != steps.uid()) {
            // The resource that this pass is for is gone; another one has its name.
            return Err(stop(Ending::Gone, None));
        }
        let now = Stamp::from(driver.clock.wall());
        let stored = loaded.bytes.is_some();
        let deleting = delete || loaded.signals.deleting || steps.deleting();
        let record = match read(steps, &loaded, deleting) {
            Ok(Some(record)) => record,
            Ok(None) => Arc::new(Record::initial(steps.graph(), steps.uid(), now)),
            Err(error) => {
                let reason = match error {
                    Unreadable::Lost(_) => HeldReason::RecordLost,
                    Unreadable::Upgrade { .. } => HeldReason::Upgrade,
                    Unreadable::Fact(FactError::Panicked { .. }) => HeldReason::Panicked,
                    _ => HeldReason::Unreadable,
                };
                let held = Held { reason, message: error.to_string(), since: now };
                return Err(Halt::Stop(Box::new(held_unwritten(None, held))));
            }
        };
        // Somebody has taken the mark off. Until it is back, a deletion would leave everything behind; the next write sets it.
        let exposed = stored && !loaded.marked && !deleting && !loaded.signals.paused && !record.paused;
        let mut pass = Self {
            driver,
            steps,
            id,
            holder,
            intents: 0,
            delete,
            whose: driver.sightings().whose(id, &record.origin),
            owner_tag: owner_tag(&record.origin, &record.machine),
            record,
            base: None,
            spare: Vec::new(),
            sets: Sets::default(),
            looked: Looked::default(),
            follower: None,
            quiet_at: Duration::ZERO,
            version: loaded.version,
            stored,
            signals: loaded.signals,
            generation: loaded.signals.generation,
            brake: Brake::default(),
            overtaken: 0,
            dirty: exposed,
            learnt: Vec::new(),
            untold: Untold::default(),
            about: ("", None),
        };
        pass.observe(loaded.bytes.take());
        Ok(pass)
    }

    /// Reads the record again after somebody else has written it. What was learnt is applied to the new record, if the intent under
    /// which it was learnt is still there and still this call's own.
    /// It is not written again blindly: the pass decides anew.
    pub(super) async fn reload(&mut self) -> Result<(), Halt> {
        self.reload_after(Site::Commit).await
    }

    /// As [`Pass::reload`], after this kind of write: that there is no record is no surprise after a removal.
    pub(super) async fn reload_after(&mut self, site: Site) -> Result<(), Halt> {
        let read = self.load_later(site == Site::Remove).await?;
        let learnt = std::mem::take(&mut self.learnt);
        let about = self.about.clone();
        let base = self.base.take();
        let brake = std::mem::take(&mut self.brake);
        *self = Self { intents: self.intents, generation: self.generation, overtaken: self.overtaken, brake, ..read };
        let is_own = |intent: &Intent| call_of(&intent.holder) == self.holder;
        let is_same = |base: &Record| {
            base.intent.as_ref().is_some_and(is_own)
                && self.record.intent == base.intent
                && self.record.origin == base.origin
        };
        let is_open = self.record.intent.as_ref().is_some_and(is_own);
        let known = base.as_ref().filter(|_| is_open).and_then(Base::record);
        if known.as_ref().is_some_and(is_same) {
            let last = learnt.len().saturating_sub(1);
            for (index, event) in learnt.into_iter().enumerate() {
                // On the way back, the answer "there is none" ends the intent. Once a later answer was learnt, it says nothing any more.
                if index < last && event == Event::SeenAbsent && !self.record.direction.is_forward() {
                    continue;
                }
                self.learn(event)?;
            }
            self.about = about;
        } else if self.stored || site != Site::Remove {
            lost::report(self.id, base.as_ref(), &learnt, "somebody else has taken the attempt over, or closed it");
        }
        Ok(())
    }

    /// Loads; while something is learnt and not written, until it is not older than what this pass knows already. A read that is out of
    /// date would tell that our intent is not there, and what was learnt under it would be lost.
    async fn load_later(&self, removing: bool) -> Result<Self, Halt> {
        for attempt in 1.. {
            let read = Self::load(self.driver, self.steps, self.id, self.holder.clone(), self.delete).await?;
            let is_older = match (&self.base, &read.base) {
                (Some(known), Some(base)) => {
                    base.seq < known.seq && known.record().is_some_and(|known| known.origin == read.record.origin)
                }
                (Some(_), None) => !removing,
                (None, _) => false,
            };
            if self.learnt.is_empty() || !is_older {
                return Ok(read);
            }
            if attempt == TRIES {
                // Nothing is there, again and again: it was removed.
                let why = "the store answered with an older record than before".to_owned();
                return if read.stored { Err(StoreError::Unavailable(why).into()) } else { Ok(read) };
            }
            self.driver.pause(attempt).await;
        }
        Err(StoreError::Conflict.into())
    }
}

/// The record in what was loaded; none if there is none and never was.
fn read(steps: &dyn Steps, loaded: &Loaded, deleting: bool) -> Result<Option<Arc<Record>>, Unreadable> {
    let Some(bytes) = &loaded.bytes else {
        let sign = match (loaded.marked, loaded.witness) {
            (_, Some(seq)) => format!("its sequence number {seq} is still mirrored"),
            (true, None) => "the finalizer is still there".to_owned(),
            (false, None) => return Ok(None),
        };
        return Err(Unreadable::Lost(format!("there is none, and {sign}")));
    };
    let graph = steps.graph();
    let record = match steps.decode(bytes) {
        // This version undoes what it knows. But if a deletion begins in a state of a newer version, only the newer one knows its first steps.
        Err(error @ Unreadable::Upgrade { found, .. }) => {
            let record = Record::decode_to_undo(graph, bytes)?;
            let is_strange = found > graph.version && graph.state(&record.state).is_none();
            let turns = deleting && !(is_strange && record.direction == Direction::Forward);
            if turns || record.direction.is_deletion() { Arc::new(record) } else { return Err(error) }
        }
        decoded => decoded?,
    };
    record.check_owner(steps.uid())?;
    if let Some(seq) = loaded.witness.filter(|seq| *seq > record.seq) {
        return Err(Unreadable::Lost(format!("it has sequence number {}, and {seq} was written", record.seq)));
    }
    // What another version left need not make a state of this one to be undone: an undo reads what it needs itself.
    let is_of_another = record.version != graph.version || record.entered_by.is_some();
    if is_of_another && (deleting || record.direction.is_deletion()) {
        return Ok(Some(named_by(steps, record)));
    }
    let here = || graph.state(&record.state).map(|(state, _)| state);
    let state = upgrade::due(graph, &record).or_else(here).ok_or_else(|| Unreadable::State(record.state.clone()))?;
    match steps.check(state, &record.facts) {
        Err(error) if error.is_of_reading() && record.version != graph.version => {
            Err(upgrade::unreadable(graph, record.version, Some(graph.states[state].name), &error))
        }
        checked => checked.map(|()| Some(Arc::clone(&record))).map_err(Unreadable::from),
    }
}

/// Names that a newer version has given stay in the record, even after this version has written it. So the message says whose names they are.
fn named_by(steps: &dyn Steps, mut record: Arc<Record>) -> Arc<Record> {
    let graph = steps.graph();
    let is_read = || graph.state(&record.state).is_some_and(|(state, _)| steps.check(state, &record.facts).is_ok());
    if record.version > graph.version && !is_read() {
        let version = record.version;
        Arc::make_mut(&mut record).entered_by = Some(version);
    }
    record
}
