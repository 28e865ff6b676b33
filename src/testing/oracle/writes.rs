//! Whether a write of the record is one that the graph declares. Invariant: it is judged by the record before and the record after alone, and by what the
//! writer was told in between.

use std::collections::BTreeSet;

use durable_fsm_graph::{Kind, Lost, Transition, Undo};

use super::{Books, Failed, Oracle, Violation};
use crate::record::{Action, Direction, Effect, HeldReason, Intent, Record, Unconfirmed};

impl Books {
    /// A record is replaced by another, or written first.
    pub(crate) fn check_write(
        &mut self,
        actor: usize,
        deleting: bool,
        old: Option<&Record>,
        new: &Record,
    ) -> Option<Violation> {
        let history = |message: String| Some(Violation::new(Oracle::History, message));
        let edge = |message: String| Some(Violation::new(Oracle::Edge, message));
        let (failed, certain) = (self.failed[actor].take(), self.certain[actor].take());
        let decided = std::mem::take(&mut self.decided);
        if decided {
            self.due.clear();
        }
        let graph = self.graph;
        let is_counted = |transition: usize, subject: Option<&str>| {
            let name = graph.transitions.get(transition).map_or("", |step| step.name);
            new.retry.is_some() || new.retrying(name, subject).is_some()
        };
        self.due.retain(|(transition, subject), _| is_counted(*transition, subject.as_deref()));
        if let Some(Failed { transition, subject, due, .. }) = &failed
            && is_counted(*transition, subject.as_deref())
        {
            self.due.insert((*transition, subject.clone()), *due);
        }
        // Each thing that was imported has a life of its own, and each life a number.
        let imported = if old.is_none() { new.undo.iter().filter(|it| it.imported).count() as u64 } else { 0 };
        let expected = old.map_or(imported, |old| old.seq) + 1;
        // A person may let it pass over numbers.
        if new.seq != expected && !(decided && new.seq > expected) {
            return history(format!("seq {} was written where {expected} was due", new.seq));
        }
        // An undo that was begun before the machine turned back is finished first.
        let begun = old.is_some_and(|old| same_step(old.intent.as_ref(), new.intent.as_ref()));
        let in_doubt = new.held.as_ref().is_some_and(|held| held.reason == HeldReason::InDoubt);
        if in_doubt && new.intent.is_none() && new.unconfirmed.is_empty() {
            return edge("it is held in doubt, and nothing is in doubt, so it cannot be resolved".to_owned());
        }
        if let Some(effect) = self.out_of_order(new).filter(|_| !begun) {
            return edge(effect);
        }
        if old.is_none_or(|old| old.held.is_none())
            && let Some(violation) = self.check_hold(new, certain)
        {
            return Some(violation);
        }
        let old = old?;
        if new.origin != old.origin || new.machine != old.machine {
            return history(format!("the record of {} became that of {}", old.origin, new.origin));
        }
        let is_back = match old.direction {
            Direction::Deleting => new.direction != Direction::Deleting,
            Direction::Leaving => !new.direction.is_deletion(),
            Direction::Forward | Direction::RollingBack => false,
        };
        if is_back {
            return edge(format!("from {:?} to {:?}", old.direction, new.direction));
        }
        if !old.direction.is_deletion() && new.direction.is_deletion() && !deleting {
            return edge("everything is to be undone, and the resource was not deleted".to_owned());
        }
        if let Some(why) = self.wrong_leave(old, new) {
            return edge(why);
        }
        // What a look-up or a wait was told counts too, and is not remembered here.
        if let Some(why) = self.wrong_rewind(old, new) {
            return edge(why);
        }
        let rolls_back = old.direction.is_forward() && new.direction == Direction::RollingBack;
        let rewind = if rolls_back { self.rewind(old, new) } else { None };
        self.edges.extend(rewind);
        if rolls_back && !decided && !self.graph.undo_on_rejected && rewind.is_none() {
            return edge("it is rolled back, and neither the machine nor a person says so".to_owned());
        }
        if let Some(why) = other_spec(old, new) {
            return Some(Violation::new(Oracle::ExactResume, why));
        }
        if old.state != new.state && !self.leads(old, new) {
            return edge(format!("from {} to {} by no declared transition", old.state, new.state));
        }
        self.edges.extend(self.bad_end(old, new));
        for effect in &old.undo {
            let kept = new.undo.iter().any(|it| it.of() == effect.of());
            let is_undone = |intent: &Intent| intent.action == Action::Undo && intent.of() == effect.of();
            let undoing = old.intent.as_ref().is_some_and(is_undone);
            let stays = new
                .retained
                .iter()
                .any(|it| (&it.transition, &it.subject, it.life) == (&effect.transition, &effect.subject, effect.life));
            let is_lost = effect.lost || old.intent.is_none() && self.may_be_missing(effect);
            if !kept && !undoing && !stays && !is_lost && self.undo_of(&effect.transition) != Some(Undo::None) {
                return edge(format!("`{}` of life {} is live, and was forgotten", effect.transition, effect.life));
            }
        }
        if let Some(Failed { transition, subject, seq, rejected, .. }) = failed {
            let stays = new.direction.is_forward() && new.held.is_none();
            if rejected && seq == old.seq && stays && old.direction.is_forward() && self.graph.undo_on_rejected {
                return edge("an effect was rejected, and what the machine has made is not undone".to_owned());
            }
            let name = self.graph.transitions.get(transition).map_or("", |step| step.name);
            let goes_on = new.direction == old.direction && old.direction.is_forward() && new.held.is_none();
            let lost =
                seq == old.seq && goes_on && new.state == old.state && !is_counted(transition, subject.as_deref());
            if lost {
                return history(format!("an attempt at `{name}` failed, and the record does not count it"));
            }
        }
        None
    }

