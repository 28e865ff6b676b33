//! A controller as most are written: the status says what there is, a method is called and then the status is patched, and what was made
//! is removed when the watch tells that the object is gone. It is here to be found wanting.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::controller::Steady;
use crate::machine::THINGS;
use crate::shelf::{Shelf, Thing};
use crate::worker::{Worker, wanted_skills};
use crate::world::NAMESPACE;

/// How long after a failure it tries again.
const RETRY: Duration = Duration::from_secs(1);

struct Naive {
    workers: Api<DynamicObject>,
    provider: Shelf,
}

/// Runs it until it is dropped.
pub fn operate(client: Client, provider: Shelf, _: u64) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let workers = Api::namespaced_with(client, NAMESPACE, &ApiResource::erase::<Worker>(&()));
        let naive = Naive { workers: workers.clone(), provider };
        let mut events = Box::pin(watcher(workers, watcher::Config::default()).backoff(Steady));
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => {
                    while naive.reconcile(&object.name_any()).await.is_err() {
                        tokio::time::sleep(RETRY).await;
                    }
                }
                Ok(Event::Delete(object)) => {
                    for id in things(&object).values() {
                        naive.provider.remove(id).await;
                    }
                }
                Ok(Event::Init | Event::InitDone) | Err(_) => {}
            }
        }
    })
}

/// What the status says there is: an id for each kind.
fn things(object: &DynamicObject) -> BTreeMap<String, String> {
    serde_json::from_value(object.data["status"]["things"].clone()).unwrap_or_default()
}

impl Naive {
    async fn reconcile(&self, name: &str) -> Result<(), kube::Error> {
        let Some(object) = self.workers.get_opt(name).await? else { return Ok(()) };
        let has = things(&object);
        let wanted = THINGS.iter().map(|it| (*it).to_owned()).chain(wanted_skills(&object.data)).collect::<Vec<_>>();
        for kind in wanted.iter().filter(|it| !has.contains_key(*it)) {
            let (key, owner) = (String::new(), String::new());
            let id = self.provider.make(Thing { kind: kind.clone(), key, owner, worker: name.to_owned() }).await;
            self.patch_status(name, json!({ "things": { kind: id } })).await?;
        }
        for (kind, id) in has.iter().filter(|(kind, _)| !wanted.contains(kind)) {
            self.provider.remove(id).await;
            self.patch_status(name, json!({ "things": { kind: null } })).await?;
        }
        let ready = json!({
            "type": "Ready", "status": "True", "observedGeneration": object.metadata.generation,
            "reason": "Ready", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        self.patch_status(name, json!({ "conditions": [ready] })).await
    }

    async fn patch_status(&self, name: &str, status: Value) -> Result<(), kube::Error> {
        let patch = Patch::Merge(json!({ "status": status }));
        self.workers.patch_status(name, &PatchParams::default(), &patch).await.map(drop)
    }
}
