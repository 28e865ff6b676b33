//! What reads and changes nothing: lists, one resource, histories, plans, graphs, checks, exports.

use durable_fsm::graph::json;

use super::fleet::{Bank, Controller, OrderFlow, orders};
use super::place::{Place, assert_golden, without_ages};

/// Three orders: one held, one blocked, one charged.
async fn three(place: &Place) {
    let bank = Bank::default();
    let all = orders(3);
    bank.is_silent_for([all[0].clone()]);
    bank.refuses([all[1].clone()]);
    Controller::start(&bank, &place.records()).run(&all).await;
}

#[tokio::test]
async fn the_list_is_as_documented() {
    let place = Place::new();
    three(&place).await;
    let text = without_ages(&place.fsm(&["list"]).fine());
    assert_golden("list.txt", &text);
    let reversed = place.fsm(&["list", "--sort", "phase", "--reverse"]).fine();
    let names: Vec<&str> = reversed.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).take(3).collect();
    assert_eq!(names, ["shop/order-002", "shop/order-001", "shop/order-000"]);
    for (filter, count) in [
        (["--state", "Charged"], 1),
        (["--phase", "blocked"], 1),
        (["--reason", "in-doubt"], 1),
        (["--machine", "example.io/order"], 3),
        (["--machine", "example.io/other"], 0),
    ] {
        let rows = place.fsm(&[&["list", "--json"][..], &filter].concat()).fine();
        let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
        assert_eq!(rows.as_array().unwrap().len(), count, "{filter:?}");
    }
    for by in ["name", "state", "since", "attempt"] {
        assert_eq!(place.fsm(&["list", "--sort", by]).fine().lines().count(), 6);
    }
}

#[tokio::test]
async fn a_watched_list_is_printed_again_when_something_has_changed() {
    let place = Place::new();
    three(&place).await;
    let mut watched = place.watched(&["list", "--watch", "--sort", "phase"]);
    assert_eq!(watched.line_with("3 resources"), "3 resources: 1 held, 1 blocked, 1 ready");
    place.fsm(&["pause", "shop/order-002", "--yes"]).fine();
    assert_eq!(watched.line_with("3 resources"), "3 resources: 1 held, 1 blocked, 1 paused");
    // A directory that is away for a while is looked at again.
    let away = place.path("away");
    std::fs::rename(place.records(), &away).unwrap();
    std::fs::rename(&away, place.records()).unwrap();
    place.fsm(&["resume", "shop/order-002", "--yes"]).fine();
    assert_eq!(watched.line_with("3 resources"), "3 resources: 1 held, 1 blocked, 1 ready");
}

