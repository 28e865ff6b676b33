//! What is asked for on one resource.

use durable_fsm::graph::Graph;
use durable_fsm::record::Expected;
use durable_fsm::{RecordId, Request};

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Change(Request, Expected),
    Release,
    /// That the provider is asked whether everything is still there.
    Verify,
}

/// What is asked for, and on which record.
pub(crate) struct Change<'c> {
    pub(crate) id: &'c RecordId,
    pub(crate) graph: &'static Graph<'static>,
    pub(crate) asked: &'c Asked,
}
