//! What may be lost, and what becomes of it.

use serde_json::json;

use super::{App, at, held};
use crate::machine::Made;
use crate::record::next::next;
use crate::record::{Action, Direction, Effect, Event, HeldReason, Record, Unconfirmed};
use crate::{Each, Facts, Fsm, Kept};

/// A disk that is known by name, a site on it, and what can be set and added there.
#[derive(Fsm)]
#[fsm(name = "test/lost", version = 1, resource = App)]
enum LostFlow {
    #[fsm(initial)]
    #[transition(mount -> Mounted, in_doubt = lookup, undo = unmount, lost = remake)]
    Requested,
    #[transition(publish -> Online, in_doubt = repeat, undo = withdraw, verify = is_online, lost = remake)]
    Mounted,
    /// Asked about.
    #[fsm(resting, verify = "10m")]
    #[transition(go_away -> Away, when = is_away, no_effect)]
    #[transition(add, for_each = users, in_doubt = lookup, undo = remove)]
    #[transition(resize, keep = size, in_doubt = repeat, undo = none)]
    Online { site: String, users: Each<String, String>, size: Kept<u32> },
    /// Not asked about, and back from here.
    #[fsm(resting)]
    #[transition(come_back -> Online, when = is_back, rewind)]
    Away,
}

fn after(record: &Record, event: Event) -> Record {
    let next = next(&LostFlow::GRAPH, record, event).unwrap();
    // Each event is written by itself, and read again.
    let written = Record { seq: next.seq + 1, ..next };
    Record::decode(&LostFlow::GRAPH, &serde_json::to_vec(&written).unwrap()).unwrap()
}

fn run(record: &Record, transition: &str, subject: Option<&str>) -> Record {
    after(record, begins(transition, subject))
}

fn begins(transition: &str, subject: Option<&str>) -> Event {
    let (transition, subject) = (transition.to_owned(), subject.map(str::to_owned));
    let (action, holder, spec) = (Action::Run, "h/0.1".to_owned(), Some(json!(1).into()));
    Event::Intended { transition, subject, action, holder, deadline: at(), spec }
}

fn reached(state: &str, facts: &[(&str, &str)]) -> Event {
    let facts: Facts = facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let state = LostFlow::GRAPH.state(state).unwrap().0;
    Event::Reached { made: Made { state, facts }, found: false, at: at() }
}

fn member(value: &str) -> Event {
    Event::Member { value: json!(value), found: false, at: at() }
}

/// At rest, with a user and a size.
fn resting() -> Record {
    let fresh = Record { seq: 1, ..Record::initial(&LostFlow::GRAPH, "uid-1", at()) };
    let mounted = after(&run(&fresh, "mount", None), reached("Mounted", &[]));
    let online = after(&run(&mounted, "publish", None), reached("Online", &[("site", "one")]));
    let with_user = after(&run(&online, "add", Some("ann")), member("a"));
    after(&run(&with_user, "resize", Some("5")), member("set"))
}

fn lost(record: &Record, transition: &str, subject: Option<&str>) -> Event {
    let life = record.effect(transition, subject).map_or(0, |it| it.life);
    let (seq, spec) = (record.seq, json!(1).into());
    let (transition, subject) = (transition.to_owned(), subject.map(str::to_owned));
    Event::Lost { transition, subject, life, seq, at: at(), generation: 1, spec }
}

#[track_caller]
fn refused(record: &Record, event: Event) -> String {
    next(&LostFlow::GRAPH, record, event).unwrap_err().to_string()
}

#[test]
fn a_loss_is_recorded_only_at_rest_for_the_record_that_was_asked_about() {
    let resting = resting();
    let event = lost(&resting, "mount", None);
    assert!(next(&LostFlow::GRAPH, &resting, event.clone()).is_ok());
    let later = Record { seq: resting.seq + 1, ..resting.clone() };
    assert!(refused(&later, event.clone()).contains("was asked about at sequence number"));
    let begun = run(&resting, "resize", Some("6"));
    assert!(refused(&begun, lost(&begun, "mount", None)).contains("is under way"));
    for record in [
        Record { direction: Direction::Deleting, ..resting.clone() },
        Record { direction: Direction::RollingBack, ..resting.clone() },
        Record { held: held(HeldReason::NotOurs), ..resting.clone() },
    ] {
        assert!(refused(&record, event.clone()).contains("does not go forward"));
    }
    for state in ["Away", "Mounted"] {
        let elsewhere = Record { state: state.to_owned(), ..resting.clone() };
        assert!(refused(&elsewhere, event.clone()).contains("nothing is asked about"));
    }
    assert!(refused(&resting, lost(&resting, "resize", Some("5"))).contains("does not live"));
    let twice = Record { seq: resting.seq, ..after(&resting, event.clone()) };
    assert!(refused(&twice, event).contains("does not live"), "it is lost already");
}

