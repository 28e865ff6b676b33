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
    #[transition(leave -> Gone, when = is_over, in_doubt = repeat, undo = none)]
    #[transition(go -> Done, no_effect)]
    Made { id: String },
    #[fsm(resting)]
    #[transition(leave, when = is_late, timeout = "5s")]
    Done,
    #[fsm(resting)]
    Gone,
}

fn main() {}
