//! `fsm` on a real API server, beside a running controller.

mod order;
mod shop;

use futures::StreamExt as _;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use order::Order;
use shop::{CONTROLLERS, Shop};

/// The resources of a list in JSON: name, phase and reason of each.
fn listed(out: &str) -> Vec<(String, String, String)> {
    let rows: Vec<Value> = serde_json::from_str(out).unwrap();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "name"), text(row, "phase"), text(row, "reason"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_order_is_found_understood_and_resolved() {
    let Some(shop) = Shop::open("found").await else { return };
    shop.bank.is_silent_for(&["b"]);
    for name in ["a", "b"] {
        shop.order(name).await;
    }
    shop.is("a", "Ready", "AsDeclared").await;
    shop.is("b", "Held", "InDoubt").await;
    let found = listed(&shop.fsm(&["--json", "list"]).await.fine());
    let row = |name: &str, phase: &str, reason: &str| (name.to_owned(), phase.to_owned(), reason.to_owned());
    assert_eq!(found, [row("a", "ready", "as-declared"), row("b", "held", "in-doubt")]);
    let held = shop.fsm(&["list", "--phase", "held"]).await.fine();
    assert!(held.contains("found/b") && !held.contains("found/a") && held.contains("docs/runbook/"), "{held}");
    // As a plugin, in all namespaces.
    let all = shop.kubectl_fsm(&["list", "-A", "--reason", "in-doubt"]).await.fine();
    assert!(all.contains("found/b"), "{all}");
    let shown = shop.kubectl_fsm(&["show", "found/b", "-A"]).await.fine();
    assert!(shown.contains("shelf = \"shelf of b\""), "{shown}");
    assert!(shown.contains("kubectl fsm --all-namespaces resolve found/b --transition charge --applied"), "{shown}");

    // The controller knows the type of a fact; `fsm` does not.
    let resolve = |currency: &'static str| {
        ["resolve", "b", "--yes", "--transition", "charge", "--applied", "--fact", "receipt=r7", "--fact", currency]
    };
    let refused = shop.fsm(&resolve("currency=shells")).await;
    assert_eq!(refused.code, 1, "{}{}", refused.out, refused.err);
    assert!(refused.err.contains("fsm: found/b: ") && refused.err.contains("shells"), "{}", refused.err);
    assert!(refused.out.ends_with("0 changed, 1 refused\n"), "{}", refused.out);
    let resolved = shop.fsm(&resolve("currency=yen")).await.fine();
    assert!(
        resolved.contains("found/b: resolved as asked") && resolved.ends_with("1 changed, 0 refused\n"),
        "{resolved}"
    );
    shop.is("b", "Ready", "AsDeclared").await;
    let shown = shop.fsm(&["show", "b"]).await.fine();
    assert!(shown.contains("receipt = \"r7\"") && shown.contains("currency = \"yen\""), "{shown}");
    assert_eq!(shop.bank.charges_of("b"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_is_carried_out_by_the_controller() {
    let Some(mut shop) = Shop::open("verbs").await else { return };
    shop.order("a").await;
    shop.is("a", "Ready", "AsDeclared").await;
    let paused = shop.fsm(&["pause", "a", "--yes"]).await.fine();
    assert!(paused.contains("verbs/a: paused"), "{paused}");
    shop.is("a", "Paused", "Paused").await;
    shop.remedy("a", "end the pause").await.fine();
    shop.is("a", "Ready", "AsDeclared").await;
    let verified = shop.fsm(&["verify", "--all", "--yes"]).await.fine();
    assert!(verified.contains("asking whether everything is still there"), "{verified}");
    // What the record does not allow is refused before anything is asked for.
    let refused = shop.fsm(&["retry", "a", "--yes"]).await;
    assert!(refused.code == 1 && refused.out.ends_with("0 changed, 1 refused\n"), "{}{}", refused.out, refused.err);
    let rebind = shop.fsm(&["rebind", "a", "--yes"]).await;
    assert!(rebind.code == 1 && rebind.out.contains("belongs to this resource already"), "{}", rebind.out);
    let asked = shop.fsm(&["pause", "a", "--dry-run"]).await.fine();
    assert!(asked.ends_with("1 would be changed, 0 refused\n"), "{asked}");

    // While no controller runs, the request stands.
    shop.stop().await;
    let asked = shop.fsm(&["--wait", "0", "release", "a", "--yes"]).await.fine();
    assert!(asked.contains("asked, and not yet done: the annotation shop.example/order-release stands"), "{asked}");
    shop.start();
    let released = |order: Option<&Order>| order.is_some_and(|order| order.finalizers().is_empty());
    kube::runtime::wait::await_condition(shop.orders.clone(), "a", released).await.unwrap();
    assert!(shop.bank.reserves("a"), "what was made stays");
    let [row] = listed(&shop.fsm(&["--json", "list"]).await.fine()).try_into().unwrap();
    assert_eq!(row.0, "a");
    assert!(shop.fsm(&["check"]).await.fine().contains("1 resources have no record"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_order_and_a_lost_record_are_found_and_mended() {
    let Some(mut shop) = Shop::open("restored").await else { return };
    for name in ["a", "b"] {
        shop.order(name).await;
        shop.is(name, "Ready", "AsDeclared").await;
    }
    let record = shop.orders.get("a").await.unwrap().annotations()["shop.example/order-record"].clone();
    shop.stop().await;
    // A backup puts the order back, under another uid.
    shop.patch("a", json!({ "metadata": { "finalizers": null } })).await;
    shop.orders.delete("a", &kube::api::DeleteParams::default()).await.unwrap();
    let mut again = Order::new("a", order::OrderSpec { cents: 500 });
    again.annotations_mut().insert("shop.example/order-record".to_owned(), record);
    again.finalizers_mut().push("shop.example/order-cleanup".to_owned());
    shop.orders.create(&kube::api::PostParams::default(), &again).await.unwrap();
    // And somebody removes the record of the other one.
    shop.patch("b", json!({ "metadata": { "annotations": { "shop.example/order-record": null } } })).await;
    shop.start();
    shop.is("a", "Held", "Unreadable").await;
    shop.is("b", "Held", "RecordLost").await;
    let found = listed(&shop.fsm(&["--json", "list", "--phase", "held"]).await.fine());
    let reasons: Vec<_> = found.iter().map(|(name, _, reason)| (name.as_str(), reason.as_str())).collect();
    assert_eq!(reasons, [("a", "unreadable"), ("b", "record-lost")]);
    let rebound = shop.remedy("a", "give the record to this resource").await.fine();
    assert!(rebound.contains("is now this object's"), "{rebound}");
    shop.is("a", "Ready", "AsDeclared").await;
    assert_eq!(shop.bank.charges_of("a"), 1);
    let dropped = shop.remedy("b", "drop the record").await.fine();
    assert!(dropped.contains("what was made is not known"), "{dropped}");
    let released = |order: Option<&Order>| order.is_some_and(|order| order.finalizers().is_empty());
    kube::runtime::wait::await_condition(shop.orders.clone(), "b", released).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_says_what_to_give() {
    let Some(shop) = Shop::open("unread").await else { return };
    shop.order("a").await;
    shop.is("a", "Ready", "AsDeclared").await;
    let said = |words: &'static [&'static str]| shop.kubectl_fsm(words);
    for (words, why) in [
        (
            &["list", "--controllers", "nowhere"][..],
            "no controller keeps a machine here; call `Reconciler::keep_graph`",
        ),
        (&["list", "--kind", "teams.shop.example"], "no controller keeps a machine for teams.shop.example here"),
        (&["list", "--context", "nowhere"], "choose with `--context`"),
        (&["show", "unread/b", "-A"], "no resource is called unread/b; run `kubectl fsm --all-namespaces list`"),
        (&["import", "file"], "records on a cluster are in annotations"),
    ] {
        let refused = said(words).await;
        assert_eq!(refused.code, 2, "{words:?}: {}{}", refused.out, refused.err);
        assert!(refused.err.contains(why), "{words:?}: {}", refused.err);
    }
    // A graph and the records can be taken away as files.
    let graph = shop.fsm(&["graph", "--as", "json"]).await.fine();
    assert_eq!(
        graph.trim_end(),
        durable_fsm::graph::json::write(<order::OrderFlow as durable_fsm::Machine>::GRAPH).trim_end()
    );
    let export = shop.fsm(&["export"]).await.fine();
    assert!(export.contains("\"name\": \"a\"") && export.contains("shop.example/order"), "{export}");
    let moved =
        shop.kubectl_fsm(&["list", "-n", "unread", "--controllers", CONTROLLERS, "--kind", "orders.shop.example"]);
    assert!(moved.await.fine().contains("1 resource: 1 ready"));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_resources_than_fit_on_a_page_are_all_listed() {
    let Some(mut shop) = Shop::open("pages").await else { return };
    // `kube`'s controller does not stop before it has listed everything once.
    shop.order("first").await;
    shop.is("first", "Ready", "AsDeclared").await;
    shop.stop().await;
    // One page has 500.
    let names: Vec<String> = (0..510).map(|number| format!("o-{number:03}")).collect();
    futures::stream::iter(&names).for_each_concurrent(16, |name| shop.order(name)).await;
    let rows: Vec<Value> = serde_json::from_str(&shop.fsm(&["--json", "list"]).await.fine()).unwrap();
    let listed: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(listed[0], "first");
    assert_eq!(listed[1..], names);
}
