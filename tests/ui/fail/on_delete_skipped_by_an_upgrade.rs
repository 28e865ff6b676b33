#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 2, resource = Worker, upgrade(from = 1, Made => Unopened))]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Unopened, in_doubt = repeat, undo = unmake)]
    Start,
    #[transition(open -> Made, in_doubt = repeat, undo = close)]
    Unopened { id: String },
    #[fsm(resting)]
    #[transition(copy -> Copied, on_delete, in_doubt = repeat, undo = retain)]
    Made,
    #[fsm(leaving)]
    Copied { copy: String },
}

fn main() {}
