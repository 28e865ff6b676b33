//! Facts that a macro is given, and a derive that stands in it.

#[path = "../worker.rs"]
mod worker;
use durable_fsm::{Each, Fsm, Kept};
use worker::Worker;

macro_rules! machine {
    ($($states:tt)*) => {
        #[derive(Fsm)]
        #[fsm(name = "test.io/made", version = 1, resource = Worker)]
        enum MadeFlow { $($states)* }
    };
}

machine! {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = repeat, undo = none)]
    Wanted,
    #[fsm(resting)]
    #[transition(add, for_each = parts, in_doubt = repeat, undo = none)]
    #[transition(resize, keep = size, in_doubt = repeat, undo = none)]
    Made { id: String, parts: Each<String, String>, size: Kept<u32>, #[fsm(default)] note: String },
}

fn main() {
    assert_eq!(MadeFlow::GRAPH.states.len(), 2);
}
