#[path = "../worker.rs"]
mod worker;
use durable_fsm::{Fsm, Undone};
use worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.io/flow", version = 1, resource = Worker)]
enum Flow {
    #[fsm(initial)]
    #[transition(register -> Registered, in_doubt = repeat, undo = deregister)]
    Requested,
    #[fsm(resting)]
    #[transition(check -> Registered, when = is_stale, no_effect)]
    Registered { user: String },
}

struct Provisioner;
#[derive(Debug, thiserror::Error)]
#[error("no")]
struct No;

impl FlowTransitions for Provisioner {
    type Error = No;
    async fn register(&self, from: Requested, _: &FlowAttempt) -> Result<Registered, No> {
        Ok(from.registered("u".into()))
    }
    async fn deregister(&self, _: &Registered, _: &FlowAttempt) -> Result<Undone, No> {
        Ok(Undone::Done)
    }
    fn check(&self, from: Registered, _: &FlowAttempt) -> Result<Registered, No> {
        Ok(from.registered_again())
    }
    fn is_stale(&self, _: &Registered, _: &Worker) -> bool {
        false
    }
}

fn main() {}
