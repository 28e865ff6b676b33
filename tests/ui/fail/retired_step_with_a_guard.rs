#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 2, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = repeat, undo = none)]
    #[transition(order -> Made, when = is_large, retired, in_doubt = repeat, undo = cancel)]
    Start,
    #[fsm(resting)]
    Made,
}

fn main() {}
