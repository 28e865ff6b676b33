//! What an `async fn` of a transitions trait returns. Invariant: every future that can be sent between threads is one.

use std::future::Future;

/// A future that can be sent between threads. Write the method as an `async fn`; it returns one.
///
/// The generated transitions trait names this trait, so that the compiler can say what is missing if a method is not `async`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what an `async fn` returns",
    label = "write `async fn`",
    note = "steps, look-ups, undos, aborts and `import` are `async`; steps with `no_effect`, guards and wanted sets are not"
)]
pub trait SendFuture<T>: Future<Output = T> + Send {}

impl<T, F: Future<Output = T> + Send> SendFuture<T> for F {}
