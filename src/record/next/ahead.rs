//! Going forward: intents, and what comes of them. Invariant: an intent is opened and closed here, and doubt about it is never dropped on
//! the way.

use std::cmp::Reverse;

use durable_fsm_graph::{Kind, Undo};
use serde_json::Value;

use super::effects::{MOST_UNSETTLED, unsettled};
use super::{Change, Made};
use crate::record::event::Illegal;
use crate::record::life::written_order;
use crate::record::{
    Action, Blocked, BlockedReason, Direction, Effect, HeldReason, Intent, Life, Spec, Stamp, Unconfirmed,
};
use crate::{Class, Facts};

/// What an intent sends, and as which life.
struct Sent {
    life: u64,
    order: u64,
    attempt: u32,
    in_doubt: bool,
    spec: Option<Spec>,
}

impl Change<'_, '_> {
    pub(super) fn intend(
        &mut self,
        transition: String,
        subject: Option<String>,
        action: Action,
        holder: String,
        deadline: Stamp,
        spec: Option<Spec>,
    ) -> Result<(), Illegal> {
        if let Some(open) = &self.record.intent {
            return self.illegal(format!("`{}` is under way", open.transition));
        }
        if self.record.held.is_some() {
            return self.illegal("the resource is held; resolve it first");
        }
        let contract = self.contract(&transition)?;
        if contract.for_each.is_some() != subject.is_some() {
            return self.illegal(format!("`{transition}` with the wrong kind of subject"));
        }
        let is_it = |other: &str, of: &Option<String>| other == transition && *of == subject;
        let sent = || self.record.unconfirmed.iter().filter(|step| is_it(&step.transition, &step.subject));
        let live = self.record.effect(&transition, subject.as_deref());
        let forward = self.record.direction.is_forward();
        let now = self.record.seq + 1;
        // Its spec stands with the unconfirmed step, and is not written twice.
        let continued = |step: &Unconfirmed, order| Sent {
            life: step.life,
            order,
            attempt: step.attempt.saturating_add(1),
            in_doubt: step.in_doubt,
            spec: None,
        };
        let sent = match action {
            Action::Run if forward && contract.for_each.is_some_and(|set| set.kept) => {
                if !self.stands_here(&transition) {
                    return self.illegal(format!("`{transition}` does not start at {}", self.record.state));
                }
                let (attempt, in_doubt) = self.next_round(&transition);
                Sent { life: now, order: now, attempt, in_doubt, spec }
            }
            Action::Run if forward => {
                // What is made again has the place of what was lost, wherever the machine is.
                let lost = live.filter(|live| live.lost).map(Effect::order);
                if lost.is_none() && !self.stands_here(&transition) {
                    return self.illegal(format!(
                        "`{transition}` does not start at {} while the machine is {}",
                        self.record.state,
                        if self.record.direction == Direction::Leaving { "leaving" } else { "not leaving" }
                    ));
                }
                let doubted = sent().find(|step| step.in_doubt);
                if live.is_some() && lost.is_none() && matches!(contract.undo, Undo::Method(_)) {
                    return self
                        .illegal(format!("what `{transition}` made lives, and is undone before it is made again"));
                }
                let stayed = self.stayed(contract, &transition, subject.as_deref(), spec.as_ref());
                match stayed.filter(|_| lost.is_none()) {
                    // What was left behind is still there after a roll-back, and is asked for again.
                    Some(live) => Sent { life: live.life, order: live.order(), attempt: 1, in_doubt: false, spec },
                    // What is in doubt is taken up again, with its own spec. Otherwise the same spec continues the last life, and no older one: a
                    // provider that remembers keys would answer for that from memory, whatever it has now.
                    None => match doubted.or_else(|| sent().max_by_key(|it| it.order()).filter(|it| it.spec == spec)) {
                        Some(step) => continued(step, lost.unwrap_or(now)),
                        None if unsettled(self.graph, self.record, &transition, subject.as_deref())
                            >= MOST_UNSETTLED =>
                        {
                            return self
                                .illegal(format!("`{transition}` has {MOST_UNSETTLED} lives that are not settled"));
                        }
                        None => Sent { life: now, order: lost.unwrap_or(now), attempt: 1, in_doubt: false, spec },
                    },
                }
            }
            Action::Run | Action::Abort => {
                let found = match action {
                    Action::Abort if forward => {
                        sent().max_by_key(|step| (step.aborting, step.in_doubt, Reverse(step.order())))
                    }
                    _ => sent().max_by_key(|step| step.order()),
                };
                match found {
                    Some(step) => continued(step, step.order()),
                    None => return self.illegal(format!("`{transition}` was never sent")),
                }
            }
            Action::Undo => match live {
                Some(live) if !forward || contract.for_each.is_some() => {
                    // One that was put aside may have been carried out.
                    let failed = self.record.retrying(&transition, subject.as_deref()).map(|it| it.retry.count);
                    let attempt = failed.unwrap_or_default().saturating_add(1);
                    Sent { life: live.life, order: live.order(), attempt, in_doubt: failed.is_some(), spec: None }
                }
                Some(_) => return self.illegal("the machine goes forward"),
                None => return self.illegal(format!("`{transition}` is not live")),
            },
        };
        self.unblock();
        self.take_up(&transition, subject.as_deref());
        if action == Action::Run {
            self.record.undone.retain(|undone| !is_it(&undone.transition, &undone.subject));
        }
        let Sent { life, order, attempt, in_doubt, spec } = sent;
        let order = written_order(order, life);
        self.record.intent =
            Some(Intent { transition, subject, life, order, action, attempt, in_doubt, holder, deadline, spec });
        self.forget_refused();
        Ok(())
    }

