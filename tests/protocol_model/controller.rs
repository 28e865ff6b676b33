//! What a controller does next. Invariant: a decision depends on the record and on [`Around`] only.

use crate::machine::{Contract, Does, Edge, Machine, Step, When};
use crate::record::{Act, Holder, Intent, Record, Target};
use crate::rules::Rule;

/// The step and life of an attempt.
pub type Attempted = (u8, u8);

/// What a controller decides on a record. If a decision needed quiet, an attempt at one of these that still stands is late from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// There is nothing to do.
    Rest,
    /// Something is in the way, and goes by itself.
    Wait,
    /// To write this record, and nothing else.
    Note(Record, Vec<Attempted>),
    /// To write this record, whose intent is then carried out.
    Attempt(Record, Vec<Attempted>),
    /// Not to write, and to carry out the intent that is open: only without [`Rule::TakeOver`].
    Resolve(Record, Vec<Attempted>),
    /// To remove the record.
    Remove,
}

/// What a decision depends on besides the record.
pub struct Around<'a> {
    pub controller: u8,
    pub machine: &'a Machine,
    pub off: Option<Rule>,
    /// Whether it is known that the resource is to be deleted.
    pub deleting: bool,
    pub spec: u8,
    /// Whether no request of this step and life is under way.
    pub quiet: &'a dyn Fn(u8, u8) -> bool,
}

impl Around<'_> {
    pub fn is_on(&self, rule: Rule) -> bool {
        self.off != Some(rule)
    }

    pub fn holder(&self, record: &Record) -> Holder {
        if self.is_on(Rule::OwnHolder) {
            Holder { controller: self.controller, write: record.seq + 1 }
        } else {
            Holder { controller: 0, write: 0 }
        }
    }

    pub fn step(&self, step: u8) -> &Step {
        self.machine.step(step)
    }

    pub fn is_quiet(&self, attempts: &[Attempted]) -> bool {
        attempts.iter().all(|(step, life)| (self.quiet)(*step, *life))
    }

    pub fn decide(&self, record: &Record) -> Decision {
        if record.held && !self.is_on(Rule::DeletionFirst) {
            return Decision::Rest;
        }
        let mut record = record.clone();
        let turned = self.deleting && !record.deleting;
        if turned {
            (record.deleting, record.held) = (true, false);
        }
        self.turn(&mut record);
        let preempted = record.intent.is_some_and(|intent| self.is_preempted(&record, intent));
        if record.held && !preempted {
            return Decision::Rest;
        }
        let decision = match record.intent {
            Some(intent) => self.resolve(&record, intent, preempted),
            None => match record.back {
                Some(target) => self.backward(&record, target),
                None => self.forward(&record),
            },
        };
        // The turn is written also when nothing else can be done yet.
        if turned && matches!(decision, Decision::Rest | Decision::Wait) {
            Decision::Note(record, Vec::new())
        } else {
            decision
        }
    }

    /// Turns the way back to nothing when deletion is wanted and nothing goes before it: a rewind that is under way, or a step that leaves.
    pub fn turn(&self, record: &mut Record) {
        if !record.deleting {
            return;
        }
        match record.back {
            Some(Target::Nothing) => {}
            Some(Target::Mark(_)) if !self.is_on(Rule::FinishRewind) => record.back = Some(Target::Nothing),
            Some(Target::Mark(_)) => {
                let leaves = self.machine.edges_of(record.at).any(|edge| edge.on_delete);
                if leaves && !self.is_on(Rule::LeaveAfterRewind) && record.intent.is_none() {
                    record.back = None;
                }
            }
            None => {
                if !self.machine.edges_of(record.at).any(|edge| edge.on_delete) {
                    record.back = Some(Target::Nothing);
                }
            }
        }
    }

    pub fn applies(&self, edge: &Edge, record: &Record) -> bool {
        edge.on_delete == record.deleting
            && match edge.when {
                When::Always => true,
                When::Spec(spec) => self.spec == spec,
                When::Changed(step) => record.fact(step).is_some_and(|spec| spec != self.spec),
                When::Differs(step) => record.fact(step) != Some(self.spec),
            }
    }

    /// Whether another edge goes before this intent, which is in doubt.
    fn is_preempted(&self, record: &Record, intent: Intent) -> bool {
        if record.back.is_some() || matches!(intent.act, Act::Undo | Act::Abort) {
            return false;
        }
        let own = |edge: &&Edge| edge.does == Does::Step(intent.step);
        let edges = || self.machine.edges_of(record.at);
        let leaves = edges().find(own).is_some_and(|edge| edge.on_delete);
        let is_kept = self.step(intent.step).kept && intent.spec != self.spec;
        is_kept
            || (record.deleting && !leaves)
            || edges().take_while(|edge| !own(edge)).any(|edge| edge.preempts && self.applies(edge, record))
    }

    /// An intent that this call did not write.
    fn resolve(&self, record: &Record, intent: Intent, preempted: bool) -> Decision {
        let forward = record.back.is_none();
        let runs = matches!(intent.act, Act::Run | Act::Settle);
        let contract = self.step(intent.step).contract;
        if preempted {
            let mut next = record.clone();
            next.set_aside(self.machine, self.off);
            return match self.forward(&next) {
                Decision::Rest => Decision::Note(next, Vec::new()),
                decision => decision,
            };
        }
        let hurry = intent.act == Act::Run
            && forward
            && self.step(intent.step).repeats()
            && intent.holder.controller == self.controller;
        let waits = self.is_on(Rule::Wait) && !hurry;
        let waits = waits && (self.is_on(Rule::QuietUndo) || (forward && intent.act == Act::Run));
        let late = if waits { vec![(intent.step, intent.life)] } else { Vec::new() };
        if !self.is_quiet(&late) {
            return Decision::Wait;
        }
        let mut next = record.clone();
        if intent.act == Act::Run && contract == Contract::Hold && forward {
            next.held = true;
            return Decision::Note(next, late);
        }
        if !self.is_on(Rule::TakeOver) && !(runs && (contract == Contract::Hold || !forward)) {
            return Decision::Resolve(next, late);
        }
        if let Some(target) = record.back.filter(|_| runs) {
            next.set_aside(self.machine, self.off);
            return self.backward(&next, target);
        }
        next.take_over(self.holder(record), (!self.is_on(Rule::FrozenSpec)).then_some(self.spec));
        Decision::Attempt(next, late)
    }
}
