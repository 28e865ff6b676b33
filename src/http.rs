//! What an HTTP failure says about the effect. Invariant: only what proves that the request was not carried out counts as not applied, and
//! nothing does once a redirect may have been followed.
//!
//! The table holds for a client that never follows a redirect: `reqwest::Client::builder().redirect(reqwest::redirect::Policy::none())`, and
//! [`Redirects::Refused`].
//!
//! | what happened | class | why |
//! |---|---|---|
//! | the request could not be built | rejected | nothing was sent, and the same request will fail again |
//! | no connection: refused, no route, DNS, TLS, time-out while connecting | not applied | the request was never sent |
//! | time-out after the request was sent | unknown | it may be carried out still |
//! | connection reset or closed before the answer | unknown | it may have been carried out |
//! | the answer breaks off, or does not decode | unknown | it was carried out, or not: the answer is lost |
//! | 429 Too Many Requests, 425 Too Early | not applied | refused before the work; `Retry-After` is honoured |
//! | 408, 500, 502, 503, 504 and other 5xx | unknown | a gateway may have passed the request on |
//! | 409 Conflict, 412 Precondition Failed | unknown | providers answer so before the work, after it, and in the middle: vouch for yours |
//! | 400, 401, 403, 404, 405, 413, 415, 422 and other 4xx | rejected | it was looked at and turned down; it will be again as things stand |
//! | 1xx, 2xx, 3xx taken for an error | unknown | the provider accepted something |
//!
//! | client policy | what is vouched for |
//! |---|---|
//! | `Policy::none()` | the table above |
//! | the default, `Policy::limited(n)`, `Policy::custom(..)` | that a request which could not be built was not sent; everything else is unknown |
//!
//! A client that follows redirects sends a request for each hop, and its error tells of the last one. A POST that was served with 303, and
//! whose next hop refuses the connection, looks like a request that was never sent. So does a POST that was served, whose next hop answers 404
//! or 429. A client for effects therefore wants `Policy::none()`; the provider's own API does not redirect in the normal case.
//!
//! A `reqwest::Error` that was made of a status has no headers any more: use [`classify_status`] where `Retry-After` counts.
//!
//! Where your provider says more (an error code in the body, say), classify by that and use this for the rest.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::{Class, Classify};

/// What the client that sent a request does with a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// It gives the answer to its caller: `redirect::Policy::none()`.
    Refused,
    /// It may have followed one: the default of `reqwest`, and every other policy.
    Followed,
}

/// What an answer with this status says, taken as a failure. See the tables of this module.
#[must_use]
pub fn classify_status(status: StatusCode, headers: &HeaderMap, redirects: Redirects) -> Class {
    match status {
        // It is the answer of the last hop, and says nothing of the first.
        _ if redirects == Redirects::Followed => Class::Unknown,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY => {
            Class::NotApplied { retry_after: retry_after(headers) }
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Class::Unknown,
        _ if status.is_client_error() => Class::Rejected,
        _ => Class::Unknown,
    }
}

/// What an error of a client says. See the tables of this module.
#[must_use]
pub fn classify(error: &reqwest::Error, redirects: Redirects) -> Class {
    if error.is_builder() {
        return Class::Rejected;
    }
    // First, because a time-out while connecting is both.
    if error.is_connect() && redirects == Redirects::Refused {
        return Class::NOT_APPLIED;
    }
    match error.status() {
        Some(status) => classify_status(status, &HeaderMap::new(), redirects),
        None => Class::Unknown,
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

/// Of a client whose policy is not known: as [`classify`] with [`Redirects::Followed`]. An author who knows that the client follows none says
/// so with [`Redirects::Refused`], and is told more.
impl Classify for reqwest::Error {
    fn classify(&self) -> Class {
        classify(self, Redirects::Followed)
    }
}
