//! `fsm graph`: draws a machine.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use durable_fsm::diagram::{dot, mermaid, svg, terminal};
use durable_fsm::graph::{Graph, json};

use crate::args::{Draw, Form};
use crate::backend::Directory;
use crate::code::FINE;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::graphs;
use crate::text::Paint;

pub(crate) async fn draw(dir: &Path, files: &[PathBuf], draw: &Draw, paint: Paint) -> Result<u8, Error> {
    let graph = find(dir, files, draw.of.as_deref()).await?;
    let text = match draw.form {
        Form::Text => terminal::write(graph, None, &paint.options),
        Form::Svg => svg::file(graph, None),
        Form::Mermaid => mermaid::folded(graph, None),
        Form::MermaidFlat => mermaid::flat(graph, None),
        Form::Dot => dot::write(graph, None),
        Form::Json => json::write(graph),
    };
    let end = if text.ends_with('\n') { "" } else { "\n" };
    write!(std::io::stdout(), "{text}{end}")?;
    Ok(FINE)
}

/// The graph in a file, of a machine of this name, or of the only machine.
async fn find(dir: &Path, files: &[PathBuf], of: Option<&str>) -> Result<&'static Graph<'static>, Error> {
    if let Some(path) = of.map(PathBuf::from).filter(|path| path.is_file()) {
        return graphs::read(&path);
    }
    if let (None, [only]) = (of, files) {
        return graphs::read(only);
    }
    let fleet = Fleet::read(Directory::open(dir)?, files).await?;
    let machines = fleet.graphs.machines();
    let name = match (of, machines.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => *only,
        (None, []) => return Err(Error::NoGraph("any machine".to_owned())),
        (None, [first, ..]) => {
            let command = fleet.command(&["graph", *first]);
            return Err(Error::SeveralGraphs { machines: machines.join(", "), command });
        }
    };
    fleet.graphs.latest(name).ok_or_else(|| Error::NoGraph(name.to_owned()))
}
