#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Mad, in_doubt = repeat, undo = none)]
    Start,
    #[transition(more -> Done, undo = none)]
    Made { id: String },
    #[fsm(resting)]
    Done { id: u64 },
}

fn main() {}
