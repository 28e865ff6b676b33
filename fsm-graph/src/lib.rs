//! The graph of a `durable-fsm` machine, and its drawings.
//!
//! The derive of `durable-fsm` emits a [`Graph`] as a `const`. Diagrams, checks and the test harness all read this one value, so none of them can
//! differ from what is compiled.
//!
//! Every writer takes the graph and, to show the position of a resource, an [`Overlay`]:
//!
//! | writer | for |
//! |---|---|
//! | [`svg::inline`] | rustdoc pages; the derive puts it there |
//! | [`svg::file`] | READMEs; follows the reader's light or dark scheme |
//! | [`mermaid::folded`], [`mermaid::flat`] | pages that render Mermaid |
//! | [`dot::write`] | Graphviz |
//! | [`terminal::write`] | terminals and logs |
//!
//! The README explains every sign in a picture.
//!
//! The feature `png` adds `png::write`. The feature `json` adds the module `json`, which writes a graph to a lock file and reads it back. In a test, [`assert_current`] keeps a
//! checked-in picture current.
//!
//! The same input always gives the same bytes.

#[cfg(test)]
extern crate self as durable_fsm_graph;

mod caption;
pub mod dot;
mod edges;
mod golden;
#[cfg(feature = "json")]
pub mod json;
mod layout;
pub mod mermaid;
mod model;
mod overlay;
mod past;
#[cfg(feature = "png")]
pub mod png;
#[cfg(test)]
mod properties;
pub mod svg;
pub mod terminal;
mod text;
#[doc(hidden)]
pub mod written;

pub use golden::assert_current;
pub use model::{
    Cause, Contract, End, Fact, ForEach, Graph, InDoubt, Kind, Lost, Predecessor, Rest, Retry, State, Transition,
    Transport, Undo, Upgrade, Upgraded, Verify,
};
pub use overlay::{Overlay, Step, Stopped};
