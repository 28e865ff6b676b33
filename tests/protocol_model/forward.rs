//! What a controller begins going forward. Invariant: while a life of a step is in doubt, no other life of the step begins.

use crate::controller::{Around, Attempted, Decision};
use crate::machine::{Contract, Does};
use crate::record::{Act, Record, Target, Unconfirmed};
use crate::rules::Rule;

impl Around<'_> {
    /// Takes the first edge that applies.
    pub fn forward(&self, record: &Record) -> Decision {
        let Some(edge) = self.machine.edges_of(record.at).find(|edge| self.applies(edge, record)) else {
            return if record.deleting { self.turn_back(record, Target::Nothing) } else { Decision::Rest };
        };
        match edge.does {
            Does::Rewind if record.mark(edge.to).is_none() && self.is_on(Rule::HeldBeforeUndo) => {
                Decision::Note(Record { held: true, ..record.clone() }, Vec::new())
            }
            Does::Rewind => self.turn_back(record, Target::Mark(edge.to)),
            Does::Step(step) if self.step(step).kept => self.round(record, step, edge.to),
            Does::Step(step) => self.run(record, step, edge.to),
        }
    }

    /// Turns in the write of the first undo, or alone if the first undo waits.
    fn turn_back(&self, record: &Record, target: Target) -> Decision {
        let mut next = record.clone();
        next.back = Some(target);
        match self.backward(&next, target) {
            Decision::Rest | Decision::Wait => Decision::Note(next, Vec::new()),
            decision => decision,
        }
    }

    fn run(&self, record: &Record, step: u8, to: u8) -> Decision {
        let lives = || record.unconfirmed.iter().rev().filter(|it| it.step == step).copied();
        if let Some(it) = lives().find(|it| it.doubt).filter(|_| self.is_on(Rule::DoubtedFirst)) {
            return self.take_up(record, it, to);
        }
        let older = !self.step(step).lifeless || !self.is_on(Rule::LastLife);
        let same = lives().take(if older { usize::MAX } else { 1 }).find(|it| it.spec == self.spec);
        if let Some(it) = same {
            return self.attempt(record, Vec::new(), |next| next.again(Act::Run, it, to, self.holder(record)));
        }
        let mut late = self.undone(record, step);
        if self.step(step).lifeless && self.is_on(Rule::FirstAttemptWaits) {
            late.extend(lives().map(|it| (it.step, it.life)));
        }
        self.attempt(record, late, |next| {
            next.undone.retain(|it| it.0 != step);
            next.begin(step, to, self.spec, self.holder(record));
        })
    }

    /// What was undone or aborted of this step, and may be removed once more by a late duplicate.
    fn undone(&self, record: &Record, step: u8) -> Vec<Attempted> {
        let is_it = |it: &&Attempted| it.0 == step && self.is_on(Rule::UndoneWaits);
        record.undone.iter().filter(is_it).copied().collect()
    }

    /// A life in doubt becomes the open intent again.
    fn take_up(&self, record: &Record, it: Unconfirmed, to: u8) -> Decision {
        let step = self.step(it.step);
        let same = it.spec == self.spec;
        let (act, waits) = match step.contract {
            Contract::Named | Contract::Keyed if same || !step.aborts => (Act::Run, false),
            Contract::Lookup if same => (Act::Run, true),
            Contract::Lookup => (Act::Settle, true),
            Contract::Named | Contract::Keyed | Contract::Hold => (Act::Abort, true),
        };
        let waits = waits && self.is_on(Rule::QuietBeforeSettling);
        let late = if waits { vec![(it.step, it.life)] } else { Vec::new() };
        self.attempt(record, late, |next| next.again(act, it, to, self.holder(record)))
    }

    /// The next round of a kept value.
    fn round(&self, record: &Record, step: u8, to: u8) -> Decision {
        let lives: Vec<_> = record.unconfirmed.iter().rev().filter(|it| it.step == step).copied().collect();
        let mut late = self.undone(record, step);
        if self.is_on(Rule::RoundsWait) {
            let last = record.live(step).filter(|it| !self.is_clean(it)).map(|it| (it.step, it.life));
            late.extend(lives.iter().map(|it| (it.step, it.life)).chain(last));
        }
        self.attempt(record, late, |next| {
            next.undone.retain(|it| it.0 != step);
            next.begin_round(step, to, self.spec, self.holder(record), self.off);
        })
    }

    /// Writes an intent once these are quiet.
    pub fn attempt(&self, record: &Record, late: Vec<Attempted>, open: impl FnOnce(&mut Record)) -> Decision {
        if !self.is_quiet(&late) {
            return Decision::Wait;
        }
        let mut next = record.clone();
        open(&mut next);
        self.drop_refused(&mut next);
        Decision::Attempt(next, late)
    }
}
