//! Planted bugs: a driver, store, clock or author with one fault each. Invariant: every one is found, by the oracle that is there for it,
//! with no more faults than it takes.

mod leaving;
mod machines;
mod outside;
mod roll_back;
mod seams;
mod specs;

use machines::{Adopting, Keeping, Keyed, Looping, Opaque, Queueing, Timed, Trusting, Unseen};
use seams::{BadStore, Bug, StoreBug, bad_steps, slow_clock, stopped_clock};

use super::run::Rig;
use super::{Failure, Oracle, World, explore};
use crate::record::{Action, Direction, Held, HeldReason, Record, Stamp};
use std::sync::Arc;

/// What is found, with up to two faults.
fn found<W: World>(plant: impl FnOnce(&mut Rig<W>)) -> Failure {
    let explored = explore::<W>().rig(plant).faults(2).threads(1).run();
    *explored.expect_err("the bug was not found")
}

/// That it is found by this oracle, with these faults and no fewer.
#[track_caller]
fn assert_found(failure: &Failure, oracle: Oracle, plan: &str) {
    assert_eq!((failure.violation.oracle, failure.plan.to_string().as_str()), (oracle, plan), "{failure}");
}

fn store<W: World>(bug: StoreBug) -> Failure {
    found::<W>(|rig| rig.store = Box::new(move |store| Arc::new(BadStore(store, bug))))
}

fn forgetful<W: World>(forget: fn(&mut Record, Option<&Record>)) -> Failure {
    store::<W>(StoreBug::Forgets(forget))
}

fn steps<W: World>(bug: Bug) -> Failure {
    found::<W>(|rig| rig.steps = Box::new(move |steps| bad_steps(steps, bug)))
}

#[test]
fn with_all_bugs_off_nothing_is_found() {
    explore::<Keyed>().faults(2).run().unwrap();
    explore::<Opaque>().faults(2).run().unwrap();
    explore::<Looping>().faults(2).run().unwrap();
    explore::<Keeping>().run().unwrap();
}

#[test]
fn no_compare_and_swap() {
    assert_found(&store::<Keyed>(StoreBug::NoCompare), Oracle::History, "make_a/intent#1=switch");
}

#[test]
fn intent_after_effect() {
    assert_found(&store::<Keyed>(StoreBug::IntentLater), Oracle::IntentFirst, "");
}

#[test]
fn no_take_over_write() {
    let failure = store::<Keyed>(StoreBug::NoTakeOver);
    assert_found(&failure, Oracle::IntentFirst, "make_a/intent#1=crash-after");
}

#[test]
fn record_removed_early() {
    assert_found(&store::<Keyed>(StoreBug::RemovedEarly), Oracle::Finalizer, "");
}

#[test]
fn record_reset_when_it_cannot_be_read() {
    let failure = store::<Keyed>(StoreBug::Reset);
    assert_found(&failure, Oracle::History, "pass#2=removed");
}

#[test]
fn stale_load() {
    let failure = store::<Keyed>(StoreBug::StaleLoad);
    assert_found(&failure, Oracle::History, "");
}

#[test]
fn a_pass_for_a_namesake_that_is_gone() {
    let failure = store::<Keyed>(StoreBug::Nameless);
    assert_found(&failure, Oracle::HeldForReason, "make_a/intent#1=delete; pass#2=made-again");
}

#[test]
fn pause_ignored() {
    let failure = store::<Keyed>(StoreBug::Deaf(|signals| signals.paused = false));
    assert_found(&failure, Oracle::IntentFirst, "pass#1=suspended");
}

#[test]
fn newer_spec_not_noticed_during_a_pass() {
    let failure = store::<Keyed>(StoreBug::Deaf(|signals| signals.generation = None));
    assert_found(&failure, Oracle::IntentFirst, "make_a/intent#1=edit");
}

#[test]
fn commit_before_effect() {
    assert_found(&steps::<Keyed>(Bug::CommitFirst), Oracle::IntentFirst, "");
}

#[test]
fn key_from_a_random_number() {
    assert_found(&steps::<Keyed>(Bug::RandomKey), Oracle::IntentFirst, "");
}

