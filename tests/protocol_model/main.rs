//! The commit protocol under a model checker: the decisions of the driver, abstracted, with every interleaving of two controllers, a store,
//! a provider and what goes wrong between them. With all rules everything holds; without any one of them something does not.
//!
//! ```sh
//! FSM_FAULTS=2 cargo test --release --all-features --test protocol_model   # one fault more: minutes, and some gigabytes
//! ```
//!
//! A pass may be as slow as it likes between its read and its write, so a read that is out of date is one that was made earlier.

mod aside;
mod backward;
mod check;
mod commit;
mod controller;
mod delivery;
mod forward;
mod kept;
mod machine;
mod order;
mod properties;
mod provider;
mod record;
mod refusal;
mod removal;
mod rewind;
mod rules;
mod store;
mod system;
mod world;

use rules::Rule;

#[test]
fn every_rule_is_switched_off() {
    let groups = [
        commit::off(),
        order::off(),
        refusal::off(),
        aside::off(),
        delivery::off(),
        removal::off(),
        rewind::off(),
        kept::off(),
    ];
    let mut rules: Vec<Rule> = groups.iter().flatten().map(|(rule, ..)| *rule).chain(commit::SAVES).collect();
    rules.sort_unstable();
    rules.dedup();
    assert_eq!(rules, Rule::ALL);
}
