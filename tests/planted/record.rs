//! Bugs of the driver, planted as a record that is written otherwise than the driver gave it.

use super::machines::{Keyed, Looping, Opaque, Unseen};
use super::{assert_found, forgetful};
use crate::record::{Action, Direction, Held, HeldReason, Record, Stamp};
use crate::testing::Oracle;

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
fn undo_entry_lost_where_what_exists_cannot_be_seen() {
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
fn step_left_out() {
    fn jump(record: &mut Record, _: Option<&Record>) {
        if record.state == "MadeA" {
            "Ready".clone_into(&mut record.state);
        }
    }
    assert_found(&forgetful::<Keyed>(jump), Oracle::Edge, "");
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
fn undone_though_it_was_not_deleted() {
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
