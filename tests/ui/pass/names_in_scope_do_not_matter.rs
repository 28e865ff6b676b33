//! Whatever the author has in scope, the generated code means the same; and the library may go by another name.
#![deny(warnings)]
#![allow(dead_code)]

extern crate durable_fsm as other_name;

#[path = "../worker.rs"]
mod worker;

mod machine {
    use other_name::Fsm;

    struct Option;
    struct Result;
    struct String2;
    struct Facts;
    struct State;
    struct Box;
    mod core {}
    mod std {}

    #[derive(Fsm)]
    #[fsm(name = "test.io/flow", version = 1, resource = crate::worker::Worker, crate = "::other_name")]
    enum HygieneFlow {
        #[fsm(initial)]
        #[transition(r#type -> Made, in_doubt = repeat, undo = retain, abort = r#try)]
        Start,
        #[fsm(resting)]
        #[transition(renew -> Made, when = stale, in_doubt = repeat, undo = none)]
        Made { r#as: u64 },
    }
}

fn main() {
    // Also inside a function body.
    use durable_fsm::Fsm;
    #[derive(Fsm)]
    #[fsm(name = "test.io/inner", version = 1, resource = worker::Worker, debug)]
    enum Inner {
        #[fsm(initial)]
        #[transition(make -> Move, in_doubt = repeat, undo = retain)]
        Start,
        #[fsm(terminal)]
        Move { things: Vec<(u8, std::collections::BTreeMap<String, Vec<u8>>)> },
    }
    let moved = Start::start().r#move(Vec::new());
    assert_eq!(format!("{:?}", InnerState::Move(moved)), "Move(Move(Sealed(MoveData { things: [] })))");
}
