//! `fsm graph`: draws a machine.

use std::io::Write as _;
use std::path::PathBuf;

use durable_fsm::diagram::{dot, mermaid, svg, terminal};
use durable_fsm::graph::{Graph, json};

use crate::args::{Draw, Form, Place};
use crate::code::FINE;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::graphs;
use crate::place;
use crate::text::Paint;

pub(crate) async fn draw(place: &Place, files: &[PathBuf], draw: &Draw, paint: Paint) -> Result<u8, Error> {
    let graph = find(place, files, draw.of.as_deref()).await?;
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
async fn find(place: &Place, files: &[PathBuf], of: Option<&str>) -> Result<&'static Graph<'static>, Error> {
    if let Some(path) = of.map(PathBuf::from).filter(|path| path.is_file()) {
        return graphs::read(&path);
    }
    if let (None, [only]) = (of, files) {
        return graphs::read(only);
    }
    let fleet = Fleet::read(place::open(place).await?, files).await?;
    let machines = fleet.graphs.machines();
    let place = fleet.backend.name();
    let no_graph = |machine: &str| Error::NoGraph { machine: machine.to_owned(), place };
    let name = match (of, machines.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => *only,
        (None, []) => return Err(no_graph("any machine")),
        (None, [first, ..]) => {
            let command = fleet.command(&["graph", *first]);
            return Err(Error::SeveralGraphs { machines: machines.join(", "), command });
        }
    };
    fleet.graphs.latest(name).ok_or_else(|| no_graph(name))
}
