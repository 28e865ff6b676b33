//! One pass for one resource. Invariant: what was learnt from an effect is kept until it is durable, or until somebody else has taken
//! the intent over.

use std::sync::Arc;
use std::time::Duration;

use durable_fsm_graph::Retry as Backoff;

use super::base::Base;
use super::brake::Brake;
use super::decide::{decide, turns_to_delete};
use super::decision::{BEHIND_FOR, Decision, Ending, Surroundings};
use super::incarnation::call_of;
use super::looked::Looked;
use super::lost;
use super::seen::Untold;
use super::sets::Sets;
use super::sightings::{Follower, Whose};
use super::{Driver, held_unwritten};
use crate::probe::{Crossing, Side, Site};
use crate::record::{Direction, Event, Held, HeldReason, Record, RetainedBy, Stamp, advance};
use crate::steps::Steps;
use crate::{FactError, RecordId, Signals, StoreError, Version};

/// How a pass ended, and the record as it then was.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) ending: Ending,
    pub(crate) record: Option<Arc<Record>>,
    /// What a pass that has more to do waits for.
    pub(crate) waits: Option<String>,
    /// Set when the resource is held and the record does not say so, because it must not be written.
    pub(crate) unwritten: Option<Held>,
}

/// What a pass would do first.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) decision: Result<Decision, Report>,
    pub(crate) record: Option<Arc<Record>>,
    /// Whether it would import first, and write this record.
    pub(crate) imports: bool,
}

/// Why a pass cannot go on.
pub(crate) enum Halt {
    Stop(Box<Report>),
    Store(StoreError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Halt::Store(error)
    }
}

/// A pass under way.
pub(crate) struct Pass<'d> {
    pub(super) driver: &'d Driver,
    pub(super) steps: &'d dyn Steps,
    pub(super) id: &'d RecordId,
    pub(super) holder: String,
    /// How many intents this call has tried to write.
    pub(super) intents: u32,
    pub(super) delete: bool,
    pub(super) record: Arc<Record>,
    /// The record as it was last read or written.
    pub(super) base: Option<Base>,
    /// Room for the bytes of the next write, which the record before the last one had.
    pub(super) spare: Vec<u8>,
    /// What marks things as its own.
    pub(super) owner_tag: String,
    /// Whose sightings are its own.
    pub(super) whose: Whose,
    /// What is missing from its sets.
    pub(super) sets: Sets,
    /// What members that wait have answered.
    pub(super) looked: Looked,
    /// Which of the sightings follow it.
    pub(super) follower: Option<Follower<'d>>,
    /// Nothing that was undone is quiet before.
    pub(super) quiet_at: Duration,
    pub(super) version: Version,
    pub(super) stored: bool,
    pub(super) signals: Signals,
    /// The resource's generation when this pass began, where the store knows it.
    pub(super) generation: Option<u64>,
    /// What it does again and again.
    pub(super) brake: Brake,
    /// How many of its writes in a row were overtaken by somebody else's.
    pub(super) overtaken: u32,
    /// The record differs from what is stored.
    pub(super) dirty: bool,
    /// What was learnt under our intent and is not durable yet.
    pub(super) learnt: Vec<Event>,
    /// What is said of it when it is.
    pub(super) untold: Untold,
    /// The transition and subject that the next write is about, for labels.
    pub(super) about: (&'static str, Option<String>),
}

/// How many steps a pass takes at most. A set of more members than that goes on in the next one.
const LONGEST_PASS: u32 = 10_000;

impl<'d> Pass<'d> {
    pub(super) async fn run(
        driver: &'d Driver,
        steps: &'d dyn Steps,
        id: &'d RecordId,
        holder: String,
        delete: bool,
    ) -> Result<Report, StoreError> {
        let mut pass = match Self::load(driver, steps, id, holder, delete).await {
            Ok(pass) => pass,
            Err(halt) => return end(halt),
        };
        if let Err(halt) = pass.import().await {
            return pass.end(halt);
        }
        for _ in 0..LONGEST_PASS {
            if let Err(halt) = pass.step().await {
                return pass.end(halt);
            }
        }
        loop {
            // What was learnt last is made durable; if somebody else wrote in between, it is tried again, as often as a write may be overtaken.
            if let Err(halt) = pass
                .wait(Duration::ZERO, format!("the pass has taken {LONGEST_PASS} steps, and goes on in the next one"))
                .await
            {
                return pass.end(halt);
            }
        }
    }

    fn end(&self, halt: Halt) -> Result<Report, StoreError> {
        lost::report(self.id, self.base.as_ref(), &self.learnt, "the pass ended before it could be");
        end(halt)
    }

