//! What a macro hands over stands in invisible brackets.
#[path = "../worker.rs"]
mod worker;

macro_rules! machine {
    ($name:literal, $version:literal, $timeout:literal, $look:literal, $resource:ty, $state:ident) => {
        #[derive(durable_fsm::Fsm)]
        #[fsm(name = $name, version = $version, reader = $version, resource = $resource, timeout = $timeout)]
        pub enum MadeFlow {
            #[fsm(initial)]
            #[transition(make -> $state, in_doubt = lookup, undo = none, look_first = $look)]
            Requested,
            #[fsm(resting)]
            $state,
        }
    };
}

machine!("test.io/made", 3, "7s", false, worker::Worker, Made);

fn main() {
    let graph = MadeFlow::GRAPH;
    assert_eq!((graph.name, graph.version, graph.reader), ("test.io/made", 3, 3));
    let contract = graph.transitions[0].contract().unwrap();
    assert_eq!((contract.timeout.as_secs(), contract.look_first), (7, false));
}
