//! Decodes from an API server's answer only what a record needs, and skips the rest.
//!
//! Invariant: fields that the store does not use are never kept, however large the object is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Object {
    pub(crate) metadata: Metadata,
    pub(crate) status: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) generation: Option<i64>,
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    pub(crate) finalizers: Option<Vec<String>>,
    /// When does not matter.
    pub(crate) deletion_timestamp: Option<IgnoredAny>,
}

impl Object {
    pub(crate) fn annotation(&self, key: &str) -> Option<&String> {
        self.metadata.annotations.as_ref()?.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_leaves_out_or_adds_is_no_error() {
        let bare: Object =
            serde_json::from_str(r#"{ "metadata": { "name": "a", "managedFields": [{}] }, "spec": 1 }"#).unwrap();
        assert_eq!((bare.metadata.uid.as_str(), bare.annotation("a"), bare.metadata.generation), ("", None, None));
        assert!(bare.metadata.deletion_timestamp.is_none() && bare.status.is_none());
        let full: Object = serde_json::from_str(
            r#"{ "metadata": { "uid": "u", "resourceVersion": "7", "generation": 2, "annotations": { "a": "b" },
                 "finalizers": ["f"], "deletionTimestamp": "2026-01-01T00:00:00Z" }, "status": { "fsm": { "seq": 3 } } }"#,
        )
        .unwrap();
        assert_eq!((full.metadata.resource_version.as_str(), full.annotation("a").unwrap().as_str()), ("7", "b"));
        assert_eq!((full.metadata.generation, full.metadata.finalizers), (Some(2), Some(vec!["f".to_owned()])));
        assert!(full.metadata.deletion_timestamp.is_some() && full.status.unwrap()["fsm"]["seq"] == 3);
    }
}
