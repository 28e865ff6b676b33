// Markdown uses the first definition of a link, so docs.rs gets embedded pictures and other readers get repository links.
#![cfg_attr(doc, doc = include_str!("../docs/pictures.uri.md"))]
#![cfg_attr(doc, doc = "[gallery]: https://github.com/durable-fsm/durable-fsm/blob/main/docs/gallery.md\n")]
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// Generated code names this crate, also in its own tests.
#[cfg(test)]
extern crate self as durable_fsm;

pub use durable_fsm_graph as graph;
#[doc = include_str!("../docs/derive.md")]
pub use durable_fsm_macros::Fsm;

mod answer;
mod attempt;
mod canonical;
mod classify;
mod clock;
#[cfg(feature = "controller")]
pub mod controller;
pub mod diagram;
mod driver;
mod each;
pub mod explain;
mod fact;
mod found;
#[cfg(feature = "reqwest")]
pub mod http;
mod import;
mod kept;
mod machine;
#[cfg(feature = "metrics")]
pub mod metrics;
mod older_spec;
mod operator;
mod outcome;
mod panics;
mod position;
mod probe;
mod reason;
pub mod record;
mod resource;
mod runner;
mod send_future;
mod steps;
pub mod store;
mod sweep;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
mod undos;

pub use answer::{Lookup, Undone, Wait};
pub use attempt::Attempt;
pub use classify::{Class, Classify};
pub use clock::{Clock, SystemClock};
pub use each::Each;
pub use fact::{FactError, Facts};
pub use import::{Import, Imported};
pub use kept::Kept;
pub use machine::Machine;
pub use older_spec::assert_spec_compatible;
pub use operator::{Left, OperateError, Operator, Released, Request};
pub use outcome::{Outcome, Plan};
pub use position::Position;
pub use probe::{Crossing, Probe, Side, Site};
pub use reason::{Phase, RUNBOOK, Reason};
pub use record::Failure;
pub use resource::{Resource, ResourceId};
pub use runner::{Runner, RunnerBuilder, SweepError};
pub use send_future::SendFuture;
pub use store::{Loaded, RecordId, Signals, Store, StoreError, Version};
pub use sweep::{Missing, Orphan, Removal, Sweep, Swept, Tagged};
pub use undos::Undos;

/// What generated code names. Nothing here is covered by semantic versioning.
#[doc(hidden)]
pub mod __private {
    pub use crate::machine::{Dispatch, Made, Next, Sealed};
    pub use crate::{Attempt, Classify, FactError, Lookup, SendFuture, Undone, Wait};
    pub use durable_fsm_graph as graph;
    pub use durable_fsm_macros::{diagram, skeleton};

    /// For a glob: no author has names like these.
    pub mod short {
        pub use crate::found::Importing as __Importing;
        pub use crate::import::{Known as __Known, import as __import};
        pub use crate::machine::{
            Answer as __Answer, Call as __Call, Dispatch as __Dispatch, Machine as __Machine, Read as __Read,
            Reply as __Reply, Sealed as __Sealed, State as __State, absent as __absent, decode as __decode,
            foreign as __foreign, standing as __standing, subjects as __subjects, value as __value,
        };
        pub use crate::{Each as __Each, Facts as __Facts, Lookup as __Lookup, Undone as __Undone};
        pub use core::convert::From as __From;
        pub use core::default::Default as __Default;
        pub use core::ops::Deref as __Deref;
        pub use core::result::Result::Ok as __Ok;
        pub use durable_fsm_graph::Graph as __Graph;
        pub use std::boxed::Box as __Box;
        pub use std::collections::BTreeSet as __BTreeSet;
        pub use std::string::String as __String;
        pub use std::sync::Arc as __Arc;
    }
}
