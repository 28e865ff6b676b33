//! A live record laid over the picture of its machine.

use std::collections::BTreeSet;
use std::time::SystemTime;

use durable_fsm::diagram::{Live, svg, terminal};
use durable_fsm::graph::Graph;
use durable_fsm::record::{Effect, Record};
use durable_fsm::{Clock as _, Facts, Fsm, Resource as _};

use crate::machine::{Thing, ThingFlow};
use crate::world::{Bench, Fault, Refusal};

#[tokio::test]
async fn a_record_shows_where_it_is_and_why_it_waits() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_room", &[Fault::Refused(Refusal::Unknown)]);
    let _ = bench.pass(&thing).await;
    let record = bench.record(&thing).await;
    let live = Live::of(&ThingFlow::GRAPH, "default/thing", &record, bench.clock.wall());
    let overlay = live.overlay();
    assert_eq!((overlay.here, overlay.done, overlay.attempt), (1, &[0][..], 1));
    assert_eq!(overlay.last_error, Some("Unknown"));
    let text = terminal::write(&ThingFlow::GRAPH, Some(&overlay), &terminal::Options::default());
    assert!(text.contains("✔ Requested") && text.contains("▶ Accounted") && text.contains("○ Ready"), "{text}");
    assert!(text.contains("default/thing") && text.contains("attempt 1"), "{text}");
    assert!(svg::file(&ThingFlow::GRAPH, Some(&overlay)).contains("default/thing"));
}

#[tokio::test]
async fn a_record_on_its_way_back_shows_what_is_left() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &["ann"]));
    let _ = bench.settle(&thing).await;
    bench.provider.will("close_room", &[Fault::Refused(Refusal::NotOurs)]);
    let deleted = Thing { deleting: true, ..thing.clone() };
    let _ = bench.settle(&deleted).await;
    let record = bench.record(&thing).await;
    let live = Live::of(&ThingFlow::GRAPH, "default/thing", &record, bench.clock.wall());
    let overlay = live.overlay();
    let names = |transitions: &[usize]| -> Vec<_> {
        transitions.iter().map(|transition| ThingFlow::GRAPH.transitions[*transition].name).collect()
    };
    assert_eq!(names(overlay.pending_undo), ["make_room", "make_account"]);
    assert_eq!(names(overlay.undone), ["run_container", "add_member"]);
    let text = terminal::write(&ThingFlow::GRAPH, Some(&overlay), &terminal::Options::default());
    assert!(text.contains('■') && text.contains("then resolve with `retry`"), "the remedy is cut off:\n{text}");
    for line in
        ["close_room: under way", "⟲ drop_account: to undo", "⟲ stop_container: undone", "close_room, drop_account"]
    {
        assert!(text.contains(line), "{line} is missing:\n{text}");
    }
    assert_eq!(overlay.next_retry, None, "a person has to look first");
}

/// rustdoc copies no files, so the pictures on the crate's front page are part of the page: data URIs of those in `docs`.
#[test]
fn the_pictures_on_the_front_page_are_those_in_the_repository() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let readme = include_str!("../../README.md");
    let mut page = String::new();
    for name in ["tenant", "worker", "team", "human"] {
        let used = readme.contains(&format!("][{name}-picture]"));
        assert!(used && readme.contains(&format!("[{name}-picture]: docs/{name}.svg")), "the README shows no {name}");
        page.push_str(&format!("[{name}-picture]: data:image/svg+xml,"));
        for byte in std::fs::read(folder.join(format!("{name}.svg"))).unwrap() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'=' | b':' | b'/' | b',' => {
                    page.push(byte.into());
                }
                _ => page.push_str(&format!("%{byte:02X}")),
            }
        }
        page.push_str("\n\n");
    }
    let path = folder.join("pictures.uri.md");
    if std::env::var_os("UPDATE_DIAGRAMS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/pictures.uri.md is not current: run this test with UPDATE_DIAGRAMS=1");
}

/// A machine with a branch, a retry and a loop, in which not every state has a fact.
#[derive(Fsm)]
#[fsm(name = "test.io/trip", version = 1, resource = Thing)]
pub enum TripFlow {
    #[fsm(initial)]
    #[transition(choose -> Fast | Slow | Failed, in_doubt = repeat, undo = none)]
    Start,
    #[transition(go_fast -> There | Failed, in_doubt = repeat, undo = none)]
    Fast,
    #[transition(go_slow -> There, in_doubt = repeat, undo = none)]
    Slow,
    #[transition(settle -> Home, in_doubt = repeat, undo = none)]
    There,
    #[fsm(resting)]
    #[transition(move_on -> Start, when = bored, in_doubt = repeat, undo = none)]
    Home { place: String },
    #[fsm(resting, failed)]
    #[transition(retry -> Start, when = mended, in_doubt = repeat, undo = none)]
    Failed,
}

