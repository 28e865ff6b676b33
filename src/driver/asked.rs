//! What is asked about at rest, and when. Invariant: nothing here asks: it reads the record and when something is due.

use std::time::Duration;

use durable_fsm_graph::{Contract, Graph, InDoubt, Kind, Rest};

use super::decision::{Decision, Ending, Surroundings};
use super::watches::{Due, Losses};
use crate::record::{Direction, Effect, Record};

/// What is asked about of this record, in the order in which it was made: each with its contract.
pub(super) fn asked<'r>(
    graph: &'static Graph<'static>,
    record: &'r Record,
) -> impl Iterator<Item = (usize, &'static Contract<'static>, &'r Effect)> {
    record.undo.iter().filter(|live| !live.unmaking && !live.lost).filter_map(|live| {
        let (index, step) = graph.transition(&live.transition)?;
        // What was imported was not made under a tag or key of ours, so that a look-up would not find it.
        let contract = step.contract().filter(|_| step.is_asked() && matches!(step.kind, Kind::Effect(_)))?;
        let by = step.verify.and_then(|verify| verify.by);
        // And nothing under `hold` is sent for it.
        let is_known = !live.imported || by.is_some() && contract.in_doubt != InDoubt::Hold;
        if !is_known {
            return None;
        }
        Some((index, contract, live))
    })
}

/// How often the things of a record are asked about where it is; none if they are not.
pub(super) fn period(graph: &Graph<'_>, record: &Record) -> Option<Duration> {
    let (_, state) = graph.state(&record.state)?;
    let rests = state.rest == Rest::Resting && record.direction == Direction::Forward;
    state.verify.filter(|_| rests)
}

/// What a record does that rests.
pub(super) fn rest(around: &Surroundings<'_>) -> Decision {
    match around.due {
        None => Decision::Stop(Ending::Resting),
        Some(Due { left: Duration::ZERO, .. }) => Decision::Verify,
        Some(Due { left, braked: Some(losses), .. }) => Decision::Stop(Ending::Braked(left, braked_message(losses))),
        Some(Due { left, whole, .. }) => Decision::Stop(Ending::Watching { after: left, whole }),
    }
}

/// What is asked about while members of sets wait, or while the resource is blocked: that something is gone may be the cause.
pub(super) fn meanwhile(record: &Record, around: &Surroundings<'_>, decision: Decision) -> Decision {
    let Some(Due { left: due, .. }) = around.due.filter(|_| record.intent.is_none() && around.kept.is_none()) else {
        return decision;
    };
    match decision {
        Decision::Wait(..) | Decision::Block { .. } | Decision::Stop(Ending::Blocked(_)) if due.is_zero() => {
            Decision::Verify
        }
        Decision::Wait(left, why) => Decision::Wait(left.min(due), why),
        Decision::Stop(Ending::Blocked(left)) => Decision::Stop(Ending::Blocked(left.min(due))),
        other => other,
    }
}

/// The same where transitions look at rest too, the next one after this time. If one could not look, the machine is not said to rest, for this reason.
pub(super) fn looking(next: Option<(Duration, Option<String>)>, decision: Decision) -> Decision {
    let Some((soonest, failed)) = next else { return decision };
    match (decision, failed) {
        (Decision::Stop(Ending::Resting), None) => Decision::Stop(Ending::Watching { after: soonest, whole: true }),
        (Decision::Stop(Ending::Watching { after, whole }), None) => {
            Decision::Stop(Ending::Watching { after: after.min(soonest), whole })
        }
        (Decision::Stop(Ending::Resting), Some(why)) => Decision::Wait(soonest, why),
        (Decision::Stop(Ending::Watching { after, .. }), Some(why)) => Decision::Wait(after.min(soonest), why),
        (Decision::Wait(left, why), _) => Decision::Wait(left.min(soonest), why),
        (Decision::Stop(Ending::Blocked(left)), _) => Decision::Stop(Ending::Blocked(left.min(soonest))),
        (Decision::Stop(Ending::Braked(left, why)), _) => Decision::Stop(Ending::Braked(left.min(soonest), why)),
        (decision, _) => decision,
    }
}

/// What is said of a resource whose things are not made again.
fn braked_message(losses: Losses) -> String {
    let Losses { lost, watched, most } = losses;
    format!(
        "things of {lost} of {watched} resources are gone, and more than {most} in one period are not made again: a provider that answers for the wrong account looks like this; if they are really gone, raise `lost_limit` of the runner, and restart"
    )
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::record::Stamp;
    use crate::{Fsm, Resource, ResourceId};

    #[derive(Clone)]
    struct App;

    impl Resource for App {
        type Spec = ();
        fn id(&self) -> ResourceId {
            ResourceId::new("", "app")
        }
        fn uid(&self) -> &str {
            "uid"
        }
        fn spec(&self) -> &() {
            &()
        }
    }

    #[derive(Fsm)]
    #[fsm(name = "test/asked", version = 1, resource = App)]
    enum AskedFlow {
        #[fsm(initial)]
        #[transition(find -> Found, in_doubt = lookup, undo = lose, lost = remake)]
        Requested,
        #[transition(name -> Named, in_doubt = repeat, undo = unname, verify = is_named, lost = remake)]
        Found,
        #[transition(tell -> Ready, in_doubt = hold, undo = untell, abort = untell_any, verify = is_told, lost = remake)]
        Named,
        #[fsm(resting, verify = "10m")]
        Ready,
    }

    #[test]
    fn what_was_imported_is_asked_about_where_that_can_tell_and_nothing_is_held() {
        let live = |transition: &str, life, imported| Effect {
            transition: transition.to_owned(),
            subject: None,
            life,
            state: None,
            order: None,
            clean: true,
            unmaking: false,
            imported,
            lost: false,
            sent: None,
            saved: crate::Facts::default(),
        };
        let names = |imported| {
            let undo = [live("find", 1, imported), live("name", 2, imported), live("tell", 3, imported)];
            let fresh = Record::initial(&AskedFlow::GRAPH, "uid", Stamp::from(SystemTime::UNIX_EPOCH));
            let record = Record { state: "Ready".to_owned(), undo: undo.into_iter().collect(), ..fresh };
            asked(&AskedFlow::GRAPH, &record).map(|(_, _, live)| live.transition.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(false), ["find", "name", "tell"]);
        assert_eq!(names(true), ["name"]);
    }
}
