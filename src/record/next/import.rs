//! The record of an imported resource. Invariant: between the imported state and the next resting state, no effect under `hold` is sent.

use durable_fsm_graph::{Graph, InDoubt, Kind, Rest, Undo};

use super::Change;
use crate::Facts;
use crate::found::{Found, Owned};
use crate::record::event::Illegal;
use crate::record::{Direction, Effect, Stamp};

impl Change<'_, '_> {
    pub(super) fn import(&mut self, found: Found, at: Stamp) -> Result<(), Illegal> {
        let record = &*self.record;
        if record.seq > 0 || record.intent.is_some() || record.direction != Direction::Forward {
            return self.illegal("there is a record");
        }
        let Found { state, facts, owned } = found;
        let Some(target) = self.graph.states.get(state).filter(|state| !state.leaving && !state.initial) else {
            return self.illegal(
                "nothing is imported into an initial or a leaving state: answer `Import::Fresh`, or another state",
            );
        };
        if let Some(step) = held_ahead(self.graph, state) {
            return self.illegal(format!(
                "`{step}` lies ahead of {}, is `in_doubt = hold`, and may have been done already: import at a state behind it",
                target.name
            ));
        }
        for (life, owned) in (1..).zip(owned) {
            self.take_over_owned(owned, life)?;
        }
        let live: Vec<&str> = self.record.undo.iter().map(|it| it.transition.as_str()).collect();
        let missing = self.graph.missing(state, |step| live.contains(&step.name));
        let names = missing.into_iter().filter_map(|index| self.graph.transitions.get(index));
        self.record.took = names.map(|step| step.name.to_owned()).collect();
        self.record.facts = facts;
        self.enter(target.name, "an import", at);
        Ok(())
    }

    fn take_over_owned(&mut self, owned: Owned, life: u64) -> Result<(), Illegal> {
        let Owned { transition, subject, state } = owned;
        let step = self.transition(&transition)?;
        let contract = self.contract(&transition)?;
        if contract.undo == Undo::None {
            return self.illegal(format!("`{transition}` has no undo, so nothing of it can be owned"));
        }
        if contract.for_each.is_some() != subject.is_some() {
            return self.illegal(format!("`{transition}` is owned with the wrong kind of subject"));
        }
        let reaches = |name: &str| self.graph.state(name).is_some_and(|(index, _)| step.to.contains(&index));
        let is_told = state.as_deref().is_some_and(reaches);
        if (step.to.len() > 1) != is_told || state.is_some() && !is_told {
            return self.illegal(format!(
                "`{transition}` is a branch: say which state it has reached, with `owns_at`; and of no other step"
            ));
        }
        if self.record.effect(&transition, subject.as_deref()).is_some() {
            return self.illegal(format!("`{transition}` is owned twice"));
        }
        self.record.undo.insert(Effect {
            transition,
            subject,
            life,
            state,
            order: None,
            clean: false,
            unmaking: false,
            imported: true,
            lost: false,
            sent: None,
            saved: Facts::default(),
        });
        // Each has a life of its own.
        self.record.seq = life;
        Ok(())
    }
}

/// A step under `hold` that the machine comes to from a state before it rests.
fn held_ahead<'g>(graph: &Graph<'g>, state: usize) -> Option<&'g str> {
    let (mut seen, mut open) = (vec![state], vec![state]);
    while let Some(here) = open.pop() {
        let state = graph.states.get(here)?;
        if state.rest != Rest::Passing {
            continue;
        }
        for step in state.transitions.iter().filter_map(|index| graph.transitions.get(*index)).filter(|it| !it.retired)
        {
            if let Kind::Effect(contract) = &step.kind
                && contract.in_doubt == InDoubt::Hold
            {
                return Some(step.name);
            }
            for to in step.to.iter().filter(|_| !step.goes_back()) {
                if !seen.contains(to) {
                    seen.push(*to);
                    open.push(*to);
                }
            }
        }
    }
    None
}
