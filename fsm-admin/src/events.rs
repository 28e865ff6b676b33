//! Tells the page what changes. Invariant: only so many listeners are served at once, and one that is too slow is told to read everything again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use durable_fsm::ResourceId;
use durable_fsm::controller::Window;
use futures::stream::{self, Stream, StreamExt as _};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use crate::desk::Desk;
use crate::row::Row;

/// How long a connection is silent at most.
const SILENCE: Duration = Duration::from_secs(15);

/// Follows all resources.
pub(crate) async fn follow(State(desk): State<Arc<Desk>>) -> Response {
    let Ok(permit) = Arc::clone(&desk.listeners).try_acquire_owned() else {
        let why = "too many pages are open; close one, or raise `Admin::listeners`";
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": why }))).into_response();
    };
    let all = desk.windows.iter().map(|window| changes(window.clone()).boxed());
    // What changes before this is heard would be missed by a page that has read the list before.
    let hello = stream::once(async { Ok(Event::default().event("again").data("{}")) });
    let told = hello.chain(stream::select_all(all)).map(move |event| {
        // It is given back when the page is closed.
        let _ = &permit;
        event
    });
    Sse::new(told).keep_alive(KeepAlive::new().interval(SILENCE)).into_response()
}

fn changes(window: Window) -> impl Stream<Item = Result<Event, Infallible>> {
    let heard = window.changes();
    stream::unfold((window, heard), |(window, mut heard)| async move {
        let event = match heard.recv().await {
            Ok(id) => change(&window, &id).await,
            Err(RecvError::Lagged(_)) => Event::default().event("again").data("{}"),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), (window, heard)))
    })
}

/// A resource as it is now; without a row if it is gone.
async fn change(window: &Window, id: &ResourceId) -> Event {
    let row = match window.look(id).await {
        Ok(seen) => seen.map(|seen| json!(Row::of(window, id, &seen))),
        Err(error) => {
            tracing::debug!(%error, "a change cannot be told");
            return Event::default().event("again").data("{}");
        }
    };
    let told = json!({ "machine": window.graph().name, "namespace": id.namespace, "name": id.name, "row": row });
    Event::default().event("change").data(told.to_string())
}
