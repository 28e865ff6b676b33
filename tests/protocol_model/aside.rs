//! What is set aside in doubt and taken up again: a step that is preempted, and listed again on the state that this leads to.

use crate::check::{Off, holds, protocol, without};
use crate::machine::{Contract, Step};
use crate::order::branch;
use crate::properties::{NO_ORPHAN, ONE_OF_EACH, STATE_IS_TRUE};
use crate::rules::Rule;
use crate::system::Protocol;

const CONTRACTS: [Contract; 4] = [Contract::Named, Contract::Keyed, Contract::Lookup, Contract::Hold];

fn preempted(step: Step, edits: u8) -> Protocol {
    protocol(branch(step), 1, edits)
}

/// Which properties break without a rule.
pub fn off() -> Vec<Off> {
    let [named, keyed, lookup, hold] = CONTRACTS.map(Step::new);
    fn one(rule: Rule, step: Step, properties: &'static [&'static str]) -> Off {
        (rule, preempted(step, 1), properties)
    }
    vec![
        one(Rule::DoubtedFirst, named, &[ONE_OF_EACH]),
        one(Rule::DoubtedFirst, keyed, &[ONE_OF_EACH]),
        one(Rule::DoubtedFirst, lookup, &[ONE_OF_EACH, STATE_IS_TRUE]),
        one(Rule::DoubtedFirst, hold, &[ONE_OF_EACH]),
        one(Rule::QuietBeforeSettling, named.aborts(), &[ONE_OF_EACH, NO_ORPHAN]),
        one(Rule::QuietBeforeSettling, keyed.aborts(), &[ONE_OF_EACH, NO_ORPHAN]),
        one(Rule::QuietBeforeSettling, lookup, &[ONE_OF_EACH, NO_ORPHAN, STATE_IS_TRUE]),
        one(Rule::QuietBeforeSettling, hold, &[ONE_OF_EACH, NO_ORPHAN]),
        one(Rule::AsideInDoubt, lookup, &[NO_ORPHAN]),
        one(Rule::AsideInDoubt, hold, &[NO_ORPHAN]),
    ]
}

#[test]
fn with_all_rules_everything_holds() {
    for contract in CONTRACTS {
        let step = Step::new(contract);
        holds(&format!("aside, {contract:?}"), preempted(step, 2));
        if step.repeats() {
            holds(&format!("aside, {contract:?}, with an abort"), preempted(step.aborts(), 1));
        }
    }
}

#[test]
fn without_any_one_rule_something_breaks() {
    without(off());
}
