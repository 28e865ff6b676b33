//! The removal of the record, which meets a conflict: another client raises the version, or the other controller takes over.

use crate::check::{Off, holds, protocol, without};
use crate::machine::{Contract, Machine, Step};
use crate::properties::{NO_ORPHAN, NOT_AGAIN, NOT_STRIPPED, ONE_OF_EACH, STATE_IS_TRUE};
use crate::rules::Rule;
use crate::system::{Fate, Protocol};

fn raised(pauses: u8, touches: u8) -> Protocol {
    let machine = Machine::chain([Step::new(Contract::Named), Step::new(Contract::Named)]);
    let fates = vec![Fate { edits: 0, touches, delete: true, recreate: true }];
    Protocol { pauses, fates, ..protocol(machine, 0, 0) }
}

/// Which properties break without a rule.
pub fn off() -> Vec<Off> {
    vec![
        (Rule::KeepLearnt, raised(0, 1), &[NOT_AGAIN]),
        (Rule::SameIntent, raised(1, 0), &[ONE_OF_EACH, NO_ORPHAN, STATE_IS_TRUE]),
        (Rule::DecideAgain, raised(1, 0), &[NOT_STRIPPED]),
        (Rule::SameOrigin, raised(1, 1), &[]),
    ]
}

#[test]
fn with_all_rules_everything_holds() {
    holds("removal", raised(1, 1));
    let model = raised(0, 1);
    holds("removal, with a fault", Protocol { faults: 1, ..model });
}

#[test]
fn without_any_one_rule_something_breaks() {
    without(off());
}
