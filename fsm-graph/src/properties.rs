//! What holds for every picture, tried on random graphs and on the gallery's machines.

use proptest::prelude::*;

use crate::layout::{self, Frame, Layout, Point};
use crate::model::{Graph, Rest};
use crate::overlay::Overlay;
use crate::{dot, mermaid, svg, terminal, text};

#[path = "../tests/gallery/machines.rs"]
mod machines;

use machines::{HOSTILE, Machine, Move, Spot};

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[A-Za-z_]{1,24}",
        1 => proptest::sample::select(HOSTILE.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,30}",
        1 => any::<String>(),
    ]
}

fn spot() -> impl Strategy<Value = Spot> {
    let rest = prop_oneof![6 => Just(Rest::Passing), 2 => Just(Rest::Resting), 1 => Just(Rest::Terminal)];
    (word(), word(), rest, proptest::bool::weighted(0.1)).prop_map(|(name, doc, rest, failed)| Spot {
        name,
        doc,
        rest,
        failed,
    })
}

/// Graphs of every kind: mostly forward, with branches, loops, sets, and also indices that do not exist.
fn machine() -> impl Strategy<Value = Machine> {
    (0_usize..=60).prop_flat_map(|count| {
        let top = count.max(1);
        let chain = (proptest::bool::weighted(0.7), 1_usize..4);
        let free = proptest::collection::vec(0..=top, 0..3);
        let step = (word(), 0..top, chain, free, proptest::option::weighted(0.3, word()), 0_u8..8);
        let step = step.prop_map(move |(name, from, (forward, far), mut to, undo, kind)| {
            if forward {
                to.insert(0, (from + far).min(top - 1));
            }
            let each = (kind == 0).then(|| (name.clone(), vec![from, (from + far) % top]));
            Move { name, from, to, guard: (kind == 1).then(|| "guard".to_owned()), undo, retain: kind == 2, each }
        });
        let states = proptest::collection::vec(spot(), count);
        let moves = proptest::collection::vec(step, 0..=count * 3 / 2);
        (word(), states, moves).prop_map(|(name, states, moves)| Machine { name, states, moves })
    })
}

fn overlap(a: Frame, b: Frame) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

/// How many edges the machine has, counted without the layout's help.
fn expected(machine: &Machine) -> usize {
    let count = machine.states.len();
    let here = |m: &Move| match &m.each {
        Some((_, places)) => (0..count).filter(|at| places.contains(at)).count(),
        None if m.from < count => m.to.iter().filter(|&&to| to < count).count(),
        None => 0,
    };
    machine.moves.iter().map(here).sum()
}

fn stretches(points: &[Point]) -> impl Iterator<Item = Frame> {
    points.windows(2).map(|pair| {
        let ((a, b), (c, d)) = (pair[0], pair[1]);
        Frame { x: a.min(c), y: b.min(d), width: (a - c).abs(), height: (b - d).abs() }
    })
}

