//! The list of who has written which fields of an object, as the server keeps it.
//!
//! Invariant: a stripped list answers the question whether a status was ever written as the whole list does, or with "maybe".

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta};
use serde_json::{Map, Value};

/// Strips `managedFields` from an object that a watch has delivered. A cache of such objects takes about half of the memory.
///
/// The list is the largest part of many objects, and no pass reads it. Give this function to `modify` of the watch stream, before the reflector:
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # use kube::runtime::{WatchStreamExt as _, reflector, watcher};
/// # fn stream(client: kube::Client) {
/// # let (reader, writer) = reflector::store::<ConfigMap>();
/// # let _ = reader;
/// let objects = watcher(kube::Api::<ConfigMap>::all(client), watcher::Config::default())
///     .default_backoff()
///     .modify(durable_fsm_kube::strip_managed_fields)
///     .reflect(writer)
///     .applied_objects();
/// # let _ = objects;
/// # }
/// ```
///
/// If the status was never written, one empty entry stays in the list. It tells [`Reconciler`](crate::Reconciler) that the object is new and that no record was lost. The first pass
/// for the object then needs no read.
pub fn strip_managed_fields<K: kube::Resource>(object: &mut K) {
    let metadata = object.meta_mut();
    metadata.managed_fields = never_had_a_status(metadata).then(|| {
        let fields_v1 = Some(FieldsV1(Value::Object(Map::new())));
        vec![ManagedFieldsEntry { fields_v1, ..ManagedFieldsEntry::default() }]
    });
}

/// Whether `managedFields` show that the status was never written.
pub(crate) fn never_had_a_status(metadata: &ObjectMeta) -> bool {
    let fields = metadata.managed_fields.iter().flatten().map(|entry| entry.fields_v1.as_ref());
    let is_status = |fields: Option<&FieldsV1>| fields.is_none_or(|fields| fields.0.get("f:status").is_some());
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
            let mut object = ConfigMap { metadata: metadata(fields.clone()), ..ConfigMap::default() };
            assert_eq!(never_had_a_status(&object.metadata), absent, "{fields}");
            strip_managed_fields(&mut object);
            assert_eq!(never_had_a_status(&object.metadata), absent, "stripped {fields}");
            let left = serde_json::to_string(&object.metadata).unwrap();
            assert!(left.len() <= r#"{"managedFields":[{"fieldsV1":{}}]}"#.len(), "{left}");
        }
    }
}
