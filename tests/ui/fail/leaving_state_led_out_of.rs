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
    #[fsm(resting)]
    #[transition(copy -> Copied, on_delete, in_doubt = repeat, undo = retain)]
    Made { id: String },
    #[fsm(leaving)]
    #[transition(come_back -> Again, waits)]
    Copied { copy: String },
    #[fsm(resting)]
    Again,
}

fn main() {}
