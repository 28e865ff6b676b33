#[path = "../worker.rs"]
mod worker;

mod flow {
    use crate::worker::Worker;
    use durable_fsm::Fsm;

    #[derive(Fsm)]
    #[fsm(name = "test.io/flow", version = 1, resource = Worker)]
    pub enum Flow {
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
}

fn forge() -> flow::Registered {
    flow::Registered { user: "u".into() }
}

fn main() {}
