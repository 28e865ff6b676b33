//! The rewind to a mark.

use crate::check::{Off, holds, protocol, without};
use crate::machine::{Contract, Edge, Machine, Step, When};
use crate::order::branch;
use crate::properties::{ENDS_WELL, LEAVES_FIRST, NOTHING_LEFT, ONE_OF_EACH, RECORD_IS_TRUE, STATE_IS_TRUE};
use crate::rules::Rule;
use crate::system::{Fate, Protocol};

fn named() -> Step {
    Step::new(Contract::Named)
}

/// A step below the mark, and above it one whose name has no life in it, which is made again after an edit.
fn again() -> Machine {
    let machine = Machine::chain([named(), named().lifeless()]);
    let rewind = Edge::rewind(2, 1, When::Changed(1));
    Machine { edges: [vec![rewind], machine.edges].concat(), ..machine }
}

/// A step begins below the mark and goes on above it.
fn across() -> Machine {
    let machine = branch(named());
    Machine { edges: [machine.edges, vec![Edge::rewind(3, 1, When::Changed(1))]].concat(), ..machine }
}

/// The same without a deletion.
fn kept_on(machine: Machine, faults: u8, edits: u8) -> Protocol {
    Protocol { fates: vec![Fate { edits, ..Fate::default() }], ..protocol(machine, faults, edits) }
}

/// Both states list a step that leaves.
fn leaving() -> Machine {
    let machine = again();
    let leave = |from, to| Edge::step(from, 2, to).on_delete();
    let edges = [vec![leave(1, 3), leave(2, 4)], machine.edges].concat();
    Machine { steps: [machine.steps, vec![named()]].concat(), edges }
}

/// The rewind sets aside a step that is in doubt.
fn preempting(step: Step) -> Machine {
    let rewind = Edge::rewind(2, 1, When::Changed(1)).preempts();
    let machine = Machine::chain([named(), named(), step]);
    Machine { edges: [vec![rewind, Edge { from: 3, ..rewind }], machine.edges].concat(), ..machine }
}

/// Two marks: from the last state a rewind leads to the one that is to change.
fn two_marks() -> Machine {
    let machine = Machine::chain([named(), named(), named()]);
    let rewinds = vec![Edge::rewind(3, 1, When::Changed(1)), Edge::rewind(3, 2, When::Changed(2))];
    Machine { edges: [rewinds, machine.edges].concat(), ..machine }
}

fn unmarked() -> Protocol {
    Protocol { unmarked: true, ..protocol(again(), 1, 1) }
}

/// Which properties break without a rule.
pub fn off() -> Vec<Off> {
    vec![
        (Rule::MarkBefore, protocol(again(), 0, 1), &[NOTHING_LEFT, RECORD_IS_TRUE, STATE_IS_TRUE]),
        (Rule::OrderAboveMark, kept_on(across(), 1, 3), &[NOTHING_LEFT, ONE_OF_EACH, STATE_IS_TRUE]),
        (Rule::DurableRewind, protocol(again(), 0, 2), &[STATE_IS_TRUE]),
        (Rule::UndoneWaits, protocol(again(), 1, 1), &[STATE_IS_TRUE]),
        (Rule::LeaveAfterRewind, protocol(leaving(), 0, 1), &[STATE_IS_TRUE]),
        (Rule::FinishRewind, protocol(leaving(), 0, 1), &[LEAVES_FIRST]),
        (Rule::HeldBeforeUndo, unmarked(), &[ENDS_WELL]),
        (Rule::DropLaterMarks, protocol(two_marks(), 0, 2), &[]),
    ]
}

#[test]
fn with_all_rules_everything_holds() {
    holds("rewind, made again", protocol(again(), 1, 1));
    holds("rewind, edited once more", protocol(again(), 0, 2));
    holds("rewind, across the mark", kept_on(across(), 1, 3));
    holds("rewind, leaving", protocol(leaving(), 1, 1));
    holds("rewind, two marks", protocol(two_marks(), 0, 2));
    holds("rewind, no mark", unmarked());
    holds("rewind, preempting", protocol(preempting(Step::new(Contract::Hold)), 1, 1));
}

#[test]
fn without_any_one_rule_something_breaks() {
    without(off());
}