    /// Whether this is a member that leaves its set when it is gone.
    fn may_be_missing(&self, effect: &Effect) -> bool {
        let step = self.graph.transition(&effect.transition).map(|(_, step)| step);
        step.and_then(|step| step.verify).is_some_and(|verify| verify.lost == Lost::Missing)
    }

    /// Whether a deletion skips its own steps, takes one of them before it has begun, or goes on with what belongs to an ordinary state.
    fn wrong_leave(&self, old: &Record, new: &Record) -> Option<String> {
        let is_own = |record: &Record, step: &Transition<'_>| {
            step.on_delete || self.graph.state(&record.state).is_some_and(|(_, state)| state.leaving)
        };
        let begins = new.intent.as_ref().filter(|it| !same_step(old.intent.as_ref(), Some(it)));
        let begins = begins.filter(|it| it.action == Action::Run && new.direction.is_forward());
        if let Some((_, step)) = begins.and_then(|intent| self.graph.transition(&intent.transition))
            && is_own(new, step) != (new.direction == Direction::Leaving)
        {
            return Some(format!("`{}` is begun in {}, and the record is {:?}", step.name, new.state, new.direction));
        }
        let (_, here) = self.graph.state(&old.state)?;
        let skips =
            old.direction == Direction::Forward && new.direction == Direction::Deleting && old.state == new.state;
        let unguarded = here.transitions.iter().map(|index| &self.graph.transitions[*index]);
        let mut unguarded = unguarded.filter(|step| step.on_delete && step.guard.is_none());
        let skipped = unguarded.next().filter(|_| skips)?;
        Some(format!(
            "everything is undone from {} without `{}`, with which a deletion begins",
            old.state, skipped.name
        ))
    }

    /// Whether a rewind leaves what was made since its state was entered, or what it undoes stood there before.
    fn wrong_rewind(&self, old: &Record, new: &Record) -> Option<String> {
        let to = old.to.as_deref().filter(|_| old.direction == Direction::RollingBack)?;
        if new.direction.is_forward() {
            let is_left = |it: &&Effect| {
                self.undo_of(&it.transition) != Some(Undo::Retain)
                    && old.is_above_mark(self.graph, &it.transition, it.order())
            };
            let left = new.undo.iter().find(is_left)?;
            return Some(format!("it is at {to} again, and `{}` is above its mark", left.transition));
        }
        // What the state that it goes back to knows was recorded before its mark, and is not undone.
        let is_undo = |intent: &&Intent| intent.action == Action::Undo && new.to == old.to;
        let undone = new.intent.as_ref().filter(is_undo)?;
        let step = self.graph.transition(&undone.transition)?.1;
        let there = self.graph.state(to)?.1;
        let made = step.to.iter().flat_map(|state| self.graph.states[*state].facts);
        let is_known = made.into_iter().any(|fact| there.known.contains(&fact.name));
        is_known.then(|| format!("`{}` is undone, and stands below the mark of {to}", undone.transition))
    }

    /// The rewind that leads to where the record goes back to, from where it was or from where it could be in the same write.
    fn rewind(&self, old: &Record, new: &Record) -> Option<(usize, Option<usize>)> {
        let open = old.intent.as_ref().and_then(|intent| self.graph.transition(&intent.transition));
        let reached = open.map(|(_, step)| step.to).unwrap_or_default();
        let from = [self.graph.state(&old.state), self.graph.state(&new.state)].into_iter().flatten();
        let from: BTreeSet<usize> = from.map(|(index, _)| index).chain(reached.iter().copied()).collect();
        let to = new.to.as_deref().and_then(|to| self.graph.state(to)).map(|(index, _)| index);
        let to = to.unwrap_or_else(|| self.graph.initial());
        let mut rewinds = self.graph.transitions.iter().enumerate().filter(|(_, step)| step.goes_back());
        let stands = |index| self.graph.places(index).any(|place| from.contains(&place));
        rewinds.find(|(index, step)| step.to.contains(&to) && stands(*index)).map(|(index, _)| (index, Some(to)))
    }

    /// The bad end that the machine has gone to.
    fn bad_end(&self, old: &Record, new: &Record) -> Option<(usize, Option<usize>)> {
        let (from, to) = (self.graph.state(&old.state)?.0, self.graph.state(&new.state)?.0);
        let open = old.intent.as_ref().and_then(|intent| self.graph.transition(&intent.transition)).map(|(of, _)| of);
        let listed = self.graph.states[from].transitions.iter().copied();
        let is_it = |index: &usize| match self.graph.transitions[*index].kind {
            Kind::End(end) => !end.back && open.is_none_or(|of| of == end.of),
            _ => false,
        };
        let mut ends = listed.filter(is_it).filter(|index| self.graph.transitions[*index].to.contains(&to));
        ends.next().filter(|_| from != to).map(|index| (index, Some(to)))
    }

    /// Whether an intent to undo is for anything but the entry of the highest order.
    fn out_of_order(&self, new: &Record) -> Option<String> {
        let intent = new.intent.as_ref().filter(|intent| intent.action == Action::Undo)?;
        if new.direction.is_forward() {
            return None;
        }
        let goes = |it: &&Effect| new.is_above_mark(self.graph, &it.transition, it.order());
        let latest =
            new.undo.iter().rev().filter(goes).find(|it| self.undo_of(&it.transition) != Some(Undo::Retain))?;
        let above = |sent: &&Unconfirmed| {
            sent.order() >= intent.order() && new.is_above_mark(self.graph, &sent.transition, sent.order())
        };
        if let Some(sent) = new.unconfirmed.iter().find(above) {
            return Some(format!(
                "`{}` is undone before `{}`, which was sent after it",
                intent.transition, sent.transition
            ));
        }
        (latest.transition != intent.transition || latest.subject != intent.subject).then(|| {
            format!("`{}` is undone before `{}`, which was made after it", intent.transition, latest.transition)
        })
    }

    /// Whether a declared transition, and then any number without effect, lead from one state to the other.
    fn leads(&self, old: &Record, new: &Record) -> bool {
        let mut reached: BTreeSet<usize> = match old.direction {
            Direction::Deleting => return false,
            // It begins again in the same write.
            Direction::RollingBack => {
                let to = old.to.as_deref().and_then(|to| self.graph.state(to)).map(|(index, _)| index);
                BTreeSet::from([to.unwrap_or_else(|| self.graph.initial())])
            }
            Direction::Forward | Direction::Leaving => {
                let open = old.intent.as_ref().and_then(|intent| self.graph.transition(&intent.transition));
                let targets = open.map(|(_, step)| step.to).unwrap_or_default();
                let from = self.graph.state(&old.state).map(|(index, _)| index);
                from.into_iter().chain(targets.iter().copied()).collect()
            }
        };
        loop {
            // A rewind that has nothing to undo arrives in the write that turns back.
            let is_free = |step: &&Transition<'_>| match step.kind {
                Kind::Effect(_) => false,
                Kind::End(end) => !end.back,
                Kind::Rewind => old.undo.len() == new.undo.len() && new.marks.iter().any(|mark| mark.seq == old.seq),
                Kind::NoEffect | Kind::Waits { .. } | Kind::Deferred(_) => true,
            };
            let here = reached.iter().flat_map(|state| self.graph.states[*state].transitions);
            let free = here.map(|index| &self.graph.transitions[*index]).filter(is_free);
            let more: Vec<usize> = free.flat_map(|step| step.to.iter().copied()).collect();
            let before = reached.len();
            reached.extend(more);
            if reached.len() == before {
                break;
            }
        }
        reached.iter().any(|state| self.graph.states[*state].name == new.state)
    }
}

/// An attempt that goes on with a life has the spec of the one before.
fn other_spec(old: &Record, new: &Record) -> Option<String> {
    let intent = new.intent.as_ref().filter(|intent| intent.action == Action::Run && intent.attempt > 1)?;
    let open = old.intent.iter().filter(|it| it.of() == intent.of()).filter_map(|it| old.spec_of(it));
    let sent = old.unconfirmed.iter().filter(|it| it.of() == intent.of()).filter_map(|it| it.spec.as_ref());
    let before = open.chain(sent).next()?;
    let name = &intent.transition;
    (Some(before) != new.spec_of(intent)).then(|| format!("`{name}` goes on with another spec than it was sent with"))
}

fn same_step(one: Option<&Intent>, other: Option<&Intent>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            (&one.transition, &one.subject, one.life, one.action)
                == (&other.transition, &other.subject, other.life, other.action)
        }
        (None, None) => true,
        _ => false,
    }
}
