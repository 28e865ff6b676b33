//! Going back, and what operators decide. Invariant: nothing leaves the list of live effects but what was undone.

use durable_fsm_graph::Undo;

use super::direction::begins_leaving;
use super::effects::{MOST_UNSETTLED, is_certainly_absent, unsettled};
use super::{Change, Made, is_retained};
use crate::Facts;
use crate::record::event::{Expected, Illegal, Resolution};
use crate::record::{Action, Direction, Effect, Held, HeldReason, Life, Stamp, Unconfirmed};

impl Change<'_, '_> {
    /// Needs no quiet: what is set aside stays in doubt, and what is done about it later waits.
    pub(super) fn set_aside(&mut self, aborting: bool) -> Result<(), Illegal> {
        let mut intent = self.take_intent(Action::Run)?;
        intent.in_doubt = true;
        self.put_back(&intent);
        self.keep_unconfirmed(intent);
        if let Some(step) = self.record.unconfirmed.last_mut() {
            step.aborting = aborting;
        }
        Ok(())
    }

    pub(super) fn turn(&mut self, direction: Direction, to: Option<String>, at: Stamp) -> Result<(), Illegal> {
        let allowed = match (self.record.direction, direction) {
            (_, Direction::Forward) | (Direction::Deleting, _) => false,
            (Direction::Forward | Direction::Leaving | Direction::RollingBack, Direction::Deleting) => true,
            (from, Direction::Leaving) => from == Direction::Forward && begins_leaving(self.graph, &self.record.state),
            (from, Direction::RollingBack) => from == Direction::Forward,
        };
        if !allowed {
            return self.illegal(format!("from {:?} to {direction:?}", self.record.direction));
        }
        if let Some(to) = &to {
            if direction != Direction::RollingBack || !self.goes_back_to(to) {
                return self.illegal(format!("no rewind leads from {} to {to}", self.record.state));
            }
            if self.record.mark(to).is_none() {
                return self.illegal(format!("the record has no mark of {to}"));
            }
        }
        self.record.direction = direction;
        self.record.to = to;
        self.record.held = None;
        self.record.blocked = None;
        self.record.retry = None;
        self.record.retrying.clear();
        self.forget_refused();
        let line = match direction {
            Direction::Leaving => "leaving",
            Direction::Deleting => "deleting",
            Direction::Forward | Direction::RollingBack => "rolling back",
        };
        self.note(at, format_args!("{line}"));
        Ok(())
    }

    pub(super) fn drop_member(&mut self, transition: &str, subject: &str) -> Result<(), Illegal> {
        let step = self.transition(transition)?;
        let Some(for_each) = step.for_each() else {
            return self.illegal(format!("`{transition}` does not make members"));
        };
        if step.contract().is_some_and(|contract| matches!(contract.undo, Undo::Method(_))) {
            return self.illegal(format!("`{transition}` has an undo"));
        }
        self.record.facts.remove_member(for_each.fact, subject);
        self.forget_retrying(transition, Some(subject));
        Ok(())
    }

    pub(super) fn clear(&mut self, life: Life<'_>) -> Result<(), Illegal> {
        let undo = &self.contract(life.transition)?.undo;
        let found = self.record.unconfirmed.iter().find(|unconfirmed| unconfirmed.of() == life);
        if found.is_some_and(|step| is_certainly_absent(self.graph, step)) {
            self.forget_unconfirmed(life);
            return Ok(());
        }
        if matches!(undo, Undo::Method(_)) {
            return self.illegal(format!("`{}` has an undo, and has to be resolved", life.transition));
        }
        let sent = found.is_some();
        // What is left behind on purpose is listed even if it is not known whether it is there: a duplicate of the refused request may make it.
        if sent && *undo == Undo::Retain {
            self.retain_doubted(life);
        }
        self.forget_unconfirmed(life);
        Ok(())
    }

