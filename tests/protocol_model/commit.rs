//! The commit of an effect, its take-over and its removal: three steps, and a resource that is edited, deleted and made again under its
//! name.

use std::collections::HashSet;

use stateright::Model;

use crate::check::{Off, holds, without};
use crate::machine::{Contract, Machine, Step};
use crate::properties::{
    CLEAN_IS_QUIET, COMES_TO_REST, ENDS_WELL, NO_ORPHAN, NOT_STRIPPED, ONE_OF_EACH, RECORD_IS_TRUE,
};
use crate::rules::Rule;
use crate::system::{Fate, Protocol};
use crate::world::World;

/// Three steps, one for each contract.
fn protocol(faults: u8, pauses: u8, fates: Vec<Fate>) -> Protocol {
    let machine = Machine::chain([Contract::Named, Contract::Lookup, Contract::Hold].map(Step::new));
    Protocol { machine, off: None, faults, pauses, fates, unmarked: false }
}

fn fate(edits: u8, delete: bool, recreate: bool) -> Fate {
    Fate { edits, delete, recreate, touches: 0 }
}

/// Which properties break without a rule, with how many faults and pauses.
pub fn off() -> Vec<Off> {
    fn every(rule: Rule, faults: u8, pauses: u8, properties: &'static [&'static str]) -> Off {
        (rule, protocol(faults, pauses, vec![fate(1, true, true)]), properties)
    }
    vec![
        every(Rule::Wait, 0, 1, &[ONE_OF_EACH, CLEAN_IS_QUIET]),
        every(Rule::TakeOver, 0, 1, &[ONE_OF_EACH]),
        every(Rule::OwnHolder, 0, 0, &[ONE_OF_EACH]),
        every(Rule::LateCheck, 0, 1, &[ONE_OF_EACH, CLEAN_IS_QUIET]),
        every(Rule::StickyDoubt, 2, 0, &[NO_ORPHAN]),
        every(Rule::Unconfirmed, 1, 0, &[NO_ORPHAN]),
        every(Rule::FrozenSpec, 0, 1, &[RECORD_IS_TRUE]),
        every(Rule::QuietUndo, 0, 1, &[NO_ORPHAN]),
        every(Rule::DeletionFirst, 1, 0, &[ENDS_WELL]),
        every(Rule::ConditionalRemoval, 0, 1, &[NOT_STRIPPED]),
        every(Rule::Version, 0, 0, &[NO_ORPHAN, ENDS_WELL]),
        every(Rule::SameResource, 1, 0, &[NO_ORPHAN]),
        every(Rule::ReadBack, 0, 0, &[ONE_OF_EACH, NO_ORPHAN, RECORD_IS_TRUE]),
        every(Rule::UndoEnds, 1, 0, &[NO_ORPHAN]),
    ]
}

/// Without these nothing breaks: what they save is an outcome that is known and has to be found out again, or a person who has to, and
/// effects that are made to be undone.
pub const SAVES: [Rule; 3] = [Rule::WriteAgain, Rule::Withdraw, Rule::NoNextIntent];

#[test]
fn with_all_rules_everything_holds() {
    let faults = std::env::var("FSM_FAULTS").ok().and_then(|faults| faults.parse().ok());
    holds("commit", protocol(faults.unwrap_or(1), 1, vec![fate(1, true, false)]));
}

#[test]
fn with_a_new_namesake_everything_holds() {
    holds("a new namesake, one fault", protocol(1, 0, vec![fate(1, true, true)]));
    holds("a new namesake, one pause", protocol(0, 1, vec![fate(1, true, true)]));
}

#[test]
fn with_two_faults_and_no_edit_everything_holds() {
    holds("two faults, no edit", protocol(2, 0, vec![fate(0, true, true)]));
}

#[test]
fn with_two_faults_and_no_new_namesake_everything_holds() {
    let fates = vec![fate(0, false, false), fate(1, false, false), fate(0, true, false)];
    holds("two faults, no new namesake", protocol(2, 0, fates));
}

#[test]
fn without_any_one_rule_something_breaks() {
    without(off());
}

#[test]
fn without_what_only_saves_work_nothing_breaks() {
    for rule in SAVES {
        for (faults, pauses) in [(1, 0), (0, 1)] {
            without(vec![(rule, protocol(faults, pauses, vec![fate(1, true, false)]), &[])]);
        }
    }
}

/// `eventually` is checked on paths that end, and a circle has no end: there must be none.
#[test]
fn no_path_comes_back_to_where_it_was() {
    let model = protocol(1, 0, vec![fate(1, true, false)]);
    let (mut on_path, mut done) = (HashSet::new(), HashSet::new());
    let begin = |world: World| {
        let after = model.next_states(&world);
        (world, after)
    };
    let mut path: Vec<_> = model.init_states().into_iter().map(begin).collect();
    while let Some((_, after)) = path.last_mut() {
        match after.pop() {
            Some(next) if done.contains(&next) => {}
            Some(next) => {
                assert!(on_path.insert(next.clone()), "{COMES_TO_REST}: {next:?}");
                path.push(begin(next));
            }
            None => {
                let (world, _) = path.pop().unwrap();
                on_path.remove(&world);
                done.insert(world);
            }
        }
    }
    assert!(done.len() > 10_000);
}
