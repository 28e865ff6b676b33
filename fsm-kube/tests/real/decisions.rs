//! What operators decide about effects in doubt, one by one and in bulk.

use durable_fsm::{Outcome, Runner};
use durable_fsm_kube::{AnnotationStore, Metrics, Reconciler, Verb};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::json;

use crate::cluster::Cluster;
use crate::controller::events;
use crate::licence::LicenceState;
use crate::order::{OrderFlow, OrderState};
use crate::provider::Provider;
use crate::published::{LicenceReconciler, licences};
use crate::worker::{Worker, WorkerState};

type OrderReconciler = Reconciler<Worker, OrderFlow, Provider>;

fn orders(cluster: &Cluster) -> OrderReconciler {
    let store = AnnotationStore::of::<Worker>(cluster.client.clone()).mirrored_in("order");
    let runner = Runner::<OrderFlow, _>::builder(Provider::Here(cluster.shelf.clone()), store.clone()).build();
    Reconciler::of(runner, store, Metrics::new()).unwrap()
}

/// Asks as `kubectl annotate -l` does: lists by selector, then patches one by one. Gives how many were asked.
async fn ask(cluster: &Cluster, selector: &str, annotation: &str, value: &str) -> usize {
    let found = cluster.workers.list(&ListParams::default().labels(selector)).await.unwrap().items;
    for worker in &found {
        cluster.patch(&worker.name_any(), json!({ "metadata": { "annotations": { annotation: value } } })).await;
    }
    found.len()
}

async fn resolve(cluster: &Cluster, annotation: &str, value: serde_json::Value) {
    cluster.patch("alice", json!({ "metadata": { "annotations": { annotation: value.to_string() } } })).await;
}

async fn kinds(cluster: &Cluster) -> Vec<String> {
    cluster.shelf.live().into_values().map(|thing| thing.kind).collect()
}

/// A licence of which it is not known whether it was bought.
async fn in_doubt(namespace: &str) -> Option<(Cluster, LicenceReconciler, u64)> {
    let cluster = Cluster::join(namespace).await?;
    cluster.create("alice").await;
    let licences = licences(&cluster);
    cluster.shelf.refuse(Some(500));
    assert!(matches!(cluster.settle(&licences, "alice").await, Outcome::Held { .. }));
    cluster.shelf.refuse(None);
    let status = cluster.workers.get("alice").await.unwrap().status.unwrap().licence.unwrap();
    Some((cluster, licences, status.seq.unwrap()))
}

#[tokio::test]
async fn what_did_not_happen_is_tried_again_if_the_record_is_the_one_that_was_looked_at() {
    let Some((cluster, licences, seq)) = in_doubt("not-applied").await else { return };
    let annotation = licences.names().verb(Verb::Resolve);
    let asked = |seq: u64| json!({ "transition": "buy", "outcome": "not-applied", "seq": seq });
    resolve(&cluster, &annotation, asked(seq - 1)).await;
    assert!(matches!(cluster.settle(&licences, "alice").await, Outcome::Held { .. }));
    assert!(events(&cluster, "alice").await.iter().any(|(_, note)| note.contains("it is meant for sequence number")));
    resolve(&cluster, &annotation, asked(seq)).await;
    assert!(matches!(cluster.settle(&licences, "alice").await, Outcome::Resting(LicenceState::Bought(_))));
    assert_eq!(kinds(&cluster).await, ["licence"]);
}

#[tokio::test]
async fn what_is_rolled_back_begins_again() {
    let Some((cluster, licences, seq)) = in_doubt("roll-back").await else { return };
    resolve(&cluster, &licences.names().verb(Verb::Resolve), json!({ "outcome": "roll-back", "seq": seq })).await;
    assert!(matches!(cluster.settle(&licences, "alice").await, Outcome::Resting(LicenceState::Bought(_))));
    assert_eq!(kinds(&cluster).await, ["licence"]);
    let (_, note) = events(&cluster, "alice").await.into_iter().find(|(reason, _)| reason == "Resolve").unwrap();
    assert!(note.contains("roll-back"), "{note}");
}

#[tokio::test]
async fn the_arm_of_a_branch_is_named() {
    let Some(cluster) = Cluster::join("branch").await else { return };
    cluster.create("alice").await;
    let orders = orders(&cluster);
    cluster.shelf.refuse(Some(500));
    assert!(matches!(cluster.settle(&orders, "alice").await, Outcome::Held { .. }));
    cluster.shelf.refuse(None);
    let annotation = orders.names().verb(Verb::Resolve);
    resolve(&cluster, &annotation, json!({ "transition": "pay", "outcome": "applied" })).await;
    assert!(matches!(cluster.settle(&orders, "alice").await, Outcome::Held { .. }));
    let told = events(&cluster, "alice").await;
    assert!(told.iter().any(|(_, note)| note.contains("may lead to Paid or Declined")), "{told:?}");
    let asked = json!({
        "transition": "pay", "outcome": "applied", "state": "Declined", "facts": { "why": "no funds" }
    });
    resolve(&cluster, &annotation, asked).await;
    let outcome = cluster.settle(&orders, "alice").await;
    let Outcome::Resting(OrderState::Declined(declined)) = outcome else { panic!("it is not declined") };
    assert_eq!((declined.why.as_str(), kinds(&cluster).await.len()), ("no funds", 0));
}

