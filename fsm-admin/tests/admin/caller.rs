//! Calls the API.

use std::net::SocketAddr;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::shop::MACHINE;

/// A program that is no browser.
pub struct Caller {
    pub http: Client,
    pub base: String,
}

impl Caller {
    pub fn of(address: SocketAddr) -> Self {
        Self { http: Client::builder().no_proxy().build().unwrap(), base: format!("http://{address}") }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    /// Everything about an order.
    pub async fn order(&self, name: &str) -> Value {
        self.json(&format!("/api/resource?{}", query(name))).await
    }

    /// Asks for something on the record as it is now.
    pub async fn ask(&self, route: &str, name: &str, asks: Value) -> (StatusCode, String) {
        let seq = self.order(name).await["row"]["seq"].clone();
        self.ask_on(route, name, seq, asks).await
    }

    pub async fn ask_on(&self, route: &str, name: &str, seq: Value, asks: Value) -> (StatusCode, String) {
        let resource = json!({ "machine": MACHINE, "namespace": "shop", "name": name });
        let body = json!({ "resource": resource, "seq": seq, "asks": asks });
        let response = self.request(Method::POST, &format!("/api/{route}")).json(&body).send().await.unwrap();
        let status = response.status();
        let told: Value = response.json().await.unwrap();
        let text = told.get("text").or(told.get("error")).and_then(Value::as_str).unwrap().to_owned();
        (status, text)
    }
}

/// The query that names an order.
pub fn query(name: &str) -> String {
    let url = reqwest::Url::parse_with_params(
        "http://localhost",
        [("machine", MACHINE), ("namespace", "shop"), ("name", name)],
    );
    url.unwrap().query().unwrap().to_owned()
}
