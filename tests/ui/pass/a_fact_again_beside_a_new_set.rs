//! A fact stands in two states, and the second one adds a set and a value: the step with the facts as they are begins both.
#[path = "../worker.rs"]
mod worker;
use durable_fsm::{Each, Fsm, Kept};
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = repeat, undo = none)]
    Start,
    #[transition(open -> Opened, no_effect)]
    Made { id: String },
    #[fsm(resting)]
    #[transition(resize, keep = size, in_doubt = repeat, undo = none)]
    #[transition(add, for_each = members, in_doubt = repeat, undo = none)]
    Opened { id: String, members: Each<String, ()>, size: Kept<u32> },
}

fn main() {
    let opened = Start::start().made("a".to_owned()).opened_again();
    assert_eq!((opened.id.as_str(), opened.members.len(), opened.size.get()), ("a", 0, None));
}
