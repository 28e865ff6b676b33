//! The colours of a picture. Invariant: on every ground that a palette is made for, lines stand out at least 3 to 1 and text 4.5 to 1.

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

#[derive(Debug, Clone, Copy)]
struct Colours {
    /// Text, muted text, and how opaque that is.
    ink: &'static str,
    dim: &'static str,
    soft: &'static str,
    line: &'static str,
    /// The inside of a box, and its border.
    fill: &'static str,
    edge: &'static str,
    bad: &'static str,
    back: &'static str,
    good: &'static str,
    done: &'static str,
    here: &'static str,
    page: &'static str,
}

const LIGHT: Colours = Colours {
    ink: "#1f2328",
    dim: "#59636e",
    soft: "1",
    line: "#59636e",
    fill: "#f6f8fa",
    edge: "#818b98",
    bad: "#cf222e",
    back: "#9a6700",
    good: "#1a7f37",
    done: "#dafbe1",
    here: "#0969da",
    page: "#ffffff",
};

const DARK: Colours = Colours {
    ink: "#e6edf3",
    dim: "#9198a1",
    soft: "1",
    line: "#9198a1",
    fill: "#161b22",
    edge: "#6e7681",
    bad: "#f85149",
    back: "#d29922",
    good: "#3fb950",
    done: "#12261e",
    here: "#1f6feb",
    page: "#0d1117",
};

/// Tones in the middle, for lines on a light ground and on a dark one; text has the colour of the theme.
const INLINE: Colours = Colours {
    ink: "var(--main-color,#222)",
    dim: "var(--main-color,#222)",
    soft: ".75",
    line: "#848484",
    fill: "var(--code-block-background-color,#f5f5f5)",
    edge: "#848484",
    bad: "#dc5450",
    back: "#b58300",
    good: "#2f9e4f",
    done: "rgba(47,158,79,.18)",
    here: "#2f74d0",
    page: "none",
};

impl Colours {
    fn named(&self) -> [(&'static str, &'static str); 12] {
        [
            ("ink", self.ink),
            ("dim", self.dim),
            ("soft", self.soft),
            ("line", self.line),
            ("fill", self.fill),
            ("edge", self.edge),
            ("bad", self.bad),
            ("back", self.back),
            ("good", self.good),
            ("done", self.done),
            ("here", self.here),
            ("page", self.page),
        ]
    }
}

