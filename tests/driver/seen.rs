//! The log of a controller: what was reached at `info`, and what somebody has to look at at `warn`, once.

use std::time::Duration;

use durable_fsm::record::Resolution;
use durable_fsm::{Outcome, Resource as _};

use crate::logged::logged;
use crate::machine::{Thing, ThingRunner};
use crate::world::{Bench, Fault, Refusal};

fn thing() -> Thing {
    Thing::new("web:1", &["ann"])
}

/// The lines of this level with this message, without both.
fn said(lines: &[String], level: &str, message: &str) -> Vec<String> {
    let start = format!("{level} message={message} ");
    lines.iter().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
}

fn warnings(lines: &[String]) -> Vec<&String> {
    lines.iter().filter(|line| line.starts_with("WARN")).collect()
}

#[track_caller]
fn has(line: &str, fields: &[&str]) {
    for field in fields {
        assert!(line.split(' ').any(|found| found == *field), "{field} in: {line}");
    }
}

const OF_THING: [&str; 2] = ["machine=test.io/thing", "resource=default/thing"];

#[tokio::test]
async fn a_pass_and_each_call_has_a_span_and_each_step_a_line() {
    let bench = Bench::new();
    let lines = logged(async { assert!(matches!(bench.pass(&thing()).await, Outcome::Resting(_))) }).await;
    let spans: Vec<&String> = lines.iter().filter(|line| line.starts_with("SPAN")).collect();
    assert!(spans[0].starts_with("SPAN fsm.pass "), "{spans:#?}");
    has(spans[0], &OF_THING);
    let calls: Vec<(&str, &str)> = spans[1..]
        .iter()
        .map(|span| {
            assert!(span.starts_with("SPAN fsm.transition "), "{span}");
            has(span, &OF_THING);
            has(span, &["attempt=1"]);
            let field = |name: &str| span.split(' ').find_map(|field| field.strip_prefix(name)).unwrap_or_default();
            assert_eq!(field("otel.name="), field("transition="));
            (field("site="), field("transition="))
        })
        .collect();
    let expected = [
        ("effect", "make_account"),
        ("lookup", "make_room"),
        ("effect", "make_room"),
        ("wait", "roll_out"),
        ("effect", "send_mail"),
        ("effect", "run_container"),
        ("lookup", "add_member"),
        ("effect", "add_member"),
    ];
    assert_eq!(calls, expected);
    let reached = said(&lines, "INFO", "reached");
    let steps = ["make_account", "make_room", "configure", "roll_out", "send_mail"];
    assert_eq!(reached.len(), steps.len(), "{reached:#?}");
    for (line, step) in reached.iter().zip(steps) {
        has(line, &OF_THING);
        has(line, &[&format!("transition={step}"), "attempt=1"]);
    }
    let made = said(&lines, "INFO", "made");
    assert_eq!(made.len(), 2, "{made:#?}");
    has(&made[1], &["transition=add_member", "subject=ann"]);
    assert!(warnings(&lines).is_empty());
}

#[tokio::test]
async fn what_is_undone_and_what_fails_is_told_when_it_is_recorded() {
    let bench = Bench::new();
    bench.provider.will("make_account", &[Fault::Refused(Refusal::NotApplied)]);
    let lines = logged(async { drop(bench.settle(&thing()).await) }).await;
    let failed = said(&lines, "INFO", "attempt failed");
    assert_eq!(failed.len(), 1, "{failed:#?}");
    has(&failed[0], &OF_THING);
    has(&failed[0], &["transition=make_account", "attempt=1", "class=not-applied"]);
    assert!(warnings(&lines).is_empty(), "a failure that is tried again is nothing to look at");
    let deleted = Thing { deleting: true, ..thing() };
    let lines = logged(async { assert!(matches!(bench.settle(&deleted).await, Outcome::Gone)) }).await;
    let undone = said(&lines, "INFO", "undone");
    let steps = ["add_member", "run_container", "make_room", "make_account"];
    assert_eq!(undone.len(), steps.len(), "{undone:#?}");
    for (line, step) in undone.iter().zip(steps) {
        has(line, &[&format!("transition={step}")]);
    }
}

