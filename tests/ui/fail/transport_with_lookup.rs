#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = lookup, undo = none, transport = once)]
    Start,
    #[fsm(resting)]
    #[transition(renew -> Made, when = stale, in_doubt = repeat, undo = none, transport = twice)]
    Made { id: String },
}

fn main() {}
