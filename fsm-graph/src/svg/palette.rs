//! The colours of a picture.
//!
//! Invariant: on every background that a palette is made for, the contrast is at least 3 to 1 for lines and 4.5 to 1 for text.
//!
//! Every colour is a literal presentation attribute, which all readers of SVG support. A style sheet replaces it if the page or the reader prefers another scheme. The style sheet is a
//! single at-rule, so a reader that does not know the rule skips it as a whole.

use std::fmt::Write as _;

/// Which colours a picture has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Palette {
    /// rustdoc's own colours, whatever the theme.
    Inline,
    /// Light, or dark where the reader prefers that.
    File,
    #[cfg(feature = "png")]
    Light,
    #[cfg(feature = "png")]
    Dark,
}

/// A colour by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// Text, and muted text.
    Ink,
    Dim,
    /// Text in the box where a resource stands.
    On,
    Line,
    /// The inside of a box, and its border.
    Fill,
    Edge,
    Bad,
    Back,
    Good,
    /// The boxes of states that were passed, and where a resource stands.
    Done,
    Here,
    Held,
    Waits,
    Page,
}

impl Colour {
    const ALL: [Self; 14] = [
        Self::Ink,
        Self::Dim,
        Self::On,
        Self::Line,
        Self::Fill,
        Self::Edge,
        Self::Bad,
        Self::Back,
        Self::Good,
        Self::Done,
        Self::Here,
        Self::Held,
        Self::Waits,
        Self::Page,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Ink => "ink",
            Self::Dim => "dim",
            Self::On => "on",
            Self::Line => "line",
            Self::Fill => "fill",
            Self::Edge => "edge",
            Self::Bad => "bad",
            Self::Back => "back",
            Self::Good => "good",
            Self::Done => "done",
            Self::Here => "here",
            Self::Held => "held",
            Self::Waits => "waits",
            Self::Page => "page",
        }
    }
}

/// What an element is, which its class says: pages and tests find boxes and names by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The whole picture; its class is the prefix alone.
    Picture,
    Box,
    Name,
    /// Anything else; its class says only its colours.
    Part,
}

/// The colours that lines and borders have.
const DRAWN: [Colour; 6] = [Colour::Line, Colour::Edge, Colour::Bad, Colour::Back, Colour::Good, Colour::Here];

fn light(colour: Colour) -> &'static str {
    match colour {
        Colour::Ink => "#1f2328",
        Colour::Dim | Colour::Line => "#59636e",
        Colour::On | Colour::Page => "#ffffff",
        Colour::Fill => "#f6f8fa",
        Colour::Edge => "#818b98",
        Colour::Bad | Colour::Held => "#cf222e",
        Colour::Back | Colour::Waits => "#9a6700",
        Colour::Good => "#1a7f37",
        Colour::Done => "#dafbe1",
        Colour::Here => "#0969da",
    }
}

fn dark(colour: Colour) -> &'static str {
    match colour {
        Colour::Ink => "#e6edf3",
        Colour::Dim | Colour::Line => "#9198a1",
        Colour::Fill => "#161b22",
        Colour::Edge => "#6e7681",
        Colour::Bad => "#f85149",
        Colour::Back => "#d29922",
        Colour::Good => "#3fb950",
        Colour::Done => "#12261e",
        Colour::Here => "#1f6feb",
        Colour::Page => "#0d1117",
        Colour::On | Colour::Held | Colour::Waits => light(colour),
    }
}

/// Tones in the middle, for lines on a light ground and on a dark one; text has the colour of the theme.
fn inline(colour: Colour) -> &'static str {
    match colour {
        Colour::Ink | Colour::Dim => "#222222",
        Colour::Fill => "#f5f5f5",
        Colour::Line | Colour::Edge => "#848484",
        Colour::Bad => "#dc5450",
        Colour::Back => "#b58300",
        Colour::Good | Colour::Done => "#2f9e4f",
        Colour::Here => "#2f74d0",
        Colour::Page => "none",
        Colour::On | Colour::Held | Colour::Waits => light(colour),
    }
}

