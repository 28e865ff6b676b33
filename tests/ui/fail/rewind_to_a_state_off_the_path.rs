#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(choose -> Left | Right, in_doubt = repeat, undo = leave)]
    Start,
    #[transition(go -> Ready, no_effect)]
    Left { left: String },
    #[transition(walk -> Ready, no_effect)]
    Right { right: String },
    #[fsm(resting)]
    #[transition(replace -> Left, when = stale, rewind)]
    Ready,
}

fn main() {}
