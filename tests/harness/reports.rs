//! The report of an exploration, and the replay of its plan.

use std::panic::{AssertUnwindSafe, catch_unwind};

use durable_fsm::testing::{AssertOk, Fault, Plan, Suite, Trouble, explore};

use crate::{doubt, keyed, shapes, shared, worker};

#[test]
fn a_budget_ends_it_and_the_report_says_where() {
    let report = explore::<keyed::Cloud>().faults(2).budget(1000).threads(1).run().unwrap();
    assert_eq!(report.complete, 1);
    let (depth, part) = report.cut.unwrap();
    assert!(depth == 2 && part > 0.0 && part < 1.0, "{part}");
    let text = report.to_string();
    assert!(text.starts_with("test.io/keyed: complete to 1 faults; NOT A PASS, stopped by the budget at"), "{text}");
    let cut = || explore::<keyed::Cloud>().budget(100).run().assert_ok();
    assert!(catch_unwind(cut).is_err(), "what is cut short is no pass");
    assert!(text.contains("edges 4/4, undos 4/4, aborts 0/0"), "{text}");
    let rows: Vec<_> = report.rows.iter().map(|row| row.transition.as_str()).collect();
    assert_eq!(rows, ["make_a", "make_b", "make_c", "make_d", ""]);
    // With one fault everywhere all has struck that could in a run without faults; some places are only reached by faults.
    assert!(report.rows.iter().all(|row| row.struck > 0 && row.struck < row.offered), "{text}");
}