#[test]
fn key_from_the_time() {
    assert_found(&steps::<Keyed>(Bug::KeyOfTime), Oracle::IntentFirst, "");
}

#[test]
fn undo_list_not_reversed() {
    fn in_order(record: &mut Record, _: Option<&Record>) {
        if record.intent.as_ref().is_some_and(|intent| intent.action == Action::Undo) {
            record.undo.reverse();
        }
    }
    assert_found(&forgetful::<Keyed>(in_order), Oracle::Edge, "");
}

#[test]
fn uncertain_step_not_undone() {
    fn drop_doubt(record: &mut Record, _: Option<&Record>) {
        let first = record.intent.as_ref().is_some_and(|it| it.action == Action::Run && it.attempt == 1);
        if record.direction == Direction::Deleting && first {
            record.intent = None;
        }
    }
    let failure = forgetful::<Keyed>(drop_doubt);
    assert_found(&failure, Oracle::Orphan, "make_a/effect#1=crash-after; pass#2=delete");
}

#[test]
fn doubt_forgotten_after_a_later_refusal() {
    fn forget(record: &mut Record, _: Option<&Record>) {
        let refused = record.retry.as_ref().is_some_and(|retry| retry.class == "not-applied" && retry.count == 2);
        if refused && record.intent.as_ref().is_some_and(|intent| intent.attempt == 2) {
            record.intent = None;
            record.unconfirmed.clear();
        }
    }
    let failure = forgetful::<Keyed>(forget);
    assert_found(&failure, Oracle::Orphan, "make_a/effect#1=reply-lost; make_a/effect#2=not-applied");
}

#[test]
fn retry_count_not_persisted() {
    fn forget(record: &mut Record, _: Option<&Record>) {
        record.retry = None;
    }
    let failure = forgetful::<Keyed>(forget);
    assert_found(&failure, Oracle::History, "make_a/effect#1=reply-lost");
}

fn hold(record: &mut Record, reason: HeldReason) {
    record.blocked = None;
    record.held = Some(Held { reason, message: String::new(), since: record.since });
}

#[test]
fn every_doubt_is_held() {
    fn hold_doubt(record: &mut Record, _: Option<&Record>) {
        if record.retry.is_some() && record.intent.as_ref().is_some_and(|intent| intent.in_doubt) {
            hold(record, HeldReason::InDoubt);
        }
    }
    assert_found(&forgetful::<Keyed>(hold_doubt), Oracle::HeldForReason, "make_a/effect#1=reply-lost");
}

#[test]
fn a_refusal_is_held_as_if_it_were_in_doubt() {
    fn hold_refused(record: &mut Record, _: Option<&Record>) {
        if record.retry.as_ref().is_some_and(|retry| retry.class == "not-applied") {
            hold(record, HeldReason::InDoubt);
        }
    }
    assert_found(&forgetful::<Opaque>(hold_refused), Oracle::HeldForReason, "buy/effect#1=not-applied");
}

#[test]
fn a_rejection_is_held() {
    fn hold_blocked(record: &mut Record, _: Option<&Record>) {
        if record.blocked.is_some() {
            hold(record, HeldReason::NotOurs);
        }
    }
    assert_found(&forgetful::<Keyed>(hold_blocked), Oracle::HeldForReason, "make_a/effect#1=rejected");
}

#[test]
fn rewind_that_leaves_what_was_made_since() {
    fn arrive(record: &mut Record, _: Option<&Record>) {
        if let Some(to) = record.to.take().filter(|_| record.direction == Direction::RollingBack) {
            record.direction = Direction::Forward;
            record.state = to;
            record.intent = None;
        }
    }
    let failure = forgetful::<Looping>(arrive);
    assert_found(&failure, Oracle::Edge, "");
}

#[test]
fn rewind_that_undoes_what_was_there_before() {
    fn lower(record: &mut Record, _: Option<&Record>) {
        for mark in &mut record.marks {
            mark.seq = 0;
        }
    }
    let failure = forgetful::<Looping>(lower);
    assert_found(&failure, Oracle::Edge, "");
    assert!(failure.violation.message.contains("below the mark"), "{failure}");
}

