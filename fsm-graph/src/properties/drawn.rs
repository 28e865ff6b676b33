//! Every state and every edge is drawn exactly once, by every writer.

use proptest::prelude::*;

use super::holds;
use super::machines::{Machine, Sort};
use crate::model::End;
use crate::terminal::sheet::Sheet;
use crate::{dot, mermaid, svg};

/// An edge: from, to, the transition's name.
type Drawn = (usize, usize, String);

/// The same machine with names that can be read back: `S0`, `S1`, … and `t0`, `t1`, …
fn plain(machine: &Machine) -> Machine {
    let mut machine = machine.clone();
    for (index, state) in machine.states.iter_mut().enumerate() {
        state.name = format!("S{index}");
        state.doc = String::new();
    }
    for (index, step) in machine.moves.iter_mut().enumerate() {
        step.name = format!("t{index}");
    }
    machine
}

/// The edges of the machine, told without the crate's help.
fn expected(machine: &Machine) -> Vec<Drawn> {
    let count = machine.states.len();
    let mut edges = vec![];
    for step in &machine.moves {
        match &step.each {
            Some((_, places)) => {
                let places = (0..count).filter(|at| places.contains(at));
                edges.extend(places.map(|at| (at, at, step.name.clone())));
            }
            None => {
                for from in step.also.iter().chain([&step.from]).filter(|from| **from < count) {
                    let to = step.to.iter().filter(|to| **to < count);
                    edges.extend(to.map(|to| (*from, *to, step.name.clone())));
                }
            }
        }
    }
    edges.sort();
    edges
}

fn number(text: &str) -> Option<usize> {
    text.trim().trim_start_matches(['s', 'S']).parse().ok()
}

fn sorted(mut edges: Vec<Drawn>) -> Vec<Drawn> {
    edges.sort();
    edges
}

#[test]
fn svg_draws_every_edge_and_state_once() {
    holds(|machine, position| {
        let machine = plain(machine);
        machine.with(|graph| {
            for live in [None, Some(&position.overlay())] {
                let picture = svg::file(graph, live);
                let tree = roxmltree::Document::parse(&picture).unwrap();
                let of = |tag: &'static str| {
                    tree.descendants().filter(move |node| node.is_element() && node.tag_name().name() == tag)
                };
                let titles = of("path").filter_map(|node| node.first_element_child()?.text());
                let edges = titles.map(|title| {
                    let (name, ends) = title.split_once(": ").unwrap();
                    let (from, to) = ends.split_once(" → ").unwrap();
                    (number(from).unwrap(), number(to).unwrap(), name.to_owned())
                });
                prop_assert_eq!(sorted(edges.collect()), expected(&machine));
                let is_box = |node: &roxmltree::Node<'_, '_>| {
                    node.attribute("class").is_some_and(|class| class.split(' ').any(|class| class.ends_with("-box")))
                };
                prop_assert_eq!(of("rect").filter(is_box).count(), machine.states.len());
                let mut names: Vec<usize> = of("text")
                    .filter(|node| node.attribute("class").is_some_and(|class| class.contains("-name")))
                    .map(|node| number(node.text().unwrap().split(' ').next_back().unwrap()).unwrap())
                    .collect();
                names.sort_unstable();
                prop_assert_eq!(names, (0..machine.states.len()).collect::<Vec<_>>());
            }
            Ok(())
        })
    });
}

#[test]
fn dot_draws_every_edge_and_state_once() {
    holds(|machine, position| {
        let machine = plain(machine);
        machine.with(|graph| {
            for live in [None, Some(&position.overlay())] {
                let picture = dot::write(graph, live);
                let mut edges = vec![];
                let mut states = vec![];
                for line in picture.lines().filter_map(|line| line.strip_prefix("    s")) {
                    let (what, rest) = line.split_once(" [").unwrap_or((line, ""));
                    if let Some((from, to)) = what.split_once(" -> ") {
                        let Some((from, to)) = number(from).zip(number(to)) else { continue };
                        let name = rest.split('"').nth(1).unwrap().split("\\n").next().unwrap();
                        edges.push((from, to, name.to_owned()));
                    } else {
                        states.extend(number(what));
                    }
                }
                prop_assert_eq!(sorted(edges), expected(&machine));
                prop_assert_eq!(states, (0..machine.states.len()).collect::<Vec<_>>());
            }
            Ok(())
        })
    });
}

/// The failure target that a composite leads to, and its states.
type Composite = (usize, Vec<usize>);

/// The edges and states that a Mermaid text names, with the states of each composite.
fn read(picture: &str) -> (Vec<Drawn>, Vec<usize>, Vec<Composite>, Vec<usize>) {
    let (mut edges, mut states, mut groups, mut folded) = (vec![], vec![], vec![], vec![]);
    let mut open: Option<Composite> = None;
    for line in picture.lines().map(str::trim) {
        if let Some(group) = line.strip_prefix("state \" \" as g") {
            open = group.strip_suffix(" {").and_then(number).map(|target| (target, vec![]));
        } else if line == "state \"on deletion\" as leaving {" {
            open = None;
        } else if line == "}" {
            groups.extend(open.take());
        } else if line.starts_with("state ") {
            let state = number(line.rsplit(' ').next().unwrap()).unwrap();
            states.push(state);
            if let Some((_, members)) = &mut open {
                members.push(state);
            }
        } else if let Some((from, rest)) = line.split_once(" --> ") {
            let (to, label) = rest.split_once(" : ").unwrap_or((rest, ""));
            if let Some(target) = from.strip_prefix('g').and_then(number) {
                assert_eq!(number(to), Some(target));
                folded.push(target);
            } else if let Some((from, to)) = number(from).zip(number(to)) {
                let name = label.trim_start_matches("✔ ").split(' ').next().unwrap();
                edges.push((from, to, name.to_owned()));
            }
        }
    }
    states.sort_unstable();
    (edges, states, groups, folded)
}

