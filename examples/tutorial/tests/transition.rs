//! One transition alone.

// ANCHOR: unit
use std::fs;

use durable_fsm::testing::{Attempt, state};
use durable_fsm::{Lookup, Wait};
use example_tutorial::folder::Folder;
use example_tutorial::*;
use serde_json::json;

fn tenant(host: &str) -> Tenant {
    let spec = TenantSpec { host: host.to_owned() };
    Tenant { name: "acme".to_owned(), uid: "uid-1".to_owned(), spec }
}

#[tokio::test]
async fn an_order_whose_reply_was_lost_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let provisioner = Provisioner(Folder(folder.path().to_owned()));
    let attempt = Attempt::new::<TenantFlow>(tenant("acme.example"), "order_certificate").build().unwrap();
    let from = || state::<DatabaseCreated>(json!({ "database": "database-1" })).unwrap();

    let absent = provisioner.lookup_order_certificate(from(), &attempt).await.unwrap();
    assert!(matches!(absent, Lookup::Absent));
    let ordered = provisioner.order_certificate(from(), &attempt).await.unwrap();
    let Lookup::Ours(found) = provisioner.lookup_order_certificate(from(), &attempt).await.unwrap() else {
        panic!("the order is not found");
    };
    assert_eq!((&found.order, &*found.host), (&ordered.order, "acme.example"));
}
// ANCHOR_END: unit

#[tokio::test]
async fn a_certificate_that_is_not_issued_yet_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let provisioner = Provisioner(Folder(folder.path().to_owned()));
    fs::write(folder.path().join("order-1"), "").unwrap();
    let attempt = Attempt::new::<TenantFlow>(tenant("acme.example"), "await_certificate").build().unwrap();
    let facts = json!({ "database": "database-1", "order": "order-1", "host": "acme.example" });
    let from = state::<CertificateOrdered>(facts).unwrap();
    assert!(matches!(provisioner.await_certificate(from, &attempt).await.unwrap(), Wait::NotYet));
}
