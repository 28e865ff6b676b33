#[path = "../worker.rs"]
mod worker;
use durable_fsm::{Each, Fsm};
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = repeat, undo = unmake)]
    Start,
    #[fsm(resting)]
    #[transition(add_part, for_each = parts, on_delete, in_doubt = repeat, undo = remove_part)]
    Made { parts: Each<String, String> },
}

fn main() {}