#[tokio::test]
async fn what_is_held_or_blocked_is_warned_of_once_by_each_controller() {
    for (refusal, message, reason) in
        [(Refusal::NotOurs, "held", "reason=NotOurs"), (Refusal::Rejected, "blocked", "reason=Rejected")]
    {
        let mut bench = Bench::new();
        bench.provider.will("make_room", &[Fault::Refused(refusal)]);
        for _ in 0..2 {
            let lines = logged(async {
                for _ in 0..3 {
                    let _ = bench.pass(&thing()).await;
                }
            });
            let lines = lines.await;
            let told = said(&lines, "WARN", message);
            assert_eq!((told.len(), warnings(&lines).len()), (1, 1), "{lines:#?}");
            has(&told[0], &OF_THING);
            has(&told[0], &[reason]);
            assert!(told[0].contains("why=`make_room`"), "{told:?}");
            bench.restart();
        }
        // Once it goes on, the next time is another time.
        bench.runner.resolve(&thing().id(), Resolution::Retry).await.unwrap();
        bench.provider.will("make_room", &[Fault::Refused(Refusal::NotApplied), Fault::Refused(refusal)]);
        let lines = logged(async { drop(bench.settle(&thing()).await) }).await;
        assert_eq!(said(&lines, "WARN", message).len(), 1, "{lines:#?}");
    }
}

#[tokio::test]
async fn what_is_held_and_not_recorded_is_warned_of_once() {
    let bench = Bench::new();
    bench.put(&thing(), b"nothing like a record").await;
    let lines = logged(async {
        for _ in 0..3 {
            assert!(matches!(bench.pass(&thing()).await, Outcome::Held { .. }));
        }
    });
    let lines = lines.await;
    let told = said(&lines, "WARN", "held");
    assert_eq!(told.len(), 1, "{lines:#?}");
    has(&told[0], &OF_THING);
    has(&told[0], &["reason=Unreadable"]);
}

#[tokio::test]
async fn a_doubt_is_warned_of_once_and_so_is_who_takes_it_over() {
    let mut bench = Bench::new();
    bench.provider.will("make_account", &[Fault::Refused(Refusal::Unknown); 3]);
    let lines = logged(async {
        for _ in 0..2 {
            let after = bench.pass(&thing()).await.requeue_after().unwrap();
            bench.clock.advance(after);
        }
    });
    let lines = lines.await;
    let told = said(&lines, "WARN", "in doubt");
    assert_eq!((told.len(), warnings(&lines).len()), (1, 1), "it was its own: {lines:#?}");
    has(&told[0], &OF_THING);
    has(&told[0], &["transition=make_account", "attempt=1", "error=Unknown"]);
    bench.restart();
    let lines = logged(async { assert!(matches!(bench.settle(&thing()).await, Outcome::Resting(_))) }).await;
    let told = said(&lines, "WARN", "taken over");
    assert_eq!((told.len(), warnings(&lines).len()), (1, 1), "{lines:#?}");
    has(&told[0], &OF_THING);
    has(&told[0], &["transition=make_account", "from=0000000000000000/1.1"]);
}

#[tokio::test]
async fn what_waits_too_long_is_warned_of_once() {
    let bench = Bench::new();
    bench.provider.set_rolled_out(false);
    let lines = logged(async {
        for _ in 0..3 {
            let _ = bench.pass(&thing()).await;
            bench.clock.advance(Duration::from_secs(600));
        }
        let _ = bench.pass(&thing()).await;
    });
    let lines = lines.await;
    let told = said(&lines, "WARN", "overdue");
    assert_eq!((told.len(), warnings(&lines).len()), (1, 1), "{lines:#?}");
    has(&told[0], &OF_THING);
    assert!(told[0].contains("why=`roll_out` has waited"), "{told:?}");
}

#[tokio::test]
async fn no_fact_and_no_spec_is_logged() {
    let bench = Bench::new();
    let thing = Thing::new("a-secret-image", &[]);
    bench.provider.will("make_room", &[Fault::Refused(Refusal::Unknown)]);
    let lines = logged(async {
        assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
    });
    let lines: Vec<String> = lines.await.into_iter().filter(|line| !line.contains("run_container")).collect();
    let record = bench.record(&thing).await;
    let facts: Vec<String> = record.facts.iter().map(|(_, value)| value.to_string()).collect();
    assert!(facts.iter().any(|fact| fact.contains("a-secret-image")));
    for line in &lines {
        assert!(!line.contains("a-secret-image"), "{line}");
    }
    let runner: &ThingRunner<_> = &bench.runner;
    assert!(
        runner
            .release(&thing.id())
            .await
            .unwrap()
            .left
            .iter()
            .all(|left| lines.iter().all(|it| !it.contains(&left.key)))
    );
}