#[test]
fn undo_entry_lost() {
    fn lose(record: &mut Record, _: Option<&Record>) {
        if record.undo.len() > 1 {
            record.undo.list_mut().remove(0);
        }
    }
    assert_found(&forgetful::<Keyed>(lose), Oracle::Orphan, "");
}

#[test]
fn undo_entry_lost_where_nobody_sees_what_exists() {
    fn lose(record: &mut Record, _: Option<&Record>) {
        if record.undo.len() > 1 {
            record.undo.list_mut().remove(0);
        }
    }
    assert_found(&forgetful::<Unseen>(lose), Oracle::Edge, "");
}

#[test]
fn more_taken_off_than_was_undone() {
    fn clear(record: &mut Record, durable: Option<&Record>) {
        let undoing = durable.and_then(|durable| durable.intent.as_ref()).is_some_and(|it| it.action == Action::Undo);
        if undoing {
            record.undo.list_mut().clear();
        }
    }
    assert_found(&forgetful::<Unseen>(clear), Oracle::Edge, "");
}

#[test]
fn record_of_another_origin() {
    fn adopt(record: &mut Record, _: Option<&Record>) {
        if record.state == "MadeA" {
            "uid-2".clone_into(&mut record.origin);
        }
    }
    assert_found(&forgetful::<Keyed>(adopt), Oracle::History, "");
}

#[test]
fn record_of_another_machine() {
    fn rename(record: &mut Record, _: Option<&Record>) {
        if record.state == "MadeA" {
            "planted/other".clone_into(&mut record.machine);
        }
    }
    assert_found(&forgetful::<Keyed>(rename), Oracle::History, "");
}

#[test]
fn time_out_taken_as_failure() {
    let failure = steps::<Opaque>(Bug::UnknownIsFailure);
    assert_found(&failure, Oracle::SingleEffect, "buy/effect#1=reply-lost");
}

#[test]
fn no_deadline_check_before_sending() {
    let failure = found::<Keyed>(|rig| rig.clock = Box::new(stopped_clock));
    assert_found(&failure, Oracle::IntentFirst, "make_a/effect#1=pause");
}

#[test]
fn repeat_with_a_newer_spec() {
    let failure = steps::<Keyed>(Bug::NewerSpec);
    assert_found(&failure, Oracle::ExactResume, "make_a/effect#1=unacceptable");
}

#[test]
fn undo_that_does_nothing() {
    assert_found(&steps::<Keyed>(Bug::IdleUndo), Oracle::Orphan, "");
}

#[test]
fn undo_that_never_succeeds() {
    assert_found(&steps::<Keyed>(Bug::NoUndo), Oracle::Quiescent, "");
}

#[test]
fn guard_that_cannot_make_up_its_mind() {
    assert_found(&steps::<Keyed>(Bug::FickleGuard), Oracle::Stable, "");
}

#[test]
fn adoption_without_proof() {
    let failure = *explore::<Adopting>().run().expect_err("not found");
    assert_found(&failure, Oracle::Author, "");
}

#[test]
fn resumed_step_taken_as_done() {
    let failure = *explore::<Trusting<false>>().threads(1).run().expect_err("not found");
    assert_found(&failure, Oracle::SameAsClean, "make/intent#1=crash-after");
}

/// Only a run that comes to its second step late goes wrong, though all that is recorded and all that exists is as without the delay.
#[test]
fn method_that_minds_the_time() {
    let failure = *explore::<Timed>().run().expect_err("not found");
    assert_found(&failure, Oracle::SingleEffect, "pass#1=suspended");
}

/// What is made after its undo is found also where nothing else was made, so that the record is gone by then.
#[test]
fn request_carried_out_later_than_declared() {
    let failure = *explore::<Queueing>().run().expect_err("not found");
    assert_found(&failure, Oracle::Orphan, "make/effect#1=late");
}

#[test]
fn step_left_half_done() {
    let failure = *explore::<Trusting<true>>().run().expect_err("not found");
    assert_found(&failure, Oracle::Author, "");
}

#[test]
fn step_left_out() {
    fn jump(record: &mut Record, _: Option<&Record>) {
        if record.state == "MadeA" {
            "Ready".clone_into(&mut record.state);
        }
    }
    assert_found(&forgetful::<Keyed>(jump), Oracle::Edge, "");
}

