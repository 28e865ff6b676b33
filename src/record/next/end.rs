//! How a life ends: it is undone or aborted, at once or after a while, or it stays. Invariant: an entry leaves the record's lists only by the word of
//! the provider, the machine or an operator, and what stays is listed.

use durable_fsm_graph::{InDoubt, Transport, Undo};

use super::{Change, is_retained};
use crate::Facts;
use crate::record::event::Illegal;
use crate::record::{
    Action, Effect, Ended, Life, MOST_RETAINED, Retained, RetainedBy, Retrying, Stamp, Unconfirmed, is_certainly_absent,
};

impl Change<'_, '_> {
    pub(super) fn undone(&mut self, at: Stamp) -> Result<(), Illegal> {
        let Some(intent) = self.record.intent.take() else {
            return self.illegal("no undo is under way");
        };
        let life = intent.of();
        match intent.action {
            Action::Run => return self.illegal(format!("`{}` is under way, not its undo", life.transition)),
            Action::Abort => self.forget_unconfirmed(life),
            Action::Undo => drop(self.take_live(life)?),
        }
        // Where a request is delivered once, and this one was answered, nothing of it can come later. A look-up may lag all the same.
        let contract = self.contract(life.transition)?;
        let is_over = !intent.in_doubt && contract.transport == Transport::Once && contract.in_doubt != InDoubt::Lookup;
        self.end(life, is_over, at);
        Ok(())
    }

    pub(super) fn not_yet(&mut self) -> Result<(), Illegal> {
        let Some(intent) = self.record.intent.take() else {
            return self.illegal("no undo is under way");
        };
        let life = intent.of();
        let live = self.record.undo.position(life);
        let found = match intent.action {
            Action::Run => return self.illegal(format!("`{}` is under way, not its undo", life.transition)),
            Action::Abort => self.record.unconfirmed.iter_mut().find(|it| it.of() == life).map(|it| &mut it.unmaking),
            Action::Undo => live.and_then(|index| self.record.undo.amend_unmaking(index)).map(|it| &mut it.unmaking),
        };
        match found {
            Some(unmaking) => *unmaking = true,
            None => return self.illegal(format!("`{}` is not there to be undone", life.transition)),
        }
        self.record.retry = None;
        self.unblock();
        Ok(())
    }

    /// Something stays.
    pub(super) fn retain(&mut self, life: Life<'_>, by: RetainedBy, why: String, at: Stamp) -> Result<(), Illegal> {
        let open = self.record.intent.take_if(|intent| intent.of() == life);
        if let Some(open) = open.filter(|open| open.action == Action::Run && self.record.direction.is_forward()) {
            return self.illegal(format!("`{}` is under way, and nothing is to be undone", open.transition));
        }
        let (made, in_doubt) = if self.record.undo.position(life).is_some() {
            let made = self.made_by(life);
            self.take_live(life)?;
            (made, false)
        } else if self.record.unconfirmed.iter().any(|it| it.of() == life) {
            self.forget_unconfirmed(life);
            (Facts::default(), true)
        } else {
            return self.illegal(format!("`{}` is not there to be retained", life.transition));
        };
        let (transition, subject) = (life.transition.to_owned(), life.subject.map(str::to_owned));
        self.forget_retrying(&transition, subject.as_deref());
        self.record.retained.push(Retained { transition, subject, life: life.number, made, in_doubt, by, why, at });
        let surplus = self.record.retained.len().saturating_sub(MOST_RETAINED);
        self.record.retained.drain(..surplus);
        self.record.retained_before =
            self.record.retained_before.saturating_add(u32::try_from(surplus).unwrap_or(u32::MAX));
        self.record.retry = None;
        self.unblock();
        self.note(at, format_args!("retained {}{}", life.transition, of(life.subject)));
        Ok(())
    }

    /// An operator leaves behind what the way back stands at, or the member that is being undone.
    pub(super) fn waive(&mut self, at: Stamp) -> Result<(), Illegal> {
        let Some((transition, subject, life)) = self.at_hand() else {
            return self.illegal("nothing is being undone, and the machine is not at the steps of a deletion");
        };
        let life = Life { transition: &transition, subject: subject.as_deref(), number: life };
        self.retain(life, RetainedBy::Operator, "an operator has waived it".to_owned(), at)
    }

