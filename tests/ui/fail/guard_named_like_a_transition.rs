#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, when = skip, in_doubt = repeat, undo = none)]
    #[transition(skip -> Made, no_effect)]
    Start,
    #[fsm(resting)]
    Made { id: String },
}

fn main() {}
