#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 2, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Half, retired, in_doubt = repeat, undo = none)]
    #[transition(make_all -> Made, in_doubt = repeat, undo = none)]
    Start,
    #[transition(finish -> Made, no_effect)]
    Half,
    #[fsm(resting)]
    Made,
}

fn main() {}
