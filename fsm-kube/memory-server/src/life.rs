//! Answers to create, delete and delete-collection.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::content::{self, Key};
use crate::fault::Fault;
use crate::kind::Kind;
use crate::metadata;
use crate::object;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::selector::Selector;
use crate::state::{NAMESPACES, State};
use crate::update;

impl State {
    pub(crate) fn create(&mut self, request: &Request) -> Result<Arc<Value>, Refusal> {
        let kind = self.kinds[request.address.kind].clone();
        let mut new = update::decode(&kind, &request.body)?;
        let namespace = request.address.namespace.clone().unwrap_or_default();
        let mut key = Key { kind: request.address.kind, namespace, name: String::new() };
        update::check_place(&key, &kind, &new)?;
        self.check_namespace(&key, &kind, object::metadata(&new, "name"))?;
        if object::metadata(&new, "name").is_empty() && !object::metadata(&new, "generateName").is_empty() {
            let uid = self.content.new_uid();
            new["metadata"]["name"] =
                json!(format!("{}{}", object::metadata(&new, "generateName"), &uid[uid.len() - 5..]));
        }
        if let Fault::Change(change) = &request.fault {
            change(&mut new);
            metadata::normalise(&mut new).map_err(Refusal::bad_request)?;
        }
        key.name = object::metadata(&new, "name").to_owned();
        if key.name.is_empty() {
            let message = "name or generateName is required";
            return Err(metadata::invalid(&kind, "", "FieldValueRequired", "metadata.name", message));
        }
        self.fill(&kind, &key, &mut new);
        metadata::check(&kind, None, &new)?;
        if !object::metadata(&new, "resourceVersion").is_empty() {
            return Err(Refusal::new(500, "", "resourceVersion should not be set on objects to be created"));
        }
        if let Some(existing) = self.content.get(&key) {
            let why = if object::is_deleting(existing) { "object is being deleted: " } else { "" };
            let message = format!("{why}{} \"{}\" already exists", kind.name(), key.name);
            return Err(Refusal::new(409, "AlreadyExists", message).about(&kind, &key.name));
        }
        Ok(self.commit(request, key, Some(new)))
    }

    /// Sets what only the server may set in a new object.
    fn fill(&mut self, kind: &Kind, key: &Key, new: &mut Value) {
        let now = self.timestamp();
        new["metadata"]["uid"] = json!(self.content.new_uid());
        new["metadata"]["creationTimestamp"] = json!(now);
        let Some(metadata) = new["metadata"].as_object_mut() else { return };
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "generation"] {
            metadata.remove(field);
        }
        if kind.has_generation {
            metadata.insert("generation".to_owned(), json!(1));
        }
        if kind.is_namespaced {
            metadata.insert("namespace".to_owned(), json!(key.namespace));
        }
        if key.kind == NAMESPACES {
            new["spec"]["finalizers"] = json!(["kubernetes"]);
            new["status"] = json!({"phase": "Active"});
        } else if kind.has_status
            && let Some(fields) = new.as_object_mut()
        {
            fields.remove("status");
        }
    }

    /// Whether something new may be made in a namespace.
    fn check_namespace(&self, key: &Key, kind: &Kind, name: &str) -> Result<(), Refusal> {
        if !kind.is_namespaced {
            return Ok(());
        }
        let namespace = Key { kind: NAMESPACES, namespace: String::new(), name: key.namespace.clone() };
        match self.content.get(&namespace) {
            None => Err(Refusal::not_found(&self.kinds[NAMESPACES], &key.namespace)),
            Some(found) if object::is_deleting(found) => {
                let message = format!(
                    "{} \"{name}\" is forbidden: unable to create new content in namespace {} because it is being terminated",
                    kind.name(),
                    key.namespace
                );
                let cause = format!("namespace {} is being terminated", key.namespace);
                let refusal = Refusal::new(403, "Forbidden", message).because(
                    "NamespaceTerminating",
                    "metadata.namespace",
                    cause,
                );
                Err(refusal.about(kind, name))
            }
            Some(_) => Ok(()),
        }
    }

    pub(crate) fn delete(&mut self, request: &Request) -> Result<Arc<Value>, Refusal> {
        let (key, kind) = self.named(request)?;
        let kind = kind.clone();
        let options = options(&request.body)?;
        let current = self.content.get(&key).ok_or_else(|| Refusal::not_found(&kind, &key.name))?.clone();
        for field in ["uid", "resourceVersion"] {
            let wanted = options["preconditions"][field].as_str();
            if wanted.is_some_and(|wanted| wanted != object::metadata(&current, field)) {
                let message = format!("the {field} in the precondition does not match the {field} in record");
                return Err(Refusal { message, ..Refusal::conflict() }.about_kind(&kind, &key.name));
            }
        }
        let removed = self.delete_object(request, &kind, key.clone(), &current, &options);
        Ok(removed.unwrap_or_else(|| {
            let uid = object::metadata(&current, "uid");
            let mut details = json!({"name": key.name, "kind": kind.plural, "uid": uid});
            if !kind.group.is_empty() {
                details["group"] = json!(kind.group);
            }
            Arc::new(
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}),
            )
        }))
    }

    pub(crate) fn delete_collection(&mut self, request: &Request) -> Result<Value, Refusal> {
        let kind = self.kinds[request.address.kind].clone();
        let selector = Selector::new(&request.query)?;
        let options = options(&request.body)?;
        let namespace = request.address.namespace.as_deref();
        let found: Vec<_> = content::range(self.content.objects(), request.address.kind, namespace, None)
            .filter(|(_, object)| selector.matches(object))
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        for (key, current) in &found {
            self.delete_object(request, &kind, key.clone(), current, &options);
        }
        let items: Vec<_> = found.iter().map(|(_, object)| (**object).clone()).collect();
        Ok(json!({
            "apiVersion": kind.api_version(), "kind": format!("{}List", kind.kind),
            "metadata": {"resourceVersion": self.content.version().to_string()}, "items": items,
        }))
    }

    /// Removes an object and returns none, or marks it as one to be deleted and returns it.
    fn delete_object(
        &mut self,
        request: &Request,
        kind: &Kind,
        key: Key,
        current: &Arc<Value>,
        options: &Value,
    ) -> Option<Arc<Value>> {
        let mut new = (**current).clone();
        let added = match options["propagationPolicy"].as_str() {
            Some("Foreground") => Some("foregroundDeletion"),
            Some("Orphan") => Some("orphan"),
            _ => None,
        };
        if let Some(added) = added
            && !object::is_deleting(current)
        {
            let finalizers: Vec<&str> = object::finalizers(current).filter(|it| *it != added).chain([added]).collect();
            new["metadata"]["finalizers"] = json!(finalizers);
        }
        if object::is_free(&new) {
            self.commit(request, key, None);
            return None;
        }
        if object::is_deleting(current) {
            return Some(current.clone());
        }
        new["metadata"]["deletionTimestamp"] = json!(self.timestamp());
        if key.kind == NAMESPACES {
            new["status"]["phase"] = json!("Terminating");
        } else {
            new["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        }
        if kind.has_generation {
            let generation = current["metadata"]["generation"].as_u64().unwrap_or_default();
            new["metadata"]["generation"] = json!(generation + 1);
        }
        Some(self.commit(request, key, Some(new)))
    }
}

/// What a client says about a deletion.
fn options(body: &[u8]) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(body).map_err(|error| Refusal::new(500, "", error.to_string()))
}
