//! The way from a store to the API server. Invariant: each request asks the simulation what becomes of it, and a fault is carried out by
//! the server itself, as a real one would.

use std::sync::Arc;

use axum::body::Bytes;
use durable_fsm::testing::Fault;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use kube::Client;
use kube::client::Body;
use kube_memory_server::{Fault as ServerFault, Refusal, When};
use serde_json::{Value, json};
use tower::{BoxError, ServiceExt as _};

use crate::cluster::Cluster;
use crate::on::Bug;

/// The requests of one controller.
#[derive(Clone)]
pub struct Wire {
    cluster: Arc<Cluster>,
    client: String,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Get,
    /// A record is written.
    Patch,
    /// Something is removed: the record, or a finalizer.
    Clear,
    Status,
}

impl Sort {
    fn of(method: &Method, path: &str, body: &Value, record: &str) -> Self {
        if *method == Method::GET {
            Sort::Get
        } else if path.ends_with("/status") {
            Sort::Status
        } else if body["metadata"]["annotations"][record].is_string() {
            Sort::Patch
        } else {
            Sort::Clear
        }
    }

    /// As plans call it.
    fn name(self) -> &'static str {
        match self {
            Sort::Get => "get",
            Sort::Patch => "patch",
            Sort::Clear => "clear",
            Sort::Status => "status",
        }
    }

    fn faults(self) -> &'static [Fault] {
        match self {
            Sort::Get => &[Fault::Unavailable, Fault::Throttled, Fault::RequestLost, Fault::Stale, Fault::Missing],
            Sort::Patch => &[
                Fault::Unavailable,
                Fault::Throttled,
                Fault::RequestLost,
                Fault::ReplyLost,
                Fault::Late,
                Fault::Duplicate,
                Fault::Conflict,
                Fault::Rejected,
                Fault::TooLarge,
                Fault::NotKept,
            ],
            Sort::Clear | Sort::Status => &[
                Fault::Unavailable,
                Fault::Throttled,
                Fault::RequestLost,
                Fault::ReplyLost,
                Fault::Late,
                Fault::Duplicate,
                Fault::Conflict,
                Fault::Rejected,
            ],
        }
    }
}

impl Wire {
    /// A client for a store of this controller.
    pub fn client(cluster: &Arc<Cluster>, controller: usize) -> Client {
        let wire = Self { cluster: cluster.clone(), client: format!("controller-{controller}") };
        let service = tower::service_fn(move |request| {
            let wire = wire.clone();
            async move { wire.send(request).await }
        });
        Client::new(service, "default")
    }

    async fn send(self, request: Request<Body>) -> Result<Response<Full<Bytes>>, BoxError> {
        let (head, body) = request.into_parts();
        let mut body = body.collect().await?.to_bytes();
        let mut sent = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let sort = Sort::of(&head.method, head.uri.path(), &sent, self.cluster.names().record());
        if sort != Sort::Get && self.plant(sort, &mut sent) {
            body = sent.to_string().into();
        }
        let fault = self.cluster.sim().request(sort.name(), sort.faults()).await;
        if fault == Some(Fault::Conflict) {
            let by_somebody = self.cluster.server().version().to_string();
            self.cluster.patch(&json!({ "metadata": { "labels": { "changed-at": by_somebody } } }));
        }
        if fault == Some(Fault::Duplicate) {
            drop(self.serve(&head, body.clone(), ServerFault::None).await);
        }
        let carried_out = fault.map_or(ServerFault::None, |fault| self.carry_out(fault));
        let answer = self.serve(&head, body, carried_out).await;
        match (answer, fault) {
            (Err(_), Some(Fault::ReplyLost)) if self.answers() => Ok(timed_out()),
            (answer, _) => answer,
        }
    }

    /// One request, whatever becomes of it.
    async fn serve(
        &self,
        head: &http::request::Parts,
        body: Bytes,
        fault: ServerFault,
    ) -> Result<Response<Full<Bytes>>, BoxError> {
        *self.cluster.next.lock().unwrap() = fault;
        let request = Request::from_parts(head.clone(), Body::from(body));
        let (head, body) = self.cluster.server().service(&self.client).oneshot(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, Full::new(body)))
    }

    fn answers(&self) -> bool {
        self.cluster.setting().answers
    }

    /// What the server does for a fault.
    fn carry_out(&self, fault: Fault) -> ServerFault {
        let answers = self.answers();
        let or = |answer: Refusal, lost: ServerFault| if answers { ServerFault::Answer(answer) } else { lost };
        match fault {
            Fault::Unavailable => or(Refusal::forbidden(), ServerFault::RefuseConnection),
            Fault::Throttled => ServerFault::Answer(Refusal::too_many_requests(7)),
            Fault::RequestLost => or(Refusal::internal_error(), ServerFault::LoseRequest),
            Fault::ReplyLost => ServerFault::LoseReply,
            Fault::Late => ServerFault::ServeLate(When::Requests(2)),
            Fault::Stale => ServerFault::ReadAt(self.cluster.version_before()),
            Fault::Missing => ServerFault::Answer(Refusal::new(404, "NotFound", "no such object")),
            Fault::Rejected => ServerFault::Answer(Refusal::invalid("spec.image", "no longer allowed")),
            Fault::TooLarge if answers => {
                ServerFault::Answer(Refusal::new(413, "RequestEntityTooLarge", "the limit is lower here"))
            }
            Fault::TooLarge => ServerFault::Answer(Refusal::new(422, "Invalid", "too long").because(
                "FieldValueTooLong",
                "metadata.annotations",
                "too long",
            )),
            Fault::NotKept => {
                let (key, kept) = (self.cluster.names().record().to_owned(), self.cluster.record());
                ServerFault::Change(Arc::new(move |object| {
                    let annotations = object["metadata"]["annotations"].as_object_mut();
                    match (annotations, &kept) {
                        (Some(annotations), Some(kept)) => drop(annotations.insert(key.clone(), json!(kept))),
                        (Some(annotations), None) => drop(annotations.remove(&key)),
                        (None, _) => {}
                    }
                }))
            }
            _ => ServerFault::None,
        }
    }

    /// Does wrong what the store is to do wrong. True if the request is another one by that.
    fn plant(&self, sort: Sort, body: &mut Value) -> bool {
        let Some(metadata) = body["metadata"].as_object_mut() else { return false };
        match self.cluster.setting().bug {
            Some(Bug::NoPrecondition) => metadata.remove("resourceVersion").is_some(),
            Some(Bug::NoFinalizer) if sort == Sort::Patch => metadata.remove("finalizers").is_some(),
            _ => false,
        }
    }
}

/// A proxy has given up on the server.
fn timed_out() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"the upstream did not answer in time")));
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    response
}
