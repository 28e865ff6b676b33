//! A reconcile function that exists already gains a machine, and takes its live objects along.

mod after;
mod before;
mod page;
mod site;

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt as _};

use self::site::{Registrar, Site, SiteSpec};
use crate::cluster::Cluster;
use crate::controller::wait_for;
use crate::definition::define;

/// Lines of code, without empty ones, comments and imports.
fn code(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !(line.is_empty() || line.starts_with("//") || line.starts_with("use "))).collect()
}

#[test]
fn the_machine_costs_twenty_lines() {
    let (before, after) = (code(include_str!("existing/before.rs")), code(include_str!("existing/after.rs")));
    assert!(after.len() <= before.len() + 20, "{} lines, and {} with the machine", before.len(), after.len());
}

#[tokio::test]
async fn what_the_operator_had_registered_is_taken_over_and_what_is_new_is_registered_once() {
    let Some(cluster) = Cluster::join("existing").await else { return };
    let sites = define::<Site>(&cluster).await;
    let registrar = Registrar::default();
    let create = async |name: &str| {
        let site = Site::new(name, SiteSpec { host: format!("{name}.example") });
        sites.create(&PostParams::default(), &site).await.unwrap();
    };

    let old = Arc::new(before::Context { client: cluster.client.clone(), registrar: registrar.clone() });
    create("old").await;
    for _ in 0..3 {
        let site = sites.get("old").await.unwrap();
        before::reconcile(Arc::new(site), Arc::clone(&old)).await.unwrap();
    }
    assert_eq!(registrar.list(), (1, vec!["old.example".to_owned()]));

    let new = Arc::new(after::Context::new(cluster.client.clone(), registrar.clone()).unwrap());
    create("new").await;
    for name in ["old", "new"] {
        for _ in 0..2 {
            let site = sites.get(name).await.unwrap();
            after::reconcile(Arc::new(site), Arc::clone(&new)).await.unwrap();
        }
        assert_eq!(sites.get(name).await.unwrap().finalizers(), [after::FINALIZER]);
    }
    // Nothing was registered a second time.
    assert_eq!(registrar.list(), (2, vec!["old.example".to_owned(), "new.example".to_owned()]));

    for name in ["old", "new"] {
        sites.delete(name, &DeleteParams::default()).await.unwrap();
        // The undo waits until no late copy of the request can come any more.
        wait_for(|| async {
            let Some(site) = sites.get_opt(name).await.unwrap() else { return true };
            after::reconcile(Arc::new(site), Arc::clone(&new)).await.unwrap();
            false
        })
        .await;
    }
    assert_eq!(registrar.list(), (2, Vec::new()));
    let pages: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    assert_eq!(pages.get("new").await.unwrap().data.unwrap()["host"], "new.example");
}
