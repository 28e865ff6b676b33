//! Writes a graph as SVG, for rustdoc pages and for files. There is no script in it, and no blank line.

mod palette;

use std::fmt::Write as _;

use palette::{Colour, Kind, Palette};

use crate::edges::{Tone, Way};
use crate::layout::{self, Frame, Label, Layout, Line, Point};
use crate::model::{Graph, Rest};
use crate::overlay::{Back, Overlay, Standing, Stopped};
use crate::text::{self, xml};

/// Writes the picture for the rustdoc page of the type: a `<div>` with rustdoc's own colours, in which every state links to its variant.
///
/// Put it into a doc comment after a blank line. There is no blank line in it, so Markdown does not change it.
#[must_use]
pub fn inline(graph: &Graph<'_>, overlay: Option<&Overlay<'_>>) -> String {
    format!("<div style=\"overflow-x:auto\">\n{}</div>\n", draw(graph, overlay, Palette::Inline))
}

/// Writes the picture as a file. It follows the light or dark scheme of the reader.
///
/// A reader without style sheets shows the light scheme, because every colour is an attribute too.
///
/// The picture paints its own background, because a page may be dark although the reader's system is light.
#[must_use]
pub fn file(graph: &Graph<'_>, overlay: Option<&Overlay<'_>>) -> String {
    draw(graph, overlay, Palette::File)
}

/// Writes the picture in the literal colours of one scheme, for renderers without variables and media queries.
#[cfg(feature = "png")]
pub(crate) fn literal(graph: &Graph<'_>, overlay: Option<&Overlay<'_>>, dark: bool) -> String {
    draw(graph, overlay, if dark { Palette::Dark } else { Palette::Light })
}

fn draw(graph: &Graph<'_>, overlay: Option<&Overlay<'_>>, palette: Palette) -> String {
    let layout = layout::layout(graph, overlay);
    let notes = overlay.map_or_else(Vec::new, |overlay| notes(overlay, graph, layout.width));
    let mut picture = Picture { graph, overlay, palette, prefix: text::prefix(graph.name), out: String::new() };
    picture.open(&layout, &notes);
    picture.edges(&layout);
    for (state, frame) in layout.boxes.iter().enumerate() {
        picture.state(state, *frame);
    }
    for label in layout.lines.iter().filter_map(|line| line.label.as_ref()) {
        picture.label(label);
    }
    for rail in &layout.rails {
        picture.label(&rail.label);
    }
    picture.out.push_str("</g>\n</svg>\n");
    picture.out
}

/// The colour of the box where the resource is.
fn stand(overlay: &Overlay<'_>) -> Colour {
    match overlay.stopped {
        Some(Stopped::Held(_)) => Colour::Held,
        Some(Stopped::Blocked(_)) => Colour::Waits,
        None if overlay.paused => Colour::Waits,
        None => Colour::Here,
    }
}

/// How a line is drawn, but for its colour.
const THIN: &str = " stroke-width=\"1\"";
const PLAIN: &str = " stroke-width=\"1.3\"";
const DASHED: &str = " stroke-width=\"1.3\" stroke-dasharray=\"5 3\"";
const FONT: &str = "'DejaVu Sans','Segoe UI',system-ui,sans-serif";

const NOTE_SIZE: i32 = 12;
const NOTE_MARGIN: i32 = 12;
/// Notes are broken at the width of the picture, or at this where that is narrow.
const NOTE_WIDTH: i32 = 460;

/// One line above a live picture.
struct Note {
    text: String,
    /// Whether it belongs to the headline, which is bold.
    first: bool,
}

impl Note {
    fn width(&self) -> i32 {
        let measure = if self.first { text::bold_width } else { text::width };
        measure(&self.text, NOTE_SIZE)
    }
}

fn notes(overlay: &Overlay<'_>, graph: &Graph<'_>, width: i32) -> Vec<Note> {
    let room = width.max(NOTE_WIDTH) - 2 * NOTE_MARGIN;
    let lines = overlay.lines(graph).into_iter().enumerate();
    let broken = |(index, line): (usize, String)| {
        let first = index == 0;
        let note = move |text: &str| Note { text: text.trim_matches(['·', ' ']).to_owned(), first };
        let parts = text::wrap(&line.replace("  ", " · "), |part| note(part).width() <= room);
        parts.into_iter().map(move |part| note(&part))
    };
    lines.flat_map(broken).collect()
}

struct Picture<'p> {
    graph: &'p Graph<'p>,
    overlay: Option<&'p Overlay<'p>>,
    palette: Palette,
    /// Stands before every class and id, which are global to the page.
    prefix: String,
    out: String,
}