    pub(super) fn begin_again(&mut self, at: Stamp) -> Result<(), Illegal> {
        if self.record.direction != Direction::RollingBack {
            return self.illegal("the machine is not rolling back");
        }
        let record = &self.record;
        let is_left = |transition: &str, order| record.is_above_mark(self.graph, transition, order);
        if record.intent.is_some() || record.unconfirmed.iter().any(|step| is_left(&step.transition, step.order())) {
            return self.illegal("an effect is not resolved");
        }
        let is_undone = |it: &Effect| is_retained(self.graph, it) || !is_left(&it.transition, it.order());
        if !record.undo.iter().all(is_undone) {
            return self.illegal("an effect is not undone");
        }
        self.keep_what_is_known();
        if let Some(to) = self.record.to.take() {
            return self.arrive(to, at);
        }
        let initial = self.graph.states.get(self.graph.initial()).map(|state| state.name).unwrap_or_default();
        self.record.direction = Direction::Forward;
        self.record.state = initial.to_owned();
        self.record.since = at;
        self.record.entered_by = None;
        self.record.took.clear();
        self.record.facts = Facts::default();
        self.record.marks.clear();
        self.record.undone.clear();
        self.record.retrying.clear();
        self.note(at, format_args!("rolled back"));
        Ok(())
    }

    /// Whether a rewind of the current state names this one.
    fn goes_back_to(&self, to: &str) -> bool {
        let here = self.graph.state(&self.record.state).map(|(_, state)| state.transitions).unwrap_or_default();
        let rewinds = here.iter().filter_map(|index| self.graph.transitions.get(*index));
        let names = |state: &usize| self.graph.states.get(*state).is_some_and(|state| state.name == to);
        rewinds.into_iter().any(|step| step.goes_back() && step.to.iter().any(names))
    }

    /// The machine is at a mark again: what was recorded since is forgotten, what was overwritten has its old value.
    fn arrive(&mut self, to: String, at: Stamp) -> Result<(), Illegal> {
        let seq = self.record.seq;
        let Some(index) = self.record.marks.iter().position(|mark| mark.state == to) else {
            return self.illegal(format!("the record has no mark of {to}"));
        };
        let mark = &mut self.record.marks[index];
        let (since, saved, added) = (mark.seq, std::mem::take(&mut mark.saved), std::mem::take(&mut mark.added));
        mark.seq = seq;
        let entered_by = mark.entered_by;
        self.record.marks.retain(|mark| mark.seq <= since || mark.state == to);
        for name in &added {
            self.record.facts.remove(name);
        }
        for (name, value) in saved.iter() {
            self.record.facts.set(name, value.clone());
        }
        // A value that the state does not keep was sent to what is undone.
        if let Some((index, _)) = self.graph.state(&to) {
            self.unset_kept_after(&[index], Some(index));
        }
        self.record.direction = Direction::Forward;
        self.record.state = to;
        self.record.entered_by = entered_by;
        self.record.since = at;
        self.record.undone.clear();
        self.note(at, format_args!("rewound"));
        Ok(())
    }

    pub(super) fn hold(&mut self, reason: HeldReason, message: String, at: Stamp) {
        self.note(at, format_args!("held"));
        self.record.held = Some(Held { reason, message, since: at });
    }

