//! What every object's metadata must keep to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};

use crate::kind::Kind;
use crate::object;
use crate::refusal::Refusal;

/// How many bytes the keys and values of all annotations may have together.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// The metadata with the fields that Kubernetes knows, empty ones left out.
///
/// # Errors
/// What is wrong, where a field has the wrong type.
pub(crate) fn normalise(object: &mut Value) -> Result<(), String> {
    let metadata = object.get_mut("metadata").map_or_else(|| json!({}), Value::take);
    let typed: ObjectMeta = serde_json::from_value(metadata).map_err(|error| error.to_string())?;
    let mut metadata = serde_json::to_value(typed).map_err(|error| error.to_string())?;
    if let Some(fields) = metadata.as_object_mut() {
        fields.retain(|_, value| !is_empty(value));
        fields.remove("managedFields");
        fields.remove("selfLink");
    }
    object["metadata"] = metadata;
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether an object may be stored in place of another, or as a new one.
pub(crate) fn check(kind: &Kind, before: Option<&Value>, after: &Value) -> Result<(), Refusal> {
    let name = object::metadata(after, "name");
    if after["kind"] != kind.kind {
        let posted = Kind { kind: after["kind"].as_str().unwrap_or_default().to_owned(), ..kind.clone() };
        return Err(invalid(&posted, name, "FieldValueInvalid", "kind", &format!("must be {}", kind.kind)));
    }
    let refuse = |reason: &str, field: &str, message: &str| Err(invalid(kind, name, reason, field, message));
    if before.is_none() && !is_subdomain(name) {
        return refuse("FieldValueInvalid", "metadata.name", "a lowercase RFC 1123 subdomain is needed");
    }
    let nothing = Map::new();
    let pairs = |field: &str| after["metadata"][field].as_object().unwrap_or(&nothing);
    for (key, value) in pairs("labels") {
        let value = value.as_str().unwrap_or_default();
        if !is_qualified(key) || !(value.is_empty() || is_name_part(value)) {
            return refuse("FieldValueInvalid", "metadata.labels", "a valid label is needed");
        }
    }
    if !pairs("annotations").keys().all(|key| is_qualified(&key.to_lowercase())) {
        return refuse("FieldValueInvalid", "metadata.annotations", "a qualified name is needed");
    }
    let size: usize =
        pairs("annotations").iter().map(|(key, value)| key.len() + value.as_str().unwrap_or_default().len()).sum();
    if size > ANNOTATIONS_LIMIT {
        return refuse("FieldValueTooLong", "metadata.annotations", "Too long: must have at most 262144 bytes");
    }
    if let Some(before) = before {
        for field in ["uid", "deletionTimestamp"] {
            if before["metadata"][field] != after["metadata"][field] {
                return refuse("FieldValueInvalid", &format!("metadata.{field}"), "field is immutable");
            }
        }
        let is_new = |finalizer: &str| !object::finalizers(before).any(|it| it == finalizer);
        if object::is_deleting(before) && object::finalizers(after).any(is_new) {
            let message = "Forbidden: no new finalizers can be added if the object is being deleted";
            return refuse("FieldValueForbidden", "metadata.finalizers", message);
        }
    }
    match kind.validator.as_ref().map_or(Ok(()), |validator| validator(after)) {
        Err(wrong) => refuse("FieldValueInvalid", &wrong.field, &wrong.message),
        Ok(()) => Ok(()),
    }
}

/// 422, because of one field of an object.
pub(crate) fn invalid(kind: &Kind, name: &str, reason: &str, field: &str, message: &str) -> Refusal {
    let text = format!("{} \"{name}\" is invalid: {field}: {message}", kind.kind_and_group());
    Refusal::new(422, "Invalid", text).because(reason, field, message).about_kind(kind, name)
}

/// Such as `example.com`.
fn is_subdomain(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_edge = |letter: Option<u8>| letter.is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
        is_edge(label.bytes().next())
            && is_edge(label.bytes().last())
            && label.bytes().all(|it| it == b'-' || it.is_ascii_lowercase() || it.is_ascii_digit())
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Such as `my_Name.1`.
fn is_name_part(text: &str) -> bool {
    let is_edge = |letter: Option<u8>| letter.is_some_and(|it| it.is_ascii_alphanumeric());
    text.len() <= 63
        && is_edge(text.bytes().next())
        && is_edge(text.bytes().last())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.'))
}

/// Such as `example.com/name`, or only `name`.
fn is_qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name_part(name),
        None => is_name_part(text),
    }
}
