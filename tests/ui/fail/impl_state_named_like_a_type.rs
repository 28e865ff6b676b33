#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> String, in_doubt = repeat, undo = none)]
    Start,
    #[fsm(resting)]
    String { id: u64 },
}

struct Provisioner;
#[derive(Debug, thiserror::Error)]
#[error("no")]
struct No;
impl durable_fsm::Classify for No {}

impl FlowTransitions for Provisioner {
    type Error = No;
    async fn make(&self, from: Start, _: &FlowAttempt) -> Result<String, No> {
        Ok(from.string(7))
    }
}

fn main() {}
