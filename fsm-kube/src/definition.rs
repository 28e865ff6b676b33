//! Checks the definition of a kind, as the server has it.
//!
//! Invariant: a definition that would silently drop what is published is refused, with the change that mends it.

use std::any::TypeId;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::api::ApiResource;
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::{Api, Client};

/// Why objects of a kind cannot be reconciled as they are defined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionError {
    /// The server has no such kind.
    #[error("the server does not serve {kind} of {api_version}; install its definition, or correct group and version")]
    NotServed {
        /// The kind.
        kind: String,
        /// Group and version.
        api_version: String,
    },
    /// Objects have no status that can be written.
    #[error(
        "the definition of {kind} has no status subresource, so nothing can be published; add `subresources: {{status: {{}}}}` to its version, or `status = \"…\"` to `#[kube(…)]`"
    )]
    NoStatus {
        /// The kind.
        kind: String,
    },
    /// The server drops what is published.
    #[error(
        "the definition of {kind} has no {}, so the server drops what is published there; add the fields to the schema, with `FsmStatus` and `Condition` in the type of the status",
        fields.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
    )]
    Dropped {
        /// The kind.
        kind: String,
        /// The fields that are missing.
        fields: Vec<String>,
    },
    /// The server and the program have different ideas of where objects are.
    #[error(
        "{kind} is {} on the server and not in the program; add `namespaced` to `#[kube(…)]` or remove it, and install the definition that the program prints",
        if *namespaced { "namespaced" } else { "cluster-scoped" }
    )]
    Scope {
        /// The kind.
        kind: String,
        /// Whether objects are in namespaces, by the server.
        namespaced: bool,
    },
    /// The server could not be asked.
    #[error("the definition could not be read: {0}")]
    Server(#[from] kube::Error),
}

/// Checks what the server serves, with the rights that every authenticated client has. What the schema drops is checked only if the definition may be read.
pub(crate) async fn check<S: 'static>(client: &Client, kind: &ApiResource, field: &str) -> Result<(), DefinitionError> {
    served::<S>(&resources(client, kind).await?, kind)?;
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    match definitions.get(&format!("{}.{}", kind.plural, kind.group)).await {
        Ok(definition) => {
            let version = definition.spec.versions.iter().find(|it| it.name == kind.version);
            let fields = version.map(|version| dropped(version, field)).unwrap_or_default();
            if fields.is_empty() { Ok(()) } else { Err(DefinitionError::Dropped { kind: kind.kind.clone(), fields }) }
        }
        // The server's own kinds, and those of other API servers, have no definition.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            tracing::info!(
                kind = kind.kind,
                "whether its definition keeps what is published is not checked, because the definition may not be read; allow `get` on customresourcedefinitions to check it"
            );
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

async fn resources(client: &Client, kind: &ApiResource) -> Result<APIResourceList, DefinitionError> {
    let listed = if kind.group.is_empty() {
        client.list_core_api_resources(&kind.version).await
    } else {
        client.list_api_group_resources(&kind.api_version).await
    };
    match listed {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(APIResourceList::default()),
        listed => Ok(listed?),
    }
}

fn served<S: 'static>(resources: &APIResourceList, kind: &ApiResource) -> Result<(), DefinitionError> {
    let find = |name: &str| resources.resources.iter().find(|it| it.name == name);
    let name = || kind.kind.clone();
    let Some(found) = find(&kind.plural) else {
        return Err(DefinitionError::NotServed { kind: name(), api_version: kind.api_version.clone() });
    };
    let is_wrong = if found.namespaced { of::<S, ClusterResourceScope>() } else { of::<S, NamespaceResourceScope>() };
    if is_wrong {
        return Err(DefinitionError::Scope { kind: name(), namespaced: found.namespaced });
    }
    if find(&format!("{}/status", kind.plural)).is_none() {
        return Err(DefinitionError::NoStatus { kind: name() });
    }
    Ok(())
}

fn of<S: 'static, T: 'static>() -> bool {
    TypeId::of::<S>() == TypeId::of::<T>()
}

/// Whether objects of this scope are in namespaces.
pub(crate) fn is_namespaced<S: 'static>() -> bool {
    of::<S, NamespaceResourceScope>()
}

/// The fields of the status that the schema does not keep.
fn dropped(version: &CustomResourceDefinitionVersion, field: &str) -> Vec<String> {
    let own = ["seq", "phase", "reason", "state"].map(|it| vec![field, it]);
    let wanted = own.into_iter().chain([vec!["conditions"]]);
    let schema = version.schema.as_ref().and_then(|it| it.open_api_v3_schema.as_ref());
    let missing = wanted.filter(|path| {
        let path = std::iter::once(&"status").chain(path);
        !keeps(schema, path.copied())
    });
    missing.map(|path| format!("status.{}", path.join("."))).collect()
}

/// Whether a schema keeps what is at this path.
fn keeps<'p>(schema: Option<&JSONSchemaProps>, path: impl Iterator<Item = &'p str>) -> bool {
    let mut here = schema;
    for name in path {
        let Some(schema) = here else { return false };
        // Below this, everything is kept. So is everything of a map.
        if schema.x_kubernetes_preserve_unknown_fields == Some(true) || schema.additional_properties.is_some() {
            return true;
        }
        here = schema.properties.as_ref().and_then(|all| all.get(name));
    }
    here.is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn version(status: &Value) -> CustomResourceDefinitionVersion {
        let schema = json!({ "openAPIV3Schema": { "type": "object", "properties": { "status": status } } });
        serde_json::from_value(json!({ "name": "v1", "served": true, "storage": true, "schema": schema })).unwrap()
    }

    #[test]
    fn a_field_is_kept_if_the_schema_names_it_or_keeps_everything() {
        let fsm = json!({ "properties": { "seq": {}, "phase": {}, "reason": {}, "state": {} } });
        let open = json!({ "x-kubernetes-preserve-unknown-fields": true });
        let kept = [
            json!({ "properties": { "fsm": fsm, "conditions": {} } }),
            json!({ "properties": { "fsm": open, "conditions": {} } }),
            open.clone(),
        ];
        for status in kept {
            assert_eq!(dropped(&version(&status), "fsm"), Vec::<String>::new(), "{status}");
        }
        let status = json!({ "properties": { "fsm": { "properties": { "seq": {}, "phase": {}, "reason": {} } } } });
        assert_eq!(dropped(&version(&status), "fsm"), ["status.fsm.state", "status.conditions"]);
        assert_eq!(dropped(&version(&status), "other").len(), 5);
    }
}