    pub(super) fn take_over(&mut self, holder: String, deadline: Stamp) -> Result<(), Illegal> {
        if self.record.held.is_some() {
            return self.illegal("the resource is held; resolve it first");
        }
        // That an effect was refused is known until the next answer comes: with another spec it is aborted, not sent again.
        if self.intent()?.action != Action::Run {
            self.unblock();
        }
        let intent = self.intent()?;
        intent.attempt = intent.attempt.saturating_add(1);
        intent.in_doubt = true;
        intent.holder = holder;
        intent.deadline = deadline;
        Ok(())
    }

    pub(super) fn withdraw(&mut self) -> Result<(), Illegal> {
        let intent = self.intent()?;
        if intent.in_doubt {
            return self.illegal("an earlier attempt may have taken effect");
        }
        if let Some(intent) = self.record.intent.take() {
            self.put_back(&intent);
        }
        self.end_doubt();
        Ok(())
    }

    pub(super) fn see_absent(&mut self) -> Result<(), Illegal> {
        let forward = self.record.direction.is_forward();
        let intent = self.intent()?;
        match intent.action {
            Action::Run if forward => {
                intent.in_doubt = false;
                let intent = intent.clone();
                let spec = self.record.spec_of(&intent).cloned();
                self.forget_unconfirmed(intent.of());
                if let Some(open) = &mut self.record.intent {
                    open.spec = spec;
                }
            }
            Action::Run => {
                let intent = self.take_intent(Action::Run)?;
                self.forget_unconfirmed(intent.of());
                self.record.retry = None;
            }
            Action::Undo | Action::Abort => return self.illegal("an undo is under way, not an effect"),
        }
        Ok(())
    }

    pub(super) fn reach(&mut self, made: &Made, found: bool, at: Stamp) -> Result<(), Illegal> {
        let intent = self.take_intent(Action::Run)?;
        let step = self.transition(&intent.transition)?;
        let contract = self.contract(&intent.transition)?;
        if !step.to.contains(&made.state) {
            return self.illegal(format!("`{}` does not lead there", intent.transition));
        }
        let Some(target) = self.graph.states.get(made.state) else {
            return self.illegal("there is no such state");
        };
        let clean = !found && !intent.in_doubt;
        let again = self.met_again(contract, &intent, &made.facts).filter(|_| found);
        let kept = again.as_ref().unwrap_or(&intent);
        let branch = (step.to.len() > 1).then(|| target.name.to_owned());
        if self.record.direction.is_forward() && self.record.lost(&intent.transition).is_some() {
            self.make_again(contract, &intent, &made.facts, clean, at);
        } else if self.record.direction.is_forward() {
            self.overwrite(&made.facts, kept.of());
            self.keep_effect(contract, kept, branch, &made.facts, clean);
            self.enter(target.name, &intent.transition, at);
        } else {
            // On the way back the machine does not move: what was made is known to its undo alone.
            self.keep_effect(contract, &intent, branch, &made.facts, clean);
            self.note(at, format_args!("{} was made after all", intent.transition));
        }
        self.settle(&intent);
        Ok(())
    }

    pub(super) fn add_member(&mut self, value: Value, found: bool, at: Stamp) -> Result<(), Illegal> {
        let intent = self.take_intent(Action::Run)?;
        let contract = self.contract(&intent.transition)?;
        let (Some(for_each), Some(subject)) = (&contract.for_each, intent.subject.clone()) else {
            return self.illegal(format!("`{}` does not make members", intent.transition));
        };
        let mut made = Facts::default();
        made.set_member(for_each.fact, &subject, value.clone());
        let again = self.met_again(contract, &intent, &made).filter(|_| found);
        if self.record.direction.is_forward() {
            if for_each.kept {
                self.end_round(&intent, !found && !intent.in_doubt && contract.is_delivered_once());
            }
            self.record.facts.set_member(for_each.fact, &subject, value);
            made = Facts::default();
        }
        // On the way back the set may hold what another life has made for this subject: what is made now is known to its undo alone.
        self.keep_effect(contract, again.as_ref().unwrap_or(&intent), None, &made, !found && !intent.in_doubt);
        self.note(at, format_args!("{} for {subject}", intent.transition));
        self.settle(&intent);
        Ok(())
    }

