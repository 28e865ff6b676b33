//! A model checker visits every interleaving of two controllers, a store, a provider and the faults between them. The model is independent of
//! `src/`: it states the decisions of the driver once more.
//!
//! Each group of rules has configurations of its own, as small as the group allows: `commit`, `order`, `refusal`, `aside`, `delivery`,
//! `removal`, `rewind` and `kept`. With all rules, every property holds in every state of every configuration. Each rule is switched off
//! once, and the test says which properties break, or that the rule only saves work.
//!
//! ```sh
//! FSM_FAULTS=2 cargo test --release --all-features --test protocol_model   # one fault more in `commit`: minutes, and some gigabytes
//! ```
//!
//! A pass may be as slow as it likes between its read and its write, so a stale read is one that was made earlier.

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
