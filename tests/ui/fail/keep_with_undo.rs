#[path = "../worker.rs"]
mod worker;
use durable_fsm::{Fsm, Kept};
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = repeat, undo = none)]
    Start,
    #[fsm(resting)]
    #[transition(resize, keep = size, in_doubt = repeat, undo = shrink)]
    Made { size: Kept<u32> },
}

fn main() {}
