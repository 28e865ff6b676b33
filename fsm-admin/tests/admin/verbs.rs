//! What is asked of a resource: each verb says what it will do, does it, and is refused on a record that has moved on.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::caller::Caller;
use super::shop::{MACHINE, Mood, Shop};

/// What is offered of an order.
async fn offered(caller: &Caller, name: &str) -> Vec<String> {
    let told = caller.order(name).await;
    let verb = |ask: &Value| ask["asks"]["verb"].as_str().unwrap().to_owned();
    told["asks"].as_array().unwrap().iter().map(verb).collect()
}

/// Asks what a verb will do, and then for it. Both say the same.
async fn carry_out(caller: &Caller, name: &str, asks: Value) -> String {
    let before = caller.order(name).await["row"]["seq"].clone();
    let will = caller.ask("preview", name, asks.clone()).await;
    assert_eq!(will.0, StatusCode::OK, "{}", will.1);
    assert_eq!(caller.order(name).await["row"]["seq"], before, "a preview changes nothing");
    let done = caller.ask("do", name, asks).await;
    assert_eq!(done, will);
    will.1
}

#[tokio::test]
async fn a_pause_and_its_end() {
    let mut shop = Shop::open();
    let caller = Caller::of(shop.serve(|admin| admin).await);
    shop.order("green");
    shop.until_in("green", "Shipped", "ready").await;
    assert_eq!(offered(&caller, "green").await, ["pause", "verify", "rebind", "release"]);
    let told = carry_out(&caller, "green", json!({ "verb": "pause" })).await;
    assert_eq!(told, "no pass runs until it is resumed, not even for deletion");
    shop.until_in("green", "Shipped", "paused").await;
    assert_eq!(offered(&caller, "green").await, ["resume", "rebind", "release"]);
    assert_eq!(carry_out(&caller, "green", json!({ "verb": "resume" })).await, "passes run again, from Shipped");
    shop.until_in("green", "Shipped", "ready").await;
    let told = carry_out(&caller, "green", json!({ "verb": "verify" })).await;
    assert_eq!(told, "the next pass asks the provider whether everything is still there");
    shop.close().await;
}

#[tokio::test]
async fn a_block_is_ended_or_rolled_back() {
    let mut shop = Shop::open();
    let caller = Caller::of(shop.serve(|admin| admin).await);
    for name in ["blue", "white"] {
        shop.bank.is(name, Mood::Refusing("card expired".to_owned()));
        shop.order(name);
        shop.until_in(name, "Reserved", "blocked").await;
    }
    assert_eq!(offered(&caller, "blue").await, ["retry", "roll-back", "pause", "verify", "rebind", "release"]);
    assert!(caller.order("blue").await["runbook"].as_str().unwrap().ends_with("/docs/runbook/rejected.md"));
    shop.bank.is_well("blue");
    let told = carry_out(&caller, "blue", json!({ "verb": "retry" })).await;
    assert_eq!(told, "ends the block; the next pass tries again in Reserved");
    shop.until_in("blue", "Shipped", "ready").await;
    let told = carry_out(&caller, "white", json!({ "verb": "roll-back" })).await;
    assert_eq!(told, "undoes reserve, and begins again at Requested");
    // It begins again when no duplicate of the undo can come any more, which takes longer than a test waits.
    shop.until("white", |told| told.is_some_and(|(.., reason)| reason == "RollingBack")).await;
    shop.close().await;
}

