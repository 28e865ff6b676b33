//! A live value that is sent again: a kept value, and a name without a life.

use crate::check::{Off, holds, protocol, without};
use crate::machine::{Contract, Edge, Machine, Step, When};
use crate::properties::{NO_ORPHAN, RECORD_IS_TRUE};
use crate::rules::Rule;
use crate::system::Protocol;

/// A value that is kept in the one state that there is.
fn kept(contract: Contract, once: bool, faults: u8) -> Protocol {
    let step = Step { once, ..Step::new(contract).kept() };
    let machine = Machine { steps: vec![step], edges: vec![Edge::step(0, 0, 0).when(When::Differs(0))] };
    protocol(machine, faults, 2)
}

/// A step whose name has no life in it.
fn lifeless(contract: Contract, edits: u8) -> Protocol {
    protocol(Machine::chain([Step::new(contract).lifeless()]), edits, edits)
}

/// A rewind to a state that keeps the value, too: the value stays.
fn rewound() -> Protocol {
    let steps = vec![Step::new(Contract::Named).kept(), Step::new(Contract::Named)];
    let keep = |state| Edge::step(state, 0, state).when(When::Differs(0));
    let rewind = Edge::rewind(1, 0, When::Changed(1)).preempts();
    protocol(Machine { steps, edges: vec![keep(0), Edge::step(0, 1, 1), rewind, keep(1)] }, 1, 1)
}

/// Which properties break without a rule.
pub fn off() -> Vec<Off> {
    vec![
        (Rule::RoundsWait, kept(Contract::Named, false, 1), &[RECORD_IS_TRUE]),
        (Rule::RoundsWait, kept(Contract::Keyed, false, 1), &[RECORD_IS_TRUE]),
        (Rule::RoundUnsets, kept(Contract::Named, false, 1), &[RECORD_IS_TRUE]),
        (Rule::LastRound, kept(Contract::Named, false, 1), &[NO_ORPHAN]),
        (Rule::FirstAttemptWaits, lifeless(Contract::Named, 1), &[RECORD_IS_TRUE]),
        (Rule::LastLife, lifeless(Contract::Named, 2), &[RECORD_IS_TRUE]),
        (Rule::LastLife, lifeless(Contract::Keyed, 2), &[RECORD_IS_TRUE]),
        (Rule::CleanRounds, kept(Contract::Named, true, 1), &[]),
    ]
}

#[test]
fn with_all_rules_everything_holds() {
    for contract in [Contract::Named, Contract::Keyed] {
        holds(&format!("kept, {contract:?}"), kept(contract, false, 1));
        holds(&format!("kept, {contract:?}, once"), kept(contract, true, 1));
    }
    holds("kept, a name without a life", lifeless(Contract::Keyed, 2));
    holds("kept, rewound", rewound());
}

#[test]
fn without_any_one_rule_something_breaks() {
    without(off());
}
