//! The end of a refusal: one step, which is refused, edited and deleted.

use crate::check::{Off, holds, protocol, without};
use crate::machine::{Contract, Machine, Step};
use crate::properties::{NO_ORPHAN, NOTHING_IN_VAIN};
use crate::rules::Rule;
use crate::system::Protocol;

fn one(step: Step, faults: u8) -> Protocol {
    protocol(Machine::chain([step]), faults, 1)
}

fn named() -> Step {
    Step::new(Contract::Named)
}

/// Which properties break without a rule.
pub fn off() -> Vec<Off> {
    vec![
        (Rule::DropIfOnce, one(named(), 1), &[NO_ORPHAN]),
        (Rule::LookBeforeDrop, one(named(), 1), &[NO_ORPHAN]),
        (Rule::QuietBeforeLook, one(named().verifies(), 1), &[NO_ORPHAN]),
        (Rule::RefusedGoingBack, one(named(), 2), &[NO_ORPHAN]),
        (Rule::RefusedInDoubt, one(named().once(), 2), &[NO_ORPHAN]),
        (Rule::DropGoingBack, one(named().once(), 1), &[NOTHING_IN_VAIN]),
        (Rule::AbortFirst, one(named().aborts(), 1), &[NOTHING_IN_VAIN]),
    ]
}

#[test]
fn with_all_rules_everything_holds() {
    holds("refusal, Named", one(named(), 2));
    holds("refusal, Named, with an abort", one(named().aborts(), 2));
    holds("refusal, Named, with a look-up", one(named().verifies(), 2));
    holds("refusal, Keyed", one(Step::new(Contract::Keyed), 2));
}

#[test]
fn without_any_one_rule_something_breaks() {
    without(off());
}