    /// A record of an older version goes on where the machine says that it does.
    pub(super) fn upgrade(&mut self, to: usize, at: Stamp) -> Result<(), Illegal> {
        if self.record.intent.is_some() || self.record.direction != Direction::Forward {
            return self.illegal("an effect is under way, or the machine does not go forward");
        }
        let here = self.graph.state(&self.record.state).map(|(index, _)| index);
        let declared = here.zip(self.record.entered_by).and_then(|(here, version)| self.graph.moved(here, version));
        let Some(target) = self.graph.states.get(to).filter(|_| declared == Some(to)) else {
            return self.illegal(format!("no `upgrade` leads there from {}", self.record.state));
        };
        self.enter(target.name, "an upgrade", at);
        self.record.retry = None;
        self.record.blocked = None;
        Ok(())
    }

    pub(super) fn join(&mut self, transition: &str, subject: &str, value: Value, at: Stamp) -> Result<(), Illegal> {
        if self.record.intent.is_some() || !self.record.direction.is_forward() || self.record.held.is_some() {
            return self.illegal("an effect is under way, or the machine does not go forward");
        }
        let (Kind::Waits { for_each: Some(set), .. }, true) =
            (self.transition(transition)?.kind, self.stands_here(transition))
        else {
            return self.illegal(format!("`{transition}` does not wait for members in {}", self.record.state));
        };
        self.record.facts.set_member(set.fact, subject, value);
        self.note(at, format_args!("{transition} for {subject}"));
        self.record.blocked = None;
        Ok(())
    }

    pub(super) fn derive(&mut self, transition: &str, made: &Made, at: Stamp) -> Result<(), Illegal> {
        if self.record.intent.is_some() || !self.record.direction.is_forward() || self.record.held.is_some() {
            return self.illegal("an effect is under way, or the machine does not go forward");
        }
        let step = self.transition(transition)?;
        if matches!(step.kind, Kind::Effect(_)) {
            return self.illegal(format!("`{transition}` has an effect, and needs an intent"));
        }
        if !self.stands_here(transition) || !step.to.contains(&made.state) {
            return self.illegal(format!("`{transition}` does not lead there from {}", self.record.state));
        }
        let Some(target) = self.graph.states.get(made.state) else {
            return self.illegal("there is no such state");
        };
        self.overwrite(&made.facts, Life { transition, subject: None, number: self.record.seq });
        if matches!(step.kind, Kind::Deferred(_)) {
            self.keep_deferred(transition, (step.to.len() > 1).then(|| target.name.to_owned()));
        }
        self.enter(target.name, transition, at);
        self.record.retry = None;
        self.record.blocked = None;
        Ok(())
    }

    pub(super) fn fail(
        &mut self,
        class: Class,
        error: String,
        at: Stamp,
        after: std::time::Duration,
        generation: u64,
    ) -> Result<(), Illegal> {
        let forward = self.record.direction.is_forward();
        let (name, action, doubted) = {
            let intent = self.intent()?;
            let doubted = intent.in_doubt;
            intent.in_doubt |= class == Class::Unknown;
            (intent.transition.clone(), intent.action, doubted)
        };
        let spec = self.record.intent.as_ref().and_then(|intent| self.record.spec_of(intent)).cloned();
        let what = match action {
            Action::Run => format!("`{name}`"),
            Action::Undo => format!("the undo of `{name}`"),
            Action::Abort => format!("the abort of `{name}`"),
        };
        let makes_way = self.record.intent.as_ref().is_some_and(|intent| self.makes_way(intent, class));
        if makes_way {
            self.count_failure(class, error, at, after);
            return self.put_aside(true, class, at, generation);
        }
        // What did not happen leaves no intent, unless an earlier attempt left a doubt: that is not for a later one to say.
        let certain = class != Class::Unknown && !doubted;
        match action {
            Action::Run if certain => {
                let intent = self.take_intent(Action::Run)?;
                self.end_doubt();
                // Where something else has the name, a duplicate is answered alike.
                let is_once = self.contract(&name)?.is_delivered_once() || class == Class::NotOurs;
                let is_absent = !forward && is_once;
                self.forget_unconfirmed_or_keep(intent, is_absent);
                if is_absent {
                    // Nothing of it exists, so there is nothing to undo.
                    self.record.retry = None;
                    return Ok(());
                }
            }
            Action::Undo | Action::Abort if certain && matches!(class, Class::NotApplied { .. }) => {
                self.record.intent = None;
            }
            Action::Run | Action::Undo | Action::Abort => {}
        }
        self.count_failure(class, error.clone(), at, after);
        if action == Action::Run
            && let Some(end) = self.end_of(&name, class, at)
        {
            let failure = self.failure(&name, class, at, generation, spec.as_ref());
            return self.give_up(end, failure, after);
        }
        self.stop_at(class, &what, &error, at, after, generation);
        if class == Class::Rejected && certain && action == Action::Run {
            self.go_back_if_declared(&name, &error);
        }
        Ok(())
    }

