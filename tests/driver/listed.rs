//! A step that is listed on several states: it uses the guard of the current state, and is given what all of these states know.

use durable_fsm::{Classify, Fsm, Outcome};

use crate::machine::Thing;
use crate::world::Bench;

/// Where the image says.
#[derive(Fsm)]
#[fsm(name = "test.io/listed", version = 1, resource = Thing)]
pub enum ListedFlow {
    #[fsm(initial)]
    #[transition(begin -> Low, in_doubt = repeat, undo = none)]
    Origin,
    #[fsm(resting)]
    #[transition(rise -> High, when = is_high, no_effect)]
    #[transition(leave -> Away, when = is_away, in_doubt = repeat, undo = none)]
    Low { place: String },
    #[fsm(resting)]
    #[transition(leave, when = is_not_high)]
    High {
        view: String,
        #[fsm(default)]
        visits: u32,
    },
    #[fsm(resting)]
    #[transition(come_back -> Low, when = is_near, in_doubt = repeat, undo = none)]
    Away,
}

#[derive(Debug, thiserror::Error)]
#[error("no")]
struct No;
impl Classify for No {}

struct Walker;

impl ListedTransitions for Walker {
    type Error = No;
    async fn begin(&self, from: Origin, _: &ListedAttempt) -> Result<Low, No> {
        Ok(from.low("valley".to_owned()))
    }
    fn rise(&self, from: Low, _: &ListedAttempt) -> Result<High, No> {
        let visits = from.visits + 1;
        Ok(from.high(HighFacts { view: "far".to_owned(), visits }))
    }
    fn is_high(&self, _: &Low, thing: &Thing) -> bool {
        thing.spec.image == "high"
    }
    async fn leave(&self, from: LeaveFrom, _: &ListedAttempt) -> Result<Away, No> {
        assert_eq!(from.place, "valley");
        Ok(from.away())
    }
    fn is_away(&self, _: &Low, thing: &Thing) -> bool {
        thing.spec.image == "away"
    }
    fn is_not_high(&self, _: &High, thing: &Thing) -> bool {
        thing.spec.image != "high"
    }
    async fn come_back(&self, from: Away, _: &ListedAttempt) -> Result<Low, No> {
        Ok(from.low_again())
    }
    fn is_near(&self, _: &Away, thing: &Thing) -> bool {
        thing.spec.image != "away"
    }
}

fn thing(image: &str) -> Thing {
    Thing::new(image, &[])
}

#[tokio::test]
async fn the_guard_of_a_listing_is_the_one_that_counts_there() {
    let bench = Bench::new();
    let runner = ListedRunner::builder(Walker, bench.store.clone()).clock(bench.clock.clone()).build();
    for (image, visits) in [("high", 1), ("low", 1), ("high", 2), ("high", 2)] {
        let Outcome::Resting(at) = runner.reconcile(&thing(image)).await.unwrap() else { panic!("{image}") };
        match at {
            // The declared guard would have let it stay: it is not `away`.
            ListedState::Low(at) if image == "low" => assert_eq!((at.place.as_str(), at.visits), ("valley", visits)),
            ListedState::High(at) if image == "high" => assert_eq!((at.view.as_str(), at.visits), ("far", visits)),
            other => panic!("{image}: at {}", other.name()),
        }
    }
}

#[test]
fn a_view_is_what_all_states_know_and_has_the_edges() {
    let low = Origin::start().low("valley".to_owned());
    assert_eq!(low.visits, 0, "it was never recorded");
    let high = low.high(HighFacts { view: "far".to_owned(), visits: 3 });
    let from = LeaveFrom::from(high);
    assert_eq!((from.place.as_str(), from.visits), ("valley", 3));
    assert_eq!(from.away().low_again().visits, 3);
}

#[test]
fn the_graph_says_where_a_step_stands_and_with_which_guard() {
    let graph = ListedFlow::GRAPH;
    let (leave, step) = graph.transition("leave").unwrap();
    assert_eq!((step.from, graph.places(leave).collect::<Vec<_>>()), (1, vec![1, 2]));
    assert_eq!([1, 2].map(|state| graph.guard(state, leave)), [Some("is_away"), Some("is_not_high")]);
    assert_eq!(graph.states[3].known, ["place", "visits"], "a fact with a default is known after any path");
    assert!(graph.states[2].facts[1].default);
    let written = durable_fsm::graph::json::write(&graph);
    assert_eq!(durable_fsm::graph::json::read(&written).unwrap(), &graph);
    // An edge from each state that lists it, with the guard that it has there.
    let picture = durable_fsm::graph::mermaid::flat(&graph, None);
    for (from, guard) in [("s1", "if is_away"), ("s2", "if is_not_high")] {
        let edge = picture.lines().find(|line| line.contains(&format!("{from} --> s3")));
        assert!(edge.is_some_and(|line| line.contains("leave") && line.contains(guard)), "{picture}");
    }
}

mod forked {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use durable_fsm::{Fsm, Outcome};

    use super::{No, thing};
    use crate::machine::Thing;
    use crate::world::Bench;

    /// Two ways to one step; the one that is taken knows less than the one that declares the step.
    #[derive(Fsm)]
    #[fsm(name = "test.io/forked", version = 1, resource = Thing)]
    pub enum ForkedFlow {
        #[fsm(initial)]
        #[transition(fork -> Left | Right, no_effect)]
        Start,
        #[transition(meet -> Met, in_doubt = repeat, undo = none)]
        Left { sign: String },
        #[transition(meet)]
        Right,
        #[fsm(resting)]
        Met,
    }

    #[derive(Default)]
    struct Walker(AtomicU32);

    impl ForkedTransitions for Walker {
        type Error = No;
        fn fork(&self, from: Start, _: &ForkedAttempt) -> Result<ForkNext, No> {
            Ok(from.right().into())
        }
        async fn meet(&self, from: MeetFrom, _: &ForkedAttempt) -> Result<Met, No> {
            if self.0.fetch_add(1, Ordering::Relaxed) == 0 { Err(No) } else { Ok(from.met()) }
        }
    }

    /// Once such a step was held because a fact of the state that declares it was missing.
    #[tokio::test]
    async fn a_step_is_asked_again_on_a_state_that_knows_less_than_the_one_that_declares_it() {
        let bench = Bench::new();
        let runner = ForkedRunner::builder(Walker::default(), bench.store.clone()).clock(bench.clock.clone()).build();
        for _ in 0..20 {
            match runner.reconcile(&thing("a")).await.unwrap() {
                Outcome::Progressing { after, .. } => bench.clock.advance(after + Duration::from_millis(1)),
                Outcome::Resting(ForkedState::Met(_)) => return,
                Outcome::Held { message, .. } => panic!("{message}"),
                _ => break,
            }
        }
        panic!("it is not asked again");
    }
}