#[test]
fn every_fault_of_the_menu_strikes_somewhere() {
    let mut struck = std::collections::BTreeSet::new();
    let named = explore::<doubt::named::Cloud>().run().unwrap();
    struck.extend(named.faults.keys().map(|(_, fault)| *fault));
    let opaque = explore::<doubt::opaque::Cloud>().faults(2).run().unwrap();
    struck.extend(opaque.faults.keys().map(|(_, fault)| *fault));
    let each = explore::<crate::each::Cloud>().run().unwrap();
    struck.extend(each.faults.keys().map(|(_, fault)| *fault));
    let missing: Vec<_> = Fault::ALL.iter().filter(|fault| !struck.contains(fault)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_same_input_gives_the_same_report() {
    let faults = || explore::<doubt::lagging::Cloud>().faults(2).run().unwrap();
    let (one, other) = (faults(), faults());
    assert_eq!((one.schedules, &one.by_depth, &one.faults), (other.schedules, &other.by_depth, &other.faults));
    assert_eq!(one.schedules, one.by_depth.iter().sum::<u64>(), "each run counts once");
    // A hundredth of the runs at least has been compared with itself, too.
    assert!(one.twice * 100 >= one.schedules, "{one}");
}

#[test]
fn a_failure_carries_the_plan_that_replays_it() {
    let wrong: Plan = "make_a/effect#1=crash; make_a/effect#9=crash".parse().unwrap();
    let failure = explore::<keyed::Cloud>().replay(&wrong).unwrap_err();
    let text = failure.to_string();
    let token = text.rsplit_once("replay: FSM_PLAN='").unwrap().1.trim_end_matches('\'');
    let again = explore::<keyed::Cloud>().replay(&token.parse().unwrap()).unwrap_err();
    assert_eq!(failure.violation, again.violation);
    assert!(text.contains("← injected"), "{text}");
}

#[test]
fn a_store_of_its_own_has_no_rivals() {
    let report = explore::<keyed::Cloud>().exclusive().run().unwrap();
    assert!(report.faults.keys().all(|(_, fault)| !matches!(fault, Fault::Switch | Fault::Pause | Fault::Other)));
}

/// Deletion is wanted meanwhile, and has to wait: only the operator knows what the right record is.
#[test]
fn what_was_tampered_with_stays_so_until_an_operator_acts() {
    for how in ["restored", "removed", "newer", "copied"] {
        let plan: Plan = format!("pass#2={how}; pass#3=delete").parse().unwrap();
        explore::<keyed::Cloud>().replay(&plan).unwrap();
        let timeline = explore::<keyed::Cloud>().timeline(&plan);
        let (before, after) = timeline.split_once("an operator puts the record back").unwrap();
        let during = before.split_once("← injected").unwrap().1;
        assert_eq!(during.matches("the pass ends: Held").count(), 2, "{timeline}");
        assert!(during.contains("pass#3 delete   ← injected") && !during.contains("undo of"), "{timeline}");
        assert!(after.contains("undo of make_a"), "{timeline}");
    }
}

/// A pause holds the deletion, too.
#[test]
fn a_paused_resource_is_left_alone_also_when_it_is_to_be_deleted() {
    let timeline = explore::<keyed::Cloud>().timeline(&"pass#3=suspended".parse().unwrap());
    let (before, after) = timeline.split_once("an operator resumes the resource").unwrap();
    let during = before.split_once("the resource is to be deleted").unwrap().1;
    assert_eq!(during.matches("the pass ends: Paused").count(), 2, "{timeline}");
    assert!(!during.contains("written") && after.contains("undo of make_a"), "{timeline}");
}

/// The first test of a suite says what is wrong without faults; the others are not run, so that it is said once.
#[test]
fn a_suite_whose_run_without_faults_fails_fails_once() {
    let suite = Suite::<shared::Cloud<true>>::new();
    let test = |trouble| catch_unwind(AssertUnwindSafe(|| suite.survives("use_credentials", trouble)));
    let said = test(Trouble::Crash).unwrap_err();
    let said = said.downcast_ref::<String>().unwrap();
    assert!(said.contains("Author: the other team has a grant") && said.contains("replay: FSM_PLAN=''"), "{said}");
    assert!(test(Trouble::Crash).is_ok() && test(Trouble::Late).is_ok());
}

/// A transition of one branch has its occasion there; one that no world leads to has none.
#[test]
fn a_suite_needs_an_occasion_in_one_of_its_worlds() {
    let app = crate::worlds::resource::App::new;
    let suite = Suite::<shapes::Cloud>::new().with("in_a_container", vec![app("v1", &[])]);
    let waits = |suite: &Suite<shapes::Cloud>| suite.survives("wait_pod", Trouble::Crash);
    assert!(catch_unwind(AssertUnwindSafe(|| waits(&suite))).is_err());
    waits(&suite.with("on_a_pod", vec![app("v1", &["pod"])]));
}

/// What a test of this binary says when it is run on its own, with an environment variable; and whether it passes.
fn run_test(name: &str, variable: &str, value: &str) -> (bool, String) {
    let test = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(variable, value)
        .output()
        .unwrap();
    let text = [test.stdout, test.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(text.contains("running 1 test"), "{text}");
    (test.status.success(), text)
}

#[test]
fn a_plan_in_the_environment_is_all_that_runs() {
    let plan = "create_room/effect#1=reply-lost";
    for test in ["worker::survives::every_pair_of_faults", "worker::survives::add_route::crash"] {
        assert!(run_test(test, "FSM_PLAN", plan).0);
    }
    let (_, text) = run_test("worker::survives::every_pair_of_faults", "FSM_PLAN", plan);
    assert!(text.contains("test.io/worker: FSM_PLAN alone was run"), "{text}");
    let (passes, text) = run_test("worker::survives::add_route::crash", "FSM_PLAN", "create_room/effect#9=crash");
    assert!(!passes && text.contains("create_room/effect#9 had no occasion"), "{text}");
    let (passes, text) = run_test("keyed::survives_every_fault", "FSM_PLAN", plan);
    assert!(!passes && text.contains("FSM_PLAN is for another machine, this one has no `create_room`"), "{text}");
    let (passes, text) = run_test("keyed::survives_every_fault", "FSM_PLAN", "create_room");
    assert!(!passes && text.contains("`create_room` is not a label"), "{text}");
}

#[test]
fn a_number_of_faults_in_the_environment_goes_before_that_of_the_test() {
    for (faults, why) in [("0", "FSM_FAULTS=0 injects no fault"), ("all", "FSM_FAULTS=`all` is not a number")] {
        let (passes, text) = run_test("keyed::survives_every_fault", "FSM_FAULTS", faults);
        assert!(!passes && text.contains(why), "{text}");
    }
    let (passes, text) = run_test("keyed::survives_every_fault", "FSM_FAULTS", "2");
    assert!(passes && text.contains("test.io/keyed: complete to 2 faults"), "{text}");
}

/// A request that lands late lands when its sender has given up, and another attempt may have been made.
#[test]
fn what_is_late_lands_after_the_deadline() {
    for fault in ["late", "crash-late", "duplicate"] {
        let timeline = explore::<keyed::Cloud>().timeline(&format!("make_b/effect#1={fault}").parse().unwrap());
        let begun: f64 = when(&timeline, "effect of make_b, attempt 1").parse().unwrap();
        let landed: f64 = when(&timeline, "effect of make_b lands, late").parse().unwrap();
        assert!(landed > begun + 60.0, "{timeline}");
    }
}

/// When a line of a timeline was written.
#[track_caller]
fn when<'t>(timeline: &'t str, text: &str) -> &'t str {
    let line = timeline.lines().find(|line| line.contains(text));
    line.unwrap_or_else(|| panic!("no `{text}` in\n{timeline}")).split_once(" s ").unwrap().0.trim()
}

#[test]
fn a_lost_reply_is_told_before_the_deadline() {
    let timeline = explore::<worker::Cloud>().timeline(&"create_room/effect#1=reply-lost".parse().unwrap());
    let begun = when(&timeline, "effect of create_room, attempt 1");
    assert_eq!(when(&timeline, "effect of create_room fails: unknown (the reply was lost)"), begun, "{timeline}");
    assert!(timeline.contains("lookup of create_room, attempt 2"), "{timeline}");
}

#[test]
fn an_undo_that_is_delivered_twice_is_answered_before_the_deadline() {
    let timeline = explore::<worker::Cloud>().timeline(&"create_room/undo#1=duplicate".parse().unwrap());
    assert_eq!(
        when(&timeline, "(undone create_room)"),
        when(&timeline, "undo of create_room, attempt 1"),
        "{timeline}"
    );
}
