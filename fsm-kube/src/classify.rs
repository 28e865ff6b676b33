//! Classifies errors of the Kubernetes API, for transitions that create Kubernetes objects.
//!
//! Invariant: an error is classified as not applied only if it proves that the request was not carried out.

use std::time::Duration;

use durable_fsm::Class;
use kube::Error;

use crate::refusal::was_never_sent;

/// Classifies a failed request to the Kubernetes API.
///
/// | what happened | class | why |
/// |---|---|---|
/// | no connection; the request could not be built or authenticated | not applied | it was never sent |
/// | 429 | not applied | refused before the work; the seconds that the server names are honoured |
/// | 409 `AlreadyExists` | unknown | an earlier attempt may have made it: the contract of the transition finds out whose it is |
/// | 409 otherwise | unknown | the object has changed since it was read, and what changed it may be this very request, sent twice |
/// | 400, 401, 403, 404, 405, 410, 413, 415, 422 and other 4xx but 408 | rejected | it was looked at and turned down; it will be again as things stand |
/// | 408, 5xx | unknown | a server, or a proxy before it, that failed half-way |
/// | anything else: the connection broke, the answer does not decode | unknown | the answer is lost |
///
/// **Use a client without retries.** By default `kube`'s client repeats a request up to 15 times after 429, 503 or 504, and returns only the last answer. If a request was carried
/// out although it was answered with 503 or 504, the last answer may be a refusal: 409 because the object exists, or 403 because the object has used up the quota. In this table 409
/// is unknown, but 403 is rejected, which would be wrong. Give your transitions a client that leaves retries to the machine:
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = kube::Config::infer().await?;
/// config.default_retry = false;
/// let client = kube::Client::try_from(config)?;
/// # Ok(())
/// # }
/// ```
///
/// The store does not need such a client, because the driver reads the record back.
///
/// ```
/// use durable_fsm::{Class, Classify};
///
/// #[derive(Debug, thiserror::Error)]
/// enum ProvisionError {
///     #[error("the pod could not be made")]
///     Pod(#[from] kube::Error),
/// }
///
/// impl Classify for ProvisionError {
///     fn classify(&self) -> Class {
///         match self {
///             ProvisionError::Pod(error) => durable_fsm_kube::classify(error),
///         }
///     }
/// }
/// ```
#[must_use]
pub fn classify(error: &Error) -> Class {
    match error {
        Error::Api(status) => match status.code {
            429 => {
                let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
                Class::NotApplied { retry_after: (seconds > 0).then(|| Duration::from_secs(seconds.into())) }
            }
            // An earlier sending of the same request may be what this one conflicts with.
            408 | 409 => Class::Unknown,
            400..=499 => Class::Rejected,
            _ => Class::Unknown,
        },
        error if was_never_sent(error) => Class::NOT_APPLIED,
        _ => Class::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use durable_fsm::Class;
    use kube::core::Status;
    use kube::core::response::StatusDetails;

    use super::classify;

    fn api(code: u16, reason: &str, seconds: u32) -> kube::Error {
        let details = StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: seconds,
        };
        kube::Error::Api(Status::failure("words that differ", reason).with_code(code).with_details(details).boxed())
    }

    #[test]
    fn each_answer_has_its_class() {
        let after = |seconds| Class::NotApplied { retry_after: Some(Duration::from_secs(seconds)) };
        let rows = [
            (api(429, "TooManyRequests", 7), after(7)),
            (api(429, "TooManyRequests", 0), Class::NOT_APPLIED),
            (api(409, "AlreadyExists", 0), Class::Unknown),
            (api(409, "Conflict", 0), Class::Unknown),
            (api(408, "Timeout", 0), Class::Unknown),
            (api(401, "Unauthorized", 0), Class::Rejected),
            (api(403, "Forbidden", 0), Class::Rejected),
            (api(422, "Invalid", 0), Class::Rejected),
            (api(500, "InternalError", 0), Class::Unknown),
            (api(504, "Timeout", 0), Class::Unknown),
            (kube::Error::TlsRequired, Class::NOT_APPLIED),
            (kube::Error::ReadEvents(std::io::Error::other("broken")), Class::Unknown),
            (kube::Error::ReadEvents(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)), Class::NOT_APPLIED),
        ];
        for (error, class) in rows {
            assert_eq!(classify(&error), class, "{error}");
        }
    }
}
