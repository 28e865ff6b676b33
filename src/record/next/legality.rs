//! What may happen to a record and what may not, event by event.

mod back;
mod lost;

use std::time::Duration;

use serde_json::{Value, json};

use super::{may_remove, next};
use crate::machine::Made;
use crate::record::{
    Action, BlockedReason, Direction, Event, Expected, HISTORY, Held, HeldReason, Illegal, Lives, Mark, Record,
    Resolution, Stamp, Unconfirmed,
};
use crate::{Class, Each, Facts, Fsm, Resource, ResourceId};

#[derive(Clone)]
pub(crate) struct App;

impl Resource for App {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("", "app")
    }
    fn uid(&self) -> &str {
        "uid-1"
    }
    fn spec(&self) -> &() {
        &()
    }
}

/// One step of each shape.
#[derive(Fsm)]
#[fsm(name = "test/legal", version = 1, resource = App, on_rejected = undo)]
pub(crate) enum LegalFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(look -> Made1, when = looks, in_doubt = lookup, undo = unlook)]
    #[transition(make -> Made1, in_doubt = repeat, undo = unmake)]
    Requested,
    /// One thing.
    #[transition(keep -> Kept, in_doubt = repeat, undo = retain)]
    Made1 { a: String },
    /// And one that stays.
    #[transition(place -> Here | There, in_doubt = repeat, undo = displace)]
    Kept { k: String },
    /// Placed here.
    #[transition(tell_here -> Told, no_effect)]
    Here { h: String },
    /// Placed there.
    #[transition(tell_there -> Told, no_effect)]
    There { t: String },
    /// All told.
    #[fsm(resting)]
    #[transition(renote -> Told, when = is_stale, in_doubt = repeat, undo = none)]
    #[transition(replace -> Kept, when = is_misplaced, rewind)]
    #[transition(add, for_each = members, in_doubt = repeat, undo = remove)]
    #[transition(list, for_each = names, in_doubt = repeat, undo = none)]
    #[transition(add_look, for_each = looked, in_doubt = lookup, undo = remove_look)]
    Told { members: Each<String, String>, names: Each<String, String>, looked: Each<String, String>, note: String },
}

fn at() -> Stamp {
    Stamp::from(std::time::SystemTime::UNIX_EPOCH)
}

fn after(record: &Record, event: Event) -> Record {
    next(&LegalFlow::GRAPH, record, event).unwrap()
}

#[track_caller]
fn refused(record: &Record, event: Event) -> Illegal {
    next(&LegalFlow::GRAPH, record, event).unwrap_err()
}

fn fresh() -> Record {
    Record { seq: 1, ..Record::initial(&LegalFlow::GRAPH, "uid-1", at()) }
}

fn at_state(state: &str) -> Record {
    Record { state: state.to_owned(), seq: 9, ..fresh() }
}

fn intent(transition: &str, subject: Option<&str>, action: Action) -> Event {
    let (transition, subject) = (transition.to_owned(), subject.map(str::to_owned));
    Event::Intended {
        transition,
        subject,
        action,
        holder: "h/0.1".to_owned(),
        deadline: at(),
        spec: Some(json!(1).into()),
    }
}

fn run(transition: &str) -> Event {
    intent(transition, None, Action::Run)
}

fn reached(state: &str, fact: &str) -> Event {
    let state = LegalFlow::GRAPH.state(state).unwrap().0;
    Event::Reached { made: Made { state, facts: facts(fact) }, found: false, at: at() }
}

fn facts(fact: &str) -> Facts {
    std::iter::once((fact.to_owned(), json!("x"))).collect()
}

fn failed(class: Class) -> Event {
    Event::Failed { class, error: "no".to_owned(), at: at(), after: Duration::from_secs(1), generation: 0 }
}

fn unconfirmed(transition: &str, life: u64, in_doubt: bool, spec: Value) -> Unconfirmed {
    Unconfirmed {
        transition: transition.to_owned(),
        subject: None,
        life,
        order: None,
        attempt: 2,
        in_doubt,
        aborting: false,
        unmaking: false,
        spec: Some(spec.into()),
        saved: Facts::default(),
    }
}

fn held(reason: HeldReason) -> Option<Held> {
    Some(Held { reason, message: String::new(), since: at() })
}

fn backward(record: Record) -> Record {
    Record { direction: Direction::Deleting, ..record }
}

