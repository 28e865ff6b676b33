//! What lists the things of a world for a sweep.

use std::fmt;
use std::sync::Arc;

use crate::machine::{Boxed, Failure, classified};
use crate::{Sweep, Tagged};

/// The list of a [`Sweep`], without its types.
type List = dyn Fn() -> Boxed<Result<Vec<Tagged>, Failure>> + Send + Sync;

/// Lists the things of a world for a sweep, as its transitions do.
#[derive(Clone)]
pub struct Sweeper {
    covers: Vec<String>,
    list: Arc<List>,
}

impl Sweeper {
    /// What these transitions list.
    pub fn of(transitions: impl Sweep) -> Self {
        let (covers, transitions) = (transitions.covers(), Arc::new(transitions));
        let list = move || -> Boxed<Result<Vec<Tagged>, Failure>> {
            let transitions = Arc::clone(&transitions);
            Box::pin(async move { classified(transitions.list().await) })
        };
        Self { covers, list: Arc::new(list) }
    }

    /// The transitions of which it lists everything.
    pub(crate) fn covers(&self) -> &[String] {
        &self.covers
    }

    /// What there is.
    pub(crate) fn list(&self) -> Boxed<Result<Vec<Tagged>, Failure>> {
        (self.list)()
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper").field("covers", &self.covers).finish_non_exhaustive()
    }
}
