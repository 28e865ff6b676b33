//! Measures layout and drawing of a machine of 8 and one of 1,000 states:
//! `cargo run --release -p durable-fsm-graph --example thousand_states`.

use std::time::{Duration, Instant};

use durable_fsm_graph::{
    Contract, Graph, InDoubt, Kind, Predecessor, Rest, Retry, State, Transition, Undo, svg, terminal,
};

fn main() {
    for count in [8, 1000] {
        measure(count);
    }
}

/// A chain in which every third step may fail, every tenth may go back, and every fifth has an arm at its side.
fn measure(count: usize) {
    let names: Vec<String> = (0..count).map(|i| format!("State{i}")).collect();
    let last = count - 1;
    let targets: Vec<Vec<usize>> = (0..last)
        .map(|i| match i {
            _ if i % 3 == 0 => vec![i + 1, last],
            _ if i % 10 == 5 => vec![i + 1, i - 5],
            _ if i % 5 == 1 => vec![i + 1, (i + 3).min(last - 1)],
            _ => vec![i + 1],
        })
        .collect();
    let contract = Contract {
        in_doubt: InDoubt::Repeat,
        undo: Undo::Method("undo"),
        abort: None,
        timeout: Duration::from_secs(60),
        settle: Duration::ZERO,
        retry: Retry { base: Duration::from_secs(1), max: Duration::from_secs(60) },
        look_first: true,
        predecessor: Predecessor::Hold,
        for_each: None,
    };
    let transitions: Vec<Transition<'_>> = targets
        .iter()
        .enumerate()
        .map(|(from, to)| Transition { name: "step", from, to, guard: None, kind: Kind::Effect(contract) })
        .collect();
    let own: Vec<usize> = (0..count).collect();
    let states: Vec<State<'_>> = names
        .iter()
        .enumerate()
        .map(|(at, name)| State {
            name,
            doc: "",
            initial: at == 0,
            rest: if at == last { Rest::Resting } else { Rest::Passing },
            failed: at == last,
            facts: &[],
            known: &[],
            transitions: own.get(at..=at).filter(|_| at < last).unwrap_or(&[]),
        })
        .collect();
    let graph = Graph {
        name: "thousand",
        title: "Thousand",
        version: 1,
        reader: 1,
        doc: "",
        undo_on_rejected: false,
        states: &states,
        transitions: &transitions,
    };
    let began = Instant::now();
    let picture = svg::inline(&graph, None);
    let drawn = began.elapsed();
    let began = Instant::now();
    let text = terminal::write(&graph, None, &terminal::Options::default());
    println!(
        "{count} states: svg {drawn:?} ({} kB), terminal {:?} ({} lines)",
        picture.len() / 1024,
        began.elapsed(),
        text.lines().count()
    );
}