#[tokio::test]
async fn one_resource_is_shown_as_documented() {
    let place = Place::new();
    three(&place).await;
    for (order, golden) in
        [("order-000", "show-held.txt"), ("order-001", "show-blocked.txt"), ("order-002", "show-ready.txt")]
    {
        let name = format!("shop/{order}");
        assert_golden(golden, &without_ages(&place.fsm(&["show", &name]).fine()));
    }
    let plan = place.fsm(&["plan", "shop/order-000"]).fine();
    assert!(plan.starts_with("nothing until a person decides: `charge` may or may not have happened"), "{plan}");
    assert!(plan.ends_with("in Reserved: runs charge\n"), "{plan}");
    let history = place.fsm(&["history", "shop/order-002"]).fine();
    assert!(history.contains("Charged by charge"), "{history}");
    let history = place.fsm(&["history", "--json"]).fine();
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    assert_eq!(history.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn colours_are_used_when_they_are_wanted() {
    let place = Place::new();
    three(&place).await;
    let is_coloured =
        |words: &[&str], environment: &[(&str, &str)]| place.fsm_with(words, environment).fine().contains('\u{1b}');
    assert!(!is_coloured(&["list"], &[]), "a pipe is no terminal");
    assert!(is_coloured(&["list", "--color", "always"], &[]));
    assert!(is_coloured(&["show", "shop/order-000", "--color", "always"], &[]));
    assert!(!is_coloured(&["list", "--color", "never"], &[]));
    assert!(!is_coloured(&["list", "--color", "auto"], &[("NO_COLOR", "1")]));
}

#[tokio::test]
async fn graphs_are_drawn_from_lock_files_and_from_the_directory() {
    let place = Place::new();
    let lock = place.path("order.lock.json");
    std::fs::write(&lock, json::write(&OrderFlow::GRAPH)).unwrap();
    let forms = [
        ("text", "charge"),
        ("svg", "<svg"),
        ("mermaid", "stateDiagram-v2"),
        ("mermaid-flat", "stateDiagram-v2"),
        ("dot", "digraph"),
        ("json", "\"machine\": \"example.io/order\""),
    ];
    for (form, sign) in forms {
        let drawn = place.fsm(&["graph", "order.lock.json", "--as", form]).fine();
        assert!(drawn.contains(sign), "{form}: {drawn}");
        assert_eq!(place.fsm(&["graph", "--graph", "order.lock.json", "--as", form]).fine(), drawn);
    }
    let from_lock = place.fsm(&["graph", "order.lock.json", "--as", "json"]).fine();
    assert_eq!(from_lock, json::write(&OrderFlow::GRAPH));
    three(&place).await;
    assert_eq!(place.fsm(&["graph", "--as", "json"]).fine(), from_lock);
    assert_eq!(place.fsm(&["graph", "example.io/order", "--as", "json"]).fine(), from_lock);
    let unknown = place.fsm(&["graph", "example.io/other"]).refused(2);
    assert!(unknown.contains("the graph of example.io/other is not in the record directory"), "{unknown}");
}

#[tokio::test]
async fn every_record_is_checked_and_what_cannot_be_read_is_told() {
    let place = Place::new();
    three(&place).await;
    let checked = place.fsm(&["check", "records"]).fine();
    assert!(checked.contains("example.io/order: 3 of version 3 (graph "), "{checked}");
    assert!(checked.ends_with("3 of 3 records can be read\n"), "{checked}");
    let record = place.records().join("example%2eio%2forder/shop/order-000.json");
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.replace("\"Reserved\"", "\"Nowhere\"")).unwrap();
    let broken = place.records().join("example%2eio%2forder/shop/order-001.json");
    std::fs::write(&broken, &text[..text.len() / 2]).unwrap();
    let said = place.fsm(&["check"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("of version 3 cannot be read: the record is in state `Nowhere`"), "{}", said.out);
    assert!(
        said.out.contains("the record is damaged") && said.out.ends_with("1 of 3 records can be read\n"),
        "{}",
        said.out
    );
    let told: serde_json::Value = serde_json::from_str(&place.fsm(&["check", "--json"]).out).unwrap();
    assert_eq!((told["unreadable"].as_array().unwrap().len(), &told["readable"][0]["judged"]), (2, &true.into()));
    // What cannot be read is listed, and the way out that is shown is accepted.
    assert!(place.fsm(&["list", "--reason", "unreadable"]).fine().ends_with("2 resources: 2 held\n"));
    let shown = place.fsm(&["show", "shop/order-001"]).fine();
    let released = place.printed(&format!("{} --yes", super::place::commands_in(&shown)[0])).fine();
    assert!(released.contains("there may be more: the record is damaged"), "{released}");
}

#[tokio::test]
async fn without_a_graph_records_are_listed_and_not_judged() {
    let place = Place::new();
    three(&place).await;
    std::fs::remove_dir_all(place.records().join("example%2eio%2forder%23graphs")).unwrap();
    assert!(place.fsm(&["list", "--phase", "held"]).fine().ends_with("1 resource: 1 held\n"));
    let checked = place.fsm(&["check"]).fine();
    assert!(checked.contains("3 of them were not checked"), "{checked}");
    let shown = place.fsm(&["show", "shop/order-000"]).fine();
    assert!(shown.contains("is not in the record directory: give its lock file with --graph"), "{shown}");
    let refused = place.fsm(&["retry", "shop/order-001", "--yes"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.out.contains("the graph of example.io/order is not in the record directory; give its lock file"),
        "{}",
        refused.out
    );
    std::fs::write(place.path("order.lock.json"), json::write(&OrderFlow::GRAPH)).unwrap();
    place.fsm_with(&["retry", "shop/order-001", "--yes"], &[("FSM_GRAPH", "order.lock.json")]).fine();
}

#[tokio::test]
async fn what_is_exported_is_imported_value_for_value() {
    let place = Place::new();
    three(&place).await;
    let exported = place.fsm(&["export"]).fine();
    place.fsm(&["export", "all.json"]).fine();
    assert_eq!(std::fs::read_to_string(place.path("all.json")).unwrap(), exported);
    assert_eq!(place.fsm(&["--dir", "copy", "import", "all.json"]).fine(), "4 imported\n");
    assert_eq!(place.fsm(&["--dir", "copy", "export"]).fine(), exported);
    assert_eq!(place.fsm(&["--dir", "copy", "import", "all.json"]).fine(), "0 imported\n");
    place.fsm(&["retry", "shop/order-001", "--yes"]).fine();
    let refused = place.fsm(&["import", "all.json"]).refused(2);
    assert!(refused.contains("1 of the records exist already"), "{refused}");
    std::fs::write(place.path("notes.txt"), "no records\n").unwrap();
    let not = place.fsm(&["import", "notes.txt"]).refused(2);
    assert!(not.contains("as an export"), "{not}");
}

#[test]
fn completions_are_printed_for_each_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let completions = place.fsm(&["completions", shell]).fine();
        assert!(completions.contains("fsm") && completions.contains("resolve"), "{shell}");
    }
}
