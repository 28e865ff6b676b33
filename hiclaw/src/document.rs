//! A resource as it stands in a file: flat, or as Kubernetes writes it. Invariant: what is read has a name that every server takes.

use serde::Deserialize;

/// A document of a kind with this spec.
#[derive(Debug, Deserialize)]
pub(crate) struct Document<S> {
    #[serde(default)]
    metadata: Metadata,
    #[serde(flatten)]
    flat: Metadata,
    spec: S,
    #[serde(default)]
    deleting: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
}

/// What every kind takes from its document.
pub(crate) struct Checked<S> {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) spec: S,
    pub(crate) deleting: bool,
}

/// Why a document is no resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It has no name, or no uid where none is made up.
    #[error("it has no {0}; give it one")]
    Missing(&'static str),
    /// A name is none.
    #[error("`{0}` is no name; use up to 63 of a-z, 0-9 and -, with a letter or digit at both ends")]
    Name(String),
}

impl<S> Document<S> {
    /// What is in it, with names that were checked.
    pub(crate) fn named(self) -> Result<Checked<S>, DocumentError> {
        let Self { metadata, flat, spec, deleting } = self;
        let namespace = flat.namespace.or(metadata.namespace).unwrap_or_else(|| "default".to_owned());
        let name = flat.name.or(metadata.name).ok_or(DocumentError::Missing("name"))?;
        let uid = flat.uid.or(metadata.uid).ok_or(DocumentError::Missing("uid"))?;
        if let Some(wrong) = [&namespace, &name].into_iter().find(|it| !is_label(it)) {
            return Err(DocumentError::Name(wrong.clone()));
        }
        Ok(Checked { namespace, name, uid, spec, deleting })
    }
}

/// Whether a text is a label as in RFC 1123: what a namespace is, and what all servers take as part of a name.
fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let outer = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63 && text.starts_with(outer) && text.ends_with(outer) && text.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{DocumentError, is_label};
    use crate::worker::Worker;

    #[test]
    fn a_document_is_flat_or_as_kubernetes_writes_it() {
        let spec = json!({ "image": "i:1", "model": "m", "skills": [] });
        let flat = json!({ "name": "ann", "uid": "u", "spec": spec });
        let whole = json!({
            "apiVersion": "hiclaw.io/v1beta1", "kind": "Worker", "spec": spec,
            "metadata": { "name": "ann", "namespace": "lab", "uid": "u", "labels": { "a": "b" } },
        });
        let read = |document: &serde_json::Value| serde_json::from_value::<Worker>(document.clone());
        let (flat, whole) = (read(&flat).unwrap(), read(&whole).unwrap());
        assert_eq!((&*flat.namespace, &*flat.name, &*flat.uid), ("default", "ann", "u"));
        assert_eq!((&*whole.namespace, &*whole.name, &*whole.uid), ("lab", "ann", "u"));
        let again = serde_json::to_value(&whole).unwrap();
        assert_eq!(read(&again).unwrap().namespace, "lab", "what is written is read again");
        let error = read(&json!({ "name": "ann", "spec": spec })).unwrap_err();
        assert_eq!(error.to_string(), DocumentError::Missing("uid").to_string());
        let error = read(&json!({ "name": "Ann_1", "uid": "u", "spec": spec })).unwrap_err();
        assert!(error.to_string().contains("Ann_1"), "{error}");
    }

    #[test]
    fn a_label_is_what_a_namespace_may_be_called() {
        for label in ["a", "a1", "1-a", &"a".repeat(63)] {
            assert!(is_label(label), "{label}");
        }
        for none in ["", "-a", "a-", "A", "a.b", "a_b", "a/b", "..", &"a".repeat(64)] {
            assert!(!is_label(none), "{none}");
        }
    }
}
