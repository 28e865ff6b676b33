//! What is told of resources, at once and as it changes.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::caller::{Caller, query};
use super::shop::{Mood, Shop};

/// Server-sent events as they arrive.
struct Events {
    response: reqwest::Response,
    left: String,
}

impl Events {
    async fn of(caller: &Caller) -> Self {
        let response = caller.get("/api/events").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, left: String::new() }
    }

    /// The next event, as its name and data.
    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((event, left)) = self.left.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_default().trim().to_owned()
                };
                let told = (field("event:"), serde_json::from_str(&field("data:")).unwrap_or_default());
                self.left = left.to_owned();
                if !told.0.is_empty() {
                    return told;
                }
                continue;
            }
            let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
            self.left.push_str(&String::from_utf8_lossy(&chunk));
        }
    }

    /// Reads on until an event of this order has this state, or until it is gone.
    async fn until(&mut self, order: &str, state: Option<&str>) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let (event, data) = self.next().await;
            if event != "change" || data["name"] != order {
                continue;
            }
            let now = data["row"]["state"].as_str().map(str::to_owned);
            seen.push(now.clone().unwrap_or_default());
            if now.as_deref() == state {
                return seen;
            }
        }
    }
}

#[tokio::test]
async fn all_resources_are_listed_as_fsm_lists_them() {
    let mut shop = Shop::open();
    let caller = Caller::of(shop.serve(|admin| admin).await);
    shop.bank.is("blue", Mood::Refusing("card expired".to_owned()));
    shop.bank.is("red", Mood::Silent);
    for name in ["blue", "green", "red"] {
        shop.order(name);
    }
    shop.until_in("green", "Shipped", "ready").await;
    shop.until_in("blue", "Reserved", "blocked").await;
    shop.until_in("red", "Reserved", "held").await;
    let told = caller.json("/api/resources").await;
    let rows: Vec<_> = told["resources"].as_array().unwrap().iter().collect();
    let brief = |row: &Value| ["name", "state", "phase", "reason"].map(|field| row[field].as_str().unwrap().to_owned());
    assert_eq!(
        rows.iter().map(|row| brief(row).join(" ")).collect::<Vec<_>>(),
        ["blue Reserved blocked rejected", "green Shipped ready as-declared", "red Reserved held in-doubt"]
    );
    assert!(rows[0]["message"].as_str().unwrap().contains("card expired"));
    assert_eq!(told["phases"][0], "held");
    shop.close().await;
}

#[tokio::test]
async fn a_resource_is_told_with_its_facts_its_undo_list_and_its_picture() {
    let mut shop = Shop::open();
    let caller = Caller::of(shop.serve(|admin| admin).await);
    shop.order("green");
    shop.until_in("green", "Shipped", "ready").await;
    let told = caller.order("green").await;
    let facts: Vec<_> = told["facts"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(facts, ["cents", "parcel", "receipt", "shelf"]);
    assert!(told["made"][0].as_str().unwrap().starts_with("reserve  undone by put_back"), "{}", told["made"]);
    assert!(told["history"].to_string().contains("Charged by charge"));
    assert!(told["drawing"].as_str().unwrap().contains("Shipped"));
    assert_eq!(told["runbook"], Value::Null);
    let picture = caller.get(&format!("/api/picture?{}", query("green"))).await;
    assert_eq!(picture.headers()["content-type"], "image/svg+xml");
    let picture = picture.text().await.unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("shop/green"), "{picture}");
    for path in [
        "/api/resource?machine=other&namespace=shop&name=green".to_owned(),
        format!("/api/resource?{}", query("unknown")),
        format!("/api/picture?{}", query("unknown")),
        "/api/nothing".to_owned(),
    ] {
        assert_eq!(caller.get(&path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(caller.get("/api/resource?machine=a").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(caller.request(Method::PUT, "/api/do").send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    shop.close().await;
}

#[tokio::test]
async fn each_write_is_told_while_the_pass_goes_on() {
    let mut shop = Shop::open();
    let caller = Caller::of(shop.serve(|admin| admin).await);
    let mut events = Events::of(&caller).await;
    assert_eq!(events.next().await, ("again".to_owned(), json!({})), "what was read before may be old");
    shop.bank.is("blue", Mood::Closed);
    shop.order("blue");
    // The pass is in the middle of `ship`.
    events.until("blue", Some("Charged")).await;
    let told = caller.order("blue").await;
    assert!(told["waits"].to_string().contains("ship: attempt 1"), "{}", told["waits"]);
    assert!(!told.to_string().contains("the home of blue"), "a spec is shown: {told}");
    shop.bank.is_well("blue");
    assert_eq!(events.until("blue", Some("Shipped")).await.last().unwrap(), "Shipped");
    shop.cancel("blue");
    events.until("blue", None).await;
    shop.close().await;
}

#[tokio::test]
async fn only_so_many_listeners_are_served() {
    let mut shop = Shop::open();
    let caller = Caller::of(shop.serve(|admin| admin.listeners(2)).await);
    let (first, second) = (Events::of(&caller).await, Events::of(&caller).await);
    assert_eq!(caller.get("/api/events").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(caller.get("/api/resources").await.status(), StatusCode::OK, "only listeners are limited");
    drop(first);
    // The server notices at the next change, or when it looks at the connection.
    let freed = async {
        while caller.get("/api/events").await.status() != StatusCode::OK {
            shop.order("green");
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), freed).await.expect("its place is given back");
    drop(second);
    shop.close().await;
}

#[tokio::test]
async fn hostile_texts_stay_texts() {
    let mut shop = Shop::open();
    let caller = Caller::of(shop.serve(|admin| admin).await);
    let name = "<script>alert(1)</script>\"'&\u{202e}x";
    let message = "</svg><script>alert(2)</script>]]>\u{1b}[31m";
    shop.bank.is(name, Mood::Refusing(message.to_owned()));
    shop.order(name);
    shop.until_in(name, "Reserved", "blocked").await;
    let told = caller.order(name).await;
    assert_eq!(told["row"]["name"], name);
    assert!(told["row"]["message"].as_str().unwrap().contains("alert(2)"));
    let picture = caller.get(&format!("/api/picture?{}", query(name))).await.text().await.unwrap();
    assert!(!picture.contains("<script") && picture.contains("alert"), "{picture}");
    let answer = caller.get(&format!("/api/resource?{}", query(name))).await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    shop.close().await;
}
