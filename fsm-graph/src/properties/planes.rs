//! Boxes, lines and labels in the plane.

use proptest::prelude::*;

use super::holds;
use super::machines::{self, Machine};
use super::random::Position;
use crate::layout::{self, Frame, Layout, Point};
use crate::svg;
use crate::text;

/// Tries a property on the plain layout of a machine and on its live one.
fn on_layouts(property: impl Fn(&Layout) -> Result<(), TestCaseError>) {
    holds(|machine, position| {
        machine.with(|graph| {
            property(&layout::layout(graph, None))?;
            property(&layout::layout(graph, Some(&position.overlay())))
        })
    });
}

fn overlap(a: Frame, b: Frame) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

fn stretches(points: &[Point]) -> impl Iterator<Item = Frame> {
    points.windows(2).map(|pair| {
        let ((a, b), (c, d)) = (pair[0], pair[1]);
        Frame { x: a.min(c), y: b.min(d), width: (a - c).abs(), height: (b - d).abs() }
    })
}

fn paths(layout: &Layout) -> Vec<Vec<Point>> {
    let lines = layout.lines.iter().map(|line| line.points.clone());
    let rails = layout.rails.iter().map(|rail| rail.points.clone());
    let deletion = layout.deletion.iter().map(|deletion| deletion.points.clone());
    lines.chain(rails).chain(deletion).chain(layout.start.map(|points| points.to_vec())).collect()
}

fn labels(layout: &Layout) -> Vec<Frame> {
    let labels = layout.lines.iter().filter_map(|line| line.label.as_ref());
    let labels = labels.chain(layout.rails.iter().map(|rail| &rail.label));
    labels.chain(layout.deletion.iter().map(|deletion| &deletion.label)).map(|label| label.frame).collect()
}

/// A stretch as the area that its line covers.
fn covered(stretch: Frame) -> Frame {
    Frame { width: stretch.width.max(1), height: stretch.height.max(1), ..stretch }
}

#[test]
fn no_two_boxes_overlap() {
    on_layouts(|layout| {
        for (index, a) in layout.boxes.iter().enumerate() {
            for b in &layout.boxes[index + 1..] {
                prop_assert!(!overlap(*a, *b), "boxes {a:?} and {b:?} overlap");
            }
        }
        Ok(())
    });
}

#[test]
fn no_label_overlaps_a_box_or_a_label_or_a_line() {
    on_layouts(|layout| {
        let (labels, paths) = (labels(layout), paths(layout));
        for (index, a) in labels.iter().enumerate() {
            prop_assert!(a.x >= 0 && a.y >= 0 && a.x + a.width <= layout.width && a.y + a.height <= layout.height);
            for b in &layout.boxes {
                prop_assert!(!overlap(*a, *b), "label {a:?} covers box {b:?}");
            }
            for b in &labels[index + 1..] {
                prop_assert!(!overlap(*a, *b), "labels {a:?} and {b:?} overlap");
            }
            for stretch in paths.iter().flat_map(|path| stretches(path)) {
                prop_assert!(!overlap(*a, covered(stretch)), "{stretch:?} passes through label {a:?}");
            }
        }
        Ok(())
    });
}

#[test]
fn no_edge_passes_through_a_box() {
    on_layouts(|layout| {
        for stretch in paths(layout).iter().flat_map(|path| stretches(path)) {
            prop_assert!(stretch.width == 0 || stretch.height == 0, "{stretch:?} is slanted");
            for b in &layout.boxes {
                // The inside of a box; a line may touch its border.
                let inner = Frame { x: b.x + 1, y: b.y + 1, width: b.width - 2, height: b.height - 2 };
                prop_assert!(!overlap(covered(stretch), inner), "{stretch:?} passes through {b:?}");
            }
        }
        Ok(())
    });
}

#[test]
fn no_two_lines_lie_on_each_other() {
    on_layouts(|layout| {
        let paths = paths(layout);
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
    });
}

/// Whether a point lies on the border of a box.
fn touches((x, y): Point, b: Frame) -> bool {
    let across = (b.x..=b.x + b.width).contains(&x);
    let along = (b.y..=b.y + b.height).contains(&y);
    (across && (y == b.y || y == b.y + b.height)) || (along && (x == b.x || x == b.x + b.width))
}

