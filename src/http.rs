//! What an HTTP failure says about the effect. Invariant: only what proves that the request was not carried out counts as not applied.
//!
//! | what happened | class | why |
//! |---|---|---|
//! | the request could not be built | rejected | nothing was sent, and the same request will fail again |
//! | no connection: refused, no route, DNS, TLS, time-out while connecting | not applied | the request was never sent |
//! | time-out after the request was sent | unknown | it may be carried out still |
//! | connection reset or closed before the answer | unknown | it may have been carried out |
//! | the answer breaks off, or does not decode | unknown | it was carried out, or not: the answer is lost |
//! | too many redirects | unknown | each hop was a request |
//! | 429 Too Many Requests, 425 Too Early | not applied | refused before the work; `Retry-After` is honoured |
//! | 408, 500, 502, 503, 504 and other 5xx | unknown | a gateway may have passed the request on |
//! | 409 Conflict, 412 Precondition Failed | unknown | providers answer so before the work, after it, and in the middle: vouch for yours |
//! | 400, 401, 403, 404, 405, 413, 415, 422 and other 4xx | rejected | it was looked at and turned down; it will be again as things stand |
//! | 1xx, 2xx, 3xx taken for an error | unknown | the provider accepted something |
//!
//! A `reqwest::Error` that was made of a status has no headers any more: use [`classify_status`] where `Retry-After` counts.
//!
//! Where your provider says more (an error code in the body, say), classify by that and use this for the rest.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::{Class, Classify};

/// What an answer with this status says, taken as a failure. See the table of this module.
#[must_use]
pub fn classify_status(status: StatusCode, headers: &HeaderMap) -> Class {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY => {
            Class::NotApplied { retry_after: retry_after(headers) }
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Class::Unknown,
        _ if status.is_client_error() => Class::Rejected,
        _ => Class::Unknown,
    }
}

/// How long the provider wants to be left alone: the `Retry-After` header, as seconds or as a date.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()?;
    let now = jiff::Timestamp::try_from(SystemTime::now()).ok()?;
    let seconds = date.as_second().saturating_sub(now.as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

impl Classify for reqwest::Error {
    fn classify(&self) -> Class {
        if self.is_builder() {
            return Class::Rejected;
        }
        // First, because a time-out while connecting is both.
        if self.is_connect() {
            return Class::NOT_APPLIED;
        }
        match self.status() {
            Some(status) => classify_status(status, &HeaderMap::new()),
            None => Class::Unknown,
        }
    }
}
