//! Undos that do not wait, where delivery is at most once.

use crate::check::{Off, holds, protocol, without};
use crate::machine::{Contract, Machine, Step};
use crate::properties::NO_ORPHAN;
use crate::rules::Rule;
use crate::system::Protocol;

fn once() -> [Step; 3] {
    [Step::new(Contract::Named).once(), Step::new(Contract::Lookup), Step::new(Contract::Hold)]
}

fn one(step: Step, faults: u8) -> Protocol {
    protocol(Machine::chain([step]), faults, 1)
}

/// Which properties break without a rule.
pub fn off() -> Vec<Off> {
    let named = |faults| one(Step::new(Contract::Named).once(), faults);
    vec![(Rule::CleanOnly, named(2), &[NO_ORPHAN]), (Rule::CleanSkips, named(1), &[])]
}

#[test]
fn with_all_rules_everything_holds() {
    for step in once() {
        holds(&format!("delivery, {:?}", step.contract), one(step, 2));
    }
}

#[test]
fn without_any_one_rule_something_breaks() {
    without(off());
}
