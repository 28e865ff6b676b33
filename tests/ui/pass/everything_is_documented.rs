//! Generated items are documented, and nothing of them is dead code.
#![deny(missing_docs, warnings)]

/// The machine's module.
pub mod machine {
    use durable_fsm::{Each, Fsm};

    /// A resource.
    pub type Worker = crate::worker::Worker;

    /// A machine.
    #[derive(Fsm)]
    #[fsm(name = "test.io/flow", version = 1, resource = Worker)]
    pub enum Flow {
        /// Nothing.
        #[fsm(initial)]
        #[transition(place -> Here | There, in_doubt = lookup, undo = unplace, abort = clear)]
        Start,
        /// Here.
        #[transition(settle -> Done, waits, within = "10m")]
        Here {
            /// Where.
            at: String,
        },
        /// There.
        #[transition(leave -> Gone, when = is_over, in_doubt = repeat, undo = none)]
        #[transition(move_in -> Done, no_effect)]
        There {
            /// Where.
            spot: String,
            /// How.
            way: u8,
        },
        /// At rest.
        #[fsm(resting)]
        #[transition(leave, when = is_late)]
        #[transition(add, for_each = members, in_doubt = hold, undo = drop_one, abort = drop_doubted)]
        Done {
            /// Who.
            members: Each<String, u64>,
            /// How often.
            #[fsm(default)]
            times: u8,
        },
        /// It has left.
        #[fsm(resting)]
        #[transition(leave, when = is_gone)]
        Gone,
    }
}
#[path = "../worker.rs"]
#[allow(missing_docs)]
pub mod worker;

fn main() {
    assert_eq!(machine::Flow::GRAPH.states.len(), 5);
}