#[tokio::test]
async fn what_became_of_an_effect_in_doubt_is_said() {
    let mut shop = Shop::open();
    let caller = Caller::of(shop.serve(|admin| admin).await);
    for name in ["red", "pink"] {
        shop.bank.is(name, Mood::Silent);
        shop.order(name);
        shop.until_in(name, "Reserved", "held").await;
    }
    let asks = caller.order("red").await["asks"].clone();
    assert_eq!(
        asks[0]["asks"],
        json!({ "verb": "applied", "transition": "charge", "facts": {}, "to": null, "value": null })
    );
    assert_eq!(asks[0]["facts"], json!(["receipt", "cents"]));
    let applied = |facts: Value| json!({ "verb": "applied", "transition": "charge", "facts": facts });
    for (facts, why) in [
        (json!({ "receipt": "r", "cents": "many" }), "cents"),
        (json!({ "receipt": "r" }), "cents"),
        (json!({ "receipt": "VALUE", "cents": "1" }), "placeholder"),
        (json!({ "receipt": "r", "cents": "1", "colour": "red" }), "adds no fact `colour`"),
    ] {
        let (status, text) = caller.ask("preview", "red", applied(facts)).await;
        assert!(status == StatusCode::CONFLICT && text.contains(why), "{status} {text}");
    }
    let other = json!({ "verb": "not-applied", "transition": "reserve" });
    assert_eq!(caller.ask("do", "red", other).await.0, StatusCode::CONFLICT);
    let told = carry_out(&caller, "red", applied(json!({ "receipt": "r-17", "cents": "90" }))).await;
    assert!(told.starts_with("records that `charge` happened with "), "{told}");
    shop.until_in("red", "Shipped", "ready").await;
    assert!(!shop.bank.has_charged("red"), "the operator said that it had happened");
    shop.bank.is_well("pink");
    let told = carry_out(&caller, "pink", json!({ "verb": "not-applied", "transition": "charge" })).await;
    assert_eq!(told, "records that `charge` did not happen; the next pass goes on from Reserved");
    shop.until_in("pink", "Shipped", "ready").await;
    assert!(shop.bank.has_charged("pink"));
    shop.close().await;
}

#[tokio::test]
async fn a_record_is_given_away_or_dropped() {
    let mut shop = Shop::open();
    let caller = Caller::of(shop.serve(|admin| admin).await);
    shop.order("green");
    shop.until_in("green", "Shipped", "ready").await;
    assert_eq!(caller.ask("preview", "green", json!({ "verb": "rebind", "uid": "" })).await.0, StatusCode::CONFLICT);
    let told = caller.ask("preview", "green", json!({ "verb": "rebind", "uid": "other" })).await.1;
    assert_eq!(told, "gives the record of uid-of-green to other");
    assert_eq!(caller.ask("preview", "green", json!({ "verb": "waive" })).await.0, StatusCode::CONFLICT);
    // A pause keeps the next pass from beginning anew.
    carry_out(&caller, "green", json!({ "verb": "pause" })).await;
    shop.until_in("green", "Shipped", "paused").await;
    let told = carry_out(&caller, "green", json!({ "verb": "release" })).await;
    assert!(told.starts_with("removes the record; left behind: "), "{told}");
    assert!(told.ends_with("if the resource is still wanted, the next pass begins anew"), "{told}");
    shop.close().await;
}

#[tokio::test]
async fn a_request_on_another_record_is_refused() {
    let mut shop = Shop::open();
    let caller = Caller::of(shop.serve(|admin| admin).await);
    shop.order("green");
    shop.until_in("green", "Shipped", "ready").await;
    let seq = caller.order("green").await["row"]["seq"].clone();
    for verb in ["pause", "retry", "release", "verify"] {
        let older = json!(seq.as_u64().unwrap() - 1);
        for route in ["preview", "do"] {
            let (status, text) = caller.ask_on(route, "green", older.clone(), json!({ "verb": verb })).await;
            assert!(status == StatusCode::CONFLICT && text.contains("has changed meanwhile"), "{status} {text}");
        }
    }
    assert_eq!(caller.order("green").await["row"]["seq"], seq);
    let (status, text) = caller.ask_on("do", "unknown", seq, json!({ "verb": "pause" })).await;
    assert!(status == StatusCode::CONFLICT && text.contains("is gone"), "{status} {text}");
    let other = json!({ "resource": { "machine": "other", "name": "green" }, "asks": { "verb": "pause" } });
    let post = |body: String| {
        let request = caller.request(reqwest::Method::POST, "/api/do").header("content-type", "application/json");
        async { request.body(body).send().await.unwrap().status() }
    };
    assert_eq!(post(other.to_string()).await, StatusCode::NOT_FOUND);
    let resource = json!({ "machine": MACHINE, "namespace": "shop", "name": "green" });
    for body in [
        "{".to_owned(),
        json!({ "resource": resource, "asks": { "verb": "destroy" } }).to_string(),
        json!({ "resource": resource }).to_string(),
    ] {
        assert_eq!(post(body.clone()).await, StatusCode::BAD_REQUEST, "{body}");
    }
    let large = json!({ "resource": resource, "asks": { "verb": "pause" }, "more": "x".repeat(100_000) });
    assert_eq!(post(large.to_string()).await, StatusCode::BAD_REQUEST);
    shop.close().await;
}