/// Its first thing is made, and live.
fn made() -> Record {
    after(&after(&fresh(), run("make")), reached("Made1", "a"))
}

/// It has a member, which is live.
fn with_member() -> Record {
    let begun = after(&at_state("Told"), intent("add", Some("ann"), Action::Run));
    after(&begun, Event::Member { value: json!("ann-1"), found: false, at: at() })
}

#[test]
fn an_intent_begins_only_where_its_transition_does() {
    assert!(refused(&fresh(), run("keep")).to_string().contains("does not start at Requested"));
    assert!(refused(&fresh(), run("nothing")).to_string().contains("no transition `nothing`"));
    assert!(refused(&at_state("Here"), run("tell_here")).to_string().contains("has no effect"));
    assert!(refused(&at_state("Told"), run("add")).to_string().contains("wrong kind of subject"));
    refused(&fresh(), intent("make", Some("ann"), Action::Run));
    refused(&after(&fresh(), run("make")), run("make"));
    refused(&Record { held: held(HeldReason::NotOurs), ..fresh() }, run("make"));
}

#[test]
fn a_life_goes_on_only_for_the_same_step_and_spec() {
    let life = |record: &Record| {
        let intent = record.intent.as_ref().unwrap();
        (intent.life, intent.attempt, intent.in_doubt)
    };
    assert_eq!(life(&after(&fresh(), run("make"))), (2, 1, false));
    let sent = |unconfirmed: Unconfirmed| Record { unconfirmed: vec![unconfirmed], ..at_state("Made1") };
    assert_eq!(life(&after(&sent(unconfirmed("keep", 5, true, json!(1))), run("keep"))), (5, 3, true));
    let doubted = after(&sent(unconfirmed("keep", 5, true, json!(2))), run("keep"));
    assert_eq!(life(&doubted), (5, 3, true), "no other life begins beside one in doubt");
    let open = doubted.intent.as_ref().unwrap();
    assert_eq!(doubted.spec_of(open), Some(&json!(2).into()), "and it is sent with its own spec");
    assert_eq!(open.spec, None, "which stands with the unconfirmed step, and only there");
    assert_eq!(life(&after(&sent(unconfirmed("keep", 5, false, json!(2))), run("keep"))), (10, 1, false));
    assert_eq!(life(&after(&sent(unconfirmed("make", 5, true, json!(1))), run("keep"))), (10, 1, false));
    let again = refused(&with_member(), intent("add", Some("ann"), Action::Run));
    assert!(again.to_string().contains("lives"), "one key is never sent with two specs");
}

#[test]
fn undo_and_abort_want_something_to_undo() {
    assert!(refused(&made(), intent("make", None, Action::Undo)).to_string().contains("goes forward"));
    assert!(refused(&backward(fresh()), intent("make", None, Action::Undo)).to_string().contains("not live"));
    assert!(refused(&fresh(), intent("make", None, Action::Abort)).to_string().contains("never sent"));
    assert!(refused(&backward(fresh()), run("make")).to_string().contains("never sent"));
    let undoing = after(&backward(made()), intent("make", None, Action::Undo));
    assert_eq!(undoing.intent.as_ref().unwrap().action, Action::Undo);
    assert!(after(&undoing, Event::Undone { at: at() }).undo.is_empty());
    assert!(refused(&after(&fresh(), run("make")), Event::Undone { at: at() }).to_string().contains("not its undo"));
    refused(&fresh(), Event::Undone { at: at() });
    // A member may be undone while the machine goes forward.
    let undoing = after(&with_member(), intent("add", Some("ann"), Action::Undo));
    let undone = after(&undoing, Event::Undone { at: at() });
    assert!(undone.undo.is_empty() && undone.facts.subjects("members").is_empty());
}

#[test]
fn an_outcome_wants_an_intent_of_its_kind() {
    refused(&fresh(), reached("Made1", "a"));
    let undoing = after(&backward(made()), intent("make", None, Action::Undo));
    assert!(refused(&undoing, reached("Made1", "a")).to_string().contains("under way for Undo"));
    refused(&after(&fresh(), run("make")), reached("Kept", "k"));
    refused(&after(&fresh(), run("make")), Event::Member { value: json!(1), found: false, at: at() });
    refused(&fresh(), Event::Withdrawn);
    refused(&undoing, Event::SeenAbsent);
    refused(&fresh(), Event::TakenOver { holder: "h".to_owned(), deadline: at() });
}

