#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = lookup, undo = remove, verify = is_there, lost = remake)]
    Start,
    #[fsm(resting, verify = "10m")]
    Made,
}

fn main() {}
