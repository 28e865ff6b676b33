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
    #[transition(place -> OnDocker | OnPod, in_doubt = repeat, undo = none)]
    Registered { user: String },
    #[transition(finish -> Ready, no_effect)]
    OnDocker { container: String },
    #[transition(finish_pod -> Ready, no_effect)]
    OnPod { pod: String },
    #[fsm(resting)]
    Ready { url: String, token_ref: String },
}

struct Provisioner;
#[derive(Debug, thiserror::Error)]
#[error("no")]
struct No;
impl durable_fsm::Classify for No {}

impl FlowTransitions for Provisioner {
    type Error = No;
    async fn register(&self, from: Requested, _: &FlowAttempt) -> Result<Registered, No> {
        Ok(from.registered("u".into()))
    }
    async fn deregister(&self, _: &Registered, _: &FlowAttempt) -> Result<Undone, No> {
        Ok(Undone::Done)
    }
    async fn place(&self, from: Registered, _: &FlowAttempt) -> Result<PlaceNext, No> {
        Ok(from.on_pod("p".into()).into())
    }
    fn finish(&self, from: OnDocker, _: &FlowAttempt) -> Result<Ready, No> {
        Ok(from.ready(ReadyFacts { url: "u".into(), token_ref: "t".into() }))
    }
    fn finish_pod(&self, from: OnPod, _: &FlowAttempt) -> Result<Ready, No> {
        Ok(from.ready(ReadyFacts { url: "u".into(), token_ref: "t".into() }))
    }
}

fn change(mut real: Registered) {
    real.user = "u".into();
}

fn main() {}