#[test]
fn a_branch_says_where_it_led_and_an_edge_does_not() {
    assert_eq!(made().undo[0].state, None);
    let placed = after(&after(&at_state("Kept"), run("place")), reached("There", "t"));
    assert_eq!((placed.state.as_str(), placed.undo[0].state.as_deref()), ("There", Some("There")));
}

#[test]
fn a_step_without_effect_is_taken_only_when_nothing_else_is_under_way() {
    let (to, facts) = (LegalFlow::GRAPH.state("Told").unwrap().0, facts("note"));
    let tell = |transition: &str, state: usize| Event::Derived {
        transition: transition.to_owned(),
        made: Made { state, facts: facts.clone() },
        at: at(),
    };
    let here = at_state("Here");
    assert_eq!(after(&here, tell("tell_here", to)).state, "Told");
    refused(&here, tell("tell_there", to));
    refused(&here, tell("tell_here", 0));
    refused(&backward(here.clone()), tell("tell_here", to));
    refused(&Record { held: held(HeldReason::NotOurs), ..here.clone() }, tell("tell_here", to));
    let open = after(&fresh(), run("make")).intent;
    refused(&Record { intent: open, ..here }, tell("tell_here", to));
    refused(&fresh(), tell("make", 1));
}

#[test]
fn what_did_not_happen_leaves_a_mark_and_no_intent() {
    let sent = after(&fresh(), run("make"));
    let not_applied = after(&sent, failed(Class::NOT_APPLIED));
    assert!(not_applied.intent.is_none() && not_applied.unconfirmed.len() == 1 && !not_applied.unconfirmed[0].in_doubt);
    let unknown = after(&sent, failed(Class::Unknown));
    assert!(unknown.intent.as_ref().unwrap().in_doubt && unknown.unconfirmed.is_empty());
    let doubted = after(&unknown, failed(Class::NOT_APPLIED));
    assert!(doubted.intent.as_ref().unwrap().in_doubt, "what a later attempt says does not clear it");
    assert_eq!(doubted.retry.unwrap().count, 2);
}

#[test]
fn a_failed_undo_is_tried_again() {
    let undoing = after(&backward(made()), intent("make", None, Action::Undo));
    assert!(after(&undoing, failed(Class::NOT_APPLIED)).intent.is_none());
    assert!(after(&undoing, failed(Class::Unknown)).intent.is_some());
    assert!(after(&undoing, failed(Class::Rejected)).intent.is_some());
    let doubted = after(&undoing, failed(Class::Unknown));
    assert!(after(&doubted, failed(Class::NOT_APPLIED)).intent.is_some());
    assert!(!after(&undoing, failed(Class::NOT_APPLIED)).undo.is_empty());
}

#[test]
fn a_refusal_rolls_back_only_a_first_attempt_going_forward() {
    let sent = after(&fresh(), run("make"));
    assert_eq!(after(&sent, failed(Class::Rejected)).direction, Direction::RollingBack);
    let doubted = after(&sent, failed(Class::Unknown));
    assert_eq!(after(&doubted, failed(Class::Rejected)).direction, Direction::Forward);
    let undoing = after(&with_member(), intent("add", Some("ann"), Action::Undo));
    assert_eq!(after(&undoing, failed(Class::Rejected)).direction, Direction::Forward);
}

/// A machine whose requests may be delivered twice, and the same one where they are delivered once.
#[test]
fn a_refusal_is_forgotten_where_requests_are_delivered_once_and_stays_elsewhere() {
    let entry = |transition, in_doubt| Record {
        unconfirmed: vec![unconfirmed(transition, 1, in_doubt, json!(1))],
        ..backward(fresh())
    };
    // On the way back.
    for (transition, class, stays) in [
        ("make", Class::Rejected, true),
        ("make", Class::NotOurs, false),
        ("make", Class::NOT_APPLIED, true),
        ("look", Class::Rejected, false),
        ("look", Class::NotOurs, false),
        ("look", Class::NOT_APPLIED, false),
    ] {
        let refused = after(&after(&entry(transition, false), run(transition)), failed(class));
        assert_eq!(refused.intent, None);
        assert_eq!(!refused.unconfirmed.is_empty(), stays, "{transition} {class:?}");
        assert_eq!(refused.retry.is_some(), stays, "{transition} {class:?}");
        assert_eq!(refused.direction, Direction::Deleting);
        let doubted = after(&after(&entry(transition, true), run(transition)), failed(class));
        assert!(doubted.intent.unwrap().in_doubt, "{transition} {class:?}: an earlier attempt may have made it");
    }
    // Forward it is settled with the next write.
    for (transition, stays) in [("add_look", false), ("add", true)] {
        let of = |subject| intent(transition, Some(subject), Action::Run);
        let refused = after(&after(&at_state("Told"), of("ann")), failed(Class::NOT_APPLIED));
        assert_eq!(refused.unconfirmed.len(), 1, "the same spec continues its life");
        assert_eq!(after(&refused, of("ann")).intent.unwrap().attempt, 2);
        assert_eq!(!after(&refused, of("bob")).unconfirmed.is_empty(), stays, "{transition}");
        let turned = after(&refused, Event::Turned { direction: Direction::Deleting, to: None, at: at() });
        assert_eq!(!turned.unconfirmed.is_empty(), stays, "{transition}");
    }
}

