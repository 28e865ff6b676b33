//! Reading an object's JSON.

use serde_json::Value;

use crate::kind::Kind;

/// A text in the metadata; empty if it is not there.
pub(crate) fn metadata<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

pub(crate) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

pub(crate) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Whether nothing holds the object back once it is to be deleted.
pub(crate) fn is_free(object: &Value) -> bool {
    let holds_content = object["spec"]["finalizers"].as_array().is_some_and(|it| !it.is_empty());
    finalizers(object).next().is_none() && !(object["kind"] == "Namespace" && holds_content)
}

/// Whether two objects ask for the same, metadata and status aside.
pub(crate) fn same_wish(kind: &Kind, one: &Value, other: &Value) -> bool {
    let wish = |object: &Value| {
        let mut object = object.as_object().cloned().unwrap_or_default();
        object.remove("metadata");
        if kind.has_status {
            object.remove("status");
        }
        object
    };
    wish(one) == wish(other)
}

/// The object with its metadata alone, as a client may ask for it.
pub(crate) fn metadata_only(object: &Value) -> Value {
    if let Some(items) = object["items"].as_array() {
        let items: Vec<Value> = items.iter().map(metadata_only).collect();
        return serde_json::json!({
            "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"], "items": items,
        });
    }
    if object["kind"] == "Status" {
        return object.clone();
    }
    serde_json::json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}
