#[path = "../worker.rs"]
mod worker;
use durable_fsm::{Each, Fsm};
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, no_effect)]
    Start,
    #[fsm(resting, verify = "10m")]
    #[transition(add, for_each = members, in_doubt = lookup, undo = remove, lost = remake)]
    Made { members: Each<String, String> },
}

fn main() {}
