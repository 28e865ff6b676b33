//! The Higress console. A consumer is upserted and its key silently replaced; one that is in an allow list cannot be deleted; and a stale
//! `PUT` of a route takes effect before it answers 409.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::listener::{Calls, Listener};

/// The console.
pub struct Higress {
    pub(crate) listener: Listener,
    state: Shared,
}

type Shared = Arc<Mutex<Console>>;

#[derive(Default)]
struct Console {
    consumers: BTreeMap<String, Value>,
    routes: BTreeMap<String, (u64, Value)>,
    /// Whom each route lets through: written before a conflict is seen, and not what a reader is told.
    effective: BTreeMap<String, Vec<String>>,
    replaced: u32,
    /// How many writes of a route somebody else still comes before.
    rivals: u32,
}

impl Higress {
    pub(super) async fn start(calls: &Calls) -> std::io::Result<Self> {
        let state = Shared::default();
        let route = json!({
            "name": "default", "upstreams": [{ "provider": "qwen", "weight": 100 }],
            "authConfig": { "enabled": true, "allowedCredentialTypes": ["key-auth"], "allowedConsumers": [] },
        });
        lock(&state).routes.insert("default".to_owned(), (1, route));
        let router = Router::new()
            .route("/session/login", post(login))
            .route("/v1/consumers", post(upsert_consumer).get(list_consumers))
            .route("/v1/consumers/{name}", get(read_consumer).delete(delete_consumer))
            .route("/v1/ai/routes", get(list_routes).post(create_route))
            .route("/v1/ai/routes/{name}", get(read_route).put(replace_route))
            .with_state(state.clone());
        Ok(Self { listener: Listener::start("higress", calls, router).await?, state })
    }

    /// Takes the console down: connections are refused.
    pub async fn stop(&mut self) {
        self.listener.stop().await;
    }

    /// Brings the console up again, with all that it knows.
    ///
    /// # Errors
    /// The port was taken meanwhile.
    pub async fn resume(&mut self) -> std::io::Result<()> {
        self.listener.resume().await
    }

    /// Lets somebody else change the route just before each of the next writes of it.
    pub fn come_before_writes(&self, writes: u32) {
        lock(&self.state).rivals = writes;
    }

    /// Whom a route lets through, whatever it tells.
    #[must_use]
    pub fn lets_through(&self, route: &str) -> Vec<String> {
        lock(&self.state).effective.get(route).cloned().unwrap_or_default()
    }

    /// How often a consumer's key was silently replaced.
    #[must_use]
    pub fn keys_replaced(&self) -> u32 {
        lock(&self.state).replaced
    }
}

fn lock(state: &Shared) -> MutexGuard<'_, Console> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failure(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "success": false, "message": message }))).into_response()
}

/// The refusal, if there was no login.
fn refused(headers: &HeaderMap) -> Option<Response> {
    let cookie = headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    (!cookie.contains("_hi_sess=open")).then(|| failure(StatusCode::UNAUTHORIZED, "not logged in"))
}

async fn login(Json(body): Json<Value>) -> Response {
    if body.get("password").and_then(Value::as_str) != Some("admin") {
        return failure(StatusCode::UNAUTHORIZED, "Incorrect username or password.");
    }
    (StatusCode::CREATED, [(header::SET_COOKIE, "_hi_sess=open; Path=/")], Json(json!({ "success": true })))
        .into_response()
}

async fn upsert_consumer(State(state): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(answer) = refused(&headers) {
        return answer;
    }
    let mut console = lock(&state);
    let Some(name) = body.get("name").and_then(Value::as_str).map(str::to_owned) else {
        return failure(StatusCode::BAD_REQUEST, "name cannot be blank.");
    };
    let key = body.pointer("/credentials/0/values/0").cloned().unwrap_or_default();
    let same = |it: &Value| it.pointer("/credentials/0/values/0") == Some(&key);
    if console.consumers.iter().any(|(other, it)| *other != name && same(it)) {
        return failure(StatusCode::INTERNAL_SERVER_ERROR, "Key auth credential already in use by consumer");
    }
    if console.consumers.get(&name).is_some_and(|it| !same(it)) {
        console.replaced += 1;
    }
    console.consumers.insert(name, body.clone());
    (StatusCode::CREATED, Json(body)).into_response()
}

