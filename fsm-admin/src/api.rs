//! What the page asks for, as JSON. Invariant: only what an operator needs is told. The spec that stands in an intent, and credentials, are not.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use durable_fsm::diagram::terminal::Options;
use durable_fsm::diagram::{Live, svg, terminal};
use durable_fsm::explain::{made, waits};
use durable_fsm::record::Record;
use durable_fsm::{Phase, ResourceId, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::row::Row;
use crate::verb::{Refused, Verb, buttons};

/// How much of a fact is shown, in characters.
const LONGEST: usize = 2000;

/// Which resource is meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    machine: String,
    #[serde(default)]
    namespace: String,
    name: String,
}

/// What is asked of it. `seq` is the sequence number of the record that the operator sees.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    resource: Named,
    #[serde(default)]
    seq: Option<u64>,
    asks: Verb,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("no resource is called {0}; look at the list")]
    NotFound(String),
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Record(why) => Problem::Refused(why),
            Refused::Store(error) => Problem::Store(error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = match &self {
            Problem::NotFound(_) => StatusCode::NOT_FOUND,
            Problem::Malformed(_) => StatusCode::BAD_REQUEST,
            Problem::Refused(_) => StatusCode::CONFLICT,
            Problem::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}

impl Named {
    fn id(&self) -> ResourceId {
        ResourceId::new(&self.namespace, &self.name)
    }

    fn unknown(&self) -> Problem {
        Problem::NotFound(format!("{} of {}", self.id(), self.machine))
    }
}

/// All resources, and the phases in their order.
pub(crate) async fn resources(State(desk): State<Arc<Desk>>) -> Result<Json<Value>, Problem> {
    let mut rows = Vec::new();
    for window in &desk.windows {
        for id in window.resources().await? {
            // One that is gone by now was removed while the others were read.
            if let Some(seen) = window.look(&id).await? {
                rows.push(json!(Row::of(window, &id, &seen)));
            }
        }
    }
    let machines: Vec<&str> = desk.windows.iter().map(|window| window.graph().name).collect();
    Ok(Json(json!({ "resources": rows, "machines": machines, "phases": Phase::ALL.map(Phase::word) })))
}

/// Everything about one resource.
pub(crate) async fn resource(
    State(desk): State<Arc<Desk>>,
    named: Result<Query<Named>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(named) = named.map_err(|error| Problem::Malformed(error.body_text()))?;
    let window = desk.window(&named.machine).ok_or_else(|| named.unknown())?;
    let id = named.id();
    let seen = window.look(&id).await?.ok_or_else(|| named.unknown())?;
    let mut told = json!({
        "row": Row::of(window, &id, &seen),
        "runbook": seen.position.reason.runbook(),
        "asks": buttons(window, &seen),
    });
    if let Some(Ok(record)) = &seen.record {
        let (now, graph) = (SystemTime::now(), window.graph());
        let live = Live::of(graph, id.to_string(), record, now);
        let options = Options { width: 76, ..Options::default() };
        told["version"] = record.version.into();
        told["facts"] = facts(record);
        told["made"] = made(record, Some(graph)).into();
        told["waits"] = waits(record, now).into();
        told["history"] = record.history.clone().into();
        told["drawing"] = terminal::write(graph, Some(&live.overlay()), &options).into();
    }
    Ok(Json(told))
}

fn facts(record: &Record) -> Value {
    let each = record.facts.iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let shown: String = text.chars().take(LONGEST).collect();
        let cut = if shown.len() < text.len() { "…" } else { "" };
        json!({ "name": name, "value": format!("{shown}{cut}") })
    });
    each.collect()
}

/// The machine with the resource in it, as SVG.
pub(crate) async fn picture(
    State(desk): State<Arc<Desk>>,
    named: Result<Query<Named>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(named) = named.map_err(|error| Problem::Malformed(error.body_text()))?;
    let window = desk.window(&named.machine).ok_or_else(|| named.unknown())?;
    let seen = window.look(&named.id()).await?.ok_or_else(|| named.unknown())?;
    let graph = window.graph();
    let picture = match &seen.record {
        Some(Ok(record)) => {
            let live = Live::of(graph, named.id().to_string(), record, SystemTime::now());
            svg::file(graph, Some(&live.overlay()))
        }
        _ => svg::file(graph, None),
    };
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], picture).into_response())
}

/// Says what a verb will do. Nothing is changed.
pub(crate) async fn preview(
    desk: State<Arc<Desk>>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    ask(desk, asked, false).await
}

/// Carries a verb out, and says what it does.
pub(crate) async fn carry_out(
    desk: State<Arc<Desk>>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    ask(desk, asked, true).await
}

async fn ask(
    State(desk): State<Arc<Desk>>,
    asked: Result<Json<Asked>, JsonRejection>,
    now: bool,
) -> Result<Json<Value>, Problem> {
    let Json(Asked { resource, seq, asks }) = asked.map_err(|error| Problem::Malformed(error.body_text()))?;
    let window = desk.window(&resource.machine).ok_or_else(|| resource.unknown())?;
    let text = asks.ask(window, &resource.id(), seq, now).await?;
    if now {
        tracing::info!(machine = resource.machine, resource = %resource.id(), text, "an operator has asked on the page");
    }
    Ok(Json(json!({ "text": text })))
}
