//! Going back, to a mark or to nothing, and what operators decide.

use super::*;

#[test]
fn a_member_is_dropped_only_where_nothing_undoes_it() {
    let dropped = |transition: &str| Event::Dropped { transition: transition.to_owned(), subject: "ann".to_owned() };
    assert!(refused(&with_member(), dropped("add")).to_string().contains("has an undo"));
    assert!(refused(&with_member(), dropped("make")).to_string().contains("does not make members"));
    let begun = after(&at_state("Told"), intent("list", Some("ann"), Action::Run));
    let listed = after(&begun, Event::Member { value: json!("a"), found: false, at: at() });
    assert_eq!(listed.facts.subjects("names"), ["ann"]);
    assert!(after(&listed, dropped("list")).facts.subjects("names").is_empty());
}

#[test]
fn what_is_retained_in_doubt_stays_listed() {
    let cleared = |life| Event::Cleared { transition: "keep".to_owned(), subject: None, life };
    let marks = vec![unconfirmed("keep", 3, false, json!(1)), unconfirmed("keep", 4, true, json!(2))];
    let record = backward(Record { unconfirmed: marks, ..at_state("Made1") });
    let certain = after(&record, cleared(3));
    assert!(certain.undo.len() == 1 && certain.unconfirmed.len() == 1, "a duplicate of what was refused may make it");
    let doubtful = after(&record, cleared(4));
    assert!(doubtful.undo.len() == 1 && doubtful.undo[0].life == 4 && doubtful.unconfirmed.len() == 1);
    let make = Event::Cleared { transition: "make".to_owned(), subject: None, life: 3 };
    assert!(refused(&record, make).to_string().contains("has to be resolved"));
}

#[test]
fn it_turns_back_once_and_never_forward() {
    let turned = |direction| Event::Turned { direction, to: None, at: at() };
    let back = after(&fresh(), turned(Direction::RollingBack));
    assert_eq!(after(&back, turned(Direction::Deleting)).direction, Direction::Deleting);
    refused(&back, turned(Direction::RollingBack));
    refused(&back, turned(Direction::Forward));
    refused(&backward(fresh()), turned(Direction::RollingBack));
    refused(&backward(fresh()), turned(Direction::Deleting));
    let again = after(&back, Event::RolledBack { at: at() });
    assert!(again.direction.is_forward() && again.state == "Requested");
    refused(&fresh(), Event::RolledBack { at: at() });
    refused(&Record { direction: Direction::RollingBack, ..made() }, Event::RolledBack { at: at() });
    let sent = Record { unconfirmed: vec![unconfirmed("make", 1, false, json!(1))], ..back.clone() };
    refused(&sent, Event::RolledBack { at: at() });
    refused(&Record { intent: after(&fresh(), run("make")).intent, ..back }, Event::RolledBack { at: at() });
}

/// Its `place` is made here, and it has told, of which its mark at Kept knows nothing.
fn told() -> Record {
    let kept = after(&after(&at_state("Made1"), run("keep")), reached("Kept", "k"));
    let placed = after(&after(&Record { seq: 12, ..kept }, run("place")), reached("Here", "h"));
    let state = LegalFlow::GRAPH.state("Told").unwrap().0;
    let told = ["members", "names", "looked"].map(|set| (set.to_owned(), json!({})));
    let made = Made { state, facts: told.into_iter().chain([("note".to_owned(), json!("old"))]).collect() };
    Record { seq: 14, ..after(&placed, Event::Derived { transition: "tell_here".to_owned(), made, at: at() }) }
}

fn rewinding(to: &str) -> Event {
    Event::Turned { direction: Direction::RollingBack, to: Some(to.to_owned()), at: at() }
}