    pub(super) fn resolve(&mut self, resolution: Resolution, expected: &Expected, at: Stamp) -> Result<(), Illegal> {
        if let Some(seq) = expected.seq.filter(|seq| *seq != self.record.seq) {
            return self
                .illegal(format!("it is meant for sequence number {seq}, and the record is at {}", self.record.seq));
        }
        let open = self.record.intent.as_ref().map(|intent| intent.transition.as_str());
        let unsettled = self.unsettled(self.record.held.as_ref().map(|held| held.reason));
        let under_way = open.or_else(|| unsettled.first().map(|step| step.transition.as_str()));
        if let Some(transition) = expected.transition.as_deref().filter(|it| under_way != Some(it)) {
            let found = under_way.map_or("nothing".to_owned(), |it| format!("`{it}`"));
            return self.illegal(format!("it is meant for `{transition}`, and {found} is under way"));
        }
        let in_doubt = self.record.held.as_ref().is_some_and(|held| held.reason == HeldReason::InDoubt);
        let is_stopped =
            self.record.held.is_some() || self.record.blocked.is_some() || self.record.next_retry().is_some();
        if !is_stopped && resolution != Resolution::Waive {
            return self.illegal("nothing is held, blocked or waiting to be tried again");
        }
        if in_doubt && resolution == Resolution::Retry {
            return self.illegal("the outcome is in doubt: say whether it was applied, or roll back");
        }
        // A hold stands before a block, and says nothing of it: that something was refused is not for forgetting with it.
        let held = self.record.held.take();
        if held.is_none() {
            self.record.blocked = None;
        }
        let held = held.map(|held| held.reason);
        self.record.retry = None;
        self.hurry();
        self.note(at, format_args!("resolved by an operator"));
        match resolution {
            Resolution::Retry => Ok(()),
            Resolution::Applied { state, facts } => match self.graph.state(&state) {
                Some((state, _)) => self.reach(&Made { state, facts }, true, at),
                None => self.illegal(format!("there is no state {state}")),
            },
            Resolution::AppliedMember { value } => self.add_member(value, true, at),
            Resolution::NotApplied if self.record.intent.is_none() => self.forget_unsettled(held),
            Resolution::NotApplied => {
                let intent = self.intent()?;
                if intent.action != Action::Run {
                    return self.illegal("an undo is under way; it is repeated until it succeeds");
                }
                let intent = self.take_intent(Action::Run)?;
                self.forget_unconfirmed(intent.of());
                Ok(())
            }
            Resolution::RollBack => self.turn(Direction::RollingBack, None, at),
            Resolution::Waive if self.record.direction == Direction::Leaving => {
                // What may have happened is settled at its place on the way back.
                if self.record.intent.as_ref().is_some_and(|intent| intent.action == Action::Run) {
                    self.set_aside(false)?;
                }
                self.turn(Direction::Deleting, None, at)
            }
            Resolution::Waive => self.waive(at),
        }
    }

    /// What was sent and never committed, and a person may settle: the step that the way back stands at, or those for which a resource is
    /// held going forward.
    fn unsettled(&self, held: Option<HeldReason>) -> Vec<&Unconfirmed> {
        let record = &*self.record;
        if !record.direction.is_forward() {
            let above = |it: &&Unconfirmed| record.is_above_mark(self.graph, &it.transition, it.order());
            return record.unconfirmed.iter().filter(above).max_by_key(|step| step.order()).into_iter().collect();
        }
        let is_it = |step: &&Unconfirmed| match held {
            Some(HeldReason::InDoubt) => step.in_doubt,
            Some(HeldReason::Unsettled) => {
                unsettled(self.graph, record, &step.transition, step.subject.as_deref()) >= MOST_UNSETTLED
            }
            _ => false,
        };
        record.unconfirmed.iter().filter(is_it).collect()
    }

    /// An operator has looked, and none of this is there.
    fn forget_unsettled(&mut self, held: Option<HeldReason>) -> Result<(), Illegal> {
        let forgotten: Vec<u64> = self.unsettled(held).iter().map(|step| step.life).collect();
        if forgotten.is_empty() {
            return self.illegal("no effect is under way");
        }
        self.record.unconfirmed.retain(|step| !forgotten.contains(&step.life));
        Ok(())
    }

    pub(super) fn rebind(&mut self, owner: String) -> Result<(), Illegal> {
        if owner.is_empty() {
            return self.illegal("the new owner has no uid");
        }
        self.record.owner = owner;
        Ok(())
    }

    pub(super) fn renumber(&mut self, past: u64) -> Result<(), Illegal> {
        if let Some(intent) = &self.record.intent {
            return self.illegal(format!("`{}` is under way", intent.transition));
        }
        if past <= self.record.seq {
            return self.illegal(format!("the record is at {}, which is not before {past}", self.record.seq));
        }
        self.record.seq = past;
        Ok(())
    }
}
