//! Translates a record of another version to this version's names. Invariant: the translation is pure and total, drops nothing that the record covers, and
//! changes nothing when it is repeated.

use std::collections::BTreeSet;

use durable_fsm_graph::Graph;

use super::{Record, Renamed};
use crate::Facts;

impl Record {
    /// Gives everything the names that the graph has for it now, and notes which version has entered the state and the marks.
    pub(super) fn translate(&mut self, graph: &Graph<'_>) {
        if self.version == graph.version {
            return;
        }
        let version = self.version;
        self.entered_by.get_or_insert(version);
        for mark in &mut self.marks {
            mark.entered_by.get_or_insert(version);
        }
        self.states(graph);
        self.transitions(graph);
        self.facts_of_before(graph);
        if version < graph.version {
            self.forget_what_is_gone(graph);
            self.branches(graph);
        }
    }

    fn states(&mut self, graph: &Graph<'_>) {
        let rename = |name: &mut String| {
            if let Some((_, state)) = graph.state_once(name).filter(|(_, state)| state.name != name) {
                state.name.clone_into(name);
            }
        };
        rename(&mut self.state);
        self.to.iter_mut().for_each(rename);
        self.marks.iter_mut().for_each(|mark| rename(&mut mark.state));
        self.undo.amend().filter_map(|it| it.state.as_mut()).for_each(rename);
    }

    fn transitions(&mut self, graph: &Graph<'_>) {
        let mut renamed = BTreeSet::new();
        let mut rename = |name: &mut String| {
            if let Some((_, step)) = graph.transition_once(name).filter(|(_, step)| step.name != name) {
                renamed.insert((step.name.to_owned(), std::mem::replace(name, step.name.to_owned())));
            }
        };
        // The list is looked through by name, so it is made anew only where a name changes.
        if self.undo.iter().any(|it| graph.transition(&it.transition).is_none()) {
            self.undo.list_mut().iter_mut().for_each(|it| rename(&mut it.transition));
            self.undo = std::mem::take(self.undo.list_mut()).into();
        }
        self.unconfirmed.iter_mut().for_each(|it| rename(&mut it.transition));
        self.undone.iter_mut().for_each(|it| rename(&mut it.transition));
        self.intent.iter_mut().for_each(|it| rename(&mut it.transition));
        self.retained.iter_mut().for_each(|it| rename(&mut it.transition));
        self.retrying.iter_mut().for_each(|it| rename(&mut it.transition));
        self.took.iter_mut().for_each(&mut rename);
        for (transition, was) in renamed {
            self.renamed.retain(|it| it.transition != transition || it.was != was);
            self.renamed.push(Renamed { transition, was, until: self.seq });
        }
    }

    fn facts_of_before(&mut self, graph: &Graph<'_>) {
        let rename = |facts: &mut Facts| {
            let of_before: Vec<(String, &str)> = facts
                .iter()
                .filter_map(|(name, _)| Some((name.to_owned(), graph.fact_once(name)?)))
                .filter(|(name, now)| name != now)
                .collect();
            for (name, now) in of_before {
                if let Some(value) = facts.value(&name).cloned() {
                    facts.set(now, value);
                    facts.remove(&name);
                }
            }
        };
        rename(&mut self.facts);
        self.undo.amend().for_each(|it| rename(&mut it.saved));
        self.unconfirmed.iter_mut().for_each(|it| rename(&mut it.saved));
        self.retained.iter_mut().for_each(|it| rename(&mut it.made));
        for mark in &mut self.marks {
            rename(&mut mark.saved);
            for name in &mut mark.added {
                if let Some(now) = graph.fact_once(name) {
                    now.clone_into(name);
                }
            }
        }
    }

    /// Notes that guide what the machine does next, and that can guide nothing any more.
    fn forget_what_is_gone(&mut self, graph: &Graph<'_>) {
        let to = self.to.clone();
        self.marks.retain(|mark| graph.state(&mark.state).is_some() || to.as_ref() == Some(&mark.state));
        self.undone.retain(|it| graph.transition(&it.transition).is_some());
        self.retrying.retain(|it| graph.transition(&it.transition).is_some());
    }

