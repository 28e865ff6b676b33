//! What exists outside, compared with what is recorded, and the removal of what no record knows. Invariant: nothing is removed that is on a record.

mod compare;
mod removal;
mod tagged;

use std::future::Future;

use crate::Classify;

pub(crate) use compare::{Known, compare};
pub use compare::{Missing, Orphan, Swept};
pub use removal::Removal;
pub(crate) use removal::{ask, life_ahead, longest};
pub use tagged::Tagged;

/// Transitions whose provider can be asked for everything that carries an owner tag of the machine.
///
/// ```
/// use durable_fsm::{Class, Classify, Sweep, Tagged};
/// # #[derive(Debug, thiserror::Error)]
/// # #[error("the provider failed")]
/// # struct Failed;
/// # impl Classify for Failed { fn classify(&self) -> Class { Class::Unknown } }
/// # struct Provider;
/// # impl Provider { async fn rooms(&self) -> Result<Vec<(String, String)>, Failed> { Ok(Vec::new()) } }
///
/// impl Sweep for Provider {
///     type Error = Failed;
///     fn covers(&self) -> Vec<String> {
///         vec!["create_room".to_owned()]
///     }
///     async fn list(&self) -> Result<Vec<Tagged>, Failed> {
///         let rooms = self.rooms().await?.into_iter();
///         Ok(rooms.map(|(id, tag)| Tagged::new("create_room", tag, &id).fact("room", &id)).collect())
///     }
/// }
/// ```
pub trait Sweep: Send + Sync + 'static {
    /// What goes wrong.
    type Error: Classify;

    /// The transitions of which [`list`](Self::list) gives everything. What another one has made is not missed.
    fn covers(&self) -> Vec<String>;

    /// Everything that carries an owner tag of this machine, whichever resource it belongs to.
    fn list(&self) -> impl Future<Output = Result<Vec<Tagged>, Self::Error>> + Send;
}
