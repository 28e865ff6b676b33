//! Requests, one after the other, and what came of each, in a form in which two servers can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// One request. In path and body, `@version`, `@uid` and `@old` stand for the latest resourceVersion and uid of the object `one` that
/// this client has seen, and for the resourceVersion before that.
pub struct Step {
    pub method: &'static str,
    pub path: String,
    pub content_type: &'static str,
    pub body: String,
    /// Asked again until this is the code, and then it is the outcome: real servers learn some things a little later.
    pub until: Option<u16>,
}

/// What came of a request: what a client may rely on, without what differs from run to run.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    code: u16,
    /// Of a refusal.
    reason: String,
    /// Of a refusal, in order and once: real servers repeat themselves.
    causes: BTreeSet<(String, String)>,
    /// Of a refusal: whose it is.
    about: Value,
    /// Of an object.
    object: Value,
}

impl Outcome {
    pub fn code(&self) -> u16 {
        self.code
    }
}

/// Runs the steps.
pub async fn run(client: &Client, steps: &[Step]) -> Vec<Outcome> {
    let mut words = BTreeMap::from([("@version", "0".to_owned()), ("@uid", String::new()), ("@old", "0".to_owned())]);
    let mut outcomes = Vec::new();
    for step in steps {
        let fill = |text: &str| words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
        let send = async || {
            let request = Request::builder().method(step.method).uri(fill(&step.path));
            let body = Body::from(fill(&step.body).into_bytes());
            client.send(request.header("content-type", step.content_type).body(body).unwrap()).await.unwrap()
        };
        let mut response = send().await;
        let deadline = Instant::now() + Duration::from_secs(30);
        while step.until.is_some_and(|code| code != response.status().as_u16()) && Instant::now() < deadline {
            response = send().await;
        }
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let version = text("/metadata/resourceVersion");
        let has_moved = version != words["@version"];
        if text("/metadata/name") == "one" && code < 300 && !version.is_empty() && has_moved {
            let old = words.insert("@version", version);
            words.insert("@old", old.unwrap_or_default());
            words.insert("@uid", text("/metadata/uid"));
        }
        outcomes.push(outcome(code, &answer, has_moved));
    }
    outcomes
}

fn outcome(code: u16, answer: &Value, has_moved: bool) -> Outcome {
    let mut outcome =
        Outcome { code, reason: String::new(), causes: BTreeSet::new(), about: Value::Null, object: Value::Null };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if answer["kind"] == "Status" && answer["status"] == "Failure" {
        outcome.reason = text(&answer["reason"]);
        let details = &answer["details"];
        outcome.about = json!([details["name"], details["group"], details["kind"], details["retryAfterSeconds"]]);
        let causes = details["causes"].as_array().into_iter().flatten();
        outcome.causes = causes.map(|it| (text(&it["reason"]), text(&it["field"]))).collect();
    } else {
        outcome.object = comparable(answer);
        if answer["metadata"]["name"] == "one" {
            outcome.object["has moved"] = json!(has_moved);
        }
    }
    outcome
}

/// An object without uids, versions, times and what only real servers keep.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
        *items = items.iter().map(comparable).collect();
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for (field, value) in metadata.iter_mut() {
            match field.as_str() {
                "resourceVersion" | "uid" | "creationTimestamp" | "deletionTimestamp" | "continue" => {
                    *value = json!(value.as_str().is_some_and(|it| !it.is_empty()));
                }
                _ => {}
            }
        }
        metadata.remove("managedFields");
        // Absent or empty, it means the same.
        if metadata.get("continue") == Some(&json!(false)) {
            metadata.remove("continue");
        }
    }
    if let Some(details) = object.get_mut("details").and_then(Value::as_object_mut) {
        details.remove("uid");
    }
    object
}