#[test]
fn a_rewind_undoes_what_is_above_its_mark_and_restores_the_facts() {
    let told = told();
    assert_eq!(told.marks.len(), 1, "one state is named by a rewind");
    assert_eq!((told.marks[0].state.as_str(), told.marks[0].seq), ("Kept", 9), "the write that enters it is later");
    assert_eq!(told.marks[0].added, ["h", "looked", "members", "names", "note"]);
    let back = after(&told, rewinding("Kept"));
    assert_eq!(back.to.as_deref(), Some("Kept"));
    let arrived = Event::RolledBack { at: at() };
    assert!(refused(&back, arrived.clone()).to_string().contains("not undone"));
    let undone = after(&after(&back, intent("place", None, Action::Undo)), Event::Undone { at: at() });
    let kept = after(&Record { seq: 16, ..undone }, arrived);
    assert_eq!((kept.state.as_str(), kept.direction, kept.to.as_deref()), ("Kept", Direction::Forward, None));
    assert_eq!(kept.facts.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["k"]);
    assert_eq!((kept.marks[0].seq, kept.marks[0].added.len()), (16, 0), "the mark is renewed");
    assert_eq!(kept.undo.len(), 1, "what is below the mark stays");
}

#[test]
fn an_overwritten_fact_has_its_old_value_after_a_rewind() {
    let mut told = told();
    told.marks[0] =
        Mark { state: "Kept".to_owned(), seq: 9, entered_by: None, saved: Facts::default(), added: Vec::new() };
    let state = LegalFlow::GRAPH.state("Told").unwrap().0;
    for note in ["new", "newer"] {
        let made = Made { state, facts: std::iter::once(("note".to_owned(), json!(note))).collect() };
        told = after(&after(&told, run("renote")), Event::Reached { made, found: false, at: at() });
    }
    assert_eq!(told.marks[0].saved.value("note"), Some(&json!("old")), "the first value since the mark");
    let back = after(&told, rewinding("Kept"));
    let undone = after(&after(&back, intent("place", None, Action::Undo)), Event::Undone { at: at() });
    assert_eq!(after(&undone, Event::RolledBack { at: at() }).facts.value("note"), Some(&json!("old")));
}

#[test]
fn a_rewind_needs_a_mark_and_a_declaration() {
    let told = told();
    assert!(refused(&told, rewinding("Made1")).to_string().contains("no rewind leads"));
    let unmarked = Record { marks: Vec::new(), ..told.clone() };
    assert!(refused(&unmarked, rewinding("Kept")).to_string().contains("no mark"));
    let elsewhere = Record { state: "Here".to_owned(), ..told.clone() };
    assert!(refused(&elsewhere, rewinding("Kept")).to_string().contains("no rewind leads"));
    // A deletion in the middle goes all the way.
    let deleted =
        after(&after(&told, rewinding("Kept")), Event::Turned { direction: Direction::Deleting, to: None, at: at() });
    assert_eq!((deleted.direction, deleted.to), (Direction::Deleting, None));
}

#[test]
fn a_record_is_removed_only_when_nothing_is_left() {
    let may = |record: &Record| may_remove(&LegalFlow::GRAPH, record);
    assert!(may(&fresh()).unwrap_err().to_string().contains("not to be deleted"));
    assert!(may(&backward(fresh())).is_ok());
    assert!(may(&backward(made())).unwrap_err().to_string().contains("`make` is not undone"));
    assert!(may(&backward(after(&fresh(), run("make")))).unwrap_err().to_string().contains("under way"));
    let sent = Record { unconfirmed: vec![unconfirmed("make", 1, false, json!(1))], ..backward(fresh()) };
    assert!(may(&sent).unwrap_err().to_string().contains("not resolved"));
    let kept = after(&after(&at_state("Made1"), run("keep")), reached("Kept", "k"));
    assert!(kept.undo.len() == 1 && may(&backward(kept)).is_ok(), "what is retained stays behind");
}

#[test]
fn an_operator_decides_what_is_open_and_nothing_else() {
    let resolved = |resolution| Event::Resolved { resolution, expected: Expected::default(), at: at() };
    assert!(refused(&fresh(), resolved(Resolution::Retry)).to_string().contains("nothing is held"));
    let sent = after(&fresh(), run("make"));
    let doubt = Record { held: held(HeldReason::InDoubt), ..after(&sent, failed(Class::Unknown)) };
    assert!(refused(&doubt, resolved(Resolution::Retry)).to_string().contains("in doubt"));
    let gone = after(&doubt, resolved(Resolution::NotApplied));
    assert!(gone.intent.is_none() && gone.held.is_none() && gone.retry.is_none());
    let applied = Resolution::Applied { state: "Made1".to_owned(), facts: facts("a") };
    assert_eq!(after(&doubt, resolved(applied.clone())).state, "Made1");
    let nowhere = Resolution::Applied { state: "Nowhere".to_owned(), facts: facts("a") };
    refused(&doubt, resolved(nowhere));
    let undoing = after(&backward(made()), intent("make", None, Action::Undo));
    let stuck = Record { held: held(HeldReason::NotOurs), ..undoing };
    assert!(refused(&stuck, resolved(Resolution::NotApplied)).to_string().contains("until it succeeds"));
    refused(&stuck, resolved(applied));
    assert!(after(&stuck, resolved(Resolution::Retry)).intent.is_some());
    refused(&fresh(), Event::Rebound { owner: String::new() });
}