#[test]
fn every_line_leads_from_its_state_to_its_state() {
    on_layouts(|layout| {
        for line in &layout.lines {
            let (first, last) = (line.points[0], line.points[line.points.len() - 1]);
            prop_assert!(touches(first, layout.boxes[line.edge.from]), "{line:?} begins beside its state");
            if line.head {
                prop_assert!(touches(last, layout.boxes[line.edge.to]), "{line:?} ends beside its state");
            } else {
                let rail = layout.rails.iter().find(|rail| rail.state == line.edge.to);
                let rail = rail.map(|rail| rail.points.clone()).unwrap_or_default();
                let joins = rail.first().is_some_and(|top| top.0 == last.0 && top.1 <= last.1);
                prop_assert!(joins && touches(rail[1], layout.boxes[line.edge.to]), "{line:?} joins no rail");
            }
        }
        Ok(())
    });
}

#[test]
fn every_text_fits_its_room() {
    holds(|machine, position| {
        machine.with(|graph| {
            for live in [None, Some(&position.overlay())] {
                let layout = layout::layout(graph, live);
                let measure = if live.is_some() { text::bold_width } else { text::width };
                for (state, frame) in layout.boxes.iter().enumerate() {
                    let lines = layout::name_lines(graph, live, state);
                    for line in &lines {
                        prop_assert!(measure(line, layout::NAME_SIZE) + 20 <= frame.width, "{line} in {frame:?}");
                    }
                    prop_assert!(i32::try_from(lines.len()).unwrap() * 16 <= frame.height);
                }
                for label in layout.lines.iter().filter_map(|line| line.label.as_ref()) {
                    let badges: i32 = label.caption.badges.iter().map(|badge| text::width(badge, 9) + 8).sum();
                    let head = text::width(&label.caption.name, 11) + badges;
                    let note = text::width(&label.caption.note, 11);
                    let needed = if label.stacked { head.max(note) } else { head + note };
                    prop_assert!(needed <= label.frame.width, "{label:?}");
                }
                let picture = svg::file(graph, live);
                let tree = roxmltree::Document::parse(&picture).unwrap();
                let width: i32 = tree.root_element().attribute("width").unwrap().parse().unwrap();
                for note in tree.descendants().filter(|node| {
                    let class = node.attribute("class").unwrap_or_default();
                    node.has_tag_name(("http://www.w3.org/2000/svg", "text"))
                        && (class.ends_with("-live") || class.ends_with("-note"))
                }) {
                    let measure = if note.attribute("class").unwrap().ends_with("-live") {
                        text::bold_width
                    } else {
                        text::width
                    };
                    let text = note.text().unwrap_or_default();
                    prop_assert!(12 + measure(text, 12) <= width, "{text} is clipped at {width}");
                }
            }
            Ok(())
        })
    });
}

#[test]
fn the_spine_is_straight_and_comes_first() {
    machines::worker().with(|graph| {
        let layout = layout::layout(graph, None);
        let middle = |frame: &Frame| frame.x + frame.width / 2;
        assert!(layout.boxes.iter().all(|frame| middle(frame) == middle(&layout.boxes[0])));
        assert!(layout.boxes.windows(2).all(|pair| pair[0].y < pair[1].y));
        assert!(layout.width <= 470, "{} pixels do not fit beside text", layout.width);
    });
}

fn named(name: &str) -> Machine {
    machines::all().into_iter().find(|(other, _)| *other == name).expect("a machine of the gallery").1
}

#[test]
fn failure_edges_share_one_rail_with_one_head() {
    for (name, edges, rails) in [("team", 3, 1), ("failures", 6, 2), ("forty", 13, 1)] {
        named(name).with(|graph| {
            let layout = layout::layout(graph, None);
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
        for live in [None, Some(&Position::end(&machine).overlay())] {
            let count = machine.with(|graph| crossings(&layout::layout(graph, live)));
            assert_eq!(count, 0, "{name} has crossings");
        }
    }
}