    pub(super) async fn plan(
        driver: &'d Driver,
        steps: &'d dyn Steps,
        id: &'d RecordId,
    ) -> Result<Planned, StoreError> {
        let planned = async {
            let mut pass = Self::load(driver, steps, id, String::new(), false).await?;
            let imports = pass.would_import().await?;
            let decision = match pass.decide() {
                Ok(decision) => Ok(pass.gate(decision).await.0),
                Err(error) => Err(pass.unreadable(error)),
            };
            Ok(Planned { decision, record: Some(pass.record), imports })
        };
        match planned.await {
            Ok(planned) => Ok(planned),
            Err(Halt::Store(error)) => Err(error),
            Err(Halt::Stop(report)) => {
                Ok(Planned { record: report.record.clone(), decision: Err(*report), imports: false })
            }
        }
    }

    /// Who holds the next intent: this call, and which of its intents. No two of them are alike, so that a write which is found in
    /// the store can only be the one that was sent last, and not an earlier one of which a stale read knew nothing.
    pub(super) fn next_holder(&mut self) -> String {
        self.intents += 1;
        [&*self.holder, &self.intents.to_string()].join(".")
    }

    /// One step: decide, and do it.
    async fn step(&mut self) -> Result<(), Halt> {
        if self.driver.is_draining() || self.is_outdated() {
            return match (self.is_behind(), self.driver.is_draining()) {
                (true, _) => {
                    self.wait(BEHIND_FOR, "the store has a newer version of the resource than this pass".to_owned())
                        .await
                }
                (false, true) => self.wait(Duration::ZERO, "the controller is being shut down".to_owned()).await,
                (false, false) => {
                    self.wait(Duration::ZERO, "the resource has changed during the pass".to_owned()).await
                }
            };
        }
        let decision = match self.decide() {
            Ok(decision) => decision,
            Err(error) => return self.stuck(error).await,
        };
        let (decision, _permit) = self.gate(decision).await;
        match decision {
            Decision::Stop(ending) => self.stop(ending).await,
            Decision::Wait(left, why) => self.wait(left, why).await,
            Decision::Turn(direction, to) => self.apply(Event::Turned { direction, to, at: self.now() }),
            Decision::Release => self.apply(Event::Released),
            Decision::Begin { transition, subject, action, set_aside } => {
                self.begin(transition, subject, action, set_aside).await
            }
            Decision::TakeOver => self.take_over().await,
            Decision::SetAside => self.apply(Event::SetAside { aborting: false }),
            Decision::Block { reason, message, after } => self.block(reason, message, after).await,
            Decision::Look { transition, subject } => self.look_at(transition, subject).await,
            Decision::Hold { reason, message } => self.hold(reason, message).await,
            Decision::Strand { message } => self.strand(HeldReason::Upgrade, message).await,
            Decision::Upgrade { to } => self.apply(Event::Upgraded { to, at: self.now() }),
            Decision::Compute { transition } => self.compute(transition).await,
            Decision::Retain { transition, subject, life } => {
                let step = &self.steps.graph().transitions[transition];
                let method = step.contract().and_then(|contract| contract.retain_when).unwrap_or_default();
                let (by, why) = (RetainedBy::Machine, format!("`{method}` says so"));
                self.apply(Event::Retained { transition: step.name.to_owned(), subject, life, by, why, at: self.now() })
            }
            Decision::Verify => self.verify().await,
            Decision::Drop { transition, subject } => {
                let transition = self.name(transition).to_owned();
                self.apply(Event::Dropped { transition, subject })
            }
            Decision::Clear(unconfirmed) => self.apply(Event::Cleared {
                transition: unconfirmed.transition,
                subject: unconfirmed.subject,
                life: unconfirmed.life,
            }),
            Decision::BeginAgain => self.apply(Event::RolledBack { at: self.now() }),
            Decision::Remove => self.remove().await,
        }
    }

    pub(super) fn decide(&mut self) -> Result<Decision, FactError> {
        let mut sets = std::mem::take(&mut self.sets);
        // Our own attempt is over when we decide again.
        let is_gone = |holder: &str| call_of(holder) == self.holder || self.driver.is_gone(holder);
        let decision = decide(
            &self.record,
            &Surroundings {
                whose: self.whose,
                steps: self.steps,
                sightings: self.driver.sightings(),
                looked: &self.looked,
                looks_again: &|transition| self.looks_again(transition),
                stored: self.stored,
                wall: self.now(),
                monotonic: self.driver.clock.monotonic(),
                deleting: self.is_deleting() && self.kept().is_none(),
                told: self.signals.deleting,
                kept: self.kept(),
                paused: self.signals.paused,
                due: self.due(),
                generation: self.generation(),
                behind: self.is_behind(),
                outdated: self.is_another() || self.is_behind(),
                is_gone: &is_gone,
            },
            &mut sets,
        );
        self.sets = sets;
        decision
    }