#[tokio::test]
async fn what_was_made_for_a_member_is_given_as_its_value() {
    let Some(cluster) = Cluster::join("member").await else { return };
    cluster.create("alice").await;
    let orders = orders(&cluster);
    assert!(matches!(cluster.settle(&orders, "alice").await, Outcome::Resting(OrderState::Paid(_))));
    cluster.shelf.refuse(Some(500));
    cluster.patch("alice", json!({ "spec": { "notes": "books lamps" } })).await;
    assert!(matches!(cluster.settle(&orders, "alice").await, Outcome::Held { .. }));
    let status = cluster.workers.get("alice").await.unwrap().status.unwrap().order.unwrap();
    assert_eq!(status.step.as_deref(), Some("ship(books)"));
    cluster.shelf.refuse(None);
    let asked = json!({ "transition": "ship", "outcome": "applied", "value": "P-1" });
    resolve(&cluster, &orders.names().verb(Verb::Resolve), asked).await;
    let outcome = cluster.settle(&orders, "alice").await;
    let Outcome::Resting(OrderState::Paid(paid)) = outcome else { panic!("it is not shipped") };
    let parcels: Vec<_> = paid.parcels.keys().map(String::as_str).collect();
    assert_eq!((parcels, paid.parcels["books"].as_str()), (vec!["books", "lamps"], "P-1"));
    assert_eq!(kinds(&cluster).await, ["parcel", "payment"]);
}

#[tokio::test]
async fn a_request_to_many_reaches_those_that_the_selector_names_and_no_other() {
    let Some(cluster) = Cluster::join("bulk").await else { return };
    let reconciler = cluster.reconciler();
    cluster.shelf.refuse(Some(400));
    let teams = [("a1", "a"), ("a2", "a"), ("a3", "a"), ("a4", "a"), ("b1", "b"), ("b2", "b")];
    for (name, team) in teams {
        cluster.create(name).await;
        cluster.patch(name, json!({ "metadata": { "labels": { "team": team } } })).await;
        assert!(matches!(cluster.settle(&reconciler, name).await, Outcome::Blocked { .. }));
    }
    cluster.shelf.refuse(None);
    assert_eq!(ask(&cluster, "team=a", &reconciler.names().verb(Verb::Retry), "").await, 4);
    for (name, team) in teams {
        let outcome = cluster.settle(&reconciler, name).await;
        assert_eq!(matches!(outcome, Outcome::Resting(_)), team == "a", "{name}");
        assert_eq!(matches!(outcome, Outcome::Blocked { .. }), team == "b", "{name}");
        let asked = events(&cluster, name).await.iter().filter(|(reason, _)| reason == "Retry").count();
        assert_eq!(asked, usize::from(team == "a"), "{name}");
    }
}

#[tokio::test]
async fn a_whole_restored_namespace_is_rebound_at_once() {
    let Some(cluster) = Cluster::join("restored").await else { return };
    let reconciler = cluster.reconciler();
    let names = ["a", "b", "c"];
    for name in names {
        cluster.create(name).await;
        assert!(matches!(cluster.settle(&reconciler, name).await, Outcome::Resting(_)));
    }
    let (before, calls) = (cluster.shelf.live(), cluster.shelf.calls());
    for name in names {
        let backup = cluster.workers.get(name).await.unwrap();
        cluster.patch(name, json!({ "metadata": { "finalizers": null } })).await;
        cluster.workers.delete(name, &DeleteParams::default()).await.unwrap();
        let mut restored = Worker::new(name, backup.spec.clone());
        restored.metadata.annotations = backup.metadata.annotations.clone();
        restored.metadata.finalizers = backup.metadata.finalizers.clone();
        restored.metadata.labels = Some([("restored".to_owned(), "yes".to_owned())].into());
        cluster.workers.create(&PostParams::default(), &restored).await.unwrap();
        assert!(matches!(cluster.settle(&reconciler, name).await, Outcome::Held { .. }));
    }
    assert_eq!(ask(&cluster, "restored=yes", &reconciler.names().verb(Verb::Rebind), "any").await, 3);
    for name in names {
        assert!(matches!(cluster.settle(&reconciler, name).await, Outcome::Resting(WorkerState::Ready(_))));
    }
    assert_eq!((cluster.shelf.live(), cluster.shelf.calls()), (before, calls));
}
