//! Decodes from an API server's answer only what a record needs, and skips the rest.
//!
//! Invariant: fields that the store does not use are never kept, however large the object is.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::IgnoredAny;
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
    /// When does not matter.
    pub(crate) deletion_timestamp: Option<IgnoredAny>,
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

/// Whether the server says that nobody has ever written a status: it keeps a list of who has written which fields.
pub(crate) fn never_had_a_status(metadata: &ObjectMeta) -> bool {
    let fields = metadata.managed_fields.iter().flatten().map(|entry| entry.fields_v1.as_ref());
    let is_status = |fields: Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1>| {
        fields.is_none_or(|fields| fields.0.get("f:status").is_some())
    };
    metadata.managed_fields.as_ref().is_some_and(|entries| !entries.is_empty()) && !fields.into_iter().any(is_status)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_counts_as_absent_only_if_the_server_says_who_wrote_what() {
        let metadata =
            |fields: Value| -> ObjectMeta { serde_json::from_value(json!({ "managedFields": fields })).unwrap() };
        let entry = |fields: Value| json!({ "manager": "m", "operation": "Update", "fieldsV1": fields });
        let spec = entry(json!({ "f:spec": { "f:image": {} } }));
        let rows = [
            (json!([spec]), true),
            (json!([spec, entry(json!({ "f:status": { "f:fsm": {} } }))]), false),
            // Somebody has taken the list off, or its entries cannot be read.
            (json!([]), false),
            (json!(null), false),
            (json!([spec, { "manager": "m" }]), false),
        ];
        for (fields, absent) in rows {
            assert_eq!(never_had_a_status(&metadata(fields.clone())), absent, "{fields}");
        }
    }

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
