//! What is missing from the sets of a record, and what is too much. Invariant: what is kept from one step to the next is what asking the author's
//! method again would give.
//!
//! A wanted set is pure: with the same state, facts and resource it is the same. A pass is for one resource. So the method is asked again when the
//! state has changed, when a fact has that is no set, and when a set has that it has looked into: not for each member that is made.

use std::collections::BTreeSet;

use crate::fact::Mark;
use crate::record::Record;
use crate::steps::Steps;
use crate::{FactError, Facts};

/// The sets that a pass has looked at.
#[derive(Debug, Default)]
pub(crate) struct Sets(Vec<Kept>);

/// One set, as it was looked at last.
#[derive(Debug)]
struct Kept {
    transition: usize,
    state: String,
    /// The facts at that time.
    facts: Mark,
    /// The sets that the author's method has looked into.
    seen: Vec<String>,
    wanted: BTreeSet<String>,
    difference: Difference,
}

/// What a set lacks, and what is too much in it.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) missing: BTreeSet<String>,
    pub(crate) surplus: BTreeSet<String>,
}

impl Sets {
    /// How the set of this transition, which is kept in this fact, differs from the wanted one.
    ///
    /// # Errors
    /// The wanted set cannot be computed.
    pub(super) fn difference(
        &mut self,
        record: &Record,
        steps: &dyn Steps,
        transition: usize,
        fact: &str,
    ) -> Result<&Difference, FactError> {
        let index = self.0.iter().position(|kept| kept.transition == transition);
        let known = index.is_some_and(|index| self.0[index].follow(record, fact));
        let index = match index {
            Some(index) if known => index,
            _ => {
                self.0.retain(|kept| kept.transition != transition);
                self.0.push(Kept::ask(record, steps, transition, fact)?);
                self.0.len() - 1
            }
        };
        Ok(&self.0[index].difference)
    }
}

impl Kept {
    fn ask(record: &Record, steps: &dyn Steps, transition: usize, fact: &str) -> Result<Self, FactError> {
        let (facts, watch) = record.facts.watched();
        let wanted = steps.wanted(transition, &facts)?;
        let recorded: BTreeSet<String> = record.facts.subjects(fact).into_iter().collect();
        let difference = Difference {
            missing: wanted.difference(&recorded).cloned().collect(),
            surplus: recorded.difference(&wanted).cloned().collect(),
        };
        let (state, facts) = (record.state.clone(), record.facts.mark());
        Ok(Self { transition, state, facts, seen: watch.seen(), wanted, difference })
    }

    /// Follows what has happened to the record since. False if the author's method has to be asked again.
    fn follow(&mut self, record: &Record, fact: &str) -> bool {
        let Some(changes) = record.facts.since(&self.facts).filter(|_| record.state == self.state) else {
            return false;
        };
        for change in changes {
            let Some(subject) = change.subject.filter(|_| !self.seen.contains(&change.fact)) else { return false };
            if change.fact == fact {
                self.difference.update(&record.facts, fact, subject, &self.wanted);
            }
        }
        self.facts = record.facts.mark();
        true
    }
}

impl Difference {
    fn update(&mut self, facts: &Facts, fact: &str, subject: String, wanted: &BTreeSet<String>) {
        let (is_there, is_wanted) = (facts.member(fact, &subject).is_some(), wanted.contains(&subject));
        self.missing.remove(&subject);
        self.surplus.remove(&subject);
        match (is_there, is_wanted) {
            (false, true) => drop(self.missing.insert(subject)),
            (true, false) => drop(self.surplus.insert(subject)),
            (true, true) | (false, false) => {}
        }
    }
}
