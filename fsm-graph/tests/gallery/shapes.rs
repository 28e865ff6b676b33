//! Large machines, in the shapes that are hard for a layout.

use crate::machines::{Machine, Move};

/// The shapes, with their names.
pub(crate) fn all(count: usize) -> Vec<(&'static str, Machine)> {
    vec![("chain", chain(count)), ("hub", hub(count)), ("random", random(count)), ("failures", failures(count))]
}

fn states(name: &str, count: usize, failed: usize) -> Machine {
    let names: Vec<String> =
        (0..count).map(|i| if i + failed < count { format!("State{i}") } else { format!("Failed{i}!") }).collect();
    Machine::new(name).states(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn step(machine: &mut Machine, from: usize, to: Vec<usize>) {
    let name = format!("step_{}", machine.moves.len());
    machine.moves.push(Move { name, from, to, undo: Some("undo".to_owned()), ..Move::default() });
}

/// A chain in which every third step may fail, every tenth may go back, and every fifth has an arm at its side.
fn chain(count: usize) -> Machine {
    let mut machine = states("Chain", count, 1);
    let last = count - 1;
    for i in 0..last {
        let onwards = (i + 1).min(last - 1);
        let to = match i {
            _ if i % 3 == 0 => vec![onwards, last],
            _ if i % 10 == 5 => vec![onwards, i - 5],
            _ if i % 5 == 1 => vec![onwards, (i + 3).min(last - 1)],
            _ => vec![onwards],
        };
        step(&mut machine, i, to);
    }
    machine
}

/// One state with an edge to every other and back.
fn hub(count: usize) -> Machine {
    let mut machine = states("Hub", count, 0);
    for i in 1..count {
        step(&mut machine, 0, vec![i]);
        step(&mut machine, i, vec![0]);
    }
    machine
}

/// Two edges from every state to anywhere; the same ones every time.
fn random(count: usize) -> Machine {
    let mut machine = states("Random", count, 0);
    let mut seed: u64 = 42;
    let mut any = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap_or(0) % count
    };
    for from in 0..count {
        let to = [any(), any()];
        step(&mut machine, from, to.to_vec());
    }
    machine
}

/// A chain in which each step may fail to three of a tenth of all states.
fn failures(count: usize) -> Machine {
    let failed = count / 10;
    let mut machine = states("Failures", count, failed);
    let good = count - failed;
    for i in 0..good {
        let to = [0, 1, 2].map(|n| good + (7 * i + 13 * n) % failed);
        step(&mut machine, i, vec![(i + 1).min(good - 1), to[0], to[1], to[2]]);
    }
    machine
}
