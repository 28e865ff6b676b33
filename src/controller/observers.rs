//! Who is told of a pass: the program's own function, the board, and the metrics. Invariant: they are told after the pass, and cannot change how it ended.

use std::sync::Arc;
use std::time::Duration;

use super::board::{Board, Told};
use super::watched::{Conflicts, Watched};
use crate::machine::Dispatch;
use crate::record::{Record, Stamp};
use crate::{Machine, Outcome, Position, ResourceId, Runner, StoreError};

/// Called after each pass with how it ended.
type OnOutcome<S> = Arc<dyn Fn(&ResourceId, &Outcome<S>) + Send + Sync>;

/// Who is told.
pub(super) struct Observers<M: Machine> {
    pub(super) on_outcome: OnOutcome<M::State>,
    pub(super) board: Arc<Board>,
    #[cfg(feature = "metrics")]
    pub(super) metrics: Option<crate::metrics::Metrics>,
}

impl<M: Machine> Clone for Observers<M> {
    fn clone(&self) -> Self {
        Self {
            on_outcome: Arc::clone(&self.on_outcome),
            board: Arc::clone(&self.board),
            #[cfg(feature = "metrics")]
            metrics: self.metrics.clone(),
        }
    }
}

/// What is measured of a pass.
#[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "only metrics ask for it"))]
pub(super) struct Watch {
    begun: Duration,
    conflicts: Conflicts,
}

/// How a pass has left a resource.
pub(super) struct Left<'p, S> {
    pub(super) outcome: &'p Outcome<S>,
    pub(super) record: Option<&'p Record>,
    /// When the deletion was asked for.
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "only metrics ask for it"))]
    pub(super) deleted: Option<Stamp>,
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "only metrics ask for it"))]
    pub(super) now: Stamp,
}

impl<M: Machine> Observers<M> {
    pub(super) fn new() -> Self {
        Self {
            on_outcome: Arc::new(|_, _| {}),
            board: Arc::new(Board::new()),
            #[cfg(feature = "metrics")]
            metrics: None,
        }
    }

    fn is_watching(&self) -> bool {
        #[cfg(feature = "metrics")]
        if self.metrics.is_some() {
            return true;
        }
        self.board.is_open()
    }

    /// Counts a pass that begins so long after it was due.
    pub(super) fn began(&self, late: Duration) {
        #[cfg(feature = "metrics")]
        if let Some(metrics) = &self.metrics {
            metrics.began(M::GRAPH.name, late);
        }
        #[cfg(not(feature = "metrics"))]
        let _ = late;
    }

    /// Begins to measure a pass. The pass is run with the runner that is returned.
    pub(super) fn begin<T>(&self, runner: Runner<M, T>) -> (Runner<M, T>, Watch)
    where
        M: Dispatch<T>,
        T: Send + Sync + 'static,
    {
        let (begun, conflicts) = (runner.driver.clock.monotonic(), Conflicts::default());
        if !self.is_watching() {
            return (runner, Watch { begun, conflicts });
        }
        let (store, board) = (Arc::clone(&runner.driver.store), Arc::clone(&self.board));
        let watched = Watched { store, board, conflicts: conflicts.clone(), machine: M::GRAPH.name };
        (runner.on_store(watched), Watch { begun, conflicts })
    }

    /// Tells how a pass has left a resource.
    pub(super) fn tell(&self, id: &ResourceId, left: &Left<'_, M::State>) {
        // A program that hears of the outcome may ask the others.
        if self.is_watching() {
            let position = Position::of_outcome(M::GRAPH, left.outcome, left.record);
            #[cfg(feature = "metrics")]
            if let Some(metrics) = &self.metrics {
                count::<M>(metrics, id, left, position.as_ref());
            }
            let seq = left.record.map(|record| record.seq);
            self.board.put(id, position.map(|position| Told { seq, position }));
        }
        (self.on_outcome)(id, left.outcome);
    }

    /// Counts a pass that is over, with the error that ended it.
    pub(super) fn passed<T>(&self, runner: &Runner<M, T>, watch: &Watch, error: Option<&StoreError>) {
        #[cfg(feature = "metrics")]
        if let Some(metrics) = &self.metrics {
            let took = runner.driver.clock.monotonic().saturating_sub(watch.begun);
            metrics.passed(M::GRAPH.name, took, watch.conflicts.count(), error);
        }
        #[cfg(not(feature = "metrics"))]
        let _ = (runner, watch, error);
    }
}

#[cfg(feature = "metrics")]
fn count<M: Machine>(
    metrics: &crate::metrics::Metrics,
    id: &ResourceId,
    left: &Left<'_, M::State>,
    position: Option<&Position>,
) {
    let id = crate::RecordId { machine: M::GRAPH.name.to_owned(), resource: id.clone() };
    let Some(position) = position else { return metrics.forget(&id) };
    let held = left.record.and_then(|record| record.held.as_ref());
    let standing = crate::metrics::Standing {
        state: left.record.map_or("", |record| &record.state),
        reason: position.reason,
        since: held.map_or(left.now, |held| held.since).time(),
        deleted: left.deleted.map(Stamp::time),
    };
    metrics.put(&id, &standing);
}