    /// What a step made that is a branch by now has reached the state that the machine names for it.
    fn branches(&mut self, graph: &Graph<'_>) {
        let version = self.version;
        for effect in self.undo.amend().filter(|it| it.state.is_none()) {
            let step = graph.transition(&effect.transition).filter(|(_, step)| step.to.len() > 1);
            let reached = step.and_then(|(index, _)| graph.states.get(graph.branched(index, version)?));
            effect.state = reached.map(|state| state.name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use durable_fsm_graph::written::{INITIAL, PASSING, REPEAT, RESTING, branched, by, contract, effect, fact, state};
    use serde_json::json;

    use super::*;
    use crate::record::Unreadable;

    const TIMES: [u64; 4] = [1, 1, 1, 1];

    /// `Made` was `Built`, `make` was `build`, `id` was `handle`, and `serve` was no branch.
    static NEWER: Graph<'static> = Graph {
        name: "test.io/m",
        title: "M",
        version: 2,
        reader: 1,
        doc: "",
        undo_on_rejected: false,
        upgrades: &[branched(1, 1, 2)],
        states: &[
            state("Wanted", "", PASSING | INITIAL, &[], &[], &[0]),
            state("Made", "", PASSING, &[fact("id", "String", "").was(&["handle"])], &["id"], &[1]).was(&["Built"]),
            state("Ready", "", RESTING, &[], &["id"], &[]),
            state("Small", "", RESTING, &[], &["id"], &[]),
        ],
        transitions: &[
            effect("make", 0, &[1], None, contract(REPEAT, by("scrap"), None, TIMES)).was(&["build"]),
            effect("serve", 1, &[2, 3], None, contract(REPEAT, by("stop"), None, TIMES)),
        ],
    };

    fn older() -> serde_json::Value {
        json!({
            "format": 1, "machine": "test.io/m", "version": 1, "reader": 1, "graph": "0", "origin": "u", "owner": "u", "seq": 9,
            "state": "Built", "since": "2026-01-01T00:00:00.000Z", "facts": {"handle": "h-1"},
            "undo": [{"transition": "build", "life": 2, "saved": {"handle": "h-0"}}, {"transition": "serve", "life": 4}],
            "marks": [{"state": "Built", "seq": 3, "added": ["handle"]}, {"state": "Gone", "seq": 1}],
            "unconfirmed": [{"transition": "build", "life": 5, "attempt": 1}],
            "undone": [{"transition": "vanished", "life": 1}],
            "took": ["build"],
        })
    }

    fn decode(value: &serde_json::Value) -> Result<Record, Unreadable> {
        Record::decode(&NEWER, value.to_string().as_bytes())
    }

    #[test]
    fn everything_has_the_name_of_now_and_every_key_that_of_before() {
        let record = decode(&older()).unwrap();
        assert_eq!((record.state.as_str(), record.entered_by), ("Made", Some(1)));
        assert_eq!(record.facts.value("id"), Some(&json!("h-1")));
        assert_eq!(record.facts.value("handle"), None);
        let made = record.effect("make", None).unwrap();
        assert_eq!((made.life, made.saved.value("id")), (2, Some(&json!("h-0"))));
        assert_eq!(record.effect("serve", None).unwrap().state.as_deref(), Some("Ready"), "it is a branch by now");
        assert_eq!(record.marks.len(), 1);
        assert_eq!(
            (record.marks[0].state.as_str(), record.marks[0].added.as_slice()),
            ("Made", &["id".to_owned()][..])
        );
        assert_eq!(
            (record.unconfirmed[0].transition.as_str(), record.took.as_slice()),
            ("make", &["make".to_owned()][..])
        );
        assert!(record.undone.is_empty(), "nothing is made in its place any more");
        let key = |name, life| super::super::idempotency_key("u", "test.io/m", name, None, life);
        assert_eq!(record.key("make", None, 2), key("build", 2));
        assert_eq!(record.key("make", None, 9), key("build", 9));
        assert_eq!(record.key("make", None, 10), key("make", 10), "it begins under the new name");
        assert_eq!(record.key("serve", None, 4), key("serve", 4));
    }

    #[test]
    fn what_is_translated_stays_as_it_is() {
        let once = decode(&older()).unwrap();
        let written = Record { version: 2, ..once.clone() };
        let bytes = serde_json::to_vec(&written).unwrap();
        assert_eq!(Record::decode(&NEWER, &bytes).unwrap(), written);
        // An older controller has written it in between.
        let back = Record { version: 1, ..once.clone() };
        let bytes = serde_json::to_vec(&back).unwrap();
        assert_eq!(Record::decode(&NEWER, &bytes).unwrap(), back);
    }

    #[test]
    fn an_upgrade_is_never_called_a_forgery() {
        let refused = |change: fn(&mut serde_json::Value)| {
            let mut value = older();
            change(&mut value);
            decode(&value).unwrap_err().to_string()
        };
        let unknown = refused(|it| it["state"] = "Elsewhere".into());
        assert!(unknown.contains("version 1 of the machine") && unknown.contains("was = \"Elsewhere\""), "{unknown}");
        let unknown = refused(|it| it["undo"][0]["transition"] = "vanished".into());
        assert!(unknown.contains("`vanished`") && unknown.contains("retired"), "{unknown}");
        let set = refused(|it| it["undo"][0]["subject"] = "ann".into());
        assert!(set.contains("version 1 of the machine") && !set.contains("forged"), "{set}");
        let mut newer = older();
        newer["version"] = 3.into();
        newer["state"] = "Later".into();
        let newer = decode(&newer).unwrap_err().to_string();
        assert!(newer.contains("version 3") && newer.contains("stands by"), "{newer}");
    }
}
