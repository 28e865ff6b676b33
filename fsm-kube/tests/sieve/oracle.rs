//! What must hold at every durable write. Invariant: an end that looks right hides no wrong step before it.

use std::collections::HashMap;

use durable_fsm::graph::Graph;
use durable_fsm::record::Record;
use durable_fsm_kube::{Names, Verb};
use kube_memory_server::Write;
use serde_json::{Value, json};

use crate::place::annotation;
use crate::shelf::Shelf;
use crate::worker::{is_deleting, says_ready, uid_of, wanted_skills};

/// Judges the writes of one run.
pub struct Oracle {
    graph: &'static Graph<'static>,
    names: Names,
    things: &'static [&'static str],
    shelf: Shelf,
    /// The last sequence number of the record of each uid.
    seqs: HashMap<String, u64>,
}

impl Oracle {
    pub fn new(graph: &'static Graph<'static>, things: &'static [&'static str], shelf: Shelf) -> Self {
        let names = Names::of(graph.name).unwrap();
        Self { graph, names, things, shelf, seqs: HashMap::new() }
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// What is wrong with a write of a worker, if anything; `stripped` says that admission took the record out of it.
    pub fn judge(&mut self, write: &Write, is_controller: bool, stripped: bool) -> Vec<String> {
        let mut wrongs = Vec::new();
        if is_controller
            && !stripped
            && let Err(wrong) = self.judge_record(write)
        {
            wrongs.push(wrong);
        }
        let live = self.shelf.kinds_of(&write.name);
        let before = write.before.as_deref().unwrap_or(&Value::Null);
        if self.is_marked(before) && !write.after.as_deref().is_some_and(|it| self.is_marked(it)) && !live.is_empty() {
            wrongs.push(format!("the finalizer went while there was {live:?}"));
        }
        let (Some(before), Some(after)) = (&write.before, &write.after) else { return wrongs };
        if is_controller && self.of_others(before) != self.of_others(after) {
            let (was, is) = (self.of_others(before), self.of_others(after));
            wrongs.push(format!("the controller changed what is others': {was} became {is}"));
        }
        if is_controller && says_ready(after) && !is_deleting(after) && live != self.wanted(after) {
            wrongs.push(format!("it is called ready with {live:?}, and wants {:?}", self.wanted(after)));
        }
        wrongs
    }

    /// The kinds of the things that a stored worker wants, in order.
    pub fn wanted(&self, object: &Value) -> Vec<String> {
        let things = self.things.iter().map(|it| (*it).to_owned());
        let mut wanted: Vec<String> = things.chain(wanted_skills(object)).collect();
        wanted.sort();
        wanted
    }

    fn judge_record(&mut self, write: &Write) -> Result<(), String> {
        let record = |object: &Option<std::sync::Arc<Value>>| {
            object.as_ref().and_then(|it| annotation(it, self.names.record()).map(str::to_owned))
        };
        let (before, after) = (record(&write.before), record(&write.after));
        let Some(object) = &write.after else { return Ok(()) };
        let Some(text) = after else {
            return if before.is_none() { Ok(()) } else { Err("the record went, and the object stayed".to_owned()) };
        };
        if before.as_ref() == Some(&text) {
            return Ok(());
        }
        let record = Record::decode(self.graph, text.as_bytes()).map_err(|error| format!("no record: {error}"))?;
        let uid = uid_of(object).to_owned();
        if record.owner != uid || record.origin != uid {
            return Err(format!("a record of {} on {uid}", record.owner));
        }
        let last = self.seqs.insert(uid, record.seq).unwrap_or_default();
        if record.seq != last + 1 {
            return Err(format!("record {} follows record {last}", record.seq));
        }
        Ok(())
    }

    fn is_marked(&self, object: &Value) -> bool {
        object["metadata"]["finalizers"].as_array().into_iter().flatten().any(|it| it == self.names.finalizer())
    }

    /// What a controller has no business with: all but record, requests, finalizer, conditions and its own field of the
    /// status.
    fn of_others(&self, object: &Value) -> Value {
        let metadata = &object["metadata"];
        let mut annotations = metadata["annotations"].clone();
        if let Some(annotations) = annotations.as_object_mut() {
            let is_request = |key: &str| Verb::ALL.iter().any(|verb| self.names.verb(*verb) == key);
            annotations.retain(|key, _| key != self.names.record() && !is_request(key));
        }
        let finalizers = metadata["finalizers"].as_array().into_iter().flatten();
        let finalizers: Vec<&Value> = finalizers.filter(|it| *it != self.names.finalizer()).collect();
        json!([metadata["uid"], metadata["labels"], annotations, finalizers, object["spec"], object["status"]["note"]])
    }
}
