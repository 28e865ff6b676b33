#[path = "../worker.rs"]
mod worker;
use durable_fsm::{Fsm, Undone};
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Mad, in_doubt = repeat, undo = unmake, timeout = 3)]
    Start,
    #[transition(more -> Done, in_doubt = repeat)]
    Made { id: String },
    #[fsm(resting)]
    Done { a: u8, b: u8 },
}

struct Provisioner;
#[derive(Debug, thiserror::Error)]
#[error("no")]
struct No;
impl durable_fsm::Classify for No {}

impl FlowTransitions for Provisioner {
    type Error = No;
    async fn make(&self, from: Start, _: &FlowAttempt) -> Result<Made, No> {
        Ok(from.made("x".into()))
    }
    async fn unmake(&self, made: &Made, _: &FlowAttempt) -> Result<Undone, No> {
        println!("{}", made.id);
        Ok(Undone::Done)
    }
    async fn more(&self, from: Made, _: &FlowAttempt) -> Result<Done, No> {
        Ok(from.done(DoneFacts { a: 1, b: 2 }))
    }
}

fn main() {}
