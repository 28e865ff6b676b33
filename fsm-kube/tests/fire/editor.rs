//! Another writer on the same objects, who remembers what was written.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::worker::Worker;

/// How often it edits each object. What it misses while the server is down it does afterwards.
const EVERY: Duration = Duration::from_millis(300);
/// So many annotations of edits are on an object.
const KEPT: u32 = 20;
/// An edit that is not answered for so long is given up: it may have gone to a server that was killed.
const ANSWER: Duration = Duration::from_secs(10);

/// Edits labels, spec and annotations of every object all the time, those that are being deleted too, for as long as any is left.
pub struct Editor {
    stop: Arc<AtomicBool>,
    edits: Arc<Mutex<Edits>>,
    tasks: Vec<JoinHandle<()>>,
}

/// The numbers of the edits that the server has acknowledged, by object.
#[derive(Clone, Default)]
pub struct Edits {
    numbers: BTreeMap<String, Vec<u32>>,
    /// Those of them on objects that were being deleted.
    while_deleting: u32,
    /// The times between two of them on one object, and how many such times there are.
    between: (Duration, u32),
}

impl Editor {
    pub fn start(client: Client, names: &[String]) -> Self {
        let (stop, edits) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Edits::default())));
        let workers = Api::namespaced(client, "fire");
        let edit = |name: &String| edit(workers.clone(), name.clone(), Arc::clone(&stop), Arc::clone(&edits));
        let tasks = names.iter().map(|name| tokio::spawn(edit(name))).collect();
        Self { stop, edits, tasks }
    }

    /// What is acknowledged by now. A later read of the objects must find all of it on those that still exist.
    pub fn edits(&self) -> Edits {
        self.edits.lock().unwrap().clone()
    }

    pub async fn stop(self) -> Edits {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.edits.lock().unwrap().clone()
    }
}

async fn edit(workers: Api<Worker>, name: String, stop: Arc<AtomicBool>, edits: Arc<Mutex<Edits>>) {
    let mut ticks = tokio::time::interval(EVERY);
    let mut last: Option<Instant> = None;
    let params = PatchParams { field_manager: Some("editor".to_owned()), ..PatchParams::default() };
    for number in 0_u32.. {
        ticks.tick().await;
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let text = number.to_string();
        // The object does not grow: what is long acknowledged is taken away again.
        let mut annotations = serde_json::Map::from_iter([(format!("edit-{number}"), json!(""))]);
        annotations.extend(number.checked_sub(KEPT).map(|old| (format!("edit-{old}"), json!(null))));
        let patch = json!({
            "metadata": { "labels": { "edit": text }, "annotations": annotations },
            "spec": { "notes": text },
        });
        // While the server is down, or when the object is gone, nothing is acknowledged.
        let patch = Patch::Merge(patch);
        let edit = workers.patch(&name, &params, &patch);
        if let Ok(Ok(worker)) = tokio::time::timeout(ANSWER, edit).await {
            let mut edits = edits.lock().unwrap();
            edits.numbers.entry(name.clone()).or_default().push(number);
            edits.while_deleting += u32::from(worker.metadata.deletion_timestamp.is_some());
            if let Some(last) = last.replace(Instant::now()) {
                edits.between.0 += last.elapsed();
                edits.between.1 += 1;
            }
        }
    }
}

impl Edits {
    pub fn count(&self) -> usize {
        self.numbers.values().map(Vec::len).sum()
    }

    /// How many were made on this object.
    pub fn of(&self, name: &str) -> usize {
        self.numbers.get(name).map_or(0, Vec::len)
    }

    /// How much time is between two edits of one object, on average.
    pub fn interval(&self) -> Duration {
        self.between.0 / self.between.1.max(1)
    }

    /// How many were made on objects that were being deleted.
    pub fn while_deleting(&self) -> u32 {
        self.while_deleting
    }

    /// The acknowledged edits that are not there.
    pub fn lost(&self, workers: &[Worker]) -> Vec<String> {
        let mut lost = Vec::new();
        for worker in workers {
            let numbers = self.numbers.get(&worker.name_any()).cloned().unwrap_or_default();
            let label = worker.labels().get("edit").and_then(|text| text.parse::<u32>().ok()).unwrap_or_default();
            for number in numbers.iter().filter(|number| **number + KEPT > label) {
                if !worker.annotations().contains_key(&format!("edit-{number}")) {
                    lost.push(format!("annotation edit-{number} of {}", worker.name_any()));
                }
            }
            // An edit whose answer was lost may be there too, and later.
            let latest = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok());
            let expected = numbers.last().copied();
            if latest(worker.labels().get("edit").map(String::as_str)) < expected {
                lost.push(format!("label of {}", worker.name_any()));
            }
            if latest(worker.spec.notes.as_deref()) < expected {
                lost.push(format!("notes of {}", worker.name_any()));
            }
        }
        lost
    }
}
