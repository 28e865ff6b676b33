#[path = "../worker.rs"]
mod worker;
use durable_fsm::{Each, Fsm};
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = repeat, undo = none)]
    Start,
    #[transition(add, for_each = members, in_doubt = repeat, undo = drop_one)]
    #[transition(finish -> Done, no_effect)]
    Made { members: Each<String, u32> },
    #[fsm(resting)]
    #[transition(add, when = is_late)]
    Done,
}

fn main() {}
