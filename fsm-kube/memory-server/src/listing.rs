//! Answers to get and list.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::content::{self, Key, Objects};
use crate::fault::Fault;
use crate::kind::Kind;
use crate::refusal::{Cause, Refusal};
use crate::request::Request;
use crate::selector::Selector;
use crate::state::State;

impl State {
    pub(crate) fn get(&self, request: &Request) -> Result<Arc<Value>, Refusal> {
        let (key, kind) = self.named(request)?;
        let found = match request.fault {
            Fault::ReadAt(version) => self.content.at(version)?.get(&key).cloned(),
            _ => self.content.get(&key).cloned(),
        };
        found.ok_or_else(|| Refusal::not_found(kind, &key.name))
    }

    pub(crate) fn list(&self, request: &Request) -> Result<Value, Refusal> {
        let kind = &self.kinds[request.address.kind];
        let selector = Selector::new(&request.query)?;
        let (version, behind) = self.version_asked_for(request)?;
        let objects = if version == self.content.version() { None } else { Some(self.content.at(version)?) };
        let objects: &Objects = objects.as_ref().unwrap_or_else(|| self.content.objects());
        let limit = match request.query.get("limit") {
            None => usize::MAX,
            Some(text) => text.parse().map_err(|_| Refusal::bad_request(format!("limit: {text:?} is no number")))?,
        };
        let limit = if limit == 0 { usize::MAX } else { limit };
        let namespace = request.address.namespace.as_deref();
        let mut found = content::range(objects, request.address.kind, namespace, behind.as_ref())
            .filter(|(_, it)| selector.matches(it));
        let mut items = Vec::new();
        let mut last = None;
        for (key, object) in found.by_ref().take(limit) {
            items.push((**object).clone());
            last = Some(key);
        }
        let remaining = found.count();
        let mut metadata = json!({"resourceVersion": version.to_string(), "continue": ""});
        if let Some(last) = last.filter(|_| remaining > 0) {
            metadata["continue"] = json!(format!("{version}:{}/{}", last.namespace, last.name));
            if request.query.get("labelSelector").is_none() && request.query.get("fieldSelector").is_none() {
                metadata["remainingItemCount"] = json!(remaining);
            }
        }
        let head = (kind.api_version(), format!("{}List", kind.kind));
        Ok(json!({"apiVersion": head.0, "kind": head.1, "metadata": metadata, "items": items}))
    }

    /// The version to list, and the key after which to go on.
    fn version_asked_for(&self, request: &Request) -> Result<(u64, Option<Key>), Refusal> {
        let latest = self.content.version();
        if let Fault::ReadAt(version) = request.fault {
            return Ok((version, None));
        }
        if let Some(token) = request.query.get("continue") {
            let unreadable = || Refusal::bad_request("invalid continue token");
            let (version, key) = token.split_once(':').ok_or_else(unreadable)?;
            let (namespace, name) = key.split_once('/').ok_or_else(unreadable)?;
            let key = Key { kind: request.address.kind, namespace: namespace.to_owned(), name: name.to_owned() };
            return Ok((version.parse().map_err(|_| unreadable())?, Some(key)));
        }
        let asked = match request.query.get("resourceVersion") {
            None => return Ok((latest, None)),
            Some(text) => parse_version(text)?,
        };
        if asked > latest {
            let message = format!("Timeout: Too large resource version: {asked}, current: {latest}");
            let cause = Cause {
                reason: "ResourceVersionTooLarge".to_owned(),
                field: String::new(),
                message: "Too large resource version".to_owned(),
            };
            return Err(Refusal { causes: vec![cause], retry_after: Some(1), ..Refusal::new(504, "Timeout", message) });
        }
        // Anything not older than what was asked for is right, and the latest is.
        let exact = request.query.get("resourceVersionMatch") == Some("Exact");
        Ok((if exact { asked } else { latest }, None))
    }

    /// The key of the object that a request names, and its kind.
    pub(crate) fn named(&self, request: &Request) -> Result<(Key, &Kind), Refusal> {
        let kind = &self.kinds[request.address.kind];
        let name = request.address.name.clone().ok_or_else(|| Refusal::bad_request("name must be provided"))?;
        match request.address.subresource.as_deref() {
            None => {}
            Some("status") if kind.has_status => {}
            Some(_) => return Err(Refusal::not_found(kind, &name)),
        }
        let namespace = request.address.namespace.clone().unwrap_or_default();
        Ok((Key { kind: request.address.kind, namespace, name }, kind))
    }
}

/// A resourceVersion, which a client should not understand and we must.
pub(crate) fn parse_version(text: &str) -> Result<u64, Refusal> {
    let message = || format!("resourceVersion: Invalid value: {text:?}: invalid syntax");
    text.parse().map_err(|_| Refusal::new(500, "", message()))
}
