//! Whether a call of a method is entitled to be made. Invariant: a method is judged before it has changed anything.

use std::time::Duration;

use super::{Books, Failed, Oracle, Violation};
use crate::machine::Failure;
use crate::record::{Action, HeldReason};
use crate::steps::Ask;
use crate::testing::sim::Core;
use crate::{Class, Site};

impl Core {
    /// A provider that knows keys is asked again under one, for something else than before.
    pub(crate) fn sent_otherwise(&mut self, kind: &str, key: &str, before: &str, now: &str) {
        if self.books.has_forgotten() {
            // The numbers begin again where the older record ends, and so do the keys.
            return;
        }
        let message = format!("a {kind} was asked for under key {key}, made of {before:?}, and now of {now:?}");
        self.violate(Violation::new(Oracle::SingleEffect, message));
    }

    /// A method is called: is it entitled to be?
    pub(crate) fn called(&mut self, site: Site, ask: &Ask) {
        self.books.calls += 1;
        let name = self.graph.transitions.get(ask.transition).map_or("", |step| step.name);
        let (number, site_name) = (ask.details.number, site.name());
        self.note(|| format!("{site_name} of {name}, attempt {number}"));
        let otherwise = self.books.sent_otherwise(ask).filter(|_| site == Site::Effect);
        if site != Site::Lookup {
            self.books.sends(ask);
        }
        if self.is_poisoned() {
            let message = format!("{site_name} of `{name}` is called on a record that cannot be honoured");
            self.violate(Violation::new(Oracle::IntentFirst, message));
        }
        if let Some(due) = self.books.due.get(&(ask.transition, ask.subject.clone())).copied()
            // Times are recorded in whole milliseconds.
            && self.now + Duration::from_millis(1) < due
            && self.skew == 0
        {
            let message = format!("{site_name} of `{name}` comes {:?} before its time", due - self.now);
            self.violate(Violation::new(Oracle::History, message));
        }
        if site == Site::Lookup && self.is_late(ask, name) {
            let message = format!("lookup of `{name}`: it begins after its deadline, so it can only fail");
            self.violate(Violation::new(Oracle::IntentFirst, message));
        }
        // A look changes nothing, so it needs no leave.
        if site != Site::Lookup
            && let Some(violation) = self.entitled(site, name, ask)
        {
            self.violate(violation);
        }
        if let Some(what) = otherwise {
            self.violate(Violation::new(Oracle::SingleEffect, what));
        }
    }

    fn entitled(&self, site: Site, name: &str, ask: &Ask) -> Option<Violation> {
        let first =
            |why: &str| Some(Violation::new(Oracle::IntentFirst, format!("{} of `{name}`: {why}", site.name())));
        let exact =
            |why: &str| Some(Violation::new(Oracle::ExactResume, format!("{} of `{name}`: {why}", site.name())));
        if let Some(why) = self.is_kept_away() {
            return first(why);
        }
        if self.is_unwanted() {
            return first("the controller was told that the resource is to be deleted");
        }
        let Some(decoded) = &self.stored.decoded else { return first("there is no record") };
        let record = &*decoded.record;
        let Some(intent) = &record.intent else { return first("no intent is durable") };
        if intent.transition != name || intent.subject != ask.subject {
            return first(&format!("the durable intent is for `{}`", intent.transition));
        }
        let action = match site {
            Site::Undo => Action::Undo,
            Site::Abort => Action::Abort,
            _ => Action::Run,
        };
        if intent.action != action {
            return first(&format!("the durable intent is to {:?}", intent.action));
        }
        if intent.attempt != ask.details.number || !intent.holder.starts_with(&self.incarnations[self.actor]) {
            return first(&format!("the durable intent is attempt {} of another controller", intent.attempt));
        }
        if record.held.is_some() {
            return first("the resource is held");
        }
        if self.is_past_deadline(ask) {
            return first("it is called after its deadline, when others may act already");
        }
        let each = self.graph.transitions[ask.transition].for_each().map(|for_each| for_each.fact);
        if action != Action::Abort && ask.facts != record.facts_of(intent, each) {
            return exact("the facts are not those of the record");
        }
        if ask.spec.as_ref() != record.spec_of(intent) {
            return exact("the spec is not the one that the intent was written with");
        }
        if decoded.key_of_intent() != Some(&ask.details.key) {
            return first("the key is not that of the durable intent");
        }
        None
    }

    fn is_past_deadline(&self, ask: &Ask) -> bool {
        let contract = self.graph.transitions[ask.transition].contract();
        contract.is_some_and(|contract| self.now >= self.intent_since.saturating_add(contract.timeout))
    }

