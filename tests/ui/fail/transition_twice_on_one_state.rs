#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, when = is_first, in_doubt = repeat, undo = none)]
    #[transition(make -> Done, in_doubt = repeat, undo = none)]
    Start,
    #[fsm(resting)]
    Made,
    #[fsm(resting)]
    Done,
}

fn main() {}
