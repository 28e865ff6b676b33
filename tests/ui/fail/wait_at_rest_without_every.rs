#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = repeat, undo = none)]
    Start,
    #[fsm(resting)]
    #[transition(see_it_break -> Broken, waits)]
    Made { id: String },
    #[fsm(resting, failed)]
    Broken,
}

fn main() {}
