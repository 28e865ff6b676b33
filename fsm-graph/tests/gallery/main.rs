//! The pictures of hard machines, against checked-in files. `UPDATE_DIAGRAMS=1` writes them.

mod large;
mod machines;
mod page;
#[cfg(feature = "png")]
mod png;
mod shapes;

use std::path::PathBuf;
use std::time::Duration;

use durable_fsm_graph::{Graph, Overlay, Step, Stopped, dot, mermaid, svg, terminal};

/// Whether files are to be written instead of compared.
fn updates() -> bool {
    std::env::var_os("UPDATE_DIAGRAMS").is_some_and(|value| value == "1")
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn check(name: &str, text: &str) {
    let path = golden(name);
    if updates() {
        std::fs::write(path, text).expect("the golden folder can be written");
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{name} differs; UPDATE_DIAGRAMS=1 writes it anew\n{text}");
}

/// A worker that has come half-way and waits for its next attempt.
fn waiting() -> Overlay<'static> {
    Overlay {
        resource: "tenant/acme",
        here: 4,
        done: &[0, 1, 2, 3],
        walked: &[
            Step { transition: 0, to: 1 },
            Step { transition: 1, to: 2 },
            Step { transition: 2, to: 3 },
            Step { transition: 3, to: 4 },
        ],
        since: Some(Duration::from_secs(134)),
        attempt: 3,
        last_error: Some("503 Service Unavailable: <upstream> is \"busy\""),
        next_retry: Some(Duration::from_secs(20)),
        ..Overlay::default()
    }
}

/// A worker on its way back: two steps are undone, one is being undone, and two are still to be undone.
fn undoing() -> Overlay<'static> {
    Overlay {
        undoing: true,
        attempt: 2,
        under_way: Some(2),
        in_doubt: true,
        undone: &[3],
        pending_undo: &[2, 1, 0],
        ..waiting()
    }
}

/// The same, and a person has to look.
fn held() -> Overlay<'static> {
    Overlay {
        in_doubt: false,
        next_retry: None,
        last_error: Some("412 Precondition Failed"),
        stopped: Some(Stopped::Held(
            "`create_consumer`: something of that name exists and is not provably ours: 412 Precondition Failed; remove or rename it, or give this resource another name, then resolve with `retry`",
        )),
        ..undoing()
    }
}

#[test]
fn plain_pictures_are_current() {
    for (name, machine) in machines::all() {
        machine.with(|graph| {
            check(&format!("{name}.svg"), &svg::file(graph, None));
            check(&format!("{name}.inline.html"), &svg::inline(graph, None));
            check(&format!("{name}.folded.mmd"), &mermaid::folded(graph, None));
            check(&format!("{name}.flat.mmd"), &mermaid::flat(graph, None));
            check(&format!("{name}.dot"), &dot::write(graph, None));
            check(&format!("{name}.txt"), &terminal::write(graph, None, &terminal::Options::default()));
        });
    }
}

#[test]
fn live_pictures_are_current() {
    let live = |name: &str, overlay: &Overlay<'_>, graph: &Graph<'_>| {
        check(&format!("{name}.svg"), &svg::file(graph, Some(overlay)));
        check(&format!("{name}.mmd"), &mermaid::folded(graph, Some(overlay)));
        check(&format!("{name}.dot"), &dot::write(graph, Some(overlay)));
        let options = terminal::Options { colour: name.ends_with("undoing"), ..terminal::Options::default() };
        check(&format!("{name}.txt"), &terminal::write(graph, Some(overlay), &options));
        let ascii = terminal::Options { ascii: true, width: 60, colour: false };
        check(&format!("{name}.ascii.txt"), &terminal::write(graph, Some(overlay), &ascii));
    };
    machines::worker().with(|graph| {
        live("live-worker", &waiting(), graph);
        live("live-undoing", &undoing(), graph);
        live("live-held", &held(), graph);
        let doubt = Overlay { under_way: Some(4), in_doubt: true, paused: true, next_retry: None, ..waiting() };
        live("live-paused", &doubt, graph);
    });
    machines::team().with(|graph| {
        let blocked = Overlay {
            resource: "tenant/blue",
            since: Some(Duration::from_secs(372)),
            attempt: 1,
            here: 2,
            done: &[0, 1],
            walked: &[Step { transition: 0, to: 1 }, Step { transition: 1, to: 2 }],
            stopped: Some(Stopped::Blocked(
                "`finish_invites` was rejected: quota: 10 of 10 rooms used; it is tried again when the spec or the version changes",
            )),
            next_retry: Some(Duration::from_secs(540)),
            ..Overlay::default()
        };
        live("live-team", &blocked, graph);
    });
}

#[test]
fn an_overlay_off_the_graph_is_drawn_without_a_panic() {
    let overlay = Overlay { here: 99, done: &[7, 100], ..waiting() };
    machines::human().with(|graph| {
        let text = terminal::write(graph, Some(&overlay), &terminal::Options { width: 0, ..Default::default() });
        assert!(text.contains('✔') || !text.is_empty());
        assert!(!svg::file(graph, Some(&overlay)).is_empty());
        assert!(!mermaid::flat(graph, Some(&overlay)).is_empty());
        assert!(!dot::write(graph, Some(&overlay)).is_empty());
    });
}

#[test]
fn a_current_file_passes_and_a_stale_one_says_how_to_renew_it() {
    let folder = std::env::temp_dir().join(format!("durable-fsm-graph-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let path = folder.join("human.svg");
    machines::human().with(|graph| {
        std::fs::write(&path, svg::file(graph, None)).expect("the file can be written");
        durable_fsm_graph::assert_current(&path, graph);
    });
    if std::env::var_os("UPDATE_DIAGRAMS").is_none() {
        let stale =
            std::panic::catch_unwind(|| machines::team().with(|graph| durable_fsm_graph::assert_current(&path, graph)));
        let message = stale.expect_err("another machine's picture is stale");
        let message = message.downcast_ref::<String>().expect("a message");
        assert!(message.contains("UPDATE_DIAGRAMS=1") && message.contains("TeamFlow"), "{message}");
    }
    std::fs::remove_dir_all(folder).expect("the folder is ours");
}