    /// Removes the record: nothing is left.
    async fn remove(&mut self) -> Result<(), Halt> {
        if let Err(illegal) = crate::record::may_remove(self.steps.graph(), &self.record) {
            return Err(self.unwritten(HeldReason::Unreadable, illegal.to_string()));
        }
        self.about = ("", None);
        if !self.stored && !self.write(Site::Note).await? {
            return Ok(());
        }
        self.cross(Site::Remove, Side::Before).await;
        let removed = self.driver.store.remove(self.id, &self.version).await;
        self.cross(Site::Remove, Side::After).await;
        match removed {
            Ok(()) | Err(StoreError::Gone) => {
                self.untold.tell(self.id, self.driver.incarnation(), &self.record);
                // What was learnt last went with the record.
                self.learnt.clear();
                for kept in &self.record.retained {
                    let (transition, subject, why) = (&kept.transition, kept.subject.as_deref(), &kept.why);
                    tracing::info!(machine = %self.id.machine, resource = %self.id.resource, transition, subject, why, "left behind");
                }
                tracing::info!(machine = %self.id.machine, resource = %self.id.resource, "removed");
                self.driver.forget(self.id);
                Err(stop(Ending::Gone, None))
            }
            // Somebody else wrote, or it may be done already: the record tells.
            Err(StoreError::Conflict | StoreError::Unknown(_)) => {
                self.overtaken().await?;
                self.reload_after(Site::Remove).await?;
                if !self.stored {
                    self.driver.forget(self.id);
                    return Err(stop(Ending::Gone, None));
                }
                Ok(())
            }
            Err(error) => Err(Halt::Store(error)),
        }
    }

    /// What is in the record, or what the author makes of it, ends the pass.
    pub(super) async fn stuck(&mut self, error: FactError) -> Result<(), Halt> {
        if error.is_of_reading() {
            return self.cannot_read(error).await;
        }
        if !matches!(error, FactError::Panicked { .. }) {
            return self.hold(HeldReason::Unreadable, error.to_string()).await;
        }
        self.strand(HeldReason::Panicked, error.to_string()).await
    }

    /// The controller's own code stands in the way: the hold is not recorded, so that a mended controller goes on by itself.
    pub(super) async fn strand(&mut self, reason: HeldReason, message: String) -> Result<(), Halt> {
        match self.stop(Ending::Held).await {
            Err(Halt::Stop(_)) => Err(self.unwritten(reason, message)),
            other => other,
        }
    }

    pub(super) async fn hold(&mut self, reason: HeldReason, message: String) -> Result<(), Halt> {
        self.learn(Event::Held { reason, message, at: self.now() })?;
        self.stop(Ending::Held).await
    }

    /// Ends the pass, which has more to do and waits for something.
    pub(super) async fn wait(&mut self, left: Duration, why: String) -> Result<(), Halt> {
        let why = match self.kept() {
            Some(kept) => format!("{why}; its deletion is refused: {kept}"),
            None => why,
        };
        match self.stop(Ending::Progressing(left)).await {
            Err(Halt::Stop(mut report)) if report.ending == Ending::Progressing(left) => {
                report.waits = Some(why);
                Err(Halt::Stop(report))
            }
            other => other,
        }
    }

    /// Makes durable what is not, and ends the pass. If somebody else wrote in between, the pass goes on instead.
    pub(super) async fn stop(&mut self, ending: Ending) -> Result<(), Halt> {
        if self.dirty && !self.write(if self.learnt.is_empty() { Site::Note } else { Site::Commit }).await? {
            return Ok(());
        }
        let ending = match (&self.record.held, ending) {
            (
                Some(_),
                Ending::Progressing(_)
                | Ending::Blocked(_)
                | Ending::Resting
                | Ending::Watching { .. }
                | Ending::Braked(..)
                | Ending::UndosStopped(_)
                | Ending::Kept(_),
            ) => Ending::Held,
            (_, ending) => ending,
        };
        Err(stop(ending, Some(Arc::clone(&self.record))))
    }

    /// Applies an event that can be found again from the record.
    pub(super) fn apply(&mut self, event: Event) -> Result<(), Halt> {
        self.untold.note(&self.record, &event);
        match advance(self.steps.graph(), Arc::make_mut(&mut self.record), event) {
            Ok(()) => {
                self.dirty = true;
                Ok(())
            }
            Err(illegal) => {
                if let Some(base) = self.base.as_ref().and_then(Base::record) {
                    self.record = Arc::new(base);
                }
                Err(self.unwritten(HeldReason::Unreadable, illegal.to_string()))
            }
        }
    }

