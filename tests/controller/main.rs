//! The controller: what it does for documents, streams, failures and wake-ups. Time stands still but where a test moves it.

mod directory;
mod failures;
mod metrics;
mod streams;
mod tenant;
