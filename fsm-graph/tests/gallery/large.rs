//! A thousand states are drawn as well; how fast is for the bench to say.

use durable_fsm_graph::{dot, mermaid, svg, terminal};

use crate::shapes;

#[test]
fn a_thousand_states_are_drawn_in_every_shape() {
    for (name, machine) in shapes::all(1000) {
        machine.with(|graph| {
            let picture = svg::file(graph, None);
            assert_eq!(picture.matches("-name ").count(), 1000, "{name}");
            let edges: usize = graph.transitions.iter().map(|step| step.to.len()).sum();
            assert_eq!(picture.matches("<title>step_").count(), edges, "{name}");
            let text = terminal::write(graph, None, &terminal::Options::default());
            assert!(text.lines().count() > 1000, "{name}");
            assert!(mermaid::flat(graph, None).matches(" --> s").count() > edges, "{name}");
            assert!(dot::write(graph, None).matches(" -> s").count() > edges, "{name}");
        });
    }
}