#[test]
fn mermaid_draws_every_edge_and_state_once() {
    holds(|machine, position| {
        let machine = plain(machine);
        machine.with(|graph| {
            for live in [None, Some(&position.overlay())] {
                let (edges, states, groups, folded) = read(&mermaid::flat(graph, live));
                prop_assert_eq!(sorted(edges), expected(&machine));
                prop_assert_eq!(states, (0..machine.states.len()).collect::<Vec<_>>());
                prop_assert!(groups.is_empty() && folded.is_empty());
            }
            Ok(())
        })
    });
}

#[test]
fn folded_mermaid_draws_every_edge_once_or_folds_it_into_the_edge_of_its_group() {
    holds(|machine, position| {
        let machine = plain(machine);
        machine.with(|graph| {
            for live in [None, Some(&position.overlay())] {
                let (mut edges, states, groups, folded) = read(&mermaid::folded(graph, live));
                let mut targets: Vec<usize> = groups.iter().map(|(target, _)| *target).collect();
                prop_assert_eq!(&folded, &targets);
                targets.dedup();
                prop_assert_eq!(&folded, &targets);
                // What goes back to a failed state is no failure.
                let back = |sort: Sort| matches!(sort, Sort::Rewind | Sort::End(End { back: true, .. }));
                let goes_back = |name: &str| machine.moves.iter().any(|step| step.name == name && back(step.sort));
                let inside = |edge: &&Drawn| {
                    !goes_back(&edge.2)
                        && groups.iter().any(|(target, members)| *target == edge.1 && members.contains(&edge.0))
                };
                let all = expected(&machine);
                prop_assert!(edges.iter().all(|edge| !inside(&edge)), "a folded edge is drawn as well");
                edges.extend(all.iter().filter(inside).cloned());
                prop_assert_eq!(sorted(edges), all);
                prop_assert_eq!(states, (0..machine.states.len()).collect::<Vec<_>>());
            }
            Ok(())
        })
    });
}

/// The edges that the lines of a sheet say, read from their texts and the rails beside them.
fn said(sheet: &Sheet) -> Vec<Drawn> {
    let ends: Vec<usize> =
        sheet.rows.iter().filter(|row| row.right.first() == Some(&'◂')).filter_map(|row| row.state).collect();
    let is_state = |text: &str| text.split(' ').nth(1).is_some_and(|name| name.starts_with('S'));
    let mut edges = vec![];
    let mut here = None;
    for (at, row) in sheet.rows.iter().enumerate() {
        let words: Vec<&str> = row.text.split(' ').filter(|word| !word.is_empty()).collect();
        if is_state(&row.text) {
            here = number(words[1]);
            continue;
        }
        let (from, name) = (here.unwrap(), words[1].to_owned());
        let mut failures: Vec<usize> = row.text.split("  ✘ ").skip(1).filter_map(number).collect();
        if failures.is_empty() && row.right.first() == Some(&'─') {
            assert_eq!(ends.len(), 1, "a rail without a name leads to the one state with a head");
            failures = ends.clone();
        }
        edges.extend(failures.into_iter().map(|to| (from, to, name.clone())));
        let to = match row.text.chars().next().unwrap() {
            '↺' => Some(from),
            '│' | '┃' => sheet.rows[at + 1..]
                .iter()
                .find(|row| is_state(&row.text))
                .map(|row| number(row.text.split(' ').nth(1).unwrap()).unwrap()),
            '✘' => None,
            _ => row.text.split(" → ").nth(1).map(|to| number(to.split(' ').next().unwrap()).unwrap()),
        };
        edges.extend(to.map(|to| (from, to, name)));
    }
    edges
}

#[test]
fn the_terminal_draws_every_edge_and_state_once() {
    holds(|machine, position| {
        let mut machine = plain(machine);
        // Words of other parts would be taken for names.
        for step in &mut machine.moves {
            step.undo = step.undo.as_ref().map(|_| "undo".to_owned());
            step.each = step.each.clone().map(|(_, places)| ("set".to_owned(), places));
        }
        machine.with(|graph| {
            for live in [None, Some(&position.overlay())] {
                for width in [30, 100, 400] {
                    let sheet = Sheet::new(graph, live, width);
                    prop_assert_eq!(sorted(said(&sheet)), expected(&machine));
                    let mut states: Vec<usize> = sheet.rows.iter().filter_map(|row| row.state).collect();
                    states.sort_unstable();
                    prop_assert_eq!(states, (0..machine.states.len()).collect::<Vec<_>>());
                }
            }
            Ok(())
        })
    });
}
