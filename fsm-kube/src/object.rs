//! Decodes from an API server's answer only what a record needs, and skips the rest.
//!
//! Invariant: fields that the store does not use are never kept, however large the object is.

use std::collections::BTreeMap;
use std::time::SystemTime;

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Object {
    pub(crate) metadata: Metadata,
    pub(crate) status: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) generation: Option<i64>,
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    pub(crate) finalizers: Option<Vec<String>>,
    pub(crate) deletion_timestamp: Option<String>,
}

impl Object {
    /// What a typed object says, as a watch has delivered it. Its type may leave out parts of the status. None if it was not read from a server.
    pub(crate) fn of<K: kube::Resource + Serialize>(object: &K) -> Option<Self> {
        let object: Self = serde_json::from_value(serde_json::to_value(object).ok()?).ok()?;
        (!object.metadata.uid.is_empty() && !object.metadata.resource_version.is_empty()).then_some(object)
    }

    /// The sequence number that is mirrored in this field of the status.
    pub(crate) fn witness(&self, field: &str) -> Option<u64> {
        self.status.as_ref()?.get(field)?.get("seq")?.as_u64()
    }

    /// The machine that publishes in this field of the status.
    pub(crate) fn publisher(&self, field: &str) -> Option<&str> {
        self.status.as_ref()?.get(field)?.get("machine")?.as_str()
    }

    pub(crate) fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// When its deletion was asked for.
    pub(crate) fn deleted_at(&self) -> Option<SystemTime> {
        let time: Timestamp = self.metadata.deletion_timestamp.as_deref()?.parse().ok()?;
        Some(time.into())
    }

    /// Whether the server removes it now, because nothing holds it back.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_deleting() && self.metadata.finalizers.iter().flatten().next().is_none()
    }

    pub(crate) fn has_finalizer(&self, finalizer: &str) -> bool {
        self.metadata.finalizers.iter().flatten().any(|it| it == finalizer)
    }

    pub(crate) fn annotation(&self, key: &str) -> Option<&String> {
        self.metadata.annotations.as_ref()?.get(key)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    #[test]
    fn only_an_object_of_a_server_can_be_relied_on() {
        let mut object = ConfigMap::default();
        assert!(Object::of(&object).is_none());
        object.metadata.uid = Some("u".to_owned());
        assert!(Object::of(&object).is_none());
        object.metadata.resource_version = Some("7".to_owned());
        object.metadata.annotations = Some([("a".to_owned(), "b".to_owned())].into());
        assert_eq!(Object::of(&object).unwrap().annotation("a").unwrap(), "b");
    }

    #[test]
    fn what_the_server_leaves_out_or_adds_is_no_error() {
        let bare: Object =
            serde_json::from_str(r#"{ "metadata": { "name": "a", "managedFields": [{}] }, "spec": 1 }"#).unwrap();
        assert_eq!((bare.metadata.uid.as_str(), bare.annotation("a"), bare.metadata.generation), ("", None, None));
        assert!(bare.metadata.deletion_timestamp.is_none() && bare.deleted_at().is_none() && bare.status.is_none());
        let full: Object = serde_json::from_str(
            r#"{ "metadata": { "uid": "u", "resourceVersion": "7", "generation": 2, "annotations": { "a": "b" },
                 "finalizers": ["f"], "deletionTimestamp": "2026-01-01T00:00:00Z" }, "status": { "fsm": { "seq": 3 } } }"#,
        )
        .unwrap();
        assert_eq!((full.metadata.resource_version.as_str(), full.annotation("a").unwrap().as_str()), ("7", "b"));
        assert_eq!((full.metadata.generation, full.metadata.finalizers.clone()), (Some(2), Some(vec!["f".to_owned()])));
        let deleted = full.deleted_at().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!((full.is_deleting(), deleted.as_secs()), (true, 1_767_225_600));
        assert!(full.status.unwrap()["fsm"]["seq"] == 3);
    }
}
