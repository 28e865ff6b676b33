//! Sieve's three patterns (a stale read, a missed event, a crash between two writes) against the whole controller, on an API server in
//! memory and on virtual time: every single fault at every place, and every pair.

mod circumstances;
mod clock;
mod controller;
mod fault;
mod ledger;
mod machine;
mod naive;
mod oracle;
mod place;
mod plan;
mod run;
mod script;
mod search;
mod shelf;
mod small;
mod worker;
mod world;

use crate::controller::operate;
use crate::fault::Pattern;
use crate::machine::WorkerFlow;
use crate::run::Subject;
use crate::script::Script;
use crate::search::Search;
use crate::small::SmallFlow;

/// A fifth of exploring is allocating; this allocator is faster at it than the one of glibc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The whole machine.
const WORKER: Subject =
    Subject { operate: operate::<WorkerFlow>, machine: Some((&WorkerFlow::GRAPH, &machine::THINGS)) };

/// One effect.
const SMALL: Subject = Subject { operate: operate::<SmallFlow>, machine: Some((&SmallFlow::GRAPH, &[])) };

#[test]
fn a_worker_survives_every_pair_of_sieves_faults() {
    Search { subject: WORKER, script: Script::Life, patterns: Pattern::SIEVE }.passes(2);
}

#[test]
fn a_worker_made_again_under_its_name_survives_every_pair_of_sieves_faults() {
    Search { subject: SMALL, script: Script::Remade, patterns: Pattern::SIEVE }.passes(2);
}

#[test]
fn a_worker_survives_every_fault() {
    Search { subject: WORKER, script: Script::Life, patterns: Pattern::ALL }.passes(1);
}

#[test]
fn a_worker_made_again_under_its_name_survives_every_fault() {
    Search { subject: WORKER, script: Script::Remade, patterns: Pattern::ALL }.passes(1);
}

#[test]
fn a_small_worker_survives_every_pair_of_faults() {
    Search { subject: SMALL, script: Script::Brief, patterns: Pattern::APART }.passes(2);
}

/// A controller without records fails with a single fault of each pattern; so the search finds what it looks for.
#[test]
fn a_naive_controller_fails_under_each_of_the_patterns() {
    let naive = Subject { operate: naive::operate, machine: None };
    let rows: [(&[Pattern], &str, &str); 3] = [
        (&[Pattern::StaleRead], "first/get-worker#2=first", "twice: account of alice"),
        (&[Pattern::MissedEvent], "second/deleted#1=expire", "it is not gone an hour after the last fault"),
        (&[Pattern::Crash], "first/patch-status#1=crash", "twice: account of alice"),
    ];
    for (patterns, plan, wrong) in rows {
        let search = Search { subject: naive, script: Script::Life, patterns };
        let found = search.fails(1).expect("a controller without records fails");
        assert_eq!(found.plan.to_string(), plan, "{:?}", found.wrongs);
        assert!(found.wrongs.iter().any(|it| it.contains(wrong)), "{:?}", found.wrongs);
    }
}
