//! The record as it was last read or written. Invariant: it is what the store held then, byte for byte; it is decoded only where somebody asks what
//! stood in it, because every write leaves one and hardly any is asked.

use durable_fsm_graph::Graph;

use crate::record::Record;

/// A record that is stored.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) seq: u64,
    bytes: Vec<u8>,
    graph: &'static Graph<'static>,
}

impl Base {
    pub(super) fn new(graph: &'static Graph<'static>, seq: u64, bytes: Vec<u8>) -> Self {
        Self { seq, bytes, graph }
    }

    /// Its bytes, which are no longer needed.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// How many bytes it has.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The record, in the names of now. None if the bytes are not one, which cannot be: they were decoded, or encoded from one.
    pub(super) fn record(&self) -> Option<Record> {
        Record::parse(self.graph, &self.bytes).ok()
    }
}