#[test]
fn a_refused_life_that_commits_late_is_undone_before_what_was_made_meanwhile() {
    let refused = Record { unconfirmed: vec![unconfirmed("add", 3, false, json!(1))], ..at_state("Told") };
    let mut refused = Record { seq: 8, ..refused };
    refused.unconfirmed[0].subject = Some("ann".to_owned());
    let bob = after(&refused, intent("add", Some("bob"), Action::Run));
    let bob = after(&bob, Event::Member { value: json!("bob-1"), found: false, at: at() });
    let ann = after(&Record { seq: 12, ..bob }, intent("add", Some("ann"), Action::Run));
    let begun = ann.intent.as_ref().unwrap();
    assert_eq!((begun.life, begun.order()), (3, 13), "the life goes on, and its place is that of the last intent");
    let taken = after(&ann, Event::TakenOver { holder: "h/1.1".to_owned(), deadline: at() });
    assert_eq!(taken.intent.unwrap().order(), 13, "a take-over does not change it");
    let ann = after(&ann, Event::Member { value: json!("ann-1"), found: false, at: at() });
    let orders: Vec<_> = ann.undo.iter().map(|it| (it.subject.as_deref().unwrap(), it.order())).collect();
    assert_eq!(orders, [("bob", 9), ("ann", 13)]);
}

#[test]
fn what_a_reply_has_confirmed_is_clean_and_nothing_else_is() {
    let begun = || after(&at_state("Told"), intent("add", Some("ann"), Action::Run));
    let made = |record: &Record, found| {
        after(record, Event::Member { value: json!("ann-1"), found, at: at() }).undo.last().unwrap().clean
    };
    assert!(made(&begun(), false));
    assert!(!made(&begun(), true), "it was found, so another request has made it");
    let again = after(&after(&begun(), failed(Class::Unknown)), intent("add", Some("ann"), Action::Run));
    assert!(!made(&again, false), "an earlier request may still land");
    let taken = after(&begun(), Event::TakenOver { holder: "h/1.1".to_owned(), deadline: at() });
    assert!(!made(&taken, false));
}

#[test]
fn no_fifth_life_begins_beside_four_that_are_not_settled() {
    let lives = |count| (1..=count).map(|life| unconfirmed("make", life, false, json!(life + 10))).collect();
    let record = |count| Record { seq: 9, unconfirmed: lives(count), ..fresh() };
    assert_eq!(after(&record(3), run("make")).intent.unwrap().life, 10);
    assert!(refused(&record(4), run("make")).to_string().contains("not settled"));
    let held = Record { held: held(HeldReason::Unsettled), ..record(4) };
    let resolution = Resolution::NotApplied;
    let resolved = after(&held, Event::Resolved { resolution, expected: Expected::default(), at: at() });
    assert!(resolved.unconfirmed.is_empty() && resolved.held.is_none());
}

fn not_asked_for(class: Class) -> Event {
    let (at, after) = (at(), Duration::from_secs(1));
    Event::NotAsked { transition: "make".to_owned(), class, error: "no".to_owned(), at, after, generation: 0 }
}

