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
    struct From;
    struct Default;
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
        #[transition(send -> Sent, when = asked, no_effect)]
        Made { r#as: u64 },
        // Named like what the generated code has in hand.
        #[fsm(resting)]
        #[transition(resend -> Again, when = late, no_effect)]
        #[transition(close -> Closed, when = over, in_doubt = repeat, undo = none)]
        Sent { from: u64, facts: String, base: u8 },
        #[fsm(resting)]
        #[transition(close, when = r#move)]
        Again {
            from: u64,
            #[fsm(default)]
            times: u8,
        },
        #[fsm(resting)]
        #[transition(reopen -> Again, when = open, no_effect)]
        Closed,
    }

    pub fn names_of_facts() {
        let sent = Start::start().made(7).sent(SentFacts { from: 1, facts: "f".to_owned(), base: 2 });
        assert_eq!((sent.r#as, sent.from, sent.base, sent.facts.as_str()), (7, 1, 2, "f"));
        let again = sent.again(AgainFacts { from: 3, times: 4 });
        assert_eq!((again.r#as, again.from, again.base), (7, 3, 2));
        let close = CloseFrom::from(again);
        assert_eq!((close.from, close.times), (3, 4));
        let again = close.closed().again_again();
        assert_eq!((again.from, again.times), (3, 4));
    }
}

fn main() {
    machine::names_of_facts();
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
    assert_eq!(format!("{:?}", InnerState::Move(moved)), "Move(Move { made_by_from_move: Sealed(MoveData { things: [] }) })");
}