#[test]
fn a_number_is_passed_over_only_ahead_and_when_nothing_is_under_way() {
    let made = made();
    let past = made.seq + 7;
    assert_eq!(after(&made, Event::Renumbered { past }).seq, past);
    refused(&made, Event::Renumbered { past: made.seq });
    let sent = after(&fresh(), run("make"));
    assert!(refused(&sent, Event::Renumbered { past: 99 }).to_string().contains("under way"));
}

#[test]
fn the_history_keeps_the_last_lines() {
    let mut record = fresh();
    for _ in 0..HISTORY + 3 {
        record = after(&record, Event::Held { reason: HeldReason::NotOurs, message: String::new(), at: at() });
    }
    assert_eq!(record.history.len(), HISTORY);
}

#[test]
fn what_is_refused_names_its_event() {
    assert!(refused(&fresh(), run("keep")).to_string().starts_with("an intent is not possible: "));
    assert!(refused(&fresh(), Event::Withdrawn).to_string().starts_with("a withdrawal is not possible: "));
}

#[test]
fn an_outcome_ends_the_doubt_that_others_had_of_it_and_nothing_else() {
    let sent = after(&fresh(), run("make"));
    let ends = [reached("Made1", "a"), Event::Withdrawn];
    for end in ends {
        let doubted = Record { held: held(HeldReason::InDoubt), ..sent.clone() };
        assert_eq!(after(&doubted, end.clone()).held, None);
        let theirs = Record { held: held(HeldReason::NotOurs), ..sent.clone() };
        assert_eq!(after(&theirs, end).held, held(HeldReason::NotOurs));
    }
}

#[test]
fn a_step_that_is_committed_is_the_only_one_that_is_no_longer_unconfirmed() {
    let other = |subject: &str, life| {
        let subject = Some(subject.to_owned());
        Unconfirmed { subject, ..unconfirmed("add", life, true, json!(1)) }
    };
    let marks = vec![other("bob", 5), other("ann", 6), unconfirmed("keep", 6, true, json!(1))];
    let begun = after(&Record { unconfirmed: marks, ..at_state("Told") }, intent("add", Some("ann"), Action::Run));
    let made = after(&begun, Event::Member { value: json!("ann-1"), found: false, at: at() });
    let left: Vec<_> = made.unconfirmed.iter().map(|it| (it.transition.as_str(), it.subject.as_deref())).collect();
    assert_eq!(left, [("add", Some("bob")), ("keep", None)]);
}

#[test]
fn what_is_retained_in_doubt_is_listed_once_for_each_life() {
    let kept = after(&after(&at_state("Made1"), run("keep")), reached("Kept", "k"));
    let life = kept.undo[0].life;
    for (doubtful, lives) in [(life, vec![life]), (life + 1, vec![life, life + 1])] {
        let record =
            backward(Record { unconfirmed: vec![unconfirmed("keep", doubtful, true, json!(1))], ..kept.clone() });
        let cleared = after(&record, Event::Cleared { transition: "keep".to_owned(), subject: None, life: doubtful });
        assert_eq!(cleared.undo.iter().map(|it| it.life).collect::<Vec<_>>(), lives);
        assert!(cleared.unconfirmed.is_empty());
    }
}

#[test]
fn a_write_names_the_graph_that_it_was_made_for() {
    let older = Record { graph: "of another version".to_owned(), ..fresh() };
    let (written, _) = older.encode_next(&LegalFlow::GRAPH).unwrap();
    assert_eq!(written.graph, fresh().graph);
}
