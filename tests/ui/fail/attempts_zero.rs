#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = repeat, undo = none, exhausted = Failed, attempts = 0)]
    Start,
    #[fsm(resting)]
    Made { id: String },
    #[fsm(resting, failed)]
    Failed,
}

fn main() {}
