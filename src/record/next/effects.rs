//! The lists that a record keeps: live effects, unconfirmed steps, failures, history. Invariant: the undo of a live effect can read every fact as
//! it was when the effect was made.

use std::fmt;
use std::sync::Arc;

use durable_fsm_graph::{Cause, Contract, End, Graph, Kind, Rest, Transition, Undo};

use super::Change;
use crate::record::{Effect, HISTORY, HeldReason, Intent, Life, Mark, Record, Refused, Retry, Stamp, Unconfirmed};
use crate::{Class, Facts};

impl Change<'_, '_> {
    /// Adds the effect of an intent to the live ones, or renews it.
    ///
    /// Going forward its undo reads what it made from the record; on the way back nothing moves, and the entry keeps it.
    pub(super) fn keep_effect(
        &mut self,
        contract: &Contract<'_>,
        intent: &Intent,
        state: Option<String>,
        made: &Facts,
        clean: bool,
    ) {
        if contract.undo == Undo::None {
            self.take_note(&intent.transition);
            return;
        }
        let forward = self.record.direction.is_forward();
        let saved = self.saved_for(intent.of());
        let sent = self.sent_of(contract, intent);
        let live = self.record.undo.position(intent.of());
        let index = live.unwrap_or_else(|| {
            self.record.undo.insert(Effect {
                transition: intent.transition.clone(),
                subject: intent.subject.clone(),
                life: intent.life,
                order: intent.order,
                clean: true,
                unmaking: false,
                imported: false,
                lost: false,
                sent,
                state: None,
                saved,
            })
        });
        let Some(live) = self.record.undo.amend_at(index) else { return };
        // A member that stayed behind is in its set again.
        if let (true, Some(set), Some(subject)) = (forward, contract.for_each, &intent.subject) {
            live.saved.remove_member(set.fact, subject);
        }
        live.state = state;
        live.clean &= clean;
        for (name, value) in made.shared() {
            if forward {
                live.saved.remove(name);
            } else {
                live.saved.share(name, Arc::clone(value));
            }
        }
    }

    /// Notes that a step was taken of which nothing else will tell. One that leads nowhere else is no part of the way to any state.
    fn take_note(&mut self, transition: &str) {
        let Some((index, step)) = self.graph.transition(transition) else { return };
        let leads_on = step.to.iter().any(|to| !self.graph.places(index).any(|place| place == *to));
        if leads_on && self.record.direction.is_forward() && !self.record.took.iter().any(|it| it == transition) {
            self.record.took.push(transition.to_owned());
        }
    }

    /// Lists what a step without effect has to undo later. It was never sent, so it is known for certain; and it stands with what was made before this
    /// write, so that the mark of the state that it leads to is above it.
    pub(super) fn keep_deferred(&mut self, transition: &str, branch: Option<String>) {
        self.record.undo.insert(Effect {
            transition: transition.to_owned(),
            subject: None,
            life: self.record.seq,
            order: None,
            clean: true,
            unmaking: false,
            imported: false,
            lost: false,
            sent: None,
            state: branch,
            saved: Facts::default(),
        });
    }

    /// Lists an effect that is left behind and that may not be there.
    pub(super) fn retain_doubted(&mut self, life: Life<'_>) {
        if self.record.undo.position(life).is_none() {
            let (transition, subject) = (life.transition.to_owned(), life.subject.map(str::to_owned));
            let found = self.record.unconfirmed.iter().find(|step| step.of() == life);
            let sent = found.and_then(|step| self.sent_of_unconfirmed(step));
            self.record.undo.insert(Effect {
                transition,
                subject,
                life: life.number,
                order: None,
                clean: false,
                unmaking: false,
                imported: false,
                lost: false,
                sent,
                state: None,
                saved: Facts::default(),
            });
        }
    }

