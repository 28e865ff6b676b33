//! What stays when everything above a mark is undone (`undo = retain`). Invariant: it is met again only by a request with the same spec and the same
//! facts, so one key is never sent with two specs; and what was recorded of it stays with it.

use durable_fsm_graph::{Contract, Undo};
use serde_json::{Map, Value};

use super::effects::starts_with;
use super::{Change, is_retained};
use crate::Facts;
use crate::record::failure::digest_of;
use crate::record::{Effect, Intent, Life, Spec, Unconfirmed};

impl Change<'_, '_> {
    /// The life that a step goes on with because what it made stayed behind, and was asked for in the same way.
    pub(super) fn stayed(
        &self,
        contract: &Contract<'_>,
        transition: &str,
        subject: Option<&str>,
        spec: Option<&Spec>,
    ) -> Option<&Effect> {
        if contract.undo != Undo::Retain {
            return None;
        }
        self.record.effect(transition, subject)?;
        let sent = self.request(transition, spec, &self.record.facts);
        let is_it = |it: &&Effect| it.transition == transition && it.subject.as_deref() == subject;
        let is_same = |it: &&Effect| it.sent.is_none() || it.sent == sent;
        self.record.undo.iter().rev().filter(is_it).find(is_same)
    }

    /// What identifies the request of an intent, where what it makes stays.
    pub(super) fn sent_of(&self, contract: &Contract<'_>, intent: &Intent) -> Option<String> {
        if contract.undo != Undo::Retain {
            return None;
        }
        let set = contract.for_each.map(|set| set.fact);
        self.request(&intent.transition, self.record.spec_of(intent), &self.record.facts_of(intent, set))
    }

    /// The same of a step that was sent and never confirmed.
    pub(super) fn sent_of_unconfirmed(&self, step: &Unconfirmed) -> Option<String> {
        self.request(&step.transition, step.spec.as_ref(), &self.record.facts.overlaid(&step.saved))
    }

    /// A digest of the spec and of the facts that the step is given. Members of sets come and go, and are no part of it.
    fn request(&self, transition: &str, spec: Option<&Spec>, facts: &Facts) -> Option<String> {
        let (index, _) = self.graph.transition(transition)?;
        let sets = self.graph.states.iter().flat_map(|state| state.facts).filter(|fact| fact.each);
        let sets: Vec<&str> = sets.map(|fact| fact.name).collect();
        let given = facts.iter().filter(|(name, _)| !sets.contains(name) && starts_with(self.graph, index, name));
        let given: Map<String, Value> = given.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        let spec = spec.map_or(Value::Null, |spec| Value::clone(spec));
        Some(digest_of(&Value::Array(vec![spec, Value::Object(given)])))
    }

    /// The life under which the thing that was found now was made, where it stayed behind from an earlier one: then it is that thing, and not another.
    pub(super) fn met_again(&self, contract: &Contract<'_>, intent: &Intent, made: &Facts) -> Option<Intent> {
        if contract.undo != Undo::Retain || !self.record.direction.is_forward() {
            return None;
        }
        let is_it =
            |it: &&Effect| it.transition == intent.transition && it.subject == intent.subject && it.life != intent.life;
        let stayed = self.record.undo.iter().rev().filter(is_it);
        let known = stayed.filter(|it| !it.saved.is_empty());
        let mut same = known.filter(|it| made.iter().all(|(name, value)| it.saved.value(name) == Some(value)));
        let same = same.next()?;
        Some(Intent { life: same.life, order: same.order, ..intent.clone() })
    }

    /// What was recorded above the mark is about to be forgotten. What stays keeps its own part of it, by which a person finds it.
    pub(super) fn keep_what_is_known(&mut self) {
        let record = &*self.record;
        let stays = record
            .undo
            .iter()
            .filter(|it| is_retained(self.graph, it) && record.is_above_mark(self.graph, &it.transition, it.order()));
        let lives: Vec<(String, Option<String>, u64)> =
            stays.map(|it| (it.transition.clone(), it.subject.clone(), it.life)).collect();
        for (transition, subject, number) in lives {
            let life = Life { transition: &transition, subject: subject.as_deref(), number };
            let made = self.made_by(life);
            let index = self.record.undo.position(life);
            let Some(live) = index.and_then(|index| self.record.undo.amend_at(index)) else { continue };
            live.saved = made.overlaid(&live.saved);
        }
    }
}
