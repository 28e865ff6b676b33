//! What readers of SVG make of the pictures: resvg and librsvg know neither variables nor media queries, and show every colour.
//!
//! librsvg is `rsvg-convert`. Where it is missing, root on Debian gets it from `apt-get`, and otherwise the test fails.
//! `DURABLE_FSM_SKIP_LIBRSVG=1` leaves it out.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use resvg::tiny_skia::{Color, Pixmap, PremultipliedColorU8, Transform};
use resvg::usvg;

/// Pixels to the unit: at this, the thinnest line covers whole pixels.
const SCALE: u16 = 3;

/// The pictures that are checked in, as SVG.
fn pictures() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut pictures = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".svg") || name.ends_with(".inline.html") {
            let text = std::fs::read_to_string(&path).unwrap();
            let (start, end) = (text.find("<svg").unwrap(), text.rfind("</svg>").unwrap());
            pictures.push((name, text[start..end + 6].to_owned()));
        }
    }
    pictures.sort();
    assert!(pictures.len() > 30, "the checked-in pictures are there");
    pictures
}

/// How many pixels each colour must have, from the attributes of the picture. `ground` is the colour behind it.
fn expected(picture: &str, ground: [u8; 3]) -> BTreeMap<[u8; 3], usize> {
    let tree = roxmltree::Document::parse(picture).unwrap();
    let scale = usize::from(SCALE);
    let mut expected = BTreeMap::from([(ground, 0)]);
    for node in
        tree.descendants().filter(|node| ["rect", "path", "circle", "text", "tspan"].contains(&node.tag_name().name()))
    {
        // What is mixed with its ground has no colour of its own; a head is drawn only where a line ends in it.
        let mixed = |node: roxmltree::Node<'_, '_>| {
            ["opacity", "fill-opacity"].iter().any(|name| node.has_attribute(*name))
                || node.tag_name().name() == "marker"
        };
        if node.ancestors().any(mixed) {
            continue;
        }
        let number = |name: &str| node.attribute(name).and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
        let area = match node.tag_name().name() {
            "rect" => number("width") * number("height") * scale * scale,
            _ => 0,
        };
        if let Some(fill) = colour(node.ancestors().find_map(|node| node.attribute("fill"))) {
            let least = expected.entry(fill).or_default();
            // A box holds text, and lies on the page.
            *least = (*least).max(area / 4).max(8);
        }
        if let Some(stroke) = colour(node.attribute("stroke")) {
            let least = expected.entry(stroke).or_default();
            *least = (*least).max(8);
        }
    }
    expected
}

/// The colour of an attribute; every colour is written as a literal.
fn colour(attribute: Option<&str>) -> Option<[u8; 3]> {
    let digits = attribute.filter(|value| *value != "none")?.strip_prefix('#').expect("a literal colour");
    assert_eq!(digits.len(), 6, "a literal colour");
    let channel = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("a literal colour");
    Some([channel(0), channel(2), channel(4)])
}

/// Whether a rendering shows every colour of the picture, and nothing black.
fn shows(rendered: &Pixmap, picture: &str, ground: [u8; 3]) -> Result<(), String> {
    let mut counted: BTreeMap<[u8; 3], usize> = BTreeMap::new();
    for pixel in rendered.pixels() {
        *counted.entry([pixel.red(), pixel.green(), pixel.blue()]).or_default() += 1;
    }
    for (colour, least) in expected(picture, ground) {
        let found = counted.get(&colour).copied().unwrap_or(0);
        if found < least {
            return Err(format!("{found} pixels instead of {least} have the colour {colour:02x?}"));
        }
    }
    // The darkest colour of a picture is its ink, which is not black.
    match counted.get(&[0, 0, 0]) {
        Some(black) => Err(format!("{black} pixels are black")),
        None => Ok(()),
    }
}

fn by_resvg(picture: &str, ground: [u8; 3]) -> Pixmap {
    let mut options = usvg::Options { font_family: "DejaVu Sans".to_owned(), ..usvg::Options::default() };
    Arc::make_mut(&mut options.fontdb).load_font_data(include_bytes!("../../fonts/DejaVuSans.ttf").to_vec());
    let tree = usvg::Tree::from_str(picture, &options).unwrap();
    let scale = f32::from(SCALE);
    let size = tree.size().to_int_size().scale_by(scale).unwrap();
    let mut pixels = Pixmap::new(size.width(), size.height()).unwrap();
    pixels.fill(Color::from_rgba8(ground[0], ground[1], ground[2], 0xff));
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels
}