/// What a rustdoc theme says instead.
fn themed(colour: Colour) -> &'static str {
    match colour {
        Colour::Ink | Colour::Dim => "var(--main-color,#222)",
        Colour::Fill => "var(--code-block-background-color,#f5f5f5)",
        _ => inline(colour),
    }
}

/// How a colour looks under a condition.
type Shade = fn(Colour) -> &'static str;

impl Palette {
    /// The value that every reader shows.
    fn literal(self, colour: Colour) -> &'static str {
        match self {
            Self::Inline => inline(colour),
            Self::File => light(colour),
            #[cfg(feature = "png")]
            Self::Light => light(colour),
            #[cfg(feature = "png")]
            Self::Dark => dark(colour),
        }
    }

    /// When a reader is to show another value, and which.
    fn instead(self) -> Option<(&'static str, Shade)> {
        match self {
            // A reader without variables would take such a value for none, and some readers then paint black.
            Self::Inline => Some(("@supports (color:var(--a))", themed)),
            Self::File => Some(("@media (prefers-color-scheme:dark)", dark)),
            #[cfg(feature = "png")]
            Self::Light | Self::Dark => None,
        }
    }

    fn opacity(self, colour: Colour) -> Option<&'static str> {
        match (self, colour) {
            (Self::Inline, Colour::Dim) => Some(".75"),
            (Self::Inline, Colour::Done) => Some(".18"),
            _ => None,
        }
    }

    /// The attributes of an element that is filled and drawn in these colours, in a picture whose classes begin with `p`.
    pub(super) fn paint(self, p: &str, kind: Kind, fill: Option<Colour>, stroke: Option<Colour>) -> String {
        let mut classes: Vec<String> = match kind {
            Kind::Picture => vec![p.to_owned()],
            Kind::Box => vec![format!("{p}-box")],
            Kind::Name => vec![format!("{p}-name")],
            Kind::Part => vec![],
        };
        let mut attributes = format!(" fill=\"{}\"", fill.map_or("none", |colour| self.literal(colour)));
        if let Some(opacity) = fill.and_then(|colour| self.opacity(colour)) {
            let _ = write!(attributes, " fill-opacity=\"{opacity}\"");
        }
        if let Some(stroke) = stroke {
            let _ = write!(attributes, " stroke=\"{}\"", self.literal(stroke));
        }
        for (what, colour) in [("fill", fill), ("stroke", stroke)] {
            let changes =
                |colour: &Colour| self.instead().is_some_and(|(_, instead)| instead(*colour) != self.literal(*colour));
            classes.extend(colour.filter(changes).map(|colour| format!("{p}-{what}-{}", colour.name())));
        }
        if classes.is_empty() { attributes } else { format!(" class=\"{}\"{attributes}", classes.join(" ")) }
    }

    /// The style sheet of a picture whose classes begin with `p`; nothing where no colour ever changes.
    pub(super) fn style(self, p: &str) -> String {
        let Some((condition, instead)) = self.instead() else { return String::new() };
        let mut rules = String::new();
        for colour in Colour::ALL {
            let value = instead(colour);
            if value == self.literal(colour) {
                continue;
            }
            let name = colour.name();
            let _ = write!(rules, ".{p}-fill-{name}{{fill:{value}}}");
            if DRAWN.contains(&colour) {
                let _ = write!(rules, ".{p}-stroke-{name}{{stroke:{value}}}");
            }
            rules.push('\n');
        }
        format!("<style>\n.{p}{{max-width:none}}\n.{p} a{{text-decoration:none}}\n{condition}{{\n{rules}}}\n</style>\n")
    }
}

#[cfg(test)]
mod tests {
    use super::{Colour, DRAWN, Kind, Palette, dark, inline, light};

