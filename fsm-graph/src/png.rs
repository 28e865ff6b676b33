//! Writes a graph as PNG, with `resvg` and DejaVu Sans. The font and its licence are in `fonts/`.
//!
//! The font has no Chinese, Japanese or Korean characters. Use SVG if you need them.

use std::fmt;
use std::sync::Arc;

use resvg::{tiny_skia, usvg};

use crate::model::Graph;
use crate::overlay::Overlay;
use crate::svg;

/// The colours of a PNG. Unlike an SVG, a PNG cannot follow the scheme of its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Dark on white.
    #[default]
    Light,
    /// Light on near-black.
    Dark,
}

/// Why no picture was drawn: it is too large, or the renderer refused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PngError(String);

impl fmt::Display for PngError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot draw the diagram as PNG: {}", self.0)
    }
}

impl std::error::Error for PngError {}

/// Draws the graph as a PNG file, with `scale` pixels for each unit. 2 suits most screens.
///
/// # Errors
///
/// When the picture is too large to draw.
pub fn write(
    graph: &Graph<'_>,
    overlay: Option<&Overlay<'_>>,
    scheme: Scheme,
    scale: f32,
) -> Result<Vec<u8>, PngError> {
    let dark = scheme == Scheme::Dark;
    let mut options = usvg::Options { font_family: "DejaVu Sans".to_owned(), ..usvg::Options::default() };
    Arc::make_mut(&mut options.fontdb).load_font_data(include_bytes!("../fonts/DejaVuSans.ttf").to_vec());
    let tree = usvg::Tree::from_str(&svg::literal(graph, overlay, dark), &options)
        .map_err(|error| PngError(error.to_string()))?;
    let size =
        tree.size().to_int_size().scale_by(scale).ok_or_else(|| PngError("the scale is not usable".to_owned()))?;
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height())
        .ok_or_else(|| PngError(format!("{} × {} pixels are too many", size.width(), size.height())))?;
    let (r, g, b) = if dark { (0x0d, 0x11, 0x17) } else { (0xff, 0xff, 0xff) };
    pixels.fill(tiny_skia::Color::from_rgba8(r, g, b, 0xff));
    resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| PngError(error.to_string()))
}
