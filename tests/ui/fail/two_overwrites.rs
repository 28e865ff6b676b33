#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = repeat, undo = unmake)]
    Start,
    #[transition(remake -> Made, when = stale, in_doubt = repeat, undo = none)]
    #[transition(finish -> Done, no_effect)]
    Made { id: String },
    #[fsm(resting)]
    #[transition(renew -> Made, when = old, in_doubt = repeat, undo = none)]
    Done,
}

fn main() {}
