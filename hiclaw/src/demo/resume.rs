//! Whether a controller goes on exactly where the record says. Invariant: what is expected follows from the bytes that the killed one left and
//! from the machine's declaration alone; it is compared with what the next one does, as it says itself and as the servers have seen it.

use durable_fsm::graph::Undo;
use durable_fsm::record::{Effect, Record};

use crate::servers::Call;
use crate::worker::{Worker, WorkerFlow};

/// The first crossing that a controller passes on from this record, after it has read it; none if there is nothing to do.
pub(super) fn first_crossing(record: Option<&Record>, deleting: bool) -> Option<String> {
    let label = |transition: &str, subject: &Option<String>| match subject {
        Some(subject) => format!("{transition}({subject})"),
        None => transition.to_owned(),
    };
    let Some(record) = record else {
        if deleting {
            // A deletion that finds no record writes one, so that no other pass begins anew, and removes it.
            return Some("note:before#1".to_owned());
        }
        let initial = WorkerFlow::GRAPH.states.iter().find(|it| it.initial)?;
        let first = WorkerFlow::GRAPH.transitions.get(*initial.transitions.first()?)?;
        return Some(format!("{}/intent:before#1", first.name));
    };
    if let Some(intent) = &record.intent {
        return Some(format!("{}/take-over:before#1", label(&intent.transition, &intent.subject)));
    }
    if deleting && record.direction.is_forward() {
        // That it turns back is written down before anything is undone.
        return Some("note:before#1".to_owned());
    }
    // A record without an intent is one at rest, or one that has turned back.
    let last = record.undo.iter().rev().find(|it| is_undone(it));
    match (deleting, last) {
        (false, _) => None,
        (true, Some(last)) => Some(format!("{}/intent:before#1", label(&last.transition, &last.subject))),
        (true, None) => Some("remove:before#1".to_owned()),
    }
}

fn is_undone(effect: &Effect) -> bool {
    let step = WorkerFlow::GRAPH.transition(&effect.transition).map(|(_, step)| step);
    step.and_then(|it| it.contract()).is_some_and(|it| matches!(it.undo, Undo::Method(_)))
}

/// The calls among these that make, once more, what this effect has made. A route is written by its undo as well.
pub(super) fn repeats<'c>(effect: &Effect, worker: &Worker, calls: &'c [Call]) -> Vec<&'c Call> {
    let objects = format!("agents/{}/", worker.name);
    let (method, end) = match effect.transition.as_str() {
        "register_account" => ("POST", "/register".to_owned()),
        "create_room" => ("POST", "/createRoom".to_owned()),
        "create_consumer" => ("POST", "/v1/consumers".to_owned()),
        "authorize_route" => ("PUT", "/v1/ai/routes/default".to_owned()),
        "push_config" => ("PUT", format!("{objects}openclaw.json")),
        "push_skill" => ("PUT", format!("{objects}skills/{}/SKILL.md", effect.subject.as_deref().unwrap_or_default())),
        "run_container" => ("POST", "/containers/create".to_owned()),
        _ => return Vec::new(),
    };
    calls.iter().filter(|call| call.method == method && call.path.ends_with(&end)).collect()
}
