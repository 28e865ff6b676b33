#[path = "../worker.rs"]
mod worker;
use durable_fsm::{Each, Fsm};
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = repeat, undo = none)]
    Start,
    #[fsm(resting)]
    #[transition(add, for_each = members, in_doubt = repeat, undo = remove)]
    #[transition(grant, for_each = grants, on = members, surge = 1, transport = once, in_doubt = repeat, undo = revoke)]
    Made { members: Each<String, String>, grants: Each<String, String> },
}

fn main() {}
