//! Work that blocks, off the runtime's threads. Invariant: once begun, it runs to its end, also when its future is dropped.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::StoreError;

/// How many operations of one store run at once. More would take the threads that others need, such as for name resolution.
const AT_ONCE: usize = 64;

/// Bounds how much of a store's work is done at once.
#[derive(Debug, Clone)]
pub(super) struct Work(Arc<Semaphore>);

impl Default for Work {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Work {
    /// Runs this on a thread where it may block. Outside a tokio runtime it runs in place.
    pub(super) async fn off<A: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<A, StoreError> + Send + 'static,
    ) -> Result<A, StoreError> {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return work() };
        let permit = Arc::clone(&self.0).acquire_owned().await;
        let done = runtime.spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        done.await.unwrap_or_else(|error| Err(StoreError::Unknown(format!("the work was cut off: {error}"))))
    }
}
