//! The record, as far as the protocol needs it. Invariant: it changes only by what is written here.

use crate::machine::Machine;
use crate::rules::Rule;

/// The record of one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    /// The uid that it was made for, and is obeyed by.
    pub origin: u8,
    pub seq: u8,
    pub at: u8,
    pub deleting: bool,
    /// Where the way back leads. None going forward and while leaving.
    pub back: Option<Target>,
    pub held: bool,
    pub intent: Option<Intent>,
    /// What the state knows: the steps that it claims, and the spec of each.
    pub facts: Vec<(u8, u8)>,
    pub live: Vec<Live>,
    pub unconfirmed: Vec<Unconfirmed>,
    /// What was undone or aborted and may be made again.
    pub undone: Vec<(u8, u8)>,
    pub marks: Vec<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Nothing,
    /// The mark of this state.
    Mark(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    pub state: u8,
    pub seq: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    Run,
    /// Finds out about a life in doubt, and makes nothing.
    Settle,
    Undo,
    Abort,
}

/// An effect under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Intent {
    pub step: u8,
    pub life: u8,
    pub order: u8,
    pub act: Act,
    /// The state that it leads to, going forward.
    pub to: u8,
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

/// A live effect. Of a kept value, the life is that of the last round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Live {
    pub step: u8,
    pub life: u8,
    pub order: u8,
    /// What the record says it was made with. None for a kept value that is not known.
    pub spec: Option<u8>,
    /// The reply of the committing attempt reached its sender, and nothing was in doubt.
    pub clean: bool,
}

/// A life that was sent and is not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unconfirmed {
    pub step: u8,
    pub life: u8,
    pub order: u8,
    pub attempt: u8,
    pub doubt: bool,
    pub spec: u8,
}

/// What an attempt has learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It happened, with this spec.
    Done(u8),
    /// A look-up has found what was made, with this spec.
    Found(u8),
    /// A look-up has found nothing.
    Absent,
    /// The outcome is unknown.
    Unknown,
    /// It certainly did not happen.
    NotApplied,
    /// It was never sent.
    Withdrawn,
}

impl Record {
    pub fn initial(origin: u8, machine: &Machine) -> Self {
        Self {
            origin,
            seq: 0,
            at: 0,
            deleting: false,
            back: None,
            held: false,
            intent: None,
            facts: Vec::new(),
            live: Vec::new(),
            unconfirmed: Vec::new(),
            undone: Vec::new(),
            marks: machine.is_marked(0).then_some(Mark { state: 0, seq: 0 }).into_iter().collect(),
        }
    }

    pub fn live(&self, step: u8) -> Option<&Live> {
        self.live.iter().find(|it| it.step == step)
    }

    pub fn fact(&self, step: u8) -> Option<u8> {
        self.facts.iter().find(|it| it.0 == step).map(|it| it.1)
    }

    pub fn mark(&self, state: u8) -> Option<u8> {
        self.marks.iter().find(|it| it.state == state).map(|it| it.seq)
    }

    fn forget(&mut self, step: u8, life: u8) {
        self.unconfirmed.retain(|it| (it.step, it.life) != (step, life));
    }

    /// Lists a life as unconfirmed.
    fn touch(&mut self, intent: Intent, doubt: bool) {
        self.forget(intent.step, intent.life);
        let Intent { step, life, order, attempt, spec, .. } = intent;
        self.unconfirmed.push(Unconfirmed { step, life, order, attempt, doubt, spec });
    }

    /// Closes the open intent, whose outcome is unknown.
    pub fn set_aside(&mut self, machine: &Machine, off: Option<Rule>) {
        let Some(intent) = self.intent.take() else { return };
        let live = self.live.iter_mut().find(|it| it.step == intent.step);
        match live.filter(|_| machine.step(intent.step).kept) {
            Some(live) => live.clean = false,
            // A look sends nothing.
            None if intent.act == Act::Settle => self.touch(intent, intent.doubt),
            None => self.touch(intent, off != Some(Rule::AsideInDoubt)),
        }
        self.held = false;
    }

    /// Opens an intent for a new life.
    pub fn begin(&mut self, step: u8, to: u8, spec: u8, holder: Holder) {
        let seq = self.seq + 1;
        self.intent =
            Some(Intent { step, life: seq, order: seq, act: Act::Run, to, attempt: 1, doubt: false, holder, spec });
    }

    /// Opens an intent for a round of a kept value.
    pub fn begin_round(&mut self, step: u8, to: u8, spec: u8, holder: Holder, off: Option<Rule>) {
        self.begin(step, to, spec, holder);
        let life = self.seq + 1;
        if let Some(live) = self.live.iter_mut().find(|it| it.step == step) {
            live.life = life;
            if off != Some(Rule::RoundUnsets) {
                live.spec = None;
                self.facts.retain(|it| it.0 != step);
            }
        }
    }

