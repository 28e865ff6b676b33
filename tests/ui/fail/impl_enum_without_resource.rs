#[path = "../worker.rs"]
mod worker;
use durable_fsm::Fsm;
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1)]
enum Flow {
    #[fsm(initial)]
    #[transition(make -> Made, when = wanted, in_doubt = repeat, undo = none)]
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
    async fn make(&self, from: Start, attempt: &FlowAttempt) -> Result<Made, No> {
        let () = attempt.spec();
        Ok(from.made("x".into()))
    }
    fn wanted(&self, _: &Start, _: &Worker) -> bool {
        true
    }
}

fn main() {}