    /// What a failure of this class leads to besides being tried again.
    fn stop_at(
        &mut self,
        class: Class,
        what: &str,
        error: &str,
        at: Stamp,
        after: std::time::Duration,
        generation: u64,
    ) {
        // On the way back a step is repeated only to be undone.
        let is_undo = !what.starts_with('`') || !self.record.direction.is_forward();
        match class {
            Class::Unknown | Class::NotApplied { .. } => self.unblock(),
            Class::Rejected => {
                self.note(at, format_args!("{} rejected", what.replace('`', "")));
                let waive = if is_undo { ", or left behind after `waive`" } else { "" };
                let message = format!(
                    "{what} was rejected: {error}; it is tried again when the spec or the version changes{waive}"
                );
                let reason = BlockedReason::Rejected;
                self.refuse(generation);
                self.record.blocked = Some(Blocked { reason, message, since: at, generation, at: at.later(after) });
            }
            Class::NotOurs => {
                let way_out = if is_undo {
                    "if it is not ours, resolve with `waive`, which leaves it behind; if it is, find out why the provider denies that, then resolve with `retry`"
                } else {
                    "remove or rename it, or give this resource another name, then resolve with `retry`"
                };
                let message =
                    format!("{what}: something of that name exists and is not provably ours: {error}; {way_out}");
                self.hold(HeldReason::NotOurs, message, at);
            }
        }
    }

    /// After a rejection that leaves no doubt, everything is undone where the machine says so. What has to wait is beginning again, not the
    /// undoing.
    fn go_back_if_declared(&mut self, name: &str, error: &str) {
        if self.record.direction != Direction::Forward || !self.graph.undo_on_rejected {
            return;
        }
        self.record.direction = Direction::RollingBack;
        self.record.retry = None;
        if let Some(blocked) = &mut self.record.blocked {
            blocked.reason = BlockedReason::RolledBack;
            blocked.message = format!(
                "`{name}` was rejected: {error}; everything is undone, and begins again when the spec or the version changes"
            );
        }
    }

    /// What was blocked is being tried again. That something is undone is no reason to begin again.
    pub(super) fn unblock(&mut self) {
        self.record.blocked.take_if(|blocked| blocked.reason != BlockedReason::RolledBack);
    }

    pub(super) fn not_asked(
        &mut self,
        transition: &str,
        class: Class,
        error: String,
        at: Stamp,
        after: std::time::Duration,
        generation: u64,
    ) -> Result<(), Illegal> {
        let spec = self.record.intent.as_ref().and_then(|intent| self.record.spec_of(intent)).cloned();
        let open = self.record.intent.as_ref().filter(|intent| intent.transition == transition);
        if open.is_some_and(|intent| intent.action == Action::Run && self.makes_way(intent, class)) {
            self.count_failure(class, error, at, after);
            return self.put_aside(false, class, at, generation);
        }
        if self.record.intent.as_ref().is_some_and(|intent| !intent.in_doubt && intent.action == Action::Run) {
            let intent = self.take_intent(Action::Run)?;
            // An attempt that continues a life which was sent before stays unconfirmed.
            let is_it = |unconfirmed: &Unconfirmed| unconfirmed.of() == intent.of();
            debug_assert!(intent.attempt == 1 || self.record.unconfirmed.iter().any(is_it), "{intent:?}");
        }
        self.count_failure(class, error.clone(), at, after);
        let is_undo = self.record.intent.as_ref().is_some_and(|intent| intent.action != Action::Run);
        if let Some(end) = self.end_of(transition, class, at).filter(|_| !is_undo) {
            let failure = self.failure(transition, class, at, generation, spec.as_ref());
            return self.give_up(end, failure, after);
        }
        self.stop_at(class, &format!("`{transition}`"), &error, at, after, generation);
        if class == Class::Rejected && self.record.intent.is_none() {
            self.go_back_if_declared(transition, &error);
        }
        Ok(())
    }
}
