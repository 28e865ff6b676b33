//! The graph of a `durable-fsm` machine, and its drawings.
//!
//! The derive of `durable-fsm` emits a [`Graph`] as a `const`; diagrams, checks, the test harness, coverage and upgrade
//! checks all read that one value, so none of them can drift from what is compiled.

mod model;

pub use model::{
    Contract, Fact, ForEach, Graph, InDoubt, Kind, Order, Predecessor, Rest, Retry, State, Transition, Undo,
};
