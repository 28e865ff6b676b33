// Of two definitions of a link Markdown takes the first: rustdoc's front page carries its picture with it, and
// leads to the repository where it cannot.
#![cfg_attr(doc, doc = include_str!("../docs/worker.uri.md"))]
#![cfg_attr(doc, doc = "[gallery]: https://github.com/durable-fsm/durable-fsm/blob/main/docs/gallery.md\n")]
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// Generated code names this crate, also in its own tests.
#[cfg(all(test, feature = "testing"))]
extern crate self as durable_fsm;

pub use durable_fsm_graph as graph;
#[doc = include_str!("../docs/derive.md")]
pub use durable_fsm_macros::Fsm;

mod answer;
mod attempt;
mod classify;
mod clock;
pub mod diagram;
mod driver;
mod each;
mod fact;
#[cfg(feature = "reqwest")]
pub mod http;
mod machine;
mod outcome;
mod probe;
pub mod record;
mod resource;
mod runner;
mod steps;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use answer::{Lookup, Wait};
pub use attempt::Attempt;
pub use classify::{Class, Classify};
pub use clock::{Clock, SystemClock};
pub use each::Each;
pub use fact::{FactError, Facts};
pub use machine::Machine;
pub use outcome::{Outcome, Plan};
pub use probe::{Crossing, Probe, Side, Silent, Site};
pub use resource::{Resource, ResourceId};
pub use runner::{Left, OperateError, Released, Runner, RunnerBuilder};
pub use store::{Loaded, RecordId, Signals, Store, StoreError, Version};

/// What generated code names. Nothing here is covered by semantic versioning.
#[doc(hidden)]
pub mod __private {
    pub use crate::machine::{
        Answer, Call, Dispatch, Machine, Made, Next, Read, Reply, Sealed, State, absent, decode, foreign, subjects,
    };
    pub use crate::{Attempt, Classify, Each, FactError, Facts, Lookup, Resource, Wait};
    pub use core::ops::Deref;
    pub use core::result::Result::Ok;
    pub use durable_fsm_graph as graph;
    pub use durable_fsm_macros::{diagram, skeleton};
    pub use std::boxed::Box;
    pub use std::collections::BTreeSet;
    pub use std::string::String;
    pub use std::sync::Arc;
}
