//! The record, as far as the protocol needs it. Invariant: it changes as `record::next` changes the real one.

use crate::rules::Rule;

/// The record of one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    /// The uid that it was made for, and is obeyed by.
    pub origin: u8,
    pub seq: u8,
    /// How many steps are done.
    pub at: u8,
    pub deleting: bool,
    pub held: bool,
    pub intent: Option<Intent>,
    pub undo: Vec<Live>,
    pub touched: Vec<Touched>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    Run,
    Undo,
    Abort,
}

/// An effect under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Intent {
    pub step: u8,
    pub life: u8,
    pub act: Act,
    pub attempt: u8,
    pub doubt: bool,
    pub holder: Holder,
    pub spec: u8,
}

/// Which controller has written an intent, and in which write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    pub controller: u8,
    pub write: u8,
}

/// A live effect, and the spec that the record says it was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Live {
    pub step: u8,
    pub life: u8,
    pub spec: u8,
}

/// A step that was sent and is not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Touched {
    pub step: u8,
    pub life: u8,
    pub attempt: u8,
    pub doubt: bool,
    pub spec: u8,
}

/// What an attempt has learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It happened, or a look-up has found what was made, with this spec.
    Done(u8),
    /// A look-up has found nothing.
    Absent,
    /// Nobody knows.
    Unknown,
    /// It certainly did not happen.
    NotApplied,
    /// It was never sent.
    Withdrawn,
}

impl Record {
    pub fn initial(origin: u8) -> Self {
        Self {
            origin,
            seq: 0,
            at: 0,
            deleting: false,
            held: false,
            intent: None,
            undo: Vec::new(),
            touched: Vec::new(),
        }
    }

    fn forget_touched(&mut self, step: u8, life: u8) {
        self.touched.retain(|it| (it.step, it.life) != (step, life));
    }

    pub fn touch(&mut self, intent: Intent, doubt: bool) {
        self.forget_touched(intent.step, intent.life);
        let Intent { step, life, attempt, spec, .. } = intent;
        self.touched.push(Touched { step, life, attempt, doubt, spec });
    }

    /// Opens an intent.
    pub fn intend(&mut self, act: Act, step: u8, spec: u8, holder: Holder) {
        let touched = self.touched.iter().rev().find(|it| it.step == step).copied();
        let fresh = Intent { step, life: self.seq + 1, act, attempt: 1, doubt: false, holder, spec };
        let again =
            |it: Touched| Intent { life: it.life, attempt: it.attempt + 1, doubt: it.doubt, spec: it.spec, ..fresh };
        self.intent = match act {
            Act::Run if !self.deleting => Some(touched.filter(|it| it.spec == spec).map_or(fresh, again)),
            Act::Run | Act::Abort => touched.map(again),
            Act::Undo => {
                let live = self.undo.iter().rev().find(|it| it.step == step);
                live.map(|live| Intent { life: live.life, spec: live.spec, ..fresh })
            }
        };
    }

    /// Takes the open intent over.
    pub fn take_over(&mut self, holder: Holder, frozen: Option<u8>) {
        if let Some(intent) = &mut self.intent {
            intent.attempt += 1;
            intent.doubt = true;
            intent.holder = holder;
            intent.spec = frozen.unwrap_or(intent.spec);
        }
    }

    /// Takes in what an attempt under the open intent has learnt.
    pub fn learn(&mut self, outcome: Outcome, off: Option<Rule>) {
        let Some(intent) = self.intent else { return };
        let ended = off == Some(Rule::UndoEnds) && intent.act != Act::Run && outcome != Outcome::Withdrawn;
        let outcome = if ended { Outcome::Absent } else { outcome };
        match (outcome, intent.act) {
            (Outcome::Done(spec), Act::Run) => {
                self.intent = None;
                self.undo.push(Live { step: intent.step, life: intent.life, spec });
                self.forget_touched(intent.step, intent.life);
                if !self.deleting {
                    self.at += 1;
                    self.held = false;
                }
            }
            (Outcome::Done(_) | Outcome::Absent, Act::Undo) => {
                self.intent = None;
                self.undo.retain(|it| (it.step, it.life) != (intent.step, intent.life));
            }
            (Outcome::Done(_), Act::Abort) | (Outcome::Absent, Act::Run | Act::Abort) => {
                self.intent = None;
                self.forget_touched(intent.step, intent.life);
            }
            (Outcome::Unknown, _) => {
                if let Some(intent) = &mut self.intent {
                    intent.doubt = true;
                }
            }
            (Outcome::NotApplied, act) => {
                if intent.doubt && off == Some(Rule::StickyDoubt) {
                    self.intent = None;
                    self.forget_touched(intent.step, intent.life);
                } else if !intent.doubt || off == Some(Rule::DoubtAlone) {
                    (self.intent, self.held) = (None, false);
                    if act == Act::Run && off != Some(Rule::Touched) {
                        self.touch(intent, false);
                    }
                }
            }
            (Outcome::Withdrawn, _) => (self.intent, self.held) = (None, false),
        }
    }
}