fn check_layout(machine: &Machine, layout: &Layout) -> Result<(), TestCaseError> {
    prop_assert_eq!(layout.boxes.len(), machine.states.len());
    prop_assert_eq!(layout.lines.len(), expected(machine));
    for (index, a) in layout.boxes.iter().enumerate() {
        for b in &layout.boxes[index + 1..] {
            prop_assert!(!overlap(*a, *b), "boxes {a:?} and {b:?} overlap");
        }
    }
    let labels = layout.lines.iter().filter_map(|line| line.label.as_ref());
    let labels = labels.chain(layout.rails.iter().map(|rail| &rail.label));
    let labels: Vec<Frame> = labels.chain(layout.deletion.iter().map(|d| &d.label)).map(|label| label.frame).collect();
    for (index, a) in labels.iter().enumerate() {
        for b in &layout.boxes {
            prop_assert!(!overlap(*a, *b), "label {a:?} covers box {b:?}");
        }
        for b in &labels[index + 1..] {
            prop_assert!(!overlap(*a, *b), "labels {a:?} and {b:?} overlap");
        }
        prop_assert!(a.x >= 0 && a.y >= 0 && a.x + a.width <= layout.width && a.y + a.height <= layout.height);
    }
    let start = layout.start.map(|points| points.to_vec());
    let paths: Vec<&[Point]> = layout
        .lines
        .iter()
        .map(|line| line.points.as_slice())
        .chain(layout.rails.iter().map(|rail| rail.points.as_slice()))
        .chain(layout.deletion.iter().map(|deletion| deletion.points.as_slice()))
        .chain(start.as_deref())
        .collect();
    for path in &paths {
        for stretch in stretches(path) {
            prop_assert!(stretch.width == 0 || stretch.height == 0, "{stretch:?} is slanted");
            for b in &layout.boxes {
                // The inside of a box; a line may touch its border.
                let inner = Frame { x: b.x + 1, y: b.y + 1, width: b.width - 2, height: b.height - 2 };
                let line = Frame { width: stretch.width.max(1), height: stretch.height.max(1), ..stretch };
                prop_assert!(!overlap(line, inner), "{stretch:?} passes through {b:?}");
            }
        }
    }
    for (index, a) in paths.iter().enumerate() {
        for b in &paths[index + 1..] {
            for (a, b) in stretches(a).flat_map(|a| stretches(b).map(move |b| (a, b))) {
                let along_y =
                    a.width == 0 && b.width == 0 && a.x == b.x && a.y < b.y + b.height && b.y < a.y + a.height;
                let along_x =
                    a.height == 0 && b.height == 0 && a.y == b.y && a.x < b.x + b.width && b.x < a.x + a.width;
                // A line that joins a rail lies on it for the length of the joint.
                let joint = along_y && a.height.min(b.height) <= 8;
                prop_assert!(joint || !(along_x || along_y), "{a:?} and {b:?} lie on each other");
            }
        }
    }
    Ok(())
}

fn check_svg(machine: &Machine, picture: &str) -> Result<(), TestCaseError> {
    prop_assert!(picture.lines().all(|line| !line.trim().is_empty()), "a blank line would end the HTML block");
    let tree = roxmltree::Document::parse(picture).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let known = ["svg", "style", "marker", "path", "circle", "rect", "text", "tspan", "g", "a", "title", "div"];
    for node in tree.descendants().filter(roxmltree::Node::is_element) {
        prop_assert!(known.contains(&node.tag_name().name()), "element {}", node.tag_name().name());
        for attribute in node.attributes() {
            prop_assert!(!attribute.name().starts_with("on"), "attribute {}", attribute.name());
            prop_assert!(attribute.name() != "href" || attribute.value().starts_with("#variant."));
        }
    }
    let class = |node: roxmltree::Node<'_, '_>, ends: &[&str]| {
        let class = node.attribute("class").unwrap_or_default().split(' ').next().unwrap_or_default().to_owned();
        ends.iter().any(|end| class.ends_with(end))
    };
    let boxes = tree.descendants().filter(|node| node.has_tag_name("rect") || node.tag_name().name() == "rect");
    prop_assert_eq!(boxes.filter(|node| class(*node, &["-box"])).count(), machine.states.len());
    let titled = tree.descendants().filter(|node| {
        node.tag_name().name() == "path" && node.children().any(|child| child.tag_name().name() == "title")
    });
    prop_assert_eq!(titled.count(), expected(machine));
    Ok(())
}