    /// Whether a look-up for the asker's own open intent begins when its time is over.
    fn is_late(&self, ask: &Ask, name: &str) -> bool {
        let open = self.stored.record().and_then(|record| record.intent.as_ref());
        let own = open.filter(|it| it.transition == name && it.subject == ask.subject);
        own.is_some_and(|it| it.holder.starts_with(&self.incarnations[self.actor])) && self.is_past_deadline(ask)
    }

    /// A transition that waits is about to look, which may take long: what an effect has given is durable.
    pub(crate) fn waits(&mut self, ask: &Ask) {
        if self.graph.looks_at_rest(ask.state, ask.transition) {
            self.books.looks += 1;
        }
        // Somebody else may have written it, or gone on.
        let open = self.stored.record().and_then(|record| record.intent.as_ref());
        let is_own = open.is_some_and(|intent| intent.holder.starts_with(&self.incarnations[self.actor]));
        if let Some(step) =
            self.books.certain[self.actor].filter(|_| is_own).and_then(|index| self.graph.transitions.get(index))
        {
            let name = self.graph.transitions.get(ask.transition).map_or("", |step| step.name);
            let message = format!("`{name}` looks before the outcome of `{}` is durable", step.name);
            self.violate(Violation::new(Oracle::IntentFirst, message));
        }
    }

    /// A method that may change the world has answered its caller.
    pub(crate) fn answered(&mut self, site: Site, ask: &Ask, failure: Option<&Failure>) {
        let intent = self.stored.record().and_then(|record| record.intent.as_ref());
        let doubted = intent.is_none_or(|intent| intent.in_doubt);
        let unknown = match failure {
            None => false,
            Some(Failure::Provider { class, .. }) => *class == Class::Unknown,
            Some(Failure::Fact(_) | Failure::Unrecorded(_)) => true,
        };
        self.books.certain[self.actor] = (!doubted && !unknown).then_some(ask.transition);
        if let Some(failure) = failure {
            let record = self.stored.record();
            let seq = record.map_or(0, |record| record.seq);
            let class = match failure {
                Failure::Provider { class, .. } => *class,
                Failure::Fact(_) | Failure::Unrecorded(_) => Class::Unknown,
            };
            let rejected = site == Site::Effect && class == Class::Rejected && !doubted;
            let contract = self.graph.transitions.get(ask.transition).and_then(|step| step.contract());
            // A quarter of the back-off is chance.
            let back_off = contract.map_or(Duration::ZERO, |contract| contract.retry.base / 4 * 3);
            let wait = match class {
                Class::NotApplied { retry_after: Some(asked) } => back_off.max(asked),
                Class::NotApplied { retry_after: None } | Class::Unknown => back_off,
                Class::Rejected | Class::NotOurs => Duration::ZERO,
            };
            let due = self.now + wait;
            self.books.failed[self.actor] =
                Some(Failed { transition: ask.transition, subject: ask.subject.clone(), seq, rejected, due });
            self.failed(site, ask, failure);
        }
    }

    /// A method has failed: the timeline says so, and it may be a reason to hold.
    pub(crate) fn failed(&mut self, site: Site, ask: &Ask, failure: &Failure) {
        let name = self.graph.transitions.get(ask.transition).map_or("", |step| step.name);
        match failure {
            Failure::Provider { class, message } => {
                if *class == Class::NotOurs {
                    self.books.may_hold(HeldReason::NotOurs);
                }
                self.note(|| format!("{} of {name} fails: {} ({message})", site.name(), class.name()));
            }
            Failure::Fact(error) | Failure::Unrecorded(error) => {
                self.books.may_hold(HeldReason::Unreadable);
                self.note(|| format!("{} of {name} fails: {error}", site.name()));
            }
        }
    }
}

impl Books {
    /// An effect is asked for under a key that it was asked for with another spec: the provider may answer with what it made then.
    fn sent_otherwise(&self, ask: &Ask) -> Option<String> {
        let (index, before) = self.keys.get(&ask.details.key).filter(|_| !self.has_forgotten())?;
        let before = before.as_ref().filter(|_| ask.spec.is_some() && before != &ask.spec)?;
        let name = self.graph.transitions.get(*index).map_or("", |step| step.name);
        let now = ask.spec.as_ref().map_or("none".to_owned(), |spec| format!("{spec:?}"));
        Some(format!("`{name}` is sent under one key for the spec {before:?}, and then for {now}"))
    }

    fn sends(&mut self, ask: &Ask) {
        match self.keys.get_mut(&ask.details.key) {
            Some((_, spec)) if spec.is_some() => {}
            Some((_, spec)) => *spec = ask.spec.clone(),
            None => {
                self.keys.insert(ask.details.key.clone(), (ask.transition, ask.spec.clone()));
            }
        }
    }
}