    /// Red, green and blue, from 0 to 1, of `#rgb` or `#rrggbb`.
    fn channels(colour: &str) -> [f64; 3] {
        let digits: Vec<u32> = colour[1..].chars().map(|c| c.to_digit(16).expect("a hex digit")).collect();
        let pairs = match digits[..] {
            [r, g, b] => [17 * r, 17 * g, 17 * b],
            [a, b, c, d, e, f] => [16 * a + b, 16 * c + d, 16 * e + f],
            _ => panic!("{colour} is no colour"),
        };
        pairs.map(|value| f64::from(value) / 255.0)
    }

    fn luminance(colour: [f64; 3]) -> f64 {
        let linear = colour.map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055_f64).powf(2.4) });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    /// The contrast of a colour of this opacity with its ground, as WCAG 2 counts it.
    fn contrast(colour: &str, opacity: f64, ground: &str) -> f64 {
        let (colour, ground) = (channels(colour), channels(ground));
        let mixed = [0, 1, 2].map(|i| colour[i] * opacity + ground[i] * (1.0 - opacity));
        let (a, b) = (luminance(mixed) + 0.05, luminance(ground) + 0.05);
        a.max(b) / a.min(b)
    }

    fn check(name: &str, palette: Palette, colour: fn(Colour) -> &'static str, text: &str, grounds: [&str; 2]) {
        let soft: f64 = palette.opacity(Colour::Dim).map_or(1.0, |opacity| opacity.parse().expect("an opacity"));
        // In a rustdoc theme muted text is the theme's text.
        let dim = if palette == Palette::Inline { text } else { colour(Colour::Dim) };
        for ground in grounds {
            for line in DRAWN.into_iter().filter(|line| *line != Colour::Here) {
                let found = contrast(colour(line), 1.0, ground);
                assert!(found >= 3.0, "{name}: the {} {} has {found:.2} on {ground}", line.name(), colour(line));
            }
            for (what, colour, opacity) in [("text", text, 1.0), ("note", dim, soft), ("state to come", text, 0.7)] {
                let found = contrast(colour, opacity, ground);
                assert!(found >= 4.5, "{name}: the {what} {colour} has {found:.2} on {ground}");
            }
        }
        for ground in [Colour::Here, Colour::Held, Colour::Waits].map(colour) {
            assert!(contrast(colour(Colour::On), 1.0, ground) >= 4.5, "{name}: white on {ground}");
        }
    }

    #[test]
    fn lines_and_text_stand_out_in_every_theme() {
        let (page, fill) = (Colour::Page, Colour::Fill);
        check("light file", Palette::File, light, light(Colour::Ink), [light(page), light(fill)]);
        check("dark file", Palette::File, dark, dark(Colour::Ink), [dark(page), dark(fill)]);
        // rustdoc's themes: the text, and the grounds of the page and of a code block.
        check("light page", Palette::Inline, inline, "#000", ["#ffffff", "#f5f5f5"]);
        check("dark page", Palette::Inline, inline, "#ddd", ["#353535", "#2a2a2a"]);
        check("ayu page", Palette::Inline, inline, "#c5c5c5", ["#0f1419", "#191f26"]);
    }

    #[test]
    fn every_class_that_an_element_has_is_in_the_style_sheet() {
        for palette in [Palette::Inline, Palette::File] {
            let sheet = palette.style("p");
            for colour in Colour::ALL {
                let stroke = DRAWN.contains(&colour).then_some(colour);
                let attributes = palette.paint("p", Kind::Part, Some(colour), stroke);
                let classes =
                    attributes.split_once("class=\"").map_or("", |(_, rest)| rest.split_once('"').expect("closed").0);
                for class in classes.split_whitespace() {
                    assert!(sheet.contains(&format!(".{class}{{")), "{palette:?}: no rule for {class}");
                }
                let changes = palette.instead().is_some_and(|(_, instead)| instead(colour) != palette.literal(colour));
                assert_eq!(classes.is_empty(), !changes, "{palette:?}: {attributes}");
            }
        }
    }
}
