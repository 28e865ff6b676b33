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
    #[transition(pause -> Paused, when = is_quiet, in_doubt = repeat, undo = none)]
    #[transition(go -> Done, no_effect)]
    Made { id: String },
    #[transition(puase)]
    #[transition(resume -> Done, no_effect)]
    Paused,
    #[fsm(resting)]
    Done,
}

fn main() {}
