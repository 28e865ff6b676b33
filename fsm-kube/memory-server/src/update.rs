//! Answers to replace and patch.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::content::Key;
use crate::fault::Fault;
use crate::kind::Kind;
use crate::listing::parse_version;
use crate::metadata;
use crate::object;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::state::State;

impl State {
    pub(crate) fn replace(&mut self, request: &Request) -> Result<Arc<Value>, Refusal> {
        let (key, kind) = self.named(request)?;
        let mut new = decode(kind, &request.body)?;
        check_place(&key, kind, &new)?;
        let current = self.content.get(&key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
        let uid = object::metadata(&new, "uid");
        if !uid.is_empty() && uid != object::metadata(current, "uid") {
            return Err(Refusal::stale(kind, &key.name));
        }
        if matches!(object::metadata(&new, "resourceVersion"), "" | "0") {
            let refusal = metadata::invalid(
                kind,
                &key.name,
                "FieldValueInvalid",
                "metadata.resourceVersion",
                "must be specified for an update",
            );
            return Err(refusal.about(kind, &key.name));
        }
        if new["metadata"]["namespace"].is_null() && kind.is_namespaced {
            new["metadata"]["namespace"] = json!(key.namespace);
        }
        self.update(request, new)
    }

    pub(crate) fn patch(&mut self, request: &Request) -> Result<Arc<Value>, Refusal> {
        let (key, kind) = self.named(request)?;
        let is_json_patch = match request.content_type.as_str() {
            "application/merge-patch+json" => false,
            "application/json-patch+json" => true,
            _ => {
                let message = "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json";
                return Err(Refusal::new(415, "UnsupportedMediaType", message));
            }
        };
        let current = self.content.get(&key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
        let mut new = (**current).clone();
        if is_json_patch {
            let patch: Value =
                serde_json::from_slice(&request.body).map_err(|error| Refusal::bad_request(error.to_string()))?;
            if !patch.is_array() {
                return Err(Refusal::bad_request("a JSON patch is an array of operations"));
            }
            let refused =
                || Refusal::new(422, "Invalid", "the server rejected our request due to an error in our request");
            let patch: json_patch::Patch = serde_json::from_value(patch).map_err(|_| refused())?;
            json_patch::patch(&mut new, &patch).map_err(|_| refused())?;
        } else {
            let patch: Value =
                serde_json::from_slice(&request.body).map_err(|_| Refusal::new(500, "", "Invalid JSON Patch"))?;
            json_patch::merge(&mut new, &patch);
        }
        let undecodable =
            |error: String| Refusal::new(422, "Invalid", error.clone()).because("FieldValueInvalid", "patch", error);
        if !new.is_object() {
            return Err(undecodable("an object is needed".to_owned()));
        }
        metadata::normalise(&mut new).map_err(undecodable)?;
        if object::metadata(&new, "name").is_empty() {
            return Err(Refusal::bad_request("name must be provided"));
        }
        check_place(&key, kind, &new)?;
        self.update(request, new)
    }

    /// Stores what replaces the object that is there.
    fn update(&mut self, request: &Request, mut new: Value) -> Result<Arc<Value>, Refusal> {
        let (key, kind) = self.named(request)?;
        let current = self.content.get(&key).ok_or_else(|| Refusal::not_found(kind, &key.name))?.clone();
        if let Fault::Change(change) = &request.fault {
            change(&mut new);
            metadata::normalise(&mut new).map_err(Refusal::bad_request)?;
        }
        let expected = object::metadata(&new, "resourceVersion");
        if !expected.is_empty()
            && parse_version(expected)? != parse_version(object::metadata(&current, "resourceVersion"))?
        {
            return Err(Refusal::stale(kind, &key.name));
        }
        let new = if request.address.subresource.is_some() {
            with_status_of(&current, &new)
        } else {
            with_system_fields_of(kind, &current, new)
        };
        metadata::check(kind, Some(&current), &new)?;
        if object::is_deleting(&new) && object::is_free(&new) {
            self.commit(request, key, None);
            return Ok(Arc::new(new));
        }
        if new == *current {
            return Ok(current);
        }
        Ok(self.commit(request, key, Some(new)))
    }
}

/// What an update through the status subresource makes: nothing but the status is taken.
fn with_status_of(current: &Value, new: &Value) -> Value {
    let mut result = current.clone();
    match &new["status"] {
        Value::Null => {
            if let Some(fields) = result.as_object_mut() {
                fields.remove("status");
            }
        }
        status => result["status"] = status.clone(),
    }
    result
}

/// What an update of the object itself makes: what only the server may set is as it was.
fn with_system_fields_of(kind: &Kind, current: &Value, mut new: Value) -> Value {
    for field in ["creationTimestamp", "resourceVersion", "generation", "deletionGracePeriodSeconds"] {
        copy(&current["metadata"], &mut new["metadata"], field);
    }
    for field in ["uid", "deletionTimestamp"] {
        if new["metadata"][field].is_null() {
            copy(&current["metadata"], &mut new["metadata"], field);
        }
    }
    if kind.has_status {
        copy(current, &mut new, "status");
    }
    if kind.has_generation && !object::same_wish(kind, current, &new) {
        let generation = current["metadata"]["generation"].as_u64().unwrap_or_default();
        new["metadata"]["generation"] = json!(generation + 1);
    }
    new
}

/// Makes a field what it is in another object, also absent.
fn copy(from: &Value, to: &mut Value, field: &str) {
    if let Some(fields) = to.as_object_mut() {
        match from.get(field) {
            Some(value) => fields.insert(field.to_owned(), value.clone()),
            None => fields.remove(field),
        };
    }
}

/// An object as it is sent for create and replace.
pub(crate) fn decode(kind: &Kind, body: &[u8]) -> Result<Value, Refusal> {
    let mut object: Value = serde_json::from_slice(body).map_err(|error| Refusal::bad_request(error.to_string()))?;
    if !object.is_object() || !object["kind"].is_string() {
        return Err(Refusal::bad_request("Object 'Kind' is missing"));
    }
    if object["apiVersion"] != kind.api_version() {
        let message =
            format!("the API version in the data does not match the expected API version ({})", kind.api_version());
        return Err(Refusal::bad_request(message));
    }
    metadata::normalise(&mut object).map_err(Refusal::bad_request)?;
    Ok(object)
}

/// Whether an object says of itself what the address says.
pub(crate) fn check_place(key: &Key, kind: &Kind, object: &Value) -> Result<(), Refusal> {
    let differs = |field: &str, wanted: &str| {
        let given = object::metadata(object, field);
        !given.is_empty() && given != wanted
    };
    if !key.name.is_empty() && differs("name", &key.name) {
        return Err(Refusal::bad_request("the name of the object does not match the name on the URL"));
    }
    if kind.is_namespaced && differs("namespace", &key.namespace) {
        return Err(Refusal::bad_request("the namespace of the object does not match the namespace on the request"));
    }
    Ok(())
}
