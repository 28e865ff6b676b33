#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Half, in_doubt = lookup, undo = remove, lost = remake)]
    Start,
    #[transition(finish -> Made, in_doubt = repeat, undo = unfinish, lost = remake)]
    Half,
    #[fsm(resting, verify = "10m")]
    Made,
}

fn main() {}
