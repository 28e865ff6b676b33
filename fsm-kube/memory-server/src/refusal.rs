use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::kind::Kind;

/// One reason in the details of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Such as `FieldValueInvalid`.
    pub reason: String,
    /// Such as `spec.size`; may be empty.
    pub field: String,
    /// For people.
    pub message: String,
}

/// An answer that is a `Status` of kind `Failure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status code.
    pub code: u16,
    /// Such as `Conflict`; may be empty.
    pub reason: String,
    /// For people.
    pub message: String,
    /// Which fields, where fields are the matter.
    pub causes: Vec<Cause>,
    /// After how many seconds the client may try again; also sent as the header `Retry-After`.
    pub retry_after: Option<u32>,
    /// The name and kind that it is about, as real servers give them; none where they give none.
    pub(crate) about: Option<Box<About>>,
}

/// An object as the details name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    name: String,
    group: String,
    /// The kind or its plural: real servers are not of one mind.
    kind: String,
}

impl Refusal {
    /// Any refusal, without causes.
    pub fn new(code: u16, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            message: message.into(),
            causes: Vec::new(),
            retry_after: None,
            about: None,
        }
    }

    /// 403 `Forbidden`.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(403, "Forbidden", "the user may not do this")
    }

    /// 409 `Conflict`, as after a change by somebody else.
    #[must_use]
    pub fn conflict() -> Self {
        let message = "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version and try again";
        Self::new(409, "Conflict", message)
    }

    /// 410 `Expired`, as for a version that has been compacted away.
    #[must_use]
    pub fn expired() -> Self {
        Self::new(410, "Expired", "The resourceVersion for the provided list is too old.")
    }

    /// 422 `Invalid`, because of one field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(422, "Invalid", message.clone()).because("FieldValueInvalid", field, message)
    }

    /// 429 `TooManyRequests`; the client may try again after that many seconds.
    #[must_use]
    pub fn too_many_requests(seconds: u32) -> Self {
        let refusal = Self::new(429, "TooManyRequests", "Too many requests, please try again later.");
        Self { retry_after: Some(seconds), ..refusal }
    }

    /// 500 `InternalError`.
    #[must_use]
    pub fn internal_error() -> Self {
        Self::new(500, "InternalError", "Internal error occurred: etcdserver: leader changed")
    }

    /// 503 `ServiceUnavailable`.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(503, "ServiceUnavailable", "the server is currently unable to handle the request")
    }

    /// The same refusal with one more cause.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.causes.push(Cause { reason: reason.into(), field: field.into(), message: message.into() });
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// The same refusal, about an object named by the plural of its kind.
    pub(crate) fn about(mut self, kind: &Kind, name: &str) -> Self {
        self.about =
            Some(Box::new(About { name: name.to_owned(), group: kind.group.clone(), kind: kind.plural.clone() }));
        self
    }

    /// The same refusal, about an object named by its kind.
    pub(crate) fn about_kind(mut self, kind: &Kind, name: &str) -> Self {
        self.about =
            Some(Box::new(About { name: name.to_owned(), group: kind.group.clone(), kind: kind.kind.clone() }));
        self
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", kind.name())).about(kind, name)
    }

    pub(crate) fn stale(kind: &Kind, name: &str) -> Self {
        let conflict = Self::conflict();
        let message = conflict.message.replacen("fulfilled", &format!("fulfilled on {} \"{name}\"", kind.name()), 1);
        Self { message, ..conflict }.about(kind, name)
    }

    pub(crate) fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The `Status` object.
    pub(crate) fn to_json(&self) -> Value {
        let mut details = Map::new();
        if let Some(about) = &self.about {
            for (field, value) in [("name", &about.name), ("group", &about.group), ("kind", &about.kind)] {
                if !value.is_empty() {
                    details.insert(field.to_owned(), json!(value));
                }
            }
        }
        if !self.causes.is_empty() {
            let cause = |it: &Cause| json!({"reason": it.reason, "message": it.message, "field": it.field});
            details.insert("causes".to_owned(), self.causes.iter().map(cause).collect());
        }
        if let Some(seconds) = self.retry_after {
            details.insert("retryAfterSeconds".to_owned(), json!(seconds));
        }
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "details": details, "code": self.code,
        })
    }
}