#[test]
fn method_given_other_facts() {
    assert_found(&steps::<Keyed>(Bug::OtherFacts), Oracle::ExactResume, "");
}

#[test]
fn record_written_after_its_removal() {
    let failure = store::<Keyed>(StoreBug::Revives);
    assert_found(&failure, Oracle::History, "");
    assert!(failure.violation.message.contains("a resource that is gone"), "{failure}");
}

#[test]
fn deletion_held_in_doubt() {
    fn hold_deletion(record: &mut Record, _: Option<&Record>) {
        if record.direction == Direction::Deleting && record.intent.as_ref().is_some_and(|it| it.action == Action::Run)
        {
            hold(record, HeldReason::InDoubt);
        }
    }
    let failure = forgetful::<Opaque>(hold_deletion);
    assert_found(&failure, Oracle::Quiescent, "pass#2=forgotten");
    assert!(failure.violation.message.starts_with("a deletion is held"), "{failure}");
}

#[test]
fn delays_of_no_origin() {
    let failure = steps::<Keyed>(Bug::AnyDelay);
    // Which runs are done twice depends on hashes, so the plan is not pinned.
    assert_eq!(failure.violation.oracle, Oracle::Nondeterministic, "{failure}");
}

/// The same things happen at the same places and times; only the record's text differs.
#[test]
fn texts_of_no_origin() {
    let failure = steps::<Keyed>(Bug::AnyText);
    assert_found(&failure, Oracle::Nondeterministic, "pass#1=edit; make_b/effect#1=rejected");
}

#[test]
fn undone_though_nobody_has_deleted_it() {
    fn turn(record: &mut Record, _: Option<&Record>) {
        if record.state == "MadeA" {
            record.direction = Direction::Deleting;
            record.intent = None;
        }
    }
    assert_found(&forgetful::<Keyed>(turn), Oracle::Edge, "");
}

#[test]
fn moves_while_it_is_undone() {
    fn move_on(record: &mut Record, _: Option<&Record>) {
        if record.direction == Direction::Deleting {
            "Requested".clone_into(&mut record.state);
        }
    }
    assert_found(&forgetful::<Unseen>(move_on), Oracle::Edge, "");
}

#[test]
fn take_over_with_another_spec() {
    fn renew(record: &mut Record, _: Option<&Record>) {
        if let Some(intent) = record.intent.as_mut().filter(|intent| intent.attempt > 1) {
            intent.spec = Some(serde_json::Value::from(99).into());
        }
    }
    let failure = forgetful::<Keyed>(renew);
    assert_found(&failure, Oracle::ExactResume, "make_a/intent#1=crash-after");
    assert!(failure.violation.message.contains("goes on with another spec"), "{failure}");
}

#[test]
fn tried_again_too_early() {
    fn hurry(record: &mut Record, _: Option<&Record>) {
        if let Some(retry) = &mut record.retry {
            retry.at = Stamp::from(std::time::SystemTime::UNIX_EPOCH);
        }
    }
    let failure = forgetful::<Keyed>(hurry);
    assert_found(&failure, Oracle::History, "make_a/effect#1=overtaken");
    assert!(failure.violation.message.contains("before its time"), "{failure}");
}

#[test]
fn deletion_not_noticed_during_a_pass() {
    let failure = store::<Keyed>(StoreBug::Deaf(|signals| signals.deleting = false));
    assert_found(&failure, Oracle::IntentFirst, "make_a/intent#1=delete");
}

#[test]
fn deadline_on_a_slow_clock() {
    let failure = found::<Keyed>(|rig| rig.clock = Box::new(slow_clock));
    assert_found(&failure, Oracle::IntentFirst, "make_a/intent#1=slow");
    assert!(failure.violation.message.contains("after its deadline"), "{failure}");
}

#[test]
fn outcome_not_durable_before_a_look() {
    let failure = store::<Keeping>(StoreBug::OutcomeLater);
    assert_found(&failure, Oracle::IntentFirst, "");
    assert!(failure.violation.message.contains("looks before the outcome of `publish`"), "{failure}");
}

