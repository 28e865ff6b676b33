#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker, overdue = hold)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = repeat, undo = none)]
    Start,
    #[fsm(resting)]
    Made { id: String },
}

fn main() {}
