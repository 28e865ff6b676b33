//! Keys, tags and fingerprints. Invariant: each is a hash of what is in the record, so any controller computes the same.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use durable_fsm_graph::Graph;

/// The idempotency key of one life of an effect: 32 hex digits.
#[must_use]
pub fn idempotency_key(origin: &str, machine: &str, transition: &str, subject: Option<&str>, life: u64) -> String {
    hash(&[
        b"durable-fsm key 1",
        origin.as_bytes(),
        machine.as_bytes(),
        transition.as_bytes(),
        subject.map_or(&b""[..], |_| b"subject"),
        subject.unwrap_or_default().as_bytes(),
        &life.to_be_bytes(),
    ])
}

/// What marks a thing as belonging to a resource's machine: 32 hex digits.
#[must_use]
pub fn owner_tag(origin: &str, machine: &str) -> String {
    hash(&[b"durable-fsm owner 1", origin.as_bytes(), machine.as_bytes()])
}

/// A short hash of what the graph declares, without its prose: 16 hex digits. A record says by which graph it was written.
#[must_use]
pub fn fingerprint(graph: &Graph<'_>) -> String {
    let mut text = String::new();
    for state in graph.states {
        text.push_str(&format!("state {} {:?} {:?}", state.name, state.rest, state.transitions));
        for fact in state.facts {
            text.push_str(&format!(" {}: {}", fact.name, fact.ty));
            text.push_str(if fact.default { " or default" } else { "" });
        }
        if let Some(every) = state.verify {
            text.push_str(&format!(" verified every {every:?}"));
        }
        if !state.guards.is_empty() {
            text.push_str(&format!(" {:?}", state.guards));
        }
        text.push('\n');
    }
    for transition in graph.transitions {
        text.push_str(&format!(
            "{} {} {:?} {:?} {:?}\n",
            transition.name, transition.from, transition.to, transition.guard, transition.kind
        ));
        if let Some(verify) = transition.verify {
            text.push_str(&format!("{verify:?}\n"));
        }
    }
    let mut short = hash(&[b"durable-fsm graph 1", text.as_bytes()]);
    short.truncate(16);
    short
}

/// As [`fingerprint`], found once for each machine: a graph never changes, and every write of a record asks.
pub(crate) fn fingerprint_of(graph: &'static Graph<'static>) -> &'static str {
    static KNOWN: RwLock<BTreeMap<usize, &'static str>> = RwLock::new(BTreeMap::new());
    let at = std::ptr::from_ref(graph).addr();
    if let Some(known) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&at) {
        return known;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    // One short text for each machine of a program, for as long as the program runs.
    known.entry(at).or_insert_with(|| fingerprint(graph).leak())
}

/// The first half of a hash over parts that cannot run into each other.
fn hash(parts: &[&[u8]]) -> String {
    let mut bytes = Vec::with_capacity(256);
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    blake3::hash(&bytes).to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_key_counts() {
        let key = |origin, transition, subject, life| idempotency_key(origin, "m", transition, subject, life);
        let keys = [
            key("o", "t", None, 1),
            key("p", "t", None, 1),
            key("o", "u", None, 1),
            key("o", "t", Some(""), 1),
            key("o", "t", Some("s"), 1),
            key("o", "t", None, 2),
            key("ot", "", None, 1),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert!(keys.iter().all(|key| key.len() == 32));
        // Keys are forever: a change here would make every thing that exists a stranger.
        assert_eq!(key("o", "t", None, 1), "f15c1d0f6b150e9063891cbb6796af57");
    }

    #[test]
    fn a_tag_is_of_one_resource_and_one_machine() {
        let tags = [("o", "m"), ("p", "m"), ("o", "n"), ("om", "")].map(|(origin, machine)| owner_tag(origin, machine));
        let distinct: std::collections::BTreeSet<_> = tags.iter().collect();
        assert_eq!(distinct.len(), tags.len());
        assert_eq!(tags[0], "fb23f3cfbf5864516c4ab1039efd3d0f");
    }
}
