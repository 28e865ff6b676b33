//! A fleet of a thousand resources meets another version of its machine: forward, back, forward again, and both versions at once.

mod census;
mod clock;
mod cloud;
mod driven;
mod fleet;
mod newer;
#[macro_use]
mod older;
mod release;
mod shorter;
mod site;
mod stop;
mod storage;

use std::collections::BTreeMap;

use census::Kind;
use cloud::Wrong;
use durable_fsm::graph::json::{Stranded, stranded};
use fleet::{Fleet, Found};
use release::{First, Release, Second, Shorter, Silent, Stranger, Unled};

fn told(fleet: &Fleet<'_>) {
    let Found { census, passes, rests, stood_by, resolved, .. } = &fleet.found;
    let (writes, requests) = (fleet.storage.writes(), fleet.cloud.requests());
    println!("{census}");
    println!("{passes} passes, {writes} writes, {requests} requests in {} s", fleet.cloud.time.now().as_secs());
    println!("at rest {rests:?} times, stood by {stood_by} times, {resolved} resolved by a person");
}

/// There is something of every kind, and in every state.
#[track_caller]
fn check_census(found: &Found, release: &dyn Release) {
    for kind in Kind::ALL {
        assert!(found.census.kinds.get(&kind).is_some_and(|count| *count > 0), "{kind:?} in {}", found.census);
    }
    for state in release.graph().states {
        assert!(found.census.in_state(state.name) > 0, "{} in {:?}", state.name, found.census.states);
    }
}

/// Nothing is repeated, orphaned, or at rest without a step, and nothing is held that was not announced.
#[track_caller]
fn check_story(newer: &dyn Release) {
    assert_eq!(stranded(First.graph(), newer.graph()), Vec::<Stranded>::new());
    for seed in 0..6 {
        let fleet = fleet::run(&First, newer, seed);
        told(&fleet);
        let found = &fleet.found;
        check_census(found, &First);
        assert_eq!(fleet.wrong(), Vec::<Wrong>::new(), "seed {seed}");
        assert_eq!(found.rests_without, Vec::<String>::new(), "seed {seed}");
        assert_eq!(found.held, BTreeMap::new(), "seed {seed}");
        assert_eq!(found.skipped, Vec::<String>::new(), "seed {seed}");
        assert_eq!(found.left, Vec::<String>::new(), "seed {seed}");
        assert_eq!(found.stuck, Vec::<String>::new(), "seed {seed}");
        assert!(
            found.rests.iter().all(|rests| *rests > 20) && found.stood_by > 100 && found.resolved > 10,
            "it went on"
        );
    }
}

#[test]
fn a_release_that_changes_everything_repeats_orphans_skips_and_holds_nothing() {
    check_story(&Second);
}

#[test]
fn a_release_that_the_first_one_can_read_repeats_orphans_skips_and_holds_nothing() {
    check_story(&Shorter);
}

/// Runs a release for which the lock test was silenced. What is held was announced, by a line that has a name of the hold; these names were both held and
/// announced.
#[track_caller]
fn check_silenced(newer: &dyn Release, names: &[&str]) {
    let announced = stranded(First.graph(), newer.graph());
    let mut fleet = Fleet::left_by(&First, newer, 0);
    fleet.come_to_rest();
    let found = &fleet.found;
    println!("{} of 1000 records are held, and {} lines announce it", found.held.len(), announced.len());
    let has = |text: &str, name: &str| text.contains(&format!("`{name}`")) || text.contains(&format!(" {name}:"));
    let graph = First.graph();
    let facts = newer.graph().states.iter().flat_map(|state| state.facts).map(|fact| fact.name);
    let known = graph.states.iter().map(|state| state.name).chain(graph.transitions.iter().map(|step| step.name));
    let known: Vec<&str> = known.chain(newer.graph().transitions.iter().map(|step| step.name)).chain(facts).collect();
    // What is held makes nothing.
    assert_eq!(fleet.wrong(), Vec::<Wrong>::new());
    assert_eq!(found.rests_without, Vec::<String>::new());
    for held in found.held.values() {
        let mut named = known.iter().filter(|name| has(held, name));
        let is_announced = named.any(|name| announced.iter().any(|it| has(&it.records, name)));
        assert!(is_announced, "not announced: {held}");
    }
    for name in names {
        assert!(announced.iter().any(|it| has(&it.records, name)), "{name} in {announced:#?}");
        assert!(found.held.values().any(|held| has(held, name)), "{name} in {:#?}", found.held);
    }
}

#[test]
fn what_a_release_that_says_nothing_holds_was_announced() {
    check_silenced(&Silent, &["Registered", "Mounted", "Installed", "register", "mount", "house"]);
}

#[test]
fn what_a_release_that_does_not_say_where_records_go_on_holds_was_announced() {
    check_silenced(&Unled, &["cable_small", "cable_ready", "open"]);
}

#[test]
fn a_machine_that_does_not_say_what_it_was_called_makes_everything_twice_and_that_was_announced() {
    let announced = stranded(First.graph(), Stranger.graph());
    assert!(announced.iter().any(|it| it.records.starts_with("all records")), "{announced:#?}");
    let mut fleet = Fleet::left_by(&First, &Stranger, 0);
    fleet.come_to_rest();
    let repeated = fleet.wrong().iter().filter(|it| matches!(it, Wrong::Repeated(_))).count();
    println!("{repeated} effects are repeated");
    assert!(repeated > 1000, "{repeated}");
}