    /// What is being undone, or is next.
    fn at_hand(&self) -> Option<(String, Option<String>, u64)> {
        let (graph, record) = (self.graph, &*self.record);
        let named = |life: Life<'_>| (life.transition.to_owned(), life.subject.map(str::to_owned), life.number);
        let forward = record.direction.is_forward();
        if let Some(open) = &record.intent {
            return (open.action != Action::Run || !forward).then(|| named(open.of()));
        }
        if forward {
            let mut sent = record.unconfirmed.iter().filter(|it| it.unmaking || it.aborting).map(Unconfirmed::of);
            return record
                .undo
                .iter()
                .filter(|it| it.unmaking)
                .map(Effect::of)
                .next()
                .or_else(|| sent.next())
                .or_else(|| record.retrying.iter().find_map(|it| self.undone_again(it)))
                .map(named);
        }
        let goes = |transition: &str, order| record.is_above_mark(graph, transition, order);
        let live = record.undo.iter().rev().find(|it| !is_retained(graph, it) && goes(&it.transition, it.order()));
        let sent =
            record.unconfirmed.iter().filter(|it| goes(&it.transition, it.order()) && !is_certainly_absent(graph, it));
        match (sent.max_by_key(|it| it.order()), live) {
            (Some(sent), live) if live.is_none_or(|live| sent.order() >= live.order()) => Some(named(sent.of())),
            (_, live) => live.map(|live| named(live.of())),
        }
    }

    /// The live effect whose undo was put aside.
    fn undone_again(&self, it: &Retrying) -> Option<Life<'_>> {
        let live = self.record.effect(&it.transition, it.subject.as_deref())?;
        let contract = self.contract(&live.transition).ok()?;
        matches!(contract.undo, Undo::Method(_)).then(|| live.of())
    }

    /// What this life has recorded: the own facts of the state that it reached, or what was made for its subject.
    pub(super) fn made_by(&self, life: Life<'_>) -> Facts {
        let Some(live) = self.record.undo.position(life).map(|index| &self.record.undo[index]) else {
            return Facts::default();
        };
        let Some((_, step)) = self.graph.transition(life.transition) else { return Facts::default() };
        let value = |name: &str| live.saved.value(name).or_else(|| self.record.facts.value(name)).cloned();
        let mut made = Facts::default();
        if let (Some(set), Some(subject)) = (step.for_each(), life.subject) {
            let member = live.saved.member(set.fact, subject).or_else(|| self.record.facts.member(set.fact, subject));
            if let Some(member) = member.cloned() {
                made.set_member(set.fact, subject, member);
            }
            return made;
        }
        let reached = live.state.as_deref().and_then(|state| self.graph.state(state)).map(|(_, state)| state);
        let reached = reached.or_else(|| step.to.first().and_then(|to| self.graph.states.get(*to)));
        for fact in reached.into_iter().flat_map(|state| state.facts).filter(|fact| !fact.each) {
            if let Some(value) = value(fact.name) {
                made.set(fact.name, value);
            }
        }
        made
    }

    /// Takes a live effect off the list, and a member out of its set.
    fn take_live(&mut self, life: Life<'_>) -> Result<Effect, Illegal> {
        let Some(index) = self.record.undo.position(life) else {
            return self.illegal(format!("`{}` is not live", life.transition));
        };
        let live = self.record.undo.remove(index);
        let set = self.graph.transition(life.transition).and_then(|(_, step)| step.for_each());
        if let (Some(for_each), Some(subject)) = (set, life.subject)
            && live.saved.member(for_each.fact, subject).is_none()
        {
            self.record.facts.remove_member(for_each.fact, subject);
        }
        Ok(live)
    }

    /// Going forward, nothing is made in its place while a late undo of it may land.
    fn end(&mut self, life: Life<'_>, is_over: bool, at: Stamp) {
        if self.record.direction.is_forward() && !is_over {
            let (transition, subject) = (life.transition.to_owned(), life.subject.map(str::to_owned));
            self.record.undone.push(Ended { transition, subject, life: life.number });
        }
        self.record.retry = None;
        self.forget_retrying(life.transition, life.subject);
        self.unblock();
        self.note(at, format_args!("undone {}{}", life.transition, of(life.subject)));
    }
}

fn of(subject: Option<&str>) -> String {
    subject.map(|subject| format!(" for {subject}")).unwrap_or_default()
}
