//! Things that somebody else than the machine has removed. Invariant: a loss is recorded only for the record that was asked about, while the machine rests and
//! nothing is under way. What is made again keeps the place of what was lost.

use durable_fsm_graph::{Cause, Contract, Kind, Lost, Rest, Transition};

use super::Change;
use crate::Facts;
use crate::record::event::Illegal;
use crate::record::failure::{Failure, digest_of};
use crate::record::{Direction, Effect, HeldReason, Intent, Life, Spec, Stamp};

impl<'g> Change<'g, '_> {
    /// Something is gone that lives by the record.
    pub(super) fn lose(
        &mut self,
        life: Life<'_>,
        seq: u64,
        at: Stamp,
        generation: u64,
        spec: &Spec,
    ) -> Result<(), Illegal> {
        if seq != self.record.seq {
            return self.illegal(format!(
                "it was asked about at sequence number {seq}, and the record is at {}",
                self.record.seq
            ));
        }
        if self.record.direction != Direction::Forward || self.record.intent.is_some() || self.record.held.is_some() {
            return self.illegal("an effect is under way, or the machine does not go forward");
        }
        let here = self.graph.state(&self.record.state);
        if here.is_none_or(|(_, state)| state.rest != Rest::Resting || state.verify.is_none()) {
            return self.illegal(format!("nothing is asked about in {}", self.record.state));
        }
        let live = self.record.undo.position(life).filter(|index| {
            let live = &self.record.undo[*index];
            !live.unmaking && !live.lost
        });
        let Some(index) = live else {
            return self.illegal(format!("`{}` does not live", life.transition));
        };
        let step = self.transition(life.transition)?;
        let Some(verify) = step.verify.filter(|_| step.is_asked()) else {
            return self.illegal(format!("`{}` is not asked about", life.transition));
        };
        let of = life.subject.map(|subject| format!(" for {subject}")).unwrap_or_default();
        self.note(at, format_args!("lost {}{of}", life.transition));
        // What was refused or failed may have been so because this is gone.
        self.unblock();
        self.record.retry = None;
        self.hurry();
        match verify.lost {
            Lost::Missing => self.lose_member(life, step),
            Lost::Remake => {
                if let Some(live) = self.record.undo.amend_lost(index) {
                    live.lost = true;
                }
                self.unset_kept(step);
                Ok(())
            }
            Lost::Hold => {
                let message = format!(
                    "what `{0}` made is gone: the provider has said so twice; find out who has removed it, make it again by hand under the same name, then resolve with `retry`, or roll back, which undoes everything and begins again",
                    life.transition
                );
                self.hold(HeldReason::Vanished, message, at);
                Ok(())
            }
            Lost::End => self.lose_to(life.transition, at, generation, spec),
            Lost::Ignore => self.illegal(format!("`{}` is not asked about", life.transition)),
        }
    }

    /// A member leaves its set, and members that waited for it leave theirs: the next one is waited for again.
    fn lose_member(&mut self, life: Life<'_>, step: &'g Transition<'g>) -> Result<(), Illegal> {
        let (Some(set), Some(subject)) = (step.for_each(), life.subject) else {
            return self.illegal(format!("`{}` makes no members", life.transition));
        };
        let index = self.record.undo.position(life);
        index.map(|index| self.record.undo.remove(index));
        self.record.facts.remove_member(set.fact, subject);
        let mut below = vec![set.fact];
        while let Some(on) = below.pop() {
            let above = self.graph.transitions.iter().filter_map(|step| Some((step, step.for_each()?)));
            for (step, set) in above.filter(|(_, set)| set.on == Some(on)) {
                if matches!(step.kind, Kind::Waits { .. }) {
                    self.record.facts.remove_member(set.fact, subject);
                }
                below.push(set.fact);
            }
        }
        Ok(())
    }

    /// Values of what is made again are sent again, so until then none is recorded.
    fn unset_kept(&mut self, step: &Transition<'_>) {
        self.unset_kept_after(step.to, None);
    }

    /// Forgets the values of all states that follow these, but for those that are kept in this one.
    pub(super) fn unset_kept_after(&mut self, states: &[usize], except: Option<usize>) {
        let mut later = states.to_vec();
        let mut next = 0;
        while let Some(state) = later.get(next).and_then(|state| self.graph.states.get(*state)) {
            next += 1;
            let steps = state.transitions.iter().filter_map(|index| self.graph.transitions.get(*index));
            for to in steps.filter(|step| !step.goes_back()).flat_map(|step| step.to) {
                if !later.contains(to) {
                    later.push(*to);
                }
            }
        }
        for (index, keeper) in self.graph.transitions.iter().enumerate().filter(|(_, step)| step.is_kept()) {
            let follows = self.graph.places(index).any(|place| later.contains(&place));
            let stays = self.graph.places(index).any(|place| Some(place) == except);
            let Some(set) = keeper.for_each().filter(|_| follows && !stays) else { continue };
            for subject in self.record.facts.subjects(set.fact) {
                self.record.facts.remove_member(set.fact, &subject);
            }
        }
    }

    /// Goes to where the loss leads, or turns back to before it was made.
    fn lose_to(&mut self, name: &str, at: Stamp, generation: u64, spec: &Spec) -> Result<(), Illegal> {
        let here = self.graph.state(&self.record.state).zip(self.graph.transition(name));
        let end = here.and_then(|((state, _), (of, _))| self.graph.end(state, of, |cause| cause == Cause::Lost));
        let Some((step, end)) = end else {
            return self.illegal(format!("the loss of `{name}` leads nowhere from {}", self.record.state));
        };
        let target = step.to.first().and_then(|to| self.graph.states.get(*to));
        let marked = target.is_some_and(|target| target.initial || self.record.mark(target.name).is_some());
        if end.back && marked {
            let to = target.and_then(|target| self.record.mark(target.name)).map(|mark| mark.state.clone());
            return self.turn(Direction::RollingBack, to, at);
        }
        let (class, message) = ("lost".to_owned(), "it is gone, although it was not undone".to_owned());
        let (step_name, spec) = (name.to_owned(), digest_of(spec));
        let failure = Failure { step: step_name, class, message, attempts: 0, generation, spec, since: at };
        self.give_up((step, end), failure, std::time::Duration::ZERO)
    }

    /// What was lost is there again: it takes the place of the lost one, and the machine does not move.
    pub(super) fn make_again(
        &mut self,
        contract: &Contract<'_>,
        intent: &Intent,
        made: &Facts,
        clean: bool,
        at: Stamp,
    ) {
        let lost = self.record.lost(&intent.transition).map(|lost| (lost.life, lost.order(), lost.saved.clone()));
        let Some((life, order, mut saved)) = lost else { return };
        let life = Life { transition: &intent.transition, subject: None, number: life };
        let index = self.record.undo.position(life);
        index.map(|index| self.record.undo.remove(index));
        let marks = self.record.marks.clone();
        let (mut current, mut overwritten) = (Facts::default(), Vec::new());
        for (name, value) in made.iter() {
            if saved.value(name).is_some() {
                saved.set(name, value.clone());
                overwritten.push((name, value));
            } else {
                current.set(name, value.clone());
            }
        }
        self.overwrite(&current, intent.of());
        // A rewind to a mark above it keeps it, as it is now.
        for (mark, before) in self.record.marks.iter_mut().zip(marks).filter(|(mark, _)| mark.seq >= order) {
            *mark = before;
            for (name, value) in &overwritten {
                if mark.saved.value(name).is_some() {
                    mark.saved.set(name, (*value).clone());
                }
            }
        }
        let sent = self.sent_of(contract, intent);
        let (transition, life, order) = (intent.transition.clone(), intent.life, Some(order));
        self.record.undo.insert(Effect {
            transition,
            subject: None,
            life,
            order: order.filter(|order| *order != life),
            clean,
            unmaking: false,
            imported: false,
            lost: false,
            sent,
            state: None,
            saved,
        });
        debug_assert!(contract.for_each.is_none(), "a member is not made again in its place");
        self.note(at, format_args!("{} was made again", intent.transition));
    }
}
