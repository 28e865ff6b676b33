//! The Higress console's client.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::COOKIE;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::error::{ClientError, checked};
use super::urls::{Logins, Urls};

/// The Higress console.
#[derive(Debug, Clone)]
pub struct Higress {
    http: Client,
    base: String,
    logins: Logins,
    /// The cookie of the open session.
    cookie: Arc<Mutex<Option<String>>>,
    /// A writer of a route holds it, so that we never conflict with ourselves.
    writer: Arc<Mutex<()>>,
}

/// How often a route is read and written again when others write it too.
const TRIES: usize = 5;

impl Higress {
    pub(super) fn new(http: Client, urls: &Urls) -> Self {
        Self {
            http,
            base: urls.higress.trim_end_matches('/').to_owned(),
            logins: urls.logins.clone(),
            cookie: Arc::default(),
            writer: Arc::default(),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, ClientError> {
        let mut cookie = self.cookie.lock().await.clone();
        loop {
            let (session, is_new) = match cookie.take() {
                Some(cookie) => (cookie, false),
                None => (self.open().await?, true),
            };
            let mut request = self.http.request(method.clone(), format!("{}{path}", self.base)).header(COOKIE, session);
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await?;
            if response.status() != StatusCode::UNAUTHORIZED || is_new {
                return Ok(response);
            }
        }
    }

    async fn open(&self) -> Result<String, ClientError> {
        let mut open = self.cookie.lock().await;
        let login = json!({ "username": self.logins.higress_user, "password": self.logins.higress_password });
        let opened = self.http.post(format!("{}/session/login", self.base)).json(&login).send().await?;
        let opened = checked("higress", opened).await?;
        let cookie = opened.headers().get("set-cookie").and_then(|it| it.to_str().ok()).unwrap_or_default();
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        *open = Some(cookie.clone());
        Ok(cookie)
    }

    async fn read(&self, path: &str) -> Result<Option<Value>, ClientError> {
        let response = self.send(Method::GET, path, None).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let body: Value = checked("higress", response).await?.json().await?;
        Ok(body.get("data").cloned())
    }

    /// Makes a consumer with this key, or finds it with this key.
    ///
    /// # Errors
    /// [`ClientError::NotOurs`] if it has another key: the console would replace it without a word.
    pub async fn ensure_consumer(&self, name: &str, key: &str) -> Result<(), ClientError> {
        let path = format!("/v1/consumers/{name}");
        if let Some(found) = self.read(&path).await? {
            return has_key(&found, name, key);
        }
        self.overwrite_consumer(name, key).await
    }

    /// Makes a consumer without a look at what exists, as HiClaw does.
    ///
    /// # Errors
    /// The console's.
    pub async fn overwrite_consumer(&self, name: &str, key: &str) -> Result<(), ClientError> {
        let credential = json!({ "type": "key-auth", "source": "BEARER", "values": [key] });
        let body = json!({ "name": name, "credentials": [credential] });
        checked("higress", self.send(Method::POST, "/v1/consumers", Some(&body)).await?).await.map(drop)
    }

    /// Removes the consumer with this key; one that is not there is removed.
    ///
    /// # Errors
    /// [`ClientError::NotOurs`] if it has another key; 500 while it is in an allow list.
    pub async fn delete_consumer(&self, name: &str, key: &str) -> Result<(), ClientError> {
        let path = format!("/v1/consumers/{name}");
        match self.read(&path).await? {
            None => Ok(()),
            Some(found) => {
                has_key(&found, name, key)?;
                checked("higress", self.send(Method::DELETE, &path, None).await?).await.map(drop)
            }
        }
    }

    /// Removes a consumer, whatever its key.
    ///
    /// # Errors
    /// The console's; 500 while it is in an allow list.
    pub async fn remove_consumer(&self, name: &str) -> Result<(), ClientError> {
        checked("higress", self.send(Method::DELETE, &format!("/v1/consumers/{name}"), None).await?).await.map(drop)
    }

    /// Puts a consumer on the allow list of a route, or takes it off.
    ///
    /// # Errors
    /// [`ClientError::Contended`] if others change the route at every try.
    pub async fn set_allowed(&self, route: &str, consumer: &str, allowed: bool) -> Result<(), ClientError> {
        let path = format!("/v1/ai/routes/{route}");
        let _writing = self.writer.lock().await;
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(jitter()).await;
            }
            let Some(mut body) = self.read(&path).await? else {
                // A list that is not there allows no one.
                return if allowed { self.read_failed(route) } else { Ok(()) };
            };
            let list = body.pointer_mut("/authConfig/allowedConsumers").and_then(Value::as_array_mut);
            let Some(list) = list else { return self.read_failed(route) };
            // It is written also if nothing is to be changed: an earlier write may have been refused after part of it took effect, and
            // then what is read is no proof of the rest.
            list.retain(|it| it.as_str() != Some(consumer));
            if allowed {
                list.push(json!(consumer));
            }
            let response = self.send(Method::PUT, &path, Some(&body)).await?;
            if response.status() != StatusCode::CONFLICT {
                return checked("higress", response).await.map(drop);
            }
        }
        Err(ClientError::Contended(route.to_owned()))
    }

    fn read_failed(&self, route: &str) -> Result<(), ClientError> {
        Err(ClientError::Refused {
            server: "higress",
            status: StatusCode::NOT_FOUND,
            code: String::new(),
            message: format!("there is no route {route} with an allow list; make it in the console"),
            class: durable_fsm::Class::Rejected,
        })
    }

    /// All consumers and all routes.
    ///
    /// # Errors
    /// The console's.
    pub async fn audit(&self) -> Result<(Value, Value), ClientError> {
        let consumers = self.read("/v1/consumers").await?.unwrap_or_default();
        let routes = self.read("/v1/ai/routes").await?.unwrap_or_default();
        Ok((consumers, routes))
    }
}

/// Some while in which others may get their turn.
fn jitter() -> Duration {
    let mut random = [0];
    // Without chance, everybody waits equally long.
    let _ = getrandom::fill(&mut random);
    Duration::from_millis(5 + u64::from(random[0]) / 4)
}

/// Whether a consumer has this key. The holder of the key owns the consumer.
fn has_key(consumer: &Value, name: &str, key: &str) -> Result<(), ClientError> {
    match consumer.pointer("/credentials/0/values/0").and_then(Value::as_str) {
        Some(it) if it == key => Ok(()),
        _ => Err(ClientError::NotOurs(format!("the consumer {name}"))),
    }
}