fn check_texts(machine: &Machine, graph: &Graph<'_>, overlay: Option<&Overlay<'_>>) -> Result<(), TestCaseError> {
    for (picture, again) in [
        (mermaid::folded(graph, overlay), mermaid::folded(graph, overlay)),
        (mermaid::flat(graph, overlay), mermaid::flat(graph, overlay)),
        (dot::write(graph, overlay), dot::write(graph, overlay)),
    ] {
        prop_assert_eq!(&picture, &again);
        prop_assert!(!picture.to_lowercase().contains("<script") || picture.starts_with("digraph"));
    }
    let flat = mermaid::flat(graph, overlay);
    let arrows = flat.lines().filter(|line| line.trim_start().starts_with('s') && line.contains(" --> s")).count();
    prop_assert_eq!(arrows, expected(machine));
    let drawn = dot::write(graph, overlay);
    let arrows = drawn.lines().filter(|line| line.trim_start().starts_with('s') && line.contains(" -> s")).count();
    let start = usize::from(!machine.states.is_empty());
    prop_assert_eq!(arrows, expected(machine) + start);
    for width in [20, 60, 100] {
        let options = terminal::Options { width, ..terminal::Options::default() };
        let screen = terminal::write(graph, overlay, &options);
        prop_assert_eq!(&screen, &terminal::write(graph, overlay, &options));
        prop_assert!(screen.chars().all(|c| c == '\n' || !c.is_control()), "a control character reaches the terminal");
        if width >= 60 {
            let widest = screen.lines().map(text::columns).max().unwrap_or(0);
            prop_assert!(widest <= width, "{widest} columns in {width}:\n{screen}");
        }
    }
    Ok(())
}

fn check(machine: &Machine) -> Result<(), TestCaseError> {
    machine.with(|graph| {
        let layout = layout::layout(graph);
        check_layout(machine, &layout)?;
        let done: Vec<usize> = (0..machine.states.len() / 2).collect();
        let overlay = Overlay {
            resource: HOSTILE[3],
            here: done.len(),
            done: &done,
            last_error: Some(HOSTILE[2]),
            ..Overlay::default()
        };
        for overlay in [None, Some(&overlay)] {
            for (picture, again) in [
                (svg::inline(graph, overlay), svg::inline(graph, overlay)),
                (svg::file(graph, overlay), svg::file(graph, overlay)),
            ] {
                prop_assert_eq!(&picture, &again);
                check_svg(machine, &picture)?;
            }
            check_texts(machine, graph, overlay)?;
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_machines_are_drawn_without_a_clash(machine in machine()) {
        check(&machine)?;
    }
}

#[test]
fn the_gallery_is_drawn_without_a_clash() {
    for (name, machine) in machines::all() {
        check(&machine).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_spine_is_straight_and_comes_first() {
    machines::worker().with(|graph| {
        let layout = layout::layout(graph);
        let middle = |frame: &Frame| frame.x + frame.width / 2;
        assert!(layout.boxes.iter().all(|frame| middle(frame) == middle(&layout.boxes[0])));
        assert!(layout.boxes.windows(2).all(|pair| pair[0].y < pair[1].y));
    });
}

#[test]
fn failure_edges_share_one_rail_with_one_head() {
    for (name, edges, rails) in [("team", 3, 1), ("failures", 6, 2), ("forty", 13, 1)] {
        let machine =
            machines::all().into_iter().find(|(other, _)| *other == name).expect("a machine of the gallery").1;
        machine.with(|graph| {
            let layout = layout::layout(graph);
            let failing = layout.lines.iter().filter(|line| graph.states[line.edge.to].failed);
            assert_eq!(failing.filter(|line| !line.head).count(), edges, "{name}");
            assert_eq!(layout.rails.len(), rails, "{name}");
        });
    }
}

/// How often two lines cross.
fn crossings(layout: &Layout) -> usize {
    let lines = layout.lines.iter().map(|line| line.points.as_slice());
    let paths: Vec<&[Point]> = lines.chain(layout.rails.iter().map(|rail| rail.points.as_slice())).collect();
    let all: Vec<Frame> = paths.iter().flat_map(|path| stretches(path)).collect();
    let crosses = |flat: &Frame, tall: &Frame| {
        flat.x < tall.x && tall.x < flat.x + flat.width && tall.y < flat.y && flat.y < tall.y + tall.height
    };
    all.iter().map(|flat| all.iter().filter(|tall| crosses(flat, tall)).count()).sum()
}

#[test]
fn planar_machines_are_drawn_without_a_crossing() {
    for (name, machine) in machines::all() {
        let count = machine.with(|graph| crossings(&layout::layout(graph)));
        assert_eq!(count, 0, "{name} has crossings");
    }
}