async fn list_consumers(State(state): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(answer) = refused(&headers) {
        return answer;
    }
    let all: Vec<Value> = lock(&state).consumers.values().cloned().collect();
    Json(json!({ "success": true, "data": all })).into_response()
}

async fn read_consumer(State(state): State<Shared>, headers: HeaderMap, Path(name): Path<String>) -> Response {
    if let Some(answer) = refused(&headers) {
        return answer;
    }
    match lock(&state).consumers.get(&name) {
        Some(consumer) => Json(json!({ "success": true, "data": consumer })).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn delete_consumer(State(state): State<Shared>, headers: HeaderMap, Path(name): Path<String>) -> Response {
    if let Some(answer) = refused(&headers) {
        return answer;
    }
    let mut console = lock(&state);
    if console.routes.values().any(|(_, route)| allowed(route).any(|it| it == name)) {
        return failure(StatusCode::INTERNAL_SERVER_ERROR, &format!("Consumer {name} is still in use."));
    }
    console.consumers.remove(&name);
    StatusCode::NO_CONTENT.into_response()
}

fn allowed(route: &Value) -> impl Iterator<Item = &str> {
    route
        .pointer("/authConfig/allowedConsumers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn versioned((version, route): &(u64, Value)) -> Value {
    let mut route = route.clone();
    route["version"] = json!(version.to_string());
    route
}

async fn list_routes(State(state): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(answer) = refused(&headers) {
        return answer;
    }
    let all: Vec<Value> = lock(&state).routes.values().map(versioned).collect();
    Json(json!({ "success": true, "data": all })).into_response()
}

async fn read_route(State(state): State<Shared>, headers: HeaderMap, Path(name): Path<String>) -> Response {
    if let Some(answer) = refused(&headers) {
        return answer;
    }
    match lock(&state).routes.get(&name) {
        Some(route) => Json(json!({ "success": true, "data": versioned(route) })).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn create_route(State(state): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(answer) = refused(&headers) {
        return answer;
    }
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut console = lock(&state);
    match console.routes.contains_key(&name) {
        true => {
            // The ingress and the allow list are written before the conflict is seen.
            console.effective.insert(name, allowed(&body).map(str::to_owned).collect());
            failure(StatusCode::CONFLICT, "the route exists")
        }
        false => {
            console.effective.insert(name.clone(), allowed(&body).map(str::to_owned).collect());
            console.routes.insert(name, (1, body.clone()));
            (StatusCode::CREATED, Json(body)).into_response()
        }
    }
}

async fn replace_route(
    State(state): State<Shared>,
    headers: HeaderMap,
    Path(name): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    if let Some(answer) = refused(&headers) {
        return answer;
    }
    let mut console = lock(&state);
    let console = &mut *console;
    let Some((version, route)) = console.routes.get_mut(&name) else {
        return failure(StatusCode::BAD_GATEWAY, "NotFoundException");
    };
    if console.rivals > 0 {
        console.rivals -= 1;
        *version += 1;
        let list = route.pointer_mut("/authConfig/allowedConsumers").and_then(Value::as_array_mut);
        list.into_iter().for_each(|list| list.push(json!(format!("rival-{}", console.rivals))));
    }
    console.effective.insert(name, allowed(&body).map(str::to_owned).collect());
    let stale = body.get("version").and_then(Value::as_str).is_some_and(|it| it != version.to_string());
    if stale {
        // As above: half of it has happened when it answers.
        return failure(StatusCode::CONFLICT, "the route was changed by somebody else");
    }
    *version += 1;
    *route = body;
    if let Some(fields) = route.as_object_mut() {
        fields.remove("version");
    }
    let answer = versioned(&(*version, route.clone()));
    Json(answer).into_response()
}