#[test]
fn what_is_made_again_is_a_new_life_in_the_old_place() {
    let resting = resting();
    let old = resting.effect("mount", None).unwrap().clone();
    assert!(refused(&resting, begins("mount", None)).contains("does not start"), "it is there");
    let gone = after(&resting, lost(&resting, "mount", None));
    assert_eq!((gone.state.as_str(), gone.undo.len()), ("Online", 3));
    assert!(gone.undo[0].lost && gone.facts.subjects("size").is_empty(), "what was set was set on it");
    let begun = run(&gone, "mount", None);
    let open = begun.intent.clone().unwrap();
    assert!(open.life > old.life && open.order() == old.order() && open.attempt == 1);
    let again = after(&begun, reached("Mounted", &[]));
    assert_eq!((again.state.as_str(), again.undo.len(), again.intent.is_none()), ("Online", 3, true));
    let made = &again.undo[0];
    assert_eq!(
        (made.transition.as_str(), made.life, made.order(), made.lost),
        ("mount", open.life, old.order(), false)
    );
    assert!(again.undo.is_sorted_by_key(Effect::order));
    assert_eq!(again.effect_of(&open).map(|it| it.life), Some(open.life), "it is found by its life");
}

#[test]
fn what_is_in_doubt_stands_where_the_lost_one_does() {
    let resting = resting();
    let begun = run(&after(&resting, lost(&resting, "publish", None)), "publish", None);
    let old = resting.effect("publish", None).unwrap().order();
    let aside = after(&begun, Event::SetAside { aborting: false });
    assert_eq!(aside.unconfirmed.iter().map(Unconfirmed::order).collect::<Vec<_>>(), [old]);
    let again = run(&aside, "publish", None);
    let open = again.intent.clone().unwrap();
    assert_eq!((open.life, open.order(), open.attempt), (begun.intent.unwrap().life, old, 2));
    // On the way back it is made known beside the lost one, which is undone after it.
    let turned = after(&aside, Event::Turned { direction: Direction::Deleting, to: None, at: at() });
    let found = after(&run_back(&turned, "publish"), reached("Online", &[("site", "two")]));
    let sites: Vec<_> =
        found.undo.iter().filter(|it| it.transition == "publish").map(|it| (it.life, it.lost)).collect();
    assert_eq!(sites, [(resting.effect("publish", None).unwrap().life, true), (open.life, false)]);
}

fn run_back(record: &Record, transition: &str) -> Record {
    run(record, transition, None)
}

#[test]
fn a_rewind_keeps_what_was_made_again_below_its_mark() {
    let resting = resting();
    let mark = resting.mark("Online").unwrap().seq;
    assert!(resting.effect("publish", None).unwrap().order() <= mark);
    let again = after(
        &run(&after(&resting, lost(&resting, "publish", None)), "publish", None),
        reached("Online", &[("site", "two")]),
    );
    assert_eq!(again.facts.value("site"), Some(&json!("two")));
    let away = LostFlow::GRAPH.state("Away").unwrap().0;
    let made = Made { state: away, facts: Facts::default() };
    let gone = after(&again, Event::Derived { transition: "go_away".to_owned(), made, at: at() });
    let to = Some("Online".to_owned());
    let turned = after(&gone, Event::Turned { direction: Direction::RollingBack, to, at: at() });
    let back = after(&turned, Event::RolledBack { at: at() });
    assert_eq!((back.state.as_str(), back.facts.value("site")), ("Online", Some(&json!("two"))));
}

#[test]
fn a_lost_member_leaves_its_set() {
    let resting = resting();
    let gone = after(&resting, lost(&resting, "add", Some("ann")));
    assert!(gone.facts.subjects("users").is_empty() && gone.effect("add", Some("ann")).is_none());
    assert_eq!(gone.undone, resting.undone, "it was not undone");
    assert_eq!(gone.facts.subjects("size"), ["5"]);
    let again = run(&gone, "add", Some("ann")).intent.unwrap();
    assert_eq!((again.life, again.attempt), (gone.seq + 1, 1));
}