    /// Opens an intent for an unconfirmed life. Only what sends it again changes its order.
    pub fn again(&mut self, act: Act, it: Unconfirmed, to: u8, holder: Holder) {
        let order = if act == Act::Run { self.seq + 1 } else { it.order };
        let Unconfirmed { step, life, attempt, doubt, spec, .. } = it;
        self.intent = Some(Intent { step, life, order, act, to, attempt: attempt + 1, doubt, holder, spec });
    }

    /// Opens an intent that undoes a live effect.
    pub fn undo(&mut self, live: Live, holder: Holder) {
        let Live { step, life, order, spec, .. } = live;
        let (act, to, spec) = (Act::Undo, self.at, spec.unwrap_or(0));
        self.intent = Some(Intent { step, life, order, act, to, attempt: 1, doubt: false, holder, spec });
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

    /// Enters a state. The record still has the seq before the write.
    pub fn enter(&mut self, state: u8, machine: &Machine, off: Option<Rule>) {
        self.at = state;
        if machine.is_marked(state) {
            let seq = if off == Some(Rule::MarkBefore) { self.seq + 1 } else { self.seq };
            self.marks.retain(|it| it.state != state);
            self.marks.push(Mark { state, seq });
        }
    }

    fn commit(&mut self, intent: Intent, spec: u8, clean: bool, machine: &Machine, off: Option<Rule>) {
        let Intent { step, life, order, .. } = intent;
        if self.back.is_none() {
            self.held = false;
            self.facts.retain(|it| it.0 != step);
            self.facts.push((step, spec));
            self.enter(intent.to, machine, off);
        }
        let spec = Some(spec);
        let kept = machine.step(step).kept;
        match self.live.iter_mut().find(|it| kept && it.step == step) {
            Some(live) => {
                let clean = clean && (live.clean || off == Some(Rule::CleanRounds));
                *live = Live { life, spec, clean, ..*live };
            }
            None => self.live.push(Live { step, life, order, spec, clean }),
        }
        self.unconfirmed.retain(|it| it.step != step || (it.life != life && !kept));
    }

    /// What is undone on the way to nothing is not made again.
    fn list_undone(&mut self, intent: Intent) {
        if self.back != Some(Target::Nothing) {
            self.undone.push((intent.step, intent.life));
        }
    }

    /// Takes in what an attempt under the open intent has learnt.
    pub fn learn(&mut self, outcome: Outcome, machine: &Machine, off: Option<Rule>) {
        let Some(intent) = self.intent else { return };
        let step = machine.step(intent.step);
        let removes = matches!(intent.act, Act::Undo | Act::Abort);
        let ended = off == Some(Rule::UndoEnds) && removes && outcome != Outcome::Withdrawn;
        let outcome = if ended { Outcome::Absent } else { outcome };
        match (outcome, intent.act) {
            (Outcome::Unknown, _) => {
                if let Some(intent) = &mut self.intent {
                    intent.doubt = true;
                }
                return;
            }
            (Outcome::NotApplied, _) if intent.doubt => match off {
                Some(Rule::StickyDoubt) => self.forget(intent.step, intent.life),
                Some(Rule::RefusedInDoubt) if intent.act == Act::Run => self.touch(intent, false),
                _ => return,
            },
            (Outcome::NotApplied, act) => {
                let forgets = off == Some(Rule::RefusedGoingBack) && self.back.is_some() && !step.once;
                let forgets = forgets || off == Some(Rule::Unconfirmed);
                let is_round = step.kept && self.live(intent.step).is_some();
                if act == Act::Run && forgets {
                    self.forget(intent.step, intent.life);
                } else if act == Act::Run && !is_round {
                    self.touch(intent, false);
                }
            }
            (Outcome::Done(spec), Act::Run) => self.commit(intent, spec, !intent.doubt, machine, off),
            (Outcome::Done(spec) | Outcome::Found(spec), Act::Run | Act::Settle) => {
                self.commit(intent, spec, false, machine, off);
            }
            (Outcome::Done(_) | Outcome::Found(_) | Outcome::Absent, Act::Undo) => {
                self.live.retain(|it| (it.step, it.life) != (intent.step, intent.life));
                self.list_undone(intent);
            }
            (Outcome::Done(_) | Outcome::Found(_) | Outcome::Absent, Act::Abort) => {
                self.forget(intent.step, intent.life);
                self.list_undone(intent);
            }
            (Outcome::Absent, Act::Run | Act::Settle) => self.forget(intent.step, intent.life),
            (Outcome::Withdrawn, _) => {}
        }
        (self.intent, self.held) = (None, false);
    }
}