    /// Applies an event that only this call knows of.
    pub(super) fn learn(&mut self, event: Event) -> Result<(), Halt> {
        self.apply(event.clone())?;
        self.learnt.push(event);
        Ok(())
    }

    pub(super) fn unwritten(&self, reason: HeldReason, message: String) -> Halt {
        let held = Held { reason, message, since: self.now() };
        Halt::Stop(Box::new(held_unwritten(Some(Arc::clone(&self.record)), held)))
    }

    fn unreadable(&self, error: FactError) -> Report {
        let is_panic = matches!(error, FactError::Panicked { .. });
        let reason = if is_panic { HeldReason::Panicked } else { HeldReason::Unreadable };
        let held = Held { reason, message: error.to_string(), since: self.now() };
        held_unwritten(Some(Arc::clone(&self.record)), held)
    }

    pub(super) async fn cross(&self, site: Site, side: Side) {
        self.driver.probe.cross(&self.at(site, side)).await;
    }

    /// The crossing of the step that this pass is about.
    pub(super) fn at(&self, site: Site, side: Side) -> Crossing<'_> {
        let (transition, subject) = &self.about;
        Crossing { id: self.id, transition, subject: subject.as_deref(), site, side }
    }

    /// Whether something asks this pass to begin no further effect in its direction.
    pub(super) fn is_interrupted(&self) -> bool {
        let turned = self.is_deleting() && self.kept().is_none() && turns_to_delete(&self.record, self.steps.graph());
        turned || self.signals.paused || self.record.paused || self.driver.is_draining() || self.is_outdated()
    }

    /// Whether the resource has another spec by now than the one that this pass was given.
    fn is_outdated(&self) -> bool {
        // What is to be undone does not depend on the spec.
        let goes_on = self.record.direction == Direction::Forward && (!self.is_deleting() || self.kept().is_some());
        goes_on && (self.is_another() || self.is_behind())
    }

    /// Whether the resource has changed since this pass began, by what the last read or write of its record has told.
    fn is_another(&self) -> bool {
        let latest = self.signals.generation;
        latest != self.generation && latest != Some(self.steps.generation())
    }

    /// Whether this pass was given a resource that was out of date already, as from a cache that lags.
    fn is_behind(&self) -> bool {
        self.generation.is_some_and(|latest| self.steps.generation() < latest)
    }

    pub(super) fn is_deleting(&self) -> bool {
        self.delete || self.signals.deleting || self.steps.deleting()
    }

    /// Why the deletion that is asked for is refused. Before the first record nothing is protected, and once it has begun it goes through.
    fn kept(&self) -> Option<&str> {
        let may_be = self.is_deleting() && self.stored && !self.record.direction.is_deletion();
        self.steps.keeps().filter(|_| may_be)
    }

    /// The generation of the spec that this pass acts on, which may be older than what the store knows of.
    pub(super) fn generation(&self) -> u64 {
        self.steps.generation()
    }

    pub(super) fn now(&self) -> Stamp {
        Stamp::from(self.driver.clock.wall())
    }

    pub(super) fn name(&self, transition: usize) -> &'static str {
        self.steps.graph().transitions[transition].name
    }

    /// Takes note of the record as it is stored now.
    pub(super) fn observe(&mut self, stored: Option<Vec<u8>>) {
        let Some(bytes) = stored else {
            self.driver.forget(self.id);
            (self.base, self.follower) = (None, None);
            return;
        };
        let now = self.driver.clock.monotonic();
        // Nothing else is told of changes, so a record that is shared is not copied in vain.
        let is_followed = self.follower.is_some();
        let changes = is_followed.then(|| Arc::make_mut(&mut self.record).undo.changes()).flatten();
        let sightings = self.driver.sightings();
        self.follower =
            sightings.follow(self.whose, self.steps.graph(), &self.record, changes, self.follower.take(), now);
        let before = self.base.replace(Base::new(self.steps.graph(), self.record.seq, bytes));
        self.spare = before.map(Base::into_bytes).unwrap_or_default();
    }
}

/// How long one look of a transition that waits may take.
pub(super) const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// The backoff of transitions that declare none, because they have no effect.
pub(super) const DEFAULT_BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(300) };

pub(super) fn stop(ending: Ending, record: Option<Arc<Record>>) -> Halt {
    Halt::Stop(Box::new(Report { ending, record, waits: None, unwritten: None }))
}

fn end(halt: Halt) -> Result<Report, StoreError> {
    match halt {
        Halt::Stop(report) => Ok(*report),
        Halt::Store(error) => Err(error),
    }
}