impl Picture<'_> {
    fn open(&mut self, layout: &Layout, notes: &[Note]) {
        let widest = notes.iter().map(|note| note.width() + 2 * NOTE_MARGIN).max().unwrap_or(0);
        let head = 18 * i32::try_from(notes.len()).unwrap_or(0) + if notes.is_empty() { 0 } else { 10 };
        let (width, height) = (layout.width.max(widest), layout.height + head);
        let title = xml(self.graph.title);
        let p = self.prefix.clone();
        let _ = write!(
            self.out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"State diagram of {title}\"",
        );
        // Texts inherit this.
        let ink = self.palette.paint(&p, Kind::Picture, Some(Colour::Ink), None);
        let _ = writeln!(self.out, "{ink} font-family=\"{FONT}\" font-size=\"{}\">", layout::LABEL_SIZE);
        self.out.push_str(&self.palette.style(&p));
        if self.palette != Palette::Inline {
            let page = self.fill(Colour::Page);
            let _ = writeln!(self.out, "<rect{page} width=\"{width}\" height=\"{height}\" rx=\"8\"/>");
        }
        for head in [Colour::Line, Colour::Bad, Colour::Back, Colour::Good] {
            let paint = self.fill(head);
            let way = mark(head);
            let _ = writeln!(
                self.out,
                "<marker id=\"{p}-{way}\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path{paint} d=\"M0 1L8 4L0 7z\"/></marker>"
            );
        }
        for (index, note) in notes.iter().enumerate() {
            let y = 20 + 18 * i32::try_from(index).unwrap_or(0);
            let look = if note.first { " font-weight=\"bold\"".to_owned() } else { self.fill(Colour::Dim) };
            let text = xml(&note.text);
            let _ =
                writeln!(self.out, "<text{look} font-size=\"{NOTE_SIZE}\" x=\"{NOTE_MARGIN}\" y=\"{y}\">{text}</text>");
        }
        let _ = writeln!(self.out, "<g transform=\"translate(0 {head})\">");
    }

    fn fill(&self, colour: Colour) -> String {
        self.palette.paint(&self.prefix, Kind::Part, Some(colour), None)
    }

    fn stroke(&self, colour: Colour) -> String {
        self.palette.paint(&self.prefix, Kind::Part, None, Some(colour))
    }

    fn edges(&mut self, layout: &Layout) {
        let p = self.prefix.clone();
        if let Some([dot, end]) = layout.start {
            let (fill, stroke) = (self.fill(Colour::Line), self.stroke(Colour::Line));
            let _ = writeln!(self.out, "<circle{fill} cx=\"{}\" cy=\"{}\" r=\"5\"/>", dot.0, dot.1);
            let (d, way) = (path(&[dot, end]), mark(Colour::Line));
            let _ = writeln!(self.out, "<path{stroke}{PLAIN} d=\"{d}\" marker-end=\"url(#{p}-{way})\"/>");
        }
        if let Some(deletion) = &layout.deletion {
            let (fill, stroke, way) = (self.fill(Colour::Back), self.stroke(Colour::Back), mark(Colour::Back));
            let undoing = self.overlay.is_some_and(|overlay| overlay.undoing);
            let look = if undoing { " stroke-width=\"2.6\" stroke-dasharray=\"5 3\"" } else { DASHED };
            let mut d = path(&deletion.points);
            let _ = writeln!(self.out, "<path{stroke}{look} d=\"{d}\" marker-end=\"url(#{p}-{way})\"/>");
            d.clear();
            for (x, y) in &deletion.ticks {
                let _ = write!(d, "M{} {y}H{x}", x + 8);
            }
            let (x, y) = deletion.end;
            let _ = writeln!(
                self.out,
                "<path{stroke}{PLAIN} d=\"{d}M{} {y}a6 6 0 1 0 12 0a6 6 0 1 0 -12 0\"/>\n<circle{fill} cx=\"{x}\" cy=\"{y}\" r=\"3\"/>",
                x - 6,
            );
            self.label(&deletion.label);
        }
        for line in &layout.lines {
            self.line(line);
        }
        for rail in &layout.rails {
            let (d, stroke, way) = (path(&rail.points), self.stroke(Colour::Bad), mark(Colour::Bad));
            let _ = writeln!(self.out, "<path{stroke}{THIN} d=\"{d}\" marker-end=\"url(#{p}-{way})\"/>");
        }
    }

    fn line(&mut self, line: &Line) {
        let p = &self.prefix;
        let edge = line.edge;
        let walked = self.overlay.is_some_and(|overlay| overlay.came_along(&edge));
        let back = self.overlay.filter(|_| walked).and_then(|overlay| overlay.back(edge.transition));
        let colour = match (edge.tone, back) {
            (_, Some(_)) | (Tone::Back | Tone::Leaving, None) => Colour::Back,
            (Tone::Bad, None) => Colour::Bad,
            (Tone::Plain, None) if walked => Colour::Good,
            (Tone::Plain, None) => Colour::Line,
        };
        let returns = edge.way == Way::Back || (edge.way == Way::Loop && edge.tone != Tone::Plain);
        let (width, dashes) = match (edge.way, back) {
            (_, Some(Back::Undone)) => ("1.3", " stroke-dasharray=\"2 4\""),
            _ if returns && walked => ("2.4", " stroke-dasharray=\"5 3\""),
            _ if returns => ("1.3", " stroke-dasharray=\"5 3\""),
            _ if walked => ("2.4", ""),
            (Way::Failure, _) => ("1", ""),
            _ => ("1.3", ""),
        };
        let marker = if line.head { format!(" marker-end=\"url(#{p}-{})\"", mark(colour)) } else { String::new() };
        let name = self.graph.transitions.get(edge.transition).map_or("", |transition| transition.name);
        let ends = [edge.from, edge.to].map(|state| self.graph.states[state].name);
        let (d, title) = (path(&line.points), xml(&format!("{name}: {} → {}", ends[0], ends[1])));
        let stroke = self.stroke(colour);
        let _ = writeln!(
            self.out,
            "<path{stroke} stroke-width=\"{width}\"{dashes} d=\"{d}\"{marker}><title>{title}</title></path>"
        );
    }

    fn state(&mut self, state: usize, frame: Frame) {
        let p = self.prefix.clone();
        let model = &self.graph.states[state];
        let standing = self.overlay.map(|overlay| overlay.standing(state));
        let (border, width) = match (model.failed, model.rest) {
            (true, _) => (Colour::Bad, "1.5"),
            (false, _) if model.leaving => (Colour::Back, "1.5"),
            (false, Rest::Passing) => (Colour::Edge, "1"),
            (false, Rest::Resting | Rest::Terminal) => (Colour::Good, "1.5"),
        };
        let (fill, border, width) = match (standing, self.overlay) {
            (Some(Standing::Here), Some(overlay)) => (Some(stand(overlay)), stand(overlay), "2"),
            (Some(Standing::Done), _) => (Some(Colour::Done), Colour::Good, width),
            (Some(Standing::Undone), _) => (None, Colour::Back, "1.3"),
            _ => (Some(Colour::Fill), border, width),
        };
        let dashes = if standing == Some(Standing::Undone) { " stroke-dasharray=\"5 3\"" } else { "" };
        let group = if standing == Some(Standing::ToCome) { " opacity=\".7\"" } else { "" };
        let link = self.palette == Palette::Inline && !model.name.is_empty();
        let tip = if model.doc.trim().is_empty() { model.name } else { model.doc };
        let _ = write!(self.out, "<g{group}>");
        if link {
            let _ = write!(self.out, "<a href=\"#variant.{}\">", xml(model.name));
        }
        let Frame { x, y, width: wide, height } = frame;
        let paint = self.palette.paint(&p, Kind::Box, fill, Some(border));
        let _ = write!(
            self.out,
            "<title>{}</title><rect{paint} stroke-width=\"{width}\"{dashes} x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{height}\" rx=\"7\"/>",
            xml(tip)
        );
        if model.rest == Rest::Terminal {
            let edge = self.stroke(Colour::Edge);
            let _ = write!(
                self.out,
                "<rect{edge}{THIN} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"5\"/>",
                x + 3,
                y + 3,
                wide - 6,
                height - 6
            );
        }
        let lines = layout::name_lines(self.graph, self.overlay, state);
        let (x, first) = (x + wide / 2, y + height / 2 + 5 - 8 * (i32::try_from(lines.len()).unwrap_or(1) - 1));
        let (colour, weight) = match standing {
            Some(Standing::Here) => (Colour::On, " font-weight=\"bold\""),
            _ => (Colour::Ink, ""),
        };
        let paint = self.palette.paint(&p, Kind::Name, Some(colour), None);
        let name = xml(&lines[0]);
        let _ = write!(
            self.out,
            "<text{paint}{weight} font-size=\"{}\" text-anchor=\"middle\" x=\"{x}\" y=\"{first}\">{name}",
            layout::NAME_SIZE
        );
        if let Some(second) = lines.get(1) {
            let _ = write!(self.out, "<tspan x=\"{x}\" dy=\"16\">{}</tspan>", xml(second));
        }
        self.out.push_str("</text>");
        if link {
            self.out.push_str("</a>");
        }
        self.out.push_str("</g>\n");
    }

    fn label(&mut self, label: &Label) {
        let Label { caption, frame, end, stacked } = label;
        let y = frame.y + if *stacked { 10 } else { 11 };
        let anchor = if *end { " text-anchor=\"end\"" } else { "" };
        let edge = frame.x + if *end { frame.width } else { 0 };
        let dim = self.fill(Colour::Dim);
        let (name, note) = (xml(&caption.name), xml(&caption.note));
        if caption.badges.is_empty() {
            let place = if *stacked { format!(" x=\"{edge}\" dy=\"12\"") } else { " dx=\"8\"".to_owned() };
            let note = if note.is_empty() { note } else { format!("<tspan{dim}{place}>{note}</tspan>") };
            let _ = writeln!(self.out, "<text x=\"{edge}\" y=\"{y}\"{anchor}>{name}{note}</text>");
            return;
        }
        // From the edge on which the label leans, part after part.
        let sign = if *end { -1 } else { 1 };
        let mut at = edge;
        let wide = |text: &str| text::width(text, layout::LABEL_SIZE);
        let note_beside = !*stacked && !note.is_empty();
        if *end && note_beside {
            let _ = writeln!(self.out, "<text{dim} x=\"{at}\" y=\"{y}\"{anchor}>{note}</text>");
            at -= wide(&caption.note) + layout::NOTE_GAP;
        }
        if !*end {
            let _ = writeln!(self.out, "<text x=\"{at}\" y=\"{y}\">{name}</text>");
            at += wide(&caption.name);
        }
        let badges: Vec<&str> = caption.badges.clone();
        for place in 0..badges.len() {
            let badge = badges[if *end { badges.len() - 1 - place } else { place }];
            let width = layout::badge_width(badge);
            at += if *end { 0 } else { layout::BADGE_GAP };
            self.badge(badge, if *end { at - width } else { at }, frame.y + i32::from(!*stacked), width);
            at += sign * width - if *end { layout::BADGE_GAP } else { 0 };
        }
        if *end {
            let _ = writeln!(self.out, "<text x=\"{at}\" y=\"{y}\"{anchor}>{name}</text>");
        } else if note_beside {
            at += layout::NOTE_GAP;
            let _ = writeln!(self.out, "<text{dim} x=\"{at}\" y=\"{y}\">{note}</text>");
        }
        if *stacked {
            let y = y + 12;
            let _ = writeln!(self.out, "<text{dim} x=\"{edge}\" y=\"{y}\"{anchor}>{note}</text>");
        }
    }

    /// One word of the contract, in a frame.
    fn badge(&mut self, badge: &str, x: i32, y: i32, width: i32) {
        let frame = self.palette.paint(&self.prefix, Kind::Part, Some(Colour::Fill), Some(Colour::Edge));
        let ink = self.fill(Colour::Dim);
        let _ = writeln!(
            self.out,
            "<rect{frame}{THIN} x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"12\" rx=\"6\"/><text{ink} font-size=\"{}\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{badge}</text>",
            layout::BADGE_SIZE,
            x + width / 2,
            y + 9,
        );
    }
}

/// The id of the arrow head in this colour.
fn mark(head: Colour) -> &'static str {
    match head {
        Colour::Bad => "f",
        Colour::Back => "b",
        Colour::Good => "g",
        _ => "a",
    }
}

/// A line of horizontal and vertical stretches with rounded corners.
fn path(points: &[Point]) -> String {
    let mut d = String::new();
    for (index, &(x, y)) in points.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|i| points.get(i));
        match (before, points.get(index + 1)) {
            (None, _) => {
                let _ = write!(d, "M{x} {y}");
            }
            (Some(_), None) => {
                let _ = write!(d, "L{x} {y}");
            }
            (Some(&a), Some(&b)) => {
                let length = |p: Point| (p.0 - x).abs() + (p.1 - y).abs();
                let radius = 7.min(length(a) / 2).min(length(b) / 2);
                let towards = |p: Point| (x + (p.0 - x).signum() * radius, y + (p.1 - y).signum() * radius);
                let (a, b) = (towards(a), towards(b));
                let _ = write!(d, "L{} {}Q{x} {y} {} {}", a.0, a.1, b.0, b.1);
            }
        }
    }
    d
}