#[test]
fn held_before_it_is_quiet() {
    fn hold_at_once(record: &mut Record, _: Option<&Record>) {
        if record.direction.is_forward() && record.intent.as_ref().is_some_and(|intent| intent.in_doubt) {
            hold(record, HeldReason::InDoubt);
        }
    }
    let failure = forgetful::<Opaque>(hold_at_once);
    assert_found(&failure, Oracle::HeldForReason, "buy/effect#1=reply-lost");
    assert!(failure.violation.message.contains("has landed"), "{failure}");
}

#[test]
fn step_before_its_sets_are_complete() {
    let failure = steps::<Keeping>(Bug::Wants(|_, there| there));
    assert_found(&failure, Oracle::Edge, "");
    assert!(failure.violation.message.contains("before the set of `add_image` is complete"), "{failure}");
}

#[test]
fn member_made_before_the_old_one_is_undone() {
    let failure = steps::<Keeping>(Bug::Wants(|wanted, there| &wanted | &there));
    assert_found(&failure, Oracle::Edge, "");
    assert!(failure.violation.message.contains("makes a member before image-1 is undone"), "{failure}");
}

#[test]
fn member_undone_before_the_new_one_is_made() {
    let failure = steps::<Keeping>(Bug::Wants(|wanted, there| {
        // An empty set is filled as it should be.
        if there.is_empty() { wanted } else { &wanted & &there }
    }));
    assert_found(&failure, Oracle::Edge, "");
    assert!(failure.violation.message.contains("is undone before author-2 is made"), "{failure}");
}

#[test]
fn resumed_step_taken_as_done_after_an_edit() {
    let failure = steps::<Keyed>(Bug::TrustsAfterEdit);
    assert_found(&failure, Oracle::SameAsClean, "pass#1=edit; make_a/intent#1=crash-after");
    assert!(failure.violation.message.contains("nothing of it exists"), "{failure}");
}

/// That nothing is known of an edit is found before, where it matters more; here a refusal has come before it.
#[test]
fn blocked_for_a_spec_that_is_no_longer_wanted() {
    let plan = "make_a/effect#1=rejected; pass#2=edit".parse().unwrap();
    let explorer = explore::<Keyed>().rig(|rig| {
        rig.store = Box::new(|store| Arc::new(BadStore(store, StoreBug::Deaf(|signals| signals.generation = None))));
        rig.steps = Box::new(|steps| bad_steps(steps, Bug::FirstGeneration));
    });
    let failure = explorer.replay(&plan).unwrap_err();
    assert_eq!(failure.violation.oracle, Oracle::Quiescent, "{failure}");
    assert!(failure.violation.message.contains("no longer wanted"), "{failure}");
}

#[test]
fn a_fault_without_occasion_fails() {
    for plan in ["make_a/effect#9=crash", "make_z/effect#1=crash"] {
        let failure = explore::<Keyed>().replay(&plan.parse().unwrap()).unwrap_err();
        assert_eq!(failure.violation.oracle, Oracle::NotFired, "{failure}");
    }
}

#[test]
fn an_edge_without_occasion_fails() {
    let failure = *explore::<Keyed>().resources(vec![Keyed::resource()]).run().unwrap_err();
    assert_eq!(failure.violation.oracle, Oracle::NotFired, "{failure}");
    // Without the edge, nothing is asked of what comes only with it.
    assert!(failure.violation.message.contains("for: apply -> Ready; give it one"), "{failure}");
    assert!(failure.violation.message.ends_with("unreached { \"apply -> Ready\" }"), "{failure}");
    let failure = *explore::<Keyed>().unreached("apply -> Ready").run().unwrap_err();
    assert!(failure.to_string().contains("apply -> Ready (it has)"), "{failure}");
    for (what, why) in [
        ("take-over make_a", "it has"),
        ("fault rejected", "it has"),
        ("apply -> Redy", "there is no such thing"),
        ("lookup make_a", "there is no such thing"),
    ] {
        let failure = *explore::<Keyed>().unreached(what).run().unwrap_err();
        assert!(failure.to_string().contains(&format!("{what} ({why})")), "{failure}");
    }
}
