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
    #[fsm(resting)]
    #[transition(leave -> Gone, when = is_over, in_doubt = repeat, undo = none)]
    #[transition(go -> Done, when = is_due, no_effect)]
    Made { id: String },
    #[fsm(resting)]
    #[transition(leave)]
    Done { url: String },
    #[fsm(resting)]
    Gone,
}

struct Provisioner;
#[derive(Debug, thiserror::Error)]
#[error("no")]
struct No;
impl durable_fsm::Classify for No {}

impl FlowTransitions for Provisioner {
    type Error = No;
    async fn make(&self, from: Start, _: &FlowAttempt) -> Result<Made, No> {
        Ok(from.made("m".into()))
    }
    async fn leave(&self, from: LeaveFrom, _: &FlowAttempt) -> Result<Gone, No> {
        println!("{}", from.url);
        Ok(from.gone())
    }
    fn is_over(&self, at: &LeaveFrom, _: &Worker) -> bool {
        at.id.is_empty()
    }
    fn go(&self, from: Made, _: &FlowAttempt) -> Result<Done, No> {
        Ok(from.done("u".into()))
    }
    fn is_due(&self, _: &Made, _: &Worker) -> bool {
        true
    }
}

fn main() {}
