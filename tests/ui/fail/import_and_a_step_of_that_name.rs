#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 2, resource = Worker, import)]
enum Flow {
    #[fsm(initial)]
    #[transition(import -> Made, in_doubt = repeat, undo = none)]
    Start,
    #[fsm(resting)]
    Made,
}

fn main() {}
