//! The object store: one bucket of S3, in memory. It checks the signature of each request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use reqwest::Url;
use rusty_s3::{Method, signing};

use super::listener::{Calls, Listener};
use crate::clients::{S3_ACCESS_KEY, S3_BUCKET, S3_SECRET_KEY};

/// The object store.
pub struct Oss {
    pub(crate) listener: Listener,
}

type Objects = Arc<Mutex<BTreeMap<String, Bytes>>>;

impl Oss {
    pub(super) async fn start(calls: &Calls) -> std::io::Result<Self> {
        let router = Router::new()
            .route("/{bucket}/", get(list))
            .route("/{bucket}/{*key}", get(read).put(write).delete(remove))
            .layer(from_fn(signed))
            .with_state(Objects::default());
        Ok(Self { listener: Listener::start("oss", calls, router).await? })
    }

    /// Takes the store down: connections are refused.
    pub async fn stop(&mut self) {
        self.listener.stop().await;
    }

    /// Brings the store up again, with all that it has.
    ///
    /// # Errors
    /// The port was taken meanwhile.
    pub async fn resume(&mut self) -> std::io::Result<()> {
        self.listener.resume().await
    }
}

fn lock(objects: &Objects) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
    objects.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refusal(status: StatusCode, code: &str) -> Response {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code></Error>");
    (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

async fn signed(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match signature(request.method().as_str(), &format!("http://{host}{}", request.uri())) {
        Some((given, right)) if given == right => next.run(request).await,
        _ => refusal(StatusCode::FORBIDDEN, "SignatureDoesNotMatch"),
    }
}

/// The signature in this URL, and the one that it should have.
fn signature(method: &str, url: &str) -> Option<(String, String)> {
    let method = match method {
        "GET" => Method::Get,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        _ => return None,
    };
    let of = |url: &Url, name: &str| Some(url.query_pairs().find(|(key, _)| key == name)?.1.into_owned());
    let url = Url::parse(url).ok()?;
    let date = DateTime::strptime("%Y%m%dT%H%M%SZ", of(&url, "X-Amz-Date")?).ok()?;
    let date = TimeZone::UTC.to_timestamp(date).ok()?;
    let expires = of(&url, "X-Amz-Expires")?.parse().ok()?;
    let credential = of(&url, "X-Amz-Credential")?;
    let region = credential.split('/').nth(2)?;
    let asked: BTreeMap<String, String> =
        url.query_pairs().into_owned().filter(|(key, _)| !key.starts_with("X-Amz-")).collect();
    let query = asked.iter().map(|(key, value)| (&**key, &**value));
    let (key, secret) = (S3_ACCESS_KEY, S3_SECRET_KEY);
    let none = std::iter::empty();
    let right = signing::sign(&date, method, url.clone(), key, secret, None, region, expires, query, none);
    Some((of(&url, "X-Amz-Signature")?, of(&right, "X-Amz-Signature")?))
}

async fn write(State(objects): State<Objects>, Path((bucket, key)): Path<(String, String)>, body: Bytes) -> Response {
    if bucket != S3_BUCKET {
        return refusal(StatusCode::NOT_FOUND, "NoSuchBucket");
    }
    lock(&objects).insert(key, body);
    StatusCode::OK.into_response()
}

async fn read(State(objects): State<Objects>, Path((bucket, key)): Path<(String, String)>) -> Response {
    match lock(&objects).get(&key).filter(|_| bucket == S3_BUCKET) {
        Some(object) => object.clone().into_response(),
        None => refusal(StatusCode::NOT_FOUND, "NoSuchKey"),
    }
}

async fn remove(State(objects): State<Objects>, Path((bucket, key)): Path<(String, String)>) -> Response {
    if bucket != S3_BUCKET {
        return refusal(StatusCode::NOT_FOUND, "NoSuchBucket");
    }
    lock(&objects).remove(&key);
    StatusCode::NO_CONTENT.into_response()
}

async fn list(
    State(objects): State<Objects>,
    Path(bucket): Path<String>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    if bucket != S3_BUCKET {
        return refusal(StatusCode::NOT_FOUND, "NoSuchBucket");
    }
    let prefix = asked.get("prefix").map_or("", |prefix| prefix);
    let mut listed = String::new();
    for key in lock(&objects).keys().filter(|key| key.starts_with(prefix)) {
        let key = key.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        listed.push_str(&format!("<Contents><Key>{key}</Key></Contents>"));
    }
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>"
    );
    ([(header::CONTENT_TYPE, "application/xml")], body).into_response()
}