/// `rsvg-convert`, with this crate's font.
struct Librsvg {
    fonts: PathBuf,
}

impl Librsvg {
    /// Nothing, said loudly, where it is to be left out.
    fn find() -> Option<Self> {
        let there = || Command::new("rsvg-convert").arg("--version").output().is_ok_and(|it| it.status.success());
        if std::env::var_os("DURABLE_FSM_SKIP_LIBRSVG").is_some_and(|value| value == "1") {
            // Not captured by the test harness.
            let _ = writeln!(std::io::stderr(), "SKIPPED: what librsvg shows (DURABLE_FSM_SKIP_LIBRSVG=1)");
            return None;
        }
        if !there() {
            install();
            assert!(
                there(),
                "rsvg-convert is missing: install librsvg2-bin, or set DURABLE_FSM_SKIP_LIBRSVG=1 to leave this test out"
            );
        }
        let fonts = std::env::temp_dir().join(format!("durable-fsm-fonts-{}", std::process::id()));
        std::fs::create_dir_all(&fonts).unwrap();
        let settings = format!(
            "<?xml version=\"1.0\"?><!DOCTYPE fontconfig SYSTEM \"fonts.dtd\"><fontconfig><dir>{}</dir><cachedir>{}</cachedir></fontconfig>",
            Path::new(env!("CARGO_MANIFEST_DIR")).join("fonts").display(),
            fonts.display(),
        );
        std::fs::write(fonts.join("fonts.conf"), settings).unwrap();
        Some(Self { fonts })
    }

    fn draw(&self, picture: &str, ground: [u8; 3]) -> Pixmap {
        let [r, g, b] = ground;
        let mut child = Command::new("rsvg-convert")
            .args(["--zoom", &SCALE.to_string(), "--background-color", &format!("#{r:02x}{g:02x}{b:02x}")])
            .env("FONTCONFIG_FILE", self.fonts.join("fonts.conf"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(picture.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "rsvg-convert refuses the picture");
        Pixmap::decode_png(&done.stdout).unwrap()
    }
}

impl Drop for Librsvg {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.fonts);
    }
}

fn install() {
    let root = Command::new("id").arg("-u").output().is_ok_and(|it| it.stdout == b"0\n");
    if root {
        let script = "apt-get -qq update && apt-get -qq install --no-install-recommends librsvg2-bin";
        let mut apt = Command::new("sh");
        let _ = apt.args(["-c", script]).env("DEBIAN_FRONTEND", "noninteractive").output();
    }
}

const WHITE: [u8; 3] = [0xff; 3];

#[test]
fn resvg_shows_every_colour() {
    for (name, picture) in pictures() {
        shows(&by_resvg(&picture, WHITE), &picture, WHITE).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn librsvg_shows_every_colour() {
    let Some(librsvg) = Librsvg::find() else { return };
    for (name, picture) in pictures() {
        shows(&librsvg.draw(&picture, WHITE), &picture, WHITE).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// A picture whose colours are in the style sheet alone, as variables: a reader without them paints it black.
#[test]
fn a_picture_without_literal_colours_is_noticed() {
    let (_, picture) = pictures().into_iter().find(|(name, _)| name == "worker.svg").unwrap();
    let mut bare = picture.clone();
    for (attribute, ends) in [(" fill=\"#", "\""), (" stroke=\"#", "\"")] {
        while let Some(start) = bare.find(attribute) {
            let end = start + attribute.len() + bare[start + attribute.len()..].find(ends).unwrap() + 1;
            bare.replace_range(start..end, "");
        }
    }
    let found = shows(&by_resvg(&bare, WHITE), &picture, WHITE);
    assert!(found.is_err(), "a black picture passes");
    let mut missing = by_resvg(&picture, WHITE);
    let brown = PremultipliedColorU8::from_rgba(0x9a, 0x67, 0x00, 0xff).unwrap();
    let other = PremultipliedColorU8::from_rgba(0xff, 0xff, 0xff, 0xff).unwrap();
    missing.pixels_mut().iter_mut().filter(|pixel| **pixel == brown).for_each(|pixel| *pixel = other);
    let found = shows(&missing, &picture, WHITE).unwrap_err();
    assert!(found.contains("[9a, 67, 00]"), "{found}");
}