mod arms {
    use durable_fsm::Fsm;

    use crate::machine::Thing;

    /// Two arms that meet again.
    #[derive(Fsm)]
    #[fsm(name = "test.io/arms", version = 1, resource = Thing)]
    pub enum ArmsFlow {
        #[fsm(initial)]
        #[transition(choose -> Fast | Slow | Failed, in_doubt = repeat, undo = none)]
        Start,
        #[transition(go_fast -> There | Failed, in_doubt = repeat, undo = leave)]
        Fast,
        #[transition(go_slow -> There, in_doubt = repeat, undo = none)]
        Slow,
        #[transition(settle -> Home, in_doubt = repeat, undo = none)]
        There,
        #[fsm(resting)]
        Home { place: String },
        #[fsm(resting, failed)]
        Failed,
    }
}

/// As [`way_of`], for the trip.
fn way(record: &Record) -> (Vec<&'static str>, BTreeSet<(&'static str, &'static str)>) {
    way_of(&TripFlow::GRAPH, record)
}

/// The names of the states that are shown as passed, and of the edges that are shown as walked.
fn way_of(
    graph: &'static Graph<'static>,
    record: &Record,
) -> (Vec<&'static str>, BTreeSet<(&'static str, &'static str)>) {
    let live = Live::of(graph, "trip", record, SystemTime::UNIX_EPOCH);
    let overlay = live.overlay();
    let done = overlay.done.iter().map(|state| graph.states[*state].name).collect();
    let walked = overlay.walked.iter().map(|it| (graph.transitions[it.transition].name, graph.states[it.to].name));
    (done, walked.collect())
}

fn trip(state: &str, history: &[&str]) -> Record {
    let mut record = Record::initial(&TripFlow::GRAPH, "uid-1", SystemTime::UNIX_EPOCH.into());
    record.state = state.to_owned();
    record.history = history.iter().map(|line| format!("2027-01-15T08:00:00.000Z {line}")).collect();
    record
}

fn at(place: &str) -> Facts {
    Facts::from_iter([("place".to_owned(), place.into())])
}

#[test]
fn only_the_arm_of_a_branch_that_is_known_to_be_taken_is_shown() {
    // The history has lost the first steps: both arms could have led here, and neither is claimed.
    let mut record = trip("There", &[]);
    assert_eq!(way_of(&arms::ArmsFlow::GRAPH, &record), (vec!["Start"], BTreeSet::new()));
    // The effect that lives tells the arm; the branch before it leads nowhere else.
    let state = Some("There".to_owned());
    let leave = Effect {
        transition: "go_fast".to_owned(),
        subject: None,
        life: 2,
        order: None,
        clean: false,
        unmaking: false,
        imported: false,
        lost: false,
        sent: None,
        state,
        saved: Facts::default(),
    };
    record.undo = vec![leave].into();
    assert_eq!(
        way_of(&arms::ArmsFlow::GRAPH, &record),
        (vec!["Start", "Fast"], BTreeSet::from([("choose", "Fast"), ("go_fast", "There")]))
    );
    // And so does the history.
    let record = trip("There", &["Slow by choose", "There by go_slow"]);
    assert_eq!(
        way_of(&arms::ArmsFlow::GRAPH, &record),
        (vec!["Start", "Slow"], BTreeSet::from([("choose", "Slow"), ("go_slow", "There")]))
    );
}

#[tokio::test]
async fn what_was_imported_and_what_is_lost_is_marked() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let _ = bench.settle(&thing).await;
    let mut record = bench.record(&thing).await;
    let drawn = |record: &Record| {
        let live = Live::of(&ThingFlow::GRAPH, "default/thing", record, bench.clock.wall());
        terminal::write(&ThingFlow::GRAPH, Some(&live.overlay()), &terminal::Options::default())
    };
    let line = |text: &str, name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    let text = drawn(&record);
    assert!(!text.contains("imported") && !text.contains("lost"), "{text}");
    let mut undo: Vec<Effect> = record.undo.iter().cloned().collect();
    (undo[0].imported, undo[1].lost) = (true, true);
    record.undo = undo.into();
    let text = drawn(&record);
    assert!(line(&text, "make_account").contains("imported") && line(&text, "make_room").contains("lost"), "{text}");
}

