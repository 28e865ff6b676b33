//! A cloud to try the operator on. It is in memory, and prepares a project while it is asked about it.
//!
//! Invariant: like many a real one, it makes one more project for each request. Only access keys know idempotency keys.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::provision::Access;

/// How often it says that a project is not prepared yet.
const NOT_YET: u32 = 1;

/// The cloud. Cheap to clone; every clone is the same.
#[derive(Clone, Default)]
pub struct TrialCloud(Arc<Mutex<Inventory>>);

/// What the cloud has.
#[derive(Default)]
struct Inventory {
    made: u32,
    projects: BTreeMap<String, Project>,
    /// By idempotency key. A key that was revoked is remembered.
    keys: BTreeMap<String, (Access, bool)>,
}

struct Project {
    key: String,
    owner: String,
    asked: u32,
    quota: Option<u64>,
}

impl TrialCloud {
    fn inventory(&self) -> MutexGuard<'_, Inventory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The projects, each with its quota in gigabytes, and how many access keys are valid.
    #[must_use]
    pub fn list(&self) -> Value {
        let inventory = self.inventory();
        let projects: BTreeMap<_, _> = inventory.projects.iter().map(|(id, it)| (id, it.quota)).collect();
        json!({ "projects": projects, "keys": inventory.keys.values().filter(|(_, is_valid)| *is_valid).count() })
    }

    /// Its API.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(async |State(cloud): State<Self>| Json(cloud.list())))
            .route("/projects", post(create).get(find))
            .route("/projects/{id}", get(describe).delete(remove))
            .route("/projects/{id}/quota", put(set_quota))
            .route("/projects/{id}/keys", post(issue))
            .route("/keys/{idempotency_key}", delete(revoke))
            .with_state(self.clone())
    }
}

#[derive(serde::Deserialize)]
struct Tags {
    key: String,
    owner: String,
}

async fn create(State(cloud): State<TrialCloud>, Json(tags): Json<Tags>) -> Json<Value> {
    let mut inventory = cloud.inventory();
    inventory.made += 1;
    let id = format!("project-{}", inventory.made);
    inventory.projects.insert(id.clone(), Project { key: tags.key, owner: tags.owner, asked: 0, quota: None });
    Json(json!({ "id": id, "prepared": false }))
}

async fn find(State(cloud): State<TrialCloud>, Query(tags): Query<Tags>) -> Json<Vec<Value>> {
    let inventory = cloud.inventory();
    let found = inventory.projects.iter().filter(|(_, it)| it.key == tags.key && it.owner == tags.owner);
    Json(found.map(|(id, it)| json!({ "id": id, "prepared": it.asked > NOT_YET })).collect())
}

async fn describe(State(cloud): State<TrialCloud>, Path(id): Path<String>) -> Result<Json<Value>, StatusCode> {
    let mut inventory = cloud.inventory();
    let project = inventory.projects.get_mut(&id).ok_or(StatusCode::NOT_FOUND)?;
    project.asked += 1;
    Ok(Json(json!({ "id": id, "prepared": project.asked > NOT_YET })))
}

async fn remove(State(cloud): State<TrialCloud>, Path(id): Path<String>) -> Result<StatusCode, StatusCode> {
    cloud.inventory().projects.remove(&id).map(|_| StatusCode::NO_CONTENT).ok_or(StatusCode::NOT_FOUND)
}

async fn set_quota(
    State(cloud): State<TrialCloud>,
    Path(id): Path<String>,
    Json(quota): Json<Value>,
) -> Result<StatusCode, StatusCode> {
    let quota = quota["gigabytes"].as_u64().ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    cloud.inventory().projects.get_mut(&id).ok_or(StatusCode::NOT_FOUND)?.quota = Some(quota);
    Ok(StatusCode::NO_CONTENT)
}

async fn issue(
    State(cloud): State<TrialCloud>,
    Path(project): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Access>, StatusCode> {
    let key = headers.get("Idempotency-Key").and_then(|it| it.to_str().ok()).ok_or(StatusCode::BAD_REQUEST)?;
    let mut inventory = cloud.inventory();
    if !inventory.projects.contains_key(&project) {
        return Err(StatusCode::NOT_FOUND);
    }
    let number = inventory.keys.len() + 1;
    let made = || (Access { id: format!("key-{number}"), secret: format!("secret-of-{project}-{number}") }, true);
    Ok(Json(inventory.keys.entry(key.to_owned()).or_insert_with(made).0.clone()))
}

async fn revoke(State(cloud): State<TrialCloud>, Path(key): Path<String>) -> Result<StatusCode, StatusCode> {
    let mut inventory = cloud.inventory();
    let (_, is_valid) = inventory.keys.get_mut(&key).ok_or(StatusCode::NOT_FOUND)?;
    *is_valid = false;
    Ok(StatusCode::NO_CONTENT)
}
