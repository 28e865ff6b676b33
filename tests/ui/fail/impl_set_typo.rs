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
    #[transition(add, for_each = member, in_doubt = repeat, undo = none)]
    Made { members: Each<String, u32> },
}

struct Provisioner;
#[derive(Debug, thiserror::Error)]
#[error("no")]
struct No;
impl durable_fsm::Classify for No {}

impl FlowTransitions for Provisioner {
    type Error = No;
    async fn make(&self, from: Start, _: &FlowAttempt) -> Result<Made, No> {
        Ok(from.made())
    }
    fn members(&self, _: &Made, _: &Worker) -> std::collections::BTreeSet<String> {
        Default::default()
    }
    async fn add(&self, _: &Made, _subject: &String, _: &FlowAttempt) -> Result<u32, No> {
        Ok(7)
    }
}

fn main() {}