#[test]
fn a_failed_state_is_passed_only_after_a_retry() {
    assert_eq!(way(&trip("Fast", &[])), (vec!["Start"], BTreeSet::from([("choose", "Fast")])));
    let record = trip("Fast", &["Failed by choose", "Start by retry", "Fast by choose"]);
    let walked = BTreeSet::from([("choose", "Failed"), ("retry", "Start"), ("choose", "Fast")]);
    assert_eq!(way(&record), (vec!["Start", "Failed"], walked));
    // A roll-back begins anew.
    let record = trip("Start", &["Failed by choose", "rolling back", "rolled back"]);
    assert_eq!(way(&record), (vec![], BTreeSet::new()));
}

#[test]
fn a_loop_shows_the_way_round_only_if_it_was_gone() {
    let mut record = trip("Start", &[]);
    assert_eq!(way(&record), (vec![], BTreeSet::new()));
    record.facts = at("the sea");
    // It was at home, and so there before; by which arm, and how it came back to the start, is not known.
    assert_eq!(way(&record), (vec!["There", "Home"], BTreeSet::from([("settle", "Home")])));
    record.history = vec!["2027-01-15T08:00:00.000Z Start by move_on".to_owned()];
    assert_eq!(way(&record), (vec!["There", "Home"], BTreeSet::from([("settle", "Home"), ("move_on", "Start")])));
}

#[tokio::test]
async fn a_whole_run_is_shown_from_what_the_driver_wrote() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let _ = bench.settle(&thing).await;
    let record = bench.record(&thing).await;
    let graph = &ThingFlow::GRAPH;
    let live = Live::of(graph, "default/thing", &record, bench.clock.wall());
    let overlay = live.overlay();
    let names: Vec<_> = overlay.walked.iter().map(|step| graph.transitions[step.transition].name).collect();
    assert_eq!(overlay.done, [0, 1, 2, 3, 4]);
    assert_eq!(names, ["make_account", "make_room", "configure", "roll_out", "send_mail", "run_container"]);
}

#[tokio::test]
async fn a_call_that_did_not_happen_counts_as_an_attempt() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_room", &[Fault::Refused(Refusal::NotApplied); 2]);
    for attempt in 1..=2 {
        let outcome = bench.pass(&thing).await;
        let record = bench.record(&thing).await;
        assert!(record.intent.is_none(), "what is known not to have happened leaves no intent");
        let live = Live::of(&ThingFlow::GRAPH, "default/thing", &record, bench.clock.wall());
        assert_eq!(live.overlay().attempt, attempt);
        assert_eq!(live.overlay().next_retry, outcome.requeue_after());
        bench.clock.advance(outcome.requeue_after().unwrap());
    }
    assert!(bench.provider.all_faults_fired());
}

#[tokio::test]
async fn a_blocked_a_paused_and_a_doubtful_resource_say_so() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let text = async |word: &str| {
        let record = bench.record(&thing).await;
        let live = Live::of(&ThingFlow::GRAPH, "default/thing", &record, bench.clock.wall());
        let text = terminal::write(&ThingFlow::GRAPH, Some(&live.overlay()), &terminal::Options::default());
        assert!(text.contains(word), "{word} is missing:\n{text}");
    };
    bench.provider.will("make_account", &[Fault::Refused(Refusal::Rejected)]);
    let outcome = bench.pass(&thing).await;
    assert_eq!(outcome.requeue_after(), Some(std::time::Duration::from_secs(600)));
    text("next retry in 10m").await;
    text("it is tried again when the spec or the version\n  changes").await;
    bench.clock.advance(outcome.requeue_after().unwrap());
    bench.provider.will("make_room", &[Fault::Applied(Refusal::Unknown)]);
    let _ = bench.pass(&thing).await;
    text("outcome in doubt").await;
    text("in doubt\n").await;
    bench.runner.pause(&thing.id()).await.unwrap();
    text("paused").await;
    assert!(bench.provider.all_faults_fired());
}

#[cfg(feature = "png")]
#[tokio::test]
async fn a_live_record_is_drawn_as_png() {
    use durable_fsm::diagram::png::{self, Scheme};

    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let _ = bench.settle(&thing).await;
    let record = bench.record(&thing).await;
    let live = Live::of(&ThingFlow::GRAPH, "default/thing", &record, bench.clock.wall());
    let plain = png::write(&ThingFlow::GRAPH, None, Scheme::Light, 1.0).unwrap();
    let picture = png::write(&ThingFlow::GRAPH, Some(&live.overlay()), Scheme::Light, 1.0).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture != plain);
}
