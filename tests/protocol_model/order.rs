//! The order of the way back.

use crate::check::{Off, holds, protocol, without};
use crate::machine::{Contract, Edge, Machine, Step, When};
use crate::properties::{BASE_STANDS, IN_ORDER};
use crate::rules::Rule;
use crate::system::Protocol;

/// A thing whose name has no life in it, and one that depends on it. The first life is refused, the next one is made after an edit.
fn upon() -> Protocol {
    let machine = Machine::chain([Step::new(Contract::Named).lifeless().aborts(), Step::new(Contract::Named)]);
    protocol(machine, 1, 1)
}

/// One step is listed on two states: it begins in the first, and goes on in the second, on what was made meanwhile.
pub fn branch(listed: Step) -> Machine {
    let steps = vec![Step::new(Contract::Named), listed];
    let edges = vec![Edge::step(0, 0, 1).when(When::Spec(1)).preempts(), Edge::step(0, 1, 2), Edge::step(1, 1, 3)];
    Machine { steps, edges }
}

fn meanwhile() -> Protocol {
    protocol(branch(Step::new(Contract::Named)), 1, 2)
}

/// Which properties break without a rule.
pub fn off() -> Vec<Off> {
    vec![
        (Rule::OneOrder, upon(), &[IN_ORDER, BASE_STANDS]),
        (Rule::OrderOfSending, meanwhile(), &[IN_ORDER, BASE_STANDS]),
        (Rule::NeverSkip, upon(), &[IN_ORDER, BASE_STANDS]),
    ]
}

#[test]
fn with_all_rules_everything_holds() {
    holds("order, one thing on another", upon());
    holds("order, one step on two states", meanwhile());
}

#[test]
fn without_any_one_rule_something_breaks() {
    without(off());
}
