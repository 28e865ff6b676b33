//! Another writer on the same objects, who remembers what was written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::worker::Worker;

/// Edits labels, spec and annotations of one object after the other.
pub struct Editor {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Edits>,
}

/// The numbers of the edits that the server has acknowledged, by object.
#[derive(Default)]
pub struct Edits(BTreeMap<String, Vec<u32>>);

impl Editor {
    pub fn start(client: Client, names: &[String]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(edit(Api::namespaced(client, "fire"), names.to_vec(), Arc::clone(&stop)));
        Self { stop, task }
    }

    pub async fn stop(self) -> Edits {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

async fn edit(workers: Api<Worker>, names: Vec<String>, stop: Arc<AtomicBool>) -> Edits {
    let mut edits = Edits::default();
    let params = PatchParams { field_manager: Some("editor".to_owned()), ..PatchParams::default() };
    for number in 0_u32.. {
        let name = &names[number as usize % names.len()];
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let text = number.to_string();
        let patch = json!({
            "metadata": { "labels": { "edit": text }, "annotations": { format!("edit-{number}"): "" } },
            "spec": { "notes": text },
        });
        // While the server is down, nothing is acknowledged.
        if workers.patch(name, &params, &Patch::Merge(patch)).await.is_ok() {
            edits.0.entry(name.clone()).or_default().push(number);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    edits
}

impl Edits {
    pub fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// The acknowledged edits that are not there.
    pub fn lost(&self, workers: &[Worker]) -> Vec<String> {
        let mut lost = Vec::new();
        for worker in workers {
            let numbers = self.0.get(&worker.name_any()).cloned().unwrap_or_default();
            for number in &numbers {
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
