//! A controller without a record, as one would write it with `kube` alone: an effect, then a patch of the status. It publishes as much as the
//! other one: state, phase and reason for `kubectl get`, and the three conditions of kstatus.

use std::sync::Arc;

use durable_fsm_kube::FsmStatus;
use futures::StreamExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::{Controller, WatchStreamExt as _, controller, predicates, reflector, watcher};
use kube::{Api, Client, CustomResource, Resource as _, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::CONCURRENCY;

const FINALIZER: &str = "test.durable-fsm.io/errand-cleanup";

/// The effects, by the field of the status that has their handle.
const EFFECTS: [&str; 4] = ["account", "route", "config", "notice"];

#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[kube(group = "test.durable-fsm.io", version = "v1", kind = "Errand", namespaced, status = "ErrandStatus")]
pub struct ErrandSpec {
    pub image: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrandStatus {
    pub progress: Option<FsmStatus>,
    pub account: Option<String>,
    pub route: Option<String>,
    pub config: Option<String>,
    pub notice: Option<String>,
    pub observed_generation: Option<i64>,
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

struct Context {
    client: Client,
    recorder: Recorder,
}

pub async fn run() {
    let client = crate::client("naive").await;
    let context = Context { client: client.clone(), recorder: Recorder::new(client.clone(), "naive".into()) };
    let (reader, writer) = reflector::store();
    let errands = watcher(Api::<Errand>::all(client), watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        .predicate_filter(predicates::generation, Default::default());
    Controller::for_stream(errands, reader)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .run(reconcile, |_, _: &kube::Error, _| Action::requeue(std::time::Duration::from_secs(5)), Arc::new(context))
        .for_each(|_| std::future::ready(()))
        .await;
}

pub fn is_ready(errand: &Errand) -> bool {
    let conditions = errand.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True")
}

async fn reconcile(errand: Arc<Errand>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let api: Api<Errand> = Api::namespaced(context.client.clone(), &errand.namespace().unwrap_or_default());
    let name = errand.name_any();
    let patch = PatchParams::default();
    let status = errand.status.clone().unwrap_or_default();
    let mut handles = [status.account, status.route, status.config, status.notice];
    if errand.meta().deletion_timestamp.is_some() {
        for (field, handle) in EFFECTS.iter().zip(&mut handles).rev() {
            if handle.take().is_some() {
                undo().await;
                let status = json!({ "status": { *field: null } });
                api.patch_status(&name, &patch, &Patch::Merge(status)).await?;
            }
        }
        let finalizers: Vec<&String> = errand.finalizers().iter().filter(|it| *it != FINALIZER).collect();
        let metadata = json!({ "metadata": { "finalizers": finalizers } });
        api.patch(&name, &patch, &Patch::Merge(metadata)).await?;
        return Ok(Action::await_change());
    }
    if !errand.finalizers().iter().any(|it| it == FINALIZER) {
        let finalizers: Vec<&str> = errand.finalizers().iter().map(String::as_str).chain([FINALIZER]).collect();
        let metadata = json!({ "metadata": { "finalizers": finalizers } });
        api.patch(&name, &patch, &Patch::Merge(metadata)).await?;
    }
    if is_ready(&errand) {
        return Ok(Action::requeue(std::time::Duration::from_secs(600)));
    }
    let begun = status_of(&errand, "Requested", false);
    api.patch_status(&name, &patch, &Patch::Merge(json!({ "status": begun }))).await?;
    for (field, handle) in EFFECTS.iter().zip(&mut handles) {
        if handle.is_none() {
            let made = effect(&errand, field).await;
            let mut status = json!({ "progress": { "state": field } });
            if *field == EFFECTS[EFFECTS.len() - 1] {
                status = status_of(&errand, "Ready", true);
            }
            status[*field] = json!(made);
            api.patch_status(&name, &patch, &Patch::Merge(json!({ "status": status }))).await?;
        }
    }
    let event = Event {
        type_: EventType::Normal,
        reason: "Ready".to_owned(),
        note: Some("everything is there".to_owned()),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    context.recorder.publish(&event, &errand.object_ref(&())).await?;
    Ok(Action::requeue(std::time::Duration::from_secs(600)))
}

async fn effect(errand: &Errand, field: &str) -> String {
    format!("{field}-{}", errand.uid().unwrap_or_default())
}

async fn undo() {}

/// All that is published, apart from the handles.
fn status_of(errand: &Errand, state: &str, is_ready: bool) -> Value {
    let (now, generation) = (Time(Timestamp::now()), errand.metadata.generation);
    let progress = json!({
        "machine": "test.durable-fsm.io/errand",
        "state": state,
        "phase": if is_ready { "Ready" } else { "Progressing" },
        "reason": if is_ready { "AsDeclared" } else { "Progressing" },
        "since": Timestamp::now().to_string(),
        "observedGeneration": generation,
    });
    let condition = |name: &str, holds: bool| Condition {
        type_: name.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: if is_ready { "Done" } else { "Working" }.to_owned(),
        message: format!("it is in {state}"),
        last_transition_time: now.clone(),
        observed_generation: generation,
    };
    let conditions = [condition("Ready", is_ready), condition("Reconciling", !is_ready), condition("Stalled", false)];
    json!({ "progress": progress, "conditions": conditions, "observedGeneration": generation })
}