/// The style sheet of a picture whose classes begin with `p`.
pub(super) fn style(p: &str, palette: Palette) -> String {
    let variables = |colours: Colours| {
        let all = colours.named().map(|(name, colour)| format!("--{p}-{name}:{colour};"));
        all.concat()
    };
    let colours = match palette {
        Palette::Inline => INLINE,
        Palette::File => LIGHT,
        #[cfg(feature = "png")]
        Palette::Light => LIGHT,
        #[cfg(feature = "png")]
        Palette::Dark => DARK,
    };
    let mut head = String::new();
    // Renderers without variables get each colour as it is.
    let literal = !matches!(palette, Palette::Inline | Palette::File);
    if !literal {
        head.push_str(&format!(".{p}{{{}max-width:none}}\n", variables(colours)));
    }
    if palette == Palette::File {
        head.push_str(&format!("@media (prefers-color-scheme:dark){{.{p}{{{}}}}}\n", variables(DARK)));
    }
    let value = |(name, colour): (&str, &str)| if literal { colour.to_owned() } else { format!("var(--{p}-{name})") };
    let [ink, dim, soft, line, fill, edge, bad, back, good, done, here, page] = colours.named().map(value);
    let font = "font-family:\"DejaVu Sans\",\"Segoe UI\",system-ui,sans-serif";
    format!(
        "<style>
{head}.{p} text{{{font};fill:{ink}}}
.{p}-name{{font-size:13px;text-anchor:middle}}
.{p}-label{{font-size:11px}}
.{p} .{p}-dim{{fill:{dim};fill-opacity:{soft}}}
.{p} .{p}-live{{font-size:12px;font-weight:bold}}
.{p} .{p}-note{{font-size:12px;fill:{dim};fill-opacity:{soft}}}
.{p}-page{{fill:{page}}}
.{p}-box,.{p}-inner{{fill:{fill};stroke:{edge};stroke-width:1}}
.{p}-inner{{fill:none}}
.{p}-rest{{stroke:{good};stroke-width:1.5}}
.{p}-bad{{stroke:{bad};stroke-width:1.5}}
.{p}-done{{fill:{done};stroke:{good}}}
.{p}-here{{fill:{here};stroke:{here};stroke-width:2}}
.{p}-held{{fill:#cf222e;stroke:#cf222e;stroke-width:2}}
.{p}-waits{{fill:#9a6700;stroke:#9a6700;stroke-width:2}}
.{p} text.{p}-on{{fill:#fff;font-weight:bold}}
.{p}-later{{opacity:.7}}
.{p}-forward,.{p}-loop,.{p}-back,.{p}-failure,.{p}-rail,.{p}-undo{{fill:none;stroke:{line};stroke-width:1.3}}
.{p}-back,.{p}-undo{{stroke:{back};stroke-dasharray:5 3}}
.{p}-failure,.{p}-rail{{stroke:{bad};stroke-width:1}}
.{p}-walked{{stroke-width:2.4}}
.{p}-forward.{p}-walked,.{p}-loop.{p}-walked{{stroke:{good}}}
.{p}-undoing{{stroke-width:2.6}}
.{p} .{p}-pending{{stroke:{back}}}
.{p} .{p}-undone{{stroke:{back};stroke-width:1.3;stroke-dasharray:2 4}}
.{p}-head{{fill:{line}}}.{p}-fhead{{fill:{bad}}}.{p}-bhead{{fill:{back}}}.{p}-ghead{{fill:{good}}}
.{p} a{{text-decoration:none}}
</style>
"
    )
}

#[cfg(test)]
mod tests {
    use super::{Colours, DARK, INLINE, LIGHT};

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

    fn check(name: &str, colours: Colours, text: &str, grounds: [&str; 2]) {
        let soft: f64 = colours.soft.parse().expect("an opacity");
        let dim = if colours.dim.starts_with('#') { colours.dim } else { text };
        for ground in grounds {
            for (what, colour) in [("line", colours.line), ("border", colours.edge), ("failure", colours.bad)] {
                let found = contrast(colour, 1.0, ground);
                assert!(found >= 3.0, "{name}: the {what} {colour} has {found:.2} on {ground}");
            }
            for (what, colour) in [("way back", colours.back), ("good end", colours.good)] {
                let found = contrast(colour, 1.0, ground);
                assert!(found >= 3.0, "{name}: the {what} {colour} has {found:.2} on {ground}");
            }
            for (what, colour, opacity) in [("text", text, 1.0), ("note", dim, soft), ("state to come", text, 0.7)] {
                let found = contrast(colour, opacity, ground);
                assert!(found >= 4.5, "{name}: the {what} {colour} has {found:.2} on {ground}");
            }
        }
        for ground in [colours.here, "#cf222e", "#9a6700"] {
            assert!(contrast("#fff", 1.0, ground) >= 4.5, "{name}: white on {ground}");
        }
    }

    #[test]
    fn lines_and_text_stand_out_in_every_theme() {
        check("light file", LIGHT, LIGHT.ink, [LIGHT.page, LIGHT.fill]);
        check("dark file", DARK, DARK.ink, [DARK.page, DARK.fill]);
        // rustdoc's themes: the text, and the grounds of the page and of a code block.
        check("light page", INLINE, "#000", ["#ffffff", "#f5f5f5"]);
        check("dark page", INLINE, "#ddd", ["#353535", "#2a2a2a"]);
        check("ayu page", INLINE, "#c5c5c5", ["#0f1419", "#191f26"]);
    }
}
