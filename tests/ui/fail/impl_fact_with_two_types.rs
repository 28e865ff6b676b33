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
    #[transition(more -> Done, in_doubt = repeat, undo = none)]
    Made { id: String },
    #[fsm(resting)]
    Done { id: u64 },
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
    async fn more(&self, from: Made, _: &FlowAttempt) -> Result<Done, No> {
        Ok(from.done(7))
    }
}

fn main() {}
