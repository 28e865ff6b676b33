//! The Docker Engine. A name is taken once; a container that was created does not run until it is started.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::listener::{Calls, Listener};

/// The engine.
pub struct Docker {
    pub(crate) listener: Listener,
    state: Shared,
}

type Shared = Arc<Mutex<Engine>>;

#[derive(Default)]
struct Engine {
    containers: BTreeMap<String, Container>,
    counter: u64,
    /// The next request to create a container is held up on its way.
    hold_up: bool,
    held_up: Option<(String, Value)>,
}

struct Container {
    name: String,
    image: String,
    labels: Value,
    running: bool,
}

impl Docker {
    pub(super) async fn start(calls: &Calls) -> std::io::Result<Self> {
        let state = Shared::default();
        let router = Router::new()
            .route("/containers/create", post(create))
            .route("/containers/json", get(list))
            .route("/containers/{id}/start", post(start))
            .route("/containers/{id}/json", get(inspect))
            .route("/containers/{id}", delete(remove))
            .with_state(state.clone());
        Ok(Self { listener: Listener::start("docker", calls, router).await?, state })
    }

    /// Holds the next request to create a container up on its way: it is answered with a time-out, and arrives just before the one after it.
    pub fn hold_up_create(&self) {
        lock(&self.state).hold_up = true;
    }
}

fn lock(state: &Shared) -> MutexGuard<'_, Engine> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failure(status: StatusCode, message: String) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

impl Engine {
    /// The id of a container by id or name.
    fn find(&self, wanted: &str) -> Option<String> {
        self.containers.iter().find(|(id, it)| *id == wanted || it.name == wanted).map(|(id, _)| id.clone())
    }
}

async fn create(
    State(state): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
    Json(body): Json<Value>,
) -> Response {
    let mut engine = lock(&state);
    let name = query.get("name").cloned().unwrap_or_default();
    if std::mem::take(&mut engine.hold_up) {
        engine.held_up = Some((name, body));
        return failure(StatusCode::GATEWAY_TIMEOUT, "the engine did not answer in time".to_owned());
    }
    if let Some((name, body)) = engine.held_up.take() {
        drop(engine.create(name, &body));
    }
    engine.create(name, &body)
}

impl Engine {
    fn create(&mut self, name: String, body: &Value) -> Response {
        if let Some(id) = self.find(&name) {
            let text = format!("Conflict. The container name \"/{name}\" is already in use by container \"{id}\".");
            return failure(StatusCode::CONFLICT, text);
        }
        self.counter += 1;
        let id = format!("{:012x}", self.counter);
        let image = body.get("Image").and_then(Value::as_str).unwrap_or_default().to_owned();
        let labels = body.get("Labels").cloned().unwrap_or_else(|| json!({}));
        self.containers.insert(id.clone(), Container { name, image, labels, running: false });
        (StatusCode::CREATED, Json(json!({ "Id": id, "Warnings": [] }))).into_response()
    }
}

fn shown(id: &str, it: &Container) -> Value {
    let state = if it.running { "running" } else { "created" };
    json!({ "Id": id, "Names": [format!("/{}", it.name)], "Image": it.image, "Labels": it.labels, "State": state })
}

async fn list(State(state): State<Shared>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let filters: Value = query.get("filters").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let labels: Vec<String> = filters
        .get("label")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|label| label.as_str().map(str::to_owned))
        .collect();
    let has = |it: &Container, label: &str| match label.split_once('=') {
        Some((key, value)) => it.labels.get(key).and_then(Value::as_str) == Some(value),
        None => it.labels.get(label).is_some(),
    };
    let engine = lock(&state);
    let found = engine.containers.iter().filter(|(_, it)| labels.iter().all(|label| has(it, label)));
    Json(found.map(|(id, it)| shown(id, it)).collect::<Vec<_>>()).into_response()
}

async fn start(State(state): State<Shared>, Path(id): Path<String>) -> Response {
    let mut engine = lock(&state);
    let Some(id) = engine.find(&id) else { return failure(StatusCode::NOT_FOUND, format!("No such container: {id}")) };
    match engine.containers.get_mut(&id) {
        Some(it) if it.running => StatusCode::NOT_MODIFIED.into_response(),
        Some(it) => {
            it.running = true;
            StatusCode::NO_CONTENT.into_response()
        }
        None => failure(StatusCode::NOT_FOUND, format!("No such container: {id}")),
    }
}

async fn inspect(State(state): State<Shared>, Path(id): Path<String>) -> Response {
    let engine = lock(&state);
    match engine.find(&id).and_then(|id| engine.containers.get(&id).map(|it| shown(&id, it))) {
        Some(shown) => Json(shown).into_response(),
        None => failure(StatusCode::NOT_FOUND, format!("No such container: {id}")),
    }
}

async fn remove(State(state): State<Shared>, Path(id): Path<String>) -> Response {
    let mut engine = lock(&state);
    match engine.find(&id) {
        Some(id) => {
            engine.containers.remove(&id);
            StatusCode::NO_CONTENT.into_response()
        }
        None => failure(StatusCode::NOT_FOUND, format!("No such container: {id}")),
    }
}
