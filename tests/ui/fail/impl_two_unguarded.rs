#[path = "../worker.rs"]
mod worker;
use durable_fsm::{Fsm, Undone};
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = repeat, undo = unmake)]
    #[transition(skip -> Made, no_effect)]
    Start,
    #[fsm(resting)]
    Made { id: String },
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
    fn skip(&self, from: Start, _: &FlowAttempt) -> Result<Made, No> {
        Ok(from.made("x".into()))
    }
}

fn main() {}