    /// Takes new facts in. A live effect whose undo can read an old value keeps that value.
    pub(super) fn overwrite(&mut self, facts: &Facts, by: Life<'_>) {
        for (name, value) in facts.shared() {
            let Some(old) = self.record.facts.shared_value(name).cloned() else {
                for mark in &mut self.record.marks {
                    if !mark.added.iter().any(|added| added == name) {
                        mark.added.push(name.to_owned());
                    }
                }
                continue;
            };
            if old == *value {
                continue;
            }
            // Sets are not restored: what was made since is undone, member by member.
            let is_set = self.graph.states.iter().flat_map(|state| state.facts).any(|it| it.each && it.name == name);
            for mark in self.record.marks.iter_mut().filter(|_| !is_set) {
                let is_new = mark.added.iter().any(|added| added == name);
                if !is_new && mark.saved.value(name).is_none() {
                    mark.saved.share(name, Arc::clone(&old));
                }
            }
            for unconfirmed in &mut self.record.unconfirmed {
                if sent_with(self.graph, unconfirmed, name) && unconfirmed.saved.value(name).is_none() {
                    unconfirmed.saved.share(name, Arc::clone(&old));
                }
            }
            for effect in self.record.undo.amend() {
                if effect.of() != by && undo_reads(self.graph, effect, name) && effect.saved.value(name).is_none() {
                    effect.saved.share(name, Arc::clone(&old));
                }
            }
        }
        for (name, value) in facts.shared() {
            self.record.facts.share(name, Arc::clone(value));
        }
    }

    pub(super) fn enter(&mut self, state: &str, by: &str, at: Stamp) {
        // A step that comes back to where it began is no way around what leads there.
        if self.record.state != state {
            self.record.entered_by = None;
        }
        self.record.state = state.to_owned();
        self.record.since = at;
        self.leave_mark(state);
        self.note(at, format_args!("{state} by {by}"));
        if self.graph.state(state).is_some_and(|(_, state)| state.rest != Rest::Passing) {
            self.record.refused = None;
        }
    }

    /// This version of the machine was refused, or ends a block.
    pub(super) fn refuse(&mut self, generation: u64) {
        let before = self.record.refused.filter(|refused| refused.generation == generation);
        let version = before.map_or(0, |refused| refused.version).max(self.graph.version);
        self.record.refused = Some(Refused { generation, version });
    }

    /// A state that a rewind goes back to leaves a mark when it is entered; one a state, the last. The commit that enters it and the next
    /// intent share a write, so the mark is the `seq` before that write.
    fn leave_mark(&mut self, state: &str) {
        let Some((index, _)) = self.graph.state(state) else { return };
        let mut rewinds = self.graph.transitions.iter().filter(|step| step.goes_back());
        if rewinds.any(|step| step.to.contains(&index)) {
            self.record.marks.retain(|mark| mark.state != state);
            let (seq, saved, added) = (self.record.seq, Facts::default(), Vec::new());
            let entered_by = self.record.entered_by;
            self.record.marks.push(Mark { state: state.to_owned(), seq, entered_by, saved, added });
        }
    }

    /// The step is committed: its failures are over, and it is no longer merely unconfirmed.
    pub(super) fn settle(&mut self, intent: &Intent) {
        self.forget_unconfirmed(intent.of());
        self.record.retry = None;
        self.unblock();
        self.end_doubt();
    }

    /// The outcome of the intent is known, by the one who holds it: if others took it for doubtful in the meantime, it is no longer.
    pub(super) fn end_doubt(&mut self) {
        if self.record.held.as_ref().is_some_and(|held| held.reason == HeldReason::InDoubt) {
            self.record.held = None;
        }
    }

    pub(super) fn keep_unconfirmed(&mut self, intent: Intent) {
        let saved = self.saved_for(intent.of());
        let spec = self.record.spec_of(&intent).cloned();
        self.forget_unconfirmed(intent.of());
        // A live effect is undone anyway; only a doubt about its last attempt is worth keeping.
        if !intent.in_doubt && self.record.effect_of(&intent).is_some() {
            return;
        }
        let Intent { transition, subject, life, order, attempt, in_doubt, .. } = intent;
        let (aborting, unmaking) = (false, false);
        self.record.unconfirmed.push(Unconfirmed {
            transition,
            subject,
            life,
            order,
            attempt,
            in_doubt,
            aborting,
            unmaking,
            spec,
            saved,
        });
    }

