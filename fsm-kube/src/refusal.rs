//! Decides what an API server's error means for a write of the record.
//!
//! Invariant: errors are distinguished by code and cause, never by their text, which differs between versions. A write counts as not done only if the server, or the lack of a
//! connection, proves it.

use durable_fsm::StoreError;
use kube::Error;
use kube::core::Status;

/// The most bytes that the keys and values of all annotations of an object may have together.
pub const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// The largest request, in bytes.
const REQUEST_LIMIT: usize = 3 * 1024 * 1024;

/// What to do after a refused write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This is what it means.
    Means(StoreError),
    /// The server found the resulting object invalid. Only the object shows whether it was invalid before.
    Invalid(String),
}

/// The error of a read. Nothing was written, so nothing is in doubt.
pub(crate) fn of_read(error: &Error) -> StoreError {
    match error {
        Error::Api(status) if status.code == 404 => StoreError::Gone,
        error => StoreError::Unavailable(text(error)),
    }
}

/// The error of a write. `size` is what the annotations would have taken, in bytes.
pub(crate) fn of_write(error: &Error, size: usize) -> Refusal {
    Refusal::Means(match error {
        Error::Api(status) => match status.code {
            404 => StoreError::Gone,
            409 => StoreError::Conflict,
            413 => StoreError::TooLarge { size, limit: REQUEST_LIMIT },
            422 if has_cause(status, "FieldValueTooLong", "metadata.annotations") => {
                StoreError::TooLarge { size, limit: ANNOTATIONS_LIMIT }
            }
            422 => return Refusal::Invalid(status.message.clone()),
            // The server, or a proxy before it, gave up waiting. A proxy may have forwarded the request.
            408 => StoreError::Unknown(text(error)),
            // Refused before any change: malformed, not authenticated, not allowed, too many requests.
            400..=499 => StoreError::Unavailable(text(error)),
            // A server, or a proxy before it, that failed half-way.
            _ => StoreError::Unknown(text(error)),
        },
        error if was_never_sent(error) => StoreError::Unavailable(text(error)),
        error => StoreError::Unknown(text(error)),
    })
}

fn has_cause(status: &Status, reason: &str, field: &str) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == reason && cause.field == field)
}

/// Whether certainly no request was sent: it could not be built, or the connection was refused.
pub(crate) fn was_never_sent(error: &Error) -> bool {
    if matches!(error, Error::Auth(_) | Error::BuildRequest(_) | Error::HttpError(_) | Error::TlsRequired) {
        return true;
    }
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind() == std::io::ErrorKind::ConnectionRefused;
        }
        source = error.source();
    }
    false
}

/// An error's text with those of its sources.
fn text(error: &Error) -> String {
    if let Error::Api(status) = error {
        return format!("{} {}: {}", status.code, status.reason, status.message);
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use durable_fsm::StoreError;
    use kube::core::Status;
    use kube::core::response::{StatusCause, StatusDetails};

    use super::{Refusal, of_read, of_write};

    fn api(code: u16, cause: Option<(&str, &str)>) -> kube::Error {
        let causes = cause.into_iter().map(|(reason, field)| StatusCause {
            reason: reason.to_owned(),
            message: "words that differ".to_owned(),
            field: field.to_owned(),
        });
        let details = StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: causes.collect(),
            retry_after_seconds: 0,
        };
        kube::Error::Api(Status::failure("m", "R").with_code(code).with_details(details).boxed())
    }

    #[test]
    fn each_code_means_one_thing_for_a_write() {
        let unknown = |error: &StoreError| matches!(error, StoreError::Unknown(_));
        let unavailable = |error: &StoreError| matches!(error, StoreError::Unavailable(_));
        type Means = fn(&StoreError) -> bool;
        let rows: [(u16, Means); 14] = [
            (400, unavailable),
            (401, unavailable),
            (403, unavailable),
            (404, |error| *error == StoreError::Gone),
            (408, unknown),
            (409, |error| *error == StoreError::Conflict),
            (410, unavailable),
            (413, |error| matches!(error, StoreError::TooLarge { size: 7, limit: 3_145_728 })),
            (429, unavailable),
            (500, unknown),
            (502, unknown),
            (503, unknown),
            (504, unknown),
            (0, unknown),
        ];
        for (code, means) in rows {
            let Refusal::Means(error) = of_write(&api(code, None), 7) else { panic!("{code} is taken for a 422") };
            assert!(means(&error), "{code} became {error:?}");
        }
    }

    #[test]
    fn the_three_meanings_of_422_are_told_apart_by_the_cause() {
        let too_long = of_write(&api(422, Some(("FieldValueTooLong", "metadata.annotations"))), 300_000);
        assert_eq!(too_long, Refusal::Means(StoreError::TooLarge { size: 300_000, limit: 262_144 }));
        for other in [None, Some(("FieldValueInvalid", "spec.size")), Some(("FieldValueTooLong", "spec.name"))] {
            assert_eq!(of_write(&api(422, other), 1), Refusal::Invalid("m".to_owned()));
        }
    }

    fn failed(kind: std::io::ErrorKind) -> kube::Error {
        kube::Error::Service(Box::new(std::io::Error::new(kind, "no luck")))
    }

    #[test]
    fn only_a_connection_that_was_never_made_leaves_nothing_in_doubt() {
        let refused = of_write(&failed(std::io::ErrorKind::ConnectionRefused), 7);
        let Refusal::Means(StoreError::Unavailable(why)) = refused else { panic!("{refused:?}") };
        assert!(why.ends_with(": no luck"), "{why}");
        let reset = of_write(&failed(std::io::ErrorKind::ConnectionReset), 7);
        assert!(matches!(reset, Refusal::Means(StoreError::Unknown(_))), "{reset:?}");
        let unbuilt = of_write(&kube::Error::TlsRequired, 7);
        assert!(matches!(unbuilt, Refusal::Means(StoreError::Unavailable(_))), "{unbuilt:?}");
    }

    #[test]
    fn each_cause_is_told_once() {
        let text = super::text(&failed(std::io::ErrorKind::ConnectionReset));
        assert_eq!(text.matches("no luck").count(), 1, "{text}");
        assert_eq!(super::text(&api(403, None)), "403 R: m");
    }

    #[test]
    fn a_read_leaves_nothing_in_doubt() {
        assert_eq!(of_read(&api(404, None)), StoreError::Gone);
        for code in [0, 403, 429, 500, 503] {
            assert!(matches!(of_read(&api(code, None)), StoreError::Unavailable(_)));
        }
    }
}
