//! What a controller does next. Invariant: the same decisions in the same order as `driver::decide` takes them.

use crate::record::{Act, Holder, Intent, Record};
use crate::rules::{Contract, Rule};

/// What a controller decides on a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is to be done.
    Rest,
    /// Something is in the way, and goes by itself.
    Wait,
    /// To write this record, and nothing else. If it needed quiet, an attempt of this step and life that still stands is late from here on.
    Note(Record, Option<(u8, u8)>),
    /// To write this record, whose intent is then carried out; and as before.
    Attempt(Record, Option<(u8, u8)>),
    /// Not to write, and to carry out the intent that is open: only without [`Rule::TakeOver`].
    Resolve(Record, Option<(u8, u8)>),
    /// To remove the record.
    Remove,
}

/// What a decision depends on besides the record.
pub struct Around<'a> {
    pub controller: u8,
    pub contracts: &'a [Contract],
    pub off: Option<Rule>,
    /// Whether it is known that the resource is to be deleted.
    pub deleting: bool,
    pub spec: u8,
    /// Whether no request of this step and life is under way.
    pub quiet: &'a dyn Fn(u8, u8) -> bool,
}

impl Around<'_> {
    fn is_on(&self, rule: Rule) -> bool {
        self.off != Some(rule)
    }

    fn holder(&self, record: &Record) -> Holder {
        if self.is_on(Rule::OwnHolder) {
            Holder { controller: self.controller, write: record.seq + 1 }
        } else {
            Holder { controller: 0, write: 0 }
        }
    }

    fn contract(&self, step: u8) -> Contract {
        self.contracts[usize::from(step)]
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
        if record.held {
            return Decision::Rest;
        }
        let decision = match record.intent {
            Some(intent) => self.resolve(&record, intent),
            None if record.deleting => self.backward(&record),
            None => self.forward(&record),
        };
        // What was turned is written, also when nothing else can be done yet.
        if turned && matches!(decision, Decision::Rest | Decision::Wait) {
            Decision::Note(record, None)
        } else {
            decision
        }
    }

    /// An intent that this call did not write.
    fn resolve(&self, record: &Record, intent: Intent) -> Decision {
        let forward = !record.deleting;
        let contract = self.contract(intent.step);
        let here = (intent.step, intent.life);
        let hurry = intent.act == Act::Run
            && forward
            && contract == Contract::Repeat
            && intent.holder.controller == self.controller;
        let waits = self.is_on(Rule::Wait) && !hurry;
        let waits = waits && (self.is_on(Rule::QuietUndo) || (forward && intent.act == Act::Run));
        if waits && !(self.quiet)(intent.step, intent.life) {
            return Decision::Wait;
        }
        let late = waits.then_some(here);
        let mut next = record.clone();
        if intent.act == Act::Run && contract == Contract::Hold {
            if forward {
                next.held = true;
                return Decision::Note(next, late);
            }
            next.touch(intent, true);
            next.intend(Act::Abort, intent.step, self.spec, self.holder(record));
            return Decision::Attempt(next, late);
        }
        if !self.is_on(Rule::TakeOver) {
            return Decision::Resolve(next, late);
        }
        next.take_over(self.holder(record), (!self.is_on(Rule::FrozenSpec)).then_some(self.spec));
        Decision::Attempt(next, late)
    }

    fn forward(&self, record: &Record) -> Decision {
        let doubted = record.touched.iter().rev().find(|it| it.doubt && self.contract(it.step) == Contract::Hold);
        if let Some(it) = doubted {
            return self.back_to(record, Act::Abort, it.step, it.life);
        }
        if usize::from(record.at) == self.contracts.len() {
            return Decision::Rest;
        }
        let mut next = record.clone();
        next.intend(Act::Run, record.at, self.spec, self.holder(record));
        Decision::Attempt(next, None)
    }

    fn backward(&self, record: &Record) -> Decision {
        if let Some(it) = record.touched.last() {
            let act = if self.contract(it.step) == Contract::Hold { Act::Abort } else { Act::Run };
            return self.back_to(record, act, it.step, it.life);
        }
        match record.undo.last() {
            Some(live) => self.back_to(record, Act::Undo, live.step, live.life),
            None => Decision::Remove,
        }
    }

    fn back_to(&self, record: &Record, act: Act, step: u8, life: u8) -> Decision {
        if self.is_on(Rule::QuietUndo) && !(self.quiet)(step, life) {
            return Decision::Wait;
        }
        let mut next = record.clone();
        next.intend(act, step, self.spec, self.holder(record));
        Decision::Attempt(next, self.is_on(Rule::QuietUndo).then_some((step, life)))
    }
}
