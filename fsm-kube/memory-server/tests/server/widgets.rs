//! One kind, and what most tests do with it.

use kube::Api;
use kube::api::{DynamicObject, Patch};
use kube_memory_server::{Kind, MemoryServer};
use serde_json::{Value, json};

pub const WIDGETS: &str = "widgets.example.com";

pub fn server() -> MemoryServer {
    MemoryServer::new([Kind::new("example.com", "v1", "Widget", "widgets")])
}

pub trait Widgets {
    fn widgets(&self) -> Api<DynamicObject>;
    fn widgets_as(&self, client: &str) -> Api<DynamicObject>;
}

impl Widgets for MemoryServer {
    fn widgets(&self) -> Api<DynamicObject> {
        self.widgets_as("client")
    }

    fn widgets_as(&self, client: &str) -> Api<DynamicObject> {
        Api::default_namespaced_with(self.client_named(client), &self.api_resource(WIDGETS))
    }
}

pub fn widget(name: &str) -> DynamicObject {
    let object =
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": 1}});
    serde_json::from_value(object).unwrap()
}

pub fn annotate(key: &str, value: &str) -> Patch<Value> {
    Patch::Merge(json!({"metadata": {"annotations": {key: value}}}))
}

/// The code, the reason and the causes of a refusal.
pub fn refused<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> (u16, String, Vec<(String, String)>) {
    match result {
        Err(kube::Error::Api(status)) => {
            let causes = status.details.iter().flat_map(|it| &it.causes);
            let causes = causes.map(|it| (it.reason.clone(), it.field.clone())).collect();
            (status.code, status.reason.clone(), causes)
        }
        other => panic!("a refusal was expected, not {other:?}"),
    }
}
