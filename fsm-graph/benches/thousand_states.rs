//! Measures layout and drawing of machines of 8 and of 1,000 states: `cargo bench -p durable-fsm-graph`.

#[expect(dead_code, reason = "the gallery's own machines are drawn in its tests")]
#[path = "../tests/gallery/machines.rs"]
mod machines;
#[path = "../tests/gallery/shapes.rs"]
mod shapes;

use std::time::Instant;

use durable_fsm_graph::{dot, mermaid, svg, terminal};

fn main() {
    for count in [10, 1000] {
        for (name, machine) in shapes::all(count) {
            machine.with(|graph| {
                let time = |write: &dyn Fn() -> String| {
                    let began = Instant::now();
                    let size = write().len();
                    (began.elapsed(), size / 1024)
                };
                let options = terminal::Options::default();
                println!(
                    "{count} states, {name}: svg {:?}, terminal {:?}, mermaid {:?}, dot {:?} (time, kB)",
                    time(&|| svg::file(graph, None)),
                    time(&|| terminal::write(graph, None, &options)),
                    time(&|| mermaid::folded(graph, None)),
                    time(&|| dot::write(graph, None)),
                );
            });
        }
    }
}
