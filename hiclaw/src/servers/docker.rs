//! The Docker Engine. A name is taken once; a container that was created does not run until it is started, and an image has to be there before
//! a container of it is created.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::listener::{Calls, Listener};

/// The engine.
pub struct Docker {
    pub(crate) listener: Listener,
    state: Shared,
    /// Whether the registry answers.
    registry: Arc<watch::Sender<bool>>,
}

type Shared = Arc<Mutex<Engine>>;

#[derive(Default)]
struct Engine {
    containers: BTreeMap<String, Container>,
    counter: u64,
    /// The next request to create a container is held up on its way.
    hold_up: bool,
    held_up: Option<(String, Value)>,
    /// The images in the registry; without one, the engine has every image.
    registry: Option<BTreeSet<String>>,
    pulled: BTreeSet<String>,
    networks: BTreeSet<String>,
}

struct Container {
    name: String,
    image: String,
    labels: Value,
    network: String,
    volumes: Value,
    variables: Value,
    running: bool,
}

impl Docker {
    pub(super) async fn start(calls: &Calls) -> std::io::Result<Self> {
        let state = Shared::default();
        let registry = Arc::new(watch::Sender::new(true));
        let pulls = Router::new().route("/images/create", post(pull)).with_state((state.clone(), registry.clone()));
        let router = Router::new()
            .route("/containers/create", post(create))
            .route("/containers/json", get(list))
            .route("/containers/{id}/start", post(start))
            .route("/containers/{id}/json", get(inspect))
            .route("/containers/{id}", delete(remove))
            .with_state(state.clone())
            .merge(pulls);
        Ok(Self { listener: Listener::start("docker", calls, router).await?, state, registry })
    }

    /// The engine has no image from now on. It pulls what is wanted from a registry that has these, each with its tag.
    pub fn pulls_from(&self, registry: &[&str]) {
        lock(&self.state).registry = Some(registry.iter().map(|&image| image.to_owned()).collect());
    }

    /// Holds every pull up until [the registry answers](Self::answer_pulls).
    pub fn hold_up_pulls(&self) {
        self.registry.send_replace(false);
    }

    /// Lets the pulls go on.
    pub fn answer_pulls(&self) {
        self.registry.send_replace(true);
    }

    /// A container, as the engine shows it.
    #[must_use]
    pub fn inspect(&self, id: &str) -> Option<Value> {
        lock(&self.state).containers.get(id).map(|it| shown(id, it))
    }

    /// Makes a network that containers can join.
    pub fn add_network(&self, name: &str) {
        lock(&self.state).networks.insert(name.to_owned());
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
        let image = body.get("Image").and_then(Value::as_str).unwrap_or_default().to_owned();
        if self.registry.is_some() && !self.pulled.contains(&tagged(&image)) {
            return failure(StatusCode::NOT_FOUND, format!("No such image: {}", tagged(&image)));
        }
        self.counter += 1;
        let id = format!("{:012x}", self.counter);
        let labels = body.get("Labels").cloned().unwrap_or_else(|| json!({}));
        let network = body.pointer("/HostConfig/NetworkMode").and_then(Value::as_str).unwrap_or("default").to_owned();
        let given = |at: &str| body.pointer(at).cloned().unwrap_or_else(|| json!([]));
        let (volumes, variables) = (given("/HostConfig/Binds"), given("/Env"));
        let new = Container { name, image, labels, network, volumes, variables, running: false };
        self.containers.insert(id.clone(), new);
        (StatusCode::CREATED, Json(json!({ "Id": id, "Warnings": [] }))).into_response()
    }
}

/// The image with the tag that the engine takes when none is given.
fn tagged(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

/// Answers 200 before it knows how the pull ends, unless the registry does not know the repository.
async fn pull(
    State((state, registry)): State<(Shared, Arc<watch::Sender<bool>>)>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    // It fails only when the engine has stopped. The client is not answered then.
    drop(registry.subscribe().wait_for(|&answers| answers).await);
    let named = query.get("fromImage").cloned().unwrap_or_default();
    let image = query.get("tag").map_or_else(|| named.clone(), |tag| format!("{named}:{tag}"));
    let repository = |image: &str| image.rsplit_once(':').map_or_else(|| image.to_owned(), |(it, _)| it.to_owned());
    let mut engine = lock(&state);
    let known = engine.registry.clone().unwrap_or_default();
    if known.contains(&image) {
        engine.pulled.insert(image.clone());
        return json!({ "status": format!("Status: Downloaded newer image for {image}") }).to_string().into_response();
    }
    if known.iter().any(|it| repository(it) == repository(&image)) {
        let message = format!("manifest for {image} not found: manifest unknown");
        return json!({ "errorDetail": { "message": message }, "error": message }).to_string().into_response();
    }
    let named = repository(&image);
    let text = format!("pull access denied for {named}, repository does not exist or may require 'docker login'");
    failure(StatusCode::NOT_FOUND, text)
}

fn shown(id: &str, it: &Container) -> Value {
    let state = if it.running { "running" } else { "created" };
    json!({
        "Id": id, "Names": [format!("/{}", it.name)], "Image": it.image, "Labels": it.labels, "State": state,
        "HostConfig": { "NetworkMode": it.network, "Binds": it.volumes }, "Config": { "Env": it.variables },
    })
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
    let networks = engine.networks.clone();
    match engine.containers.get_mut(&id) {
        Some(it) if it.network != "default" && !networks.contains(&it.network) => {
            failure(StatusCode::NOT_FOUND, format!("network {} not found", it.network))
        }
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
