//! The client of the object store, and its stand-in, do the same as an S3 server that others wrote.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use durable_fsm::{Class, Classify as _};
use hiclaw::clients::{Clients, Logins, S3_ACCESS_KEY, S3_BUCKET, S3_SECRET_KEY, Urls};
use hiclaw::servers::World;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;

/// An S3 server on a directory; its URL, and the directory, which goes with it.
async fn server() -> (String, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join(S3_BUCKET)).unwrap();
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(directory.path()).unwrap());
    builder.set_auth(SimpleAuth::from_single(S3_ACCESS_KEY, S3_SECRET_KEY));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(handle).with_state(builder.build());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, directory)
}

async fn handle(State(mut service): State<S3Service>, request: Request) -> Response {
    match tower_service::Service::<Request>::call(&mut service, request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}")).into_response(),
    }
}

/// What clients see of a store, from the first object to the last.
async fn seen(urls: &Urls) -> Vec<String> {
    let oss = Clients::new(urls, Duration::from_secs(5)).unwrap().oss;
    let mut seen = vec![];
    let mut see = |what: String| seen.push(what);
    see(format!("{:?}", oss.get("agents/a/b c").await.unwrap()));
    for (key, text) in [("agents/a/b c", "1"), ("agents/a/@b:x.org", "2"), ("agents/ab", "3"), ("agents/a/b c", "4")] {
        oss.put(key, text.as_bytes().to_vec()).await.unwrap();
    }
    see(format!("{:?}", oss.get("agents/a/b c").await.unwrap()));
    let mut listed = oss.list("agents/a/").await.unwrap();
    listed.sort();
    see(format!("{listed:?}"));
    for _ in 0..2 {
        oss.delete("agents/a/b c").await.unwrap();
    }
    see(format!("{:?}", oss.list("agents/").await.unwrap().len()));
    let logins = Logins { s3_secret_key: "guessed".to_owned(), ..Logins::default() };
    let stranger = Clients::new(&Urls { logins, ..urls.clone() }, Duration::from_secs(5)).unwrap().oss;
    for refused in [stranger.put("agents/x", vec![]).await.unwrap_err(), stranger.list("").await.unwrap_err()] {
        assert_eq!(refused.classify(), Class::Rejected, "{refused}");
        see(refused.to_string().split(':').next().unwrap().to_owned());
    }
    seen
}

#[tokio::test]
async fn the_stand_in_answers_as_another_s3_server_does() {
    let world = World::start().await.unwrap();
    let (url, _directory) = server().await;
    let ours = seen(&world.urls()).await;
    assert_eq!(ours, seen(&Urls { s3: url, ..world.urls() }).await);
    assert_eq!(ours[..3], ["None", "Some([52])", "[\"agents/a/@b:x.org\", \"agents/a/b c\"]"]);
    assert!(ours[4].starts_with("oss answered 403"), "{ours:?}");
}