    /// A life that was refused stays listed, unless nothing of it can exist.
    pub(super) fn forget_unconfirmed_or_keep(&mut self, intent: Intent, is_absent: bool) {
        if is_absent {
            self.forget_unconfirmed(intent.of());
        } else {
            self.keep_unconfirmed(intent);
        }
    }

    /// Forgets what was certainly not made: lives that were refused, were never in doubt, and whose requests are delivered once. The life
    /// of the open intent stays, because its answer is not there yet.
    pub(super) fn forget_refused(&mut self) {
        let (graph, open) = (self.graph, self.record.intent.as_ref().map(Intent::of));
        self.record.unconfirmed.retain(|step| open == Some(step.of()) || !is_certainly_absent(graph, step));
    }

    /// The facts that this life was sent with and that were overwritten since.
    fn saved_for(&self, life: Life<'_>) -> Facts {
        let unconfirmed = self.record.unconfirmed.iter().find(|unconfirmed| unconfirmed.of() == life);
        unconfirmed.map(|unconfirmed| unconfirmed.saved.clone()).unwrap_or_default()
    }

    pub(super) fn forget_unconfirmed(&mut self, life: Life<'_>) {
        self.record.unconfirmed.retain(|unconfirmed| unconfirmed.of() != life);
    }

    pub(super) fn count_failure(&mut self, class: Class, error: String, at: Stamp, after: std::time::Duration) {
        let before = self.record.retry.as_ref();
        let count = before.map_or(0, |retry| retry.count).saturating_add(1);
        let gives_up = |step: &Transition<'_>| {
            matches!(step.kind, Kind::End(End { cause: Cause::Exhausted { give_up_after: Some(_), .. }, .. }))
        };
        let first =
            before.and_then(|retry| retry.first).or(Some(at)).filter(|_| self.graph.transitions.iter().any(gives_up));
        let class = class.name().to_owned();
        self.record.retry = Some(Retry { count, first, since: at, at: at.later(after), class, error });
    }

    pub(super) fn note(&mut self, at: Stamp, line: fmt::Arguments<'_>) {
        self.record.history.push(at.followed_by(line));
        let surplus = self.record.history.len().saturating_sub(HISTORY);
        self.record.history.drain(..surplus);
    }
}

/// How many lives of one transition and subject may be refused and not settled before no further one is begun.
pub(crate) const MOST_UNSETTLED: usize = 4;

/// How many lives of this transition and subject were refused, and may exist all the same.
pub(crate) fn unsettled(graph: &Graph<'_>, record: &Record, transition: &str, subject: Option<&str>) -> usize {
    let is_it = |step: &&Unconfirmed| step.transition == transition && step.subject.as_deref() == subject;
    record.unconfirmed.iter().filter(is_it).filter(|step| !is_certainly_absent(graph, step)).count()
}

/// Whether nothing of this life can exist, now or later.
pub(crate) fn is_certainly_absent(graph: &Graph<'_>, step: &Unconfirmed) -> bool {
    let contract = graph.transition(&step.transition).and_then(|(_, step)| step.contract());
    !step.in_doubt && contract.is_some_and(Contract::is_delivered_once)
}

/// Whether this step is given what knows the fact: a state, or what all states know that list the step.
fn sent_with(graph: &Graph<'_>, unconfirmed: &Unconfirmed, fact: &str) -> bool {
    graph.transition(&unconfirmed.transition).is_some_and(|(step, _)| starts_with(graph, step, fact))
}

/// Whether a state that lists this step knows the fact.
pub(super) fn starts_with(graph: &Graph<'_>, step: usize, fact: &str) -> bool {
    graph.places(step).any(|place| graph.states[place].known.contains(&fact))
}

/// Whether the undo of this effect is given a state that knows the fact.
fn undo_reads(graph: &Graph<'_>, effect: &Effect, fact: &str) -> bool {
    let Some((index, step)) = graph.transition(&effect.transition) else { return false };
    let reached = match (&effect.state, step.to.first()) {
        (Some(name), _) => graph.state(name).map(|(index, _)| index),
        (None, Some(to)) => Some(*to),
        (None, None) => return starts_with(graph, index, fact),
    };
    reached.and_then(|index| graph.states.get(index)).is_some_and(|state| state.known.contains(&fact))
}
