//! The commit protocol under a model checker: the decisions of the driver, abstracted, with every interleaving of two controllers, a store,
//! a provider and what goes wrong between them. With all rules everything holds; without any one of them something does not.
//!
//! ```sh
//! FSM_FAULTS=2 cargo test --release --all-features --test protocol_model   # one fault more: minutes, and some gigabytes
//! ```
//!
//! A pass may be as slow as it likes between its read and its write, so a read that is out of date is one that was made earlier.

mod controller;
mod properties;
mod record;
mod rules;
mod system;
mod world;

use std::collections::HashSet;

use properties::{COMES_TO_REST, ENDS_WELL, NO_ORPHAN, NOT_STRIPPED, ONE_OF_EACH, PROVISIONED, RECORD_IS_TRUE};
use rules::{Contract, Rule};
use stateright::{Checker, HasDiscoveries, Model};
use system::{Fate, Protocol};
use world::World;

/// Three steps, one for each contract; the resource is edited, deleted and made again under its name.
fn protocol(off: Option<Rule>, faults: u8, pauses: u8) -> Protocol {
    let contracts = vec![Contract::Repeat, Contract::Lookup, Contract::Hold];
    Protocol { contracts, off, faults, pauses, fates: vec![Fate { edit: true, delete: true, recreate: true }] }
}

/// Without these, a resource is left alone, or deleted and not made again.
fn other_fates() -> Vec<Fate> {
    let fate = |edit, delete| Fate { edit, delete, recreate: false };
    vec![fate(false, false), fate(true, false), fate(false, true)]
}

#[track_caller]
fn holds(model: Protocol) {
    let (faults, pauses) = (model.faults, model.pauses);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = model.checker().threads(threads).spawn_bfs().join();
    println!("{faults} faults, {pauses} pauses: {} states", checker.unique_state_count());
    for (name, path) in checker.discoveries() {
        assert_eq!(name, PROVISIONED, "{:#?}", path.into_actions());
    }
    assert!(checker.discovery(PROVISIONED).is_some());
}

#[test]
fn with_all_rules_everything_holds() {
    let faults = std::env::var("FSM_FAULTS").ok().and_then(|faults| faults.parse().ok());
    holds(protocol(None, faults.unwrap_or(1), 1));
}

#[test]
fn with_two_faults_and_no_edit_everything_holds() {
    let fates = vec![Fate { edit: false, delete: true, recreate: true }];
    holds(Protocol { fates, ..protocol(None, 2, 0) });
}

#[test]
fn with_two_faults_and_without_a_new_namesake_everything_holds() {
    holds(Protocol { fates: other_fates(), ..protocol(None, 2, 0) });
}

/// Which property breaks without a rule, with how many faults and pauses.
const BREAKS: [(Rule, &str, u8, u8); 14] = [
    (Rule::Wait, ONE_OF_EACH, 0, 1),
    (Rule::TakeOver, ONE_OF_EACH, 0, 1),
    (Rule::OwnHolder, ONE_OF_EACH, 0, 0),
    (Rule::LateCheck, ONE_OF_EACH, 0, 1),
    (Rule::StickyDoubt, NO_ORPHAN, 2, 0),
    (Rule::Touched, NO_ORPHAN, 1, 0),
    (Rule::FrozenSpec, RECORD_IS_TRUE, 0, 1),
    (Rule::QuietUndo, NO_ORPHAN, 0, 1),
    (Rule::DeletionFirst, ENDS_WELL, 1, 0),
    (Rule::ConditionalRemoval, NOT_STRIPPED, 0, 1),
    (Rule::Version, NO_ORPHAN, 0, 0),
    (Rule::SameResource, NO_ORPHAN, 1, 0),
    (Rule::ReadBack, NO_ORPHAN, 0, 0),
    (Rule::UndoEnds, NO_ORPHAN, 1, 0),
];

/// Without these nothing breaks: what they save is an outcome that is known and has to be found out again, or a person who has to, and
/// effects that are made to be undone.
const SAVES: [Rule; 4] = [Rule::WriteAgain, Rule::Withdraw, Rule::NoNextIntent, Rule::DoubtAlone];

#[test]
fn without_any_one_rule_something_breaks() {
    let broken = BREAKS.iter().map(|(rule, ..)| *rule);
    assert_eq!(broken.chain(SAVES).collect::<Vec<_>>(), Rule::ALL);
    for (rule, property, faults, pauses) in BREAKS {
        let model = protocol(Some(rule), faults, pauses);
        let checker = model.checker().threads(1).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let broken: HashSet<&str> = checker.discoveries().into_keys().filter(|name| *name != PROVISIONED).collect();
        println!("without {rule:?}: {broken:?}, {} states", checker.unique_state_count());
        assert_eq!(broken, HashSet::from([property]), "{rule:?}");
    }
}

#[test]
fn without_what_only_saves_work_nothing_breaks() {
    let fates = vec![Fate { edit: true, delete: true, recreate: false }];
    for rule in SAVES {
        holds(Protocol { fates: fates.clone(), ..protocol(Some(rule), 1, 0) });
        holds(Protocol { fates: fates.clone(), ..protocol(Some(rule), 0, 1) });
    }
}

/// `eventually` is checked on paths that end, and a circle has no end: there must be none.
#[test]
fn no_path_comes_back_to_where_it_was() {
    let fates = vec![Fate { edit: true, delete: true, recreate: false }];
    let model = Protocol { fates, ..protocol(None, 1, 0) };
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