#[test]
fn what_was_undone_going_forward_is_listed_until_it_is_quiet_or_made_again() {
    let of = |record: &Record| record.undone.iter().map(|it| it.of().number).collect::<Vec<_>>();
    let ended = after(&after(&with_member(), intent("add", Some("ann"), Action::Undo)), Event::Undone { at: at() });
    let life = with_member().undo.last().unwrap().life;
    assert_eq!(of(&ended), [life]);
    let quiet = |life| Event::Quiet { transition: "add".to_owned(), subject: Some("ann".to_owned()), life };
    assert_eq!(of(&after(&ended, quiet(life + 1))), [life]);
    assert!(of(&after(&ended, quiet(life))).is_empty());
    assert_eq!(of(&after(&ended, intent("add", Some("bob"), Action::Run))), [life]);
    assert!(of(&after(&ended, intent("add", Some("ann"), Action::Run))).is_empty());
    let back = after(&ended, Event::Turned { direction: Direction::RollingBack, to: None, at: at() });
    let back = Record { undo: Lives::default(), ..back };
    assert!(of(&after(&back, Event::RolledBack { at: at() })).is_empty(), "a roll-back has a wait of its own");
    // Going back nothing is made again, or only after that wait.
    let going_back = after(&after(&backward(made()), intent("make", None, Action::Undo)), Event::Undone { at: at() });
    assert!(of(&going_back).is_empty());
}

#[test]
fn a_hold_that_is_resolved_leaves_the_block_behind_it() {
    let sent = after(&fresh(), run("make"));
    let doubted = after(&after(&sent, failed(Class::Unknown)), failed(Class::Rejected));
    assert!(doubted.blocked.is_some() && doubted.intent.as_ref().unwrap().in_doubt);
    let retry = |record: &Record| {
        after(record, Event::Resolved { resolution: Resolution::Retry, expected: Expected::default(), at: at() })
    };
    assert!(retry(&doubted).blocked.is_none());
    let held = Held { reason: HeldReason::TooLarge, message: String::new(), since: at() };
    let resolved = retry(&Record { held: Some(held), ..doubted.clone() });
    assert!(resolved.held.is_none() && resolved.blocked.is_some());
    // It is known until the next answer comes.
    let taken = after(&doubted, Event::TakenOver { holder: "h/1.1".to_owned(), deadline: at() });
    assert!(taken.blocked.is_some());
    assert!(after(&taken, failed(Class::Unknown)).blocked.is_none());
}

#[test]
fn a_look_up_that_is_refused_for_good_stops_as_an_effect_does() {
    let sent = after(&fresh(), run("make"));
    let rejected = after(&sent, not_asked_for(Class::Rejected));
    assert!(rejected.intent.is_none() && rejected.unconfirmed.is_empty(), "nothing was sent");
    assert_eq!(rejected.blocked.unwrap().reason, BlockedReason::RolledBack);
    assert_eq!(rejected.direction, Direction::RollingBack, "this machine undoes what is rejected");
    assert_eq!(rejected.retry, None, "undoing does not wait as long as beginning again");
    let doubted = after(&after(&sent, failed(Class::Unknown)), not_asked_for(Class::Rejected));
    assert!(
        doubted.intent.is_some() && doubted.blocked.is_some(),
        "a look-up that is refused says nothing of the effect"
    );
    assert_eq!(doubted.direction, Direction::Forward);
    let undoing = after(&backward(made()), intent("make", None, Action::Undo));
    let undoing = after(&undoing, not_asked_for(Class::Rejected));
    assert!(undoing.intent.is_some() && undoing.blocked.is_some() && undoing.direction == Direction::Deleting);
    let theirs = after(&sent, not_asked_for(Class::NotOurs));
    assert_eq!(theirs.held.unwrap().reason, HeldReason::NotOurs);
}

#[test]
fn a_look_up_that_fails_sends_nothing_and_says_nothing() {
    let not_asked = || not_asked_for(Class::Unknown);
    let first = after(&after(&fresh(), run("make")), not_asked());
    assert!(first.intent.is_none() && first.unconfirmed.is_empty());
    assert_eq!(first.retry.unwrap().count, 1);
    let doubted = after(&after(&fresh(), run("make")), failed(Class::Unknown));
    assert!(after(&doubted, not_asked()).intent.is_some());
    let undoing = after(&backward(made()), intent("make", None, Action::Undo));
    assert!(after(&undoing, not_asked()).intent.is_some());
    let again = Record { unconfirmed: vec![unconfirmed("make", 1, false, json!(1))], ..fresh() };
    let again = after(&after(&again, run("make")), not_asked());
    assert!(again.intent.is_none() && again.unconfirmed.len() == 1, "what was sent before stays unconfirmed");
}
