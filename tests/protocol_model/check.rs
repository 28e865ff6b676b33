//! Runs the checker. Invariant: a search is never cut, except where it has found all that it was to find.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use crate::machine::Machine;
use crate::properties::PROVISIONED;
use crate::rules::Rule;
use crate::system::{Fate, Protocol};

/// A configuration, and what breaks in it without a rule: nothing, where the rule only saves work.
pub type Off = (Rule, Protocol, &'static [&'static str]);

/// The resource is edited this often, and deleted.
pub fn protocol(machine: Machine, faults: u8, edits: u8) -> Protocol {
    let fates = vec![Fate { edits, delete: true, ..Fate::default() }];
    Protocol { machine, off: None, faults, pauses: 0, fates, unmarked: false }
}

/// Every property holds in every state.
#[track_caller]
pub fn holds(name: &str, model: Protocol) -> usize {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = model.checker().threads(threads).spawn_bfs().join();
    println!("{name}: {} states", checker.unique_state_count());
    for (property, path) in checker.discoveries() {
        assert_eq!(property, PROVISIONED, "{name}: {:#?}", path.into_actions());
    }
    assert!(checker.discovery(PROVISIONED).is_some(), "{name} is never provisioned");
    checker.unique_state_count()
}

/// Without each rule exactly its properties break, or nothing does.
#[track_caller]
pub fn without(off: Vec<Off>) {
    let other: Vec<String> = off.into_iter().filter_map(differs).collect();
    assert!(other.is_empty(), "{other:#?}");
}

/// What else breaks than is said.
fn differs((rule, model, properties): Off) -> Option<String> {
    let model = Protocol { off: Some(rule), ..model };
    if properties.is_empty() {
        holds(&format!("without {rule:?}"), model);
        return None;
    }
    let expected: BTreeSet<&str> = properties.iter().copied().collect();
    let wanted = HasDiscoveries::AllOf(expected.clone());
    let checker = model.checker().threads(1).finish_when(wanted).spawn_bfs().join();
    let mut broken = checker.discoveries();
    broken.remove(PROVISIONED);
    let names: BTreeSet<&str> = broken.keys().copied().collect();
    println!("without {rule:?}: {names:?}, {} states", checker.unique_state_count());
    let paths = broken.into_iter().map(|(name, path)| (name, path.into_actions()));
    (names != expected).then(|| format!("without {rule:?}: {:?}", paths.collect::<Vec<_>>()))
}
