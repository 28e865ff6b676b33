//! Who may reach the page.

use durable_fsm_admin::{Admin, BindError, Token};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use super::caller::Caller;
use super::shop::{MACHINE, Shop};

const TOKEN: &str = "0f6b7c1d9a3e5f80";

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_page_elsewhere_reaches_nothing() {
    let mut shop = Shop::open();
    let caller = Caller::of(shop.serve(|admin| admin.host("ops.example.com")).await);
    shop.order("green");
    shop.until_in("green", "Shipped", "ready").await;
    let seq = caller.order("green").await["row"]["seq"].clone();
    let resource = json!({ "machine": MACHINE, "namespace": "shop", "name": "green" });
    let pause = json!({ "resource": resource, "seq": seq, "asks": { "verb": "pause" } });
    let post = || caller.request(Method::POST, "/api/do").json(&pause);
    let get = |path: &str| caller.request(Method::GET, path);
    // A name that leads to loopback is the attacker's all the same.
    for path in ["/", "/page.js", "/api/resources", "/api/events"] {
        assert_eq!(status(get(path).header("host", "evil.example")).await, 421, "{path}");
    }
    assert_eq!(status(post().header("host", "evil.example:80")).await, 421);
    assert_eq!(status(get("/api/resources").header("host", "ops.example.com")).await, 403, "a name needs a token");
    let own = caller.base.clone();
    assert_eq!(status(post().header("origin", "http://evil.example")).await, 403);
    assert_eq!(status(post().header("origin", "null")).await, 403);
    assert_eq!(status(post().header("origin", &own).header("sec-fetch-site", "cross-site")).await, 403);
    assert_eq!(status(get("/api/events").header("origin", "http://evil.example")).await, 403);
    let form = caller.request(Method::POST, "/api/do").header("content-type", "text/plain").body(pause.to_string());
    assert_eq!(status(form).await, 415);
    assert_eq!(caller.order("green").await["row"]["phase"], "ready", "nothing was changed");
    assert_eq!(status(post().header("origin", &own).header("sec-fetch-site", "same-origin")).await, 200);
    shop.until_in("green", "Shipped", "paused").await;
    shop.close().await;
}

#[tokio::test]
async fn every_answer_forbids_what_the_page_does_not_need() {
    let mut shop = Shop::open();
    let caller = Caller::of(shop.serve(|admin| admin).await);
    for (path, host) in [("/", ""), ("/page.css", ""), ("/api/resources", ""), ("/nothing", ""), ("/", "evil.example")]
    {
        let mut request = caller.request(Method::GET, path);
        if !host.is_empty() {
            request = request.header("host", host);
        }
        let response = request.send().await.unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
    }
    let page = caller.get("/").await.text().await.unwrap();
    assert!(!page.contains("style=") && !page.contains("onclick") && !page.contains("<script>"), "{page}");
    shop.close().await;
}

#[tokio::test]
async fn the_token_is_asked_for_and_only_the_page_itself_is_open() {
    let mut shop = Shop::open();
    let token = Token::new(TOKEN).unwrap();
    let caller = Caller::of(shop.serve(|admin| admin.token(token).host("ops.example.com")).await);
    shop.order("green");
    shop.until_in("green", "Shipped", "ready").await;
    for path in ["/", "/page.css", "/page.js"] {
        let open = caller.get(path).await;
        assert_eq!(open.status(), StatusCode::OK);
        assert!(!open.text().await.unwrap().contains("green"));
    }
    let get = |path: &str| caller.request(Method::GET, path);
    for path in ["/api/resources", "/api/events", "/api/nothing"] {
        assert_eq!(status(get(path)).await, 401, "{path}");
        assert_eq!(status(get(path).bearer_auth("0f6b7c1d9a3e5f81")).await, 401, "{path}");
        assert_eq!(status(get(&format!("{path}?token={TOKEN}"))).await, 401, "an address is no place for a token");
    }
    assert_eq!(status(caller.request(Method::POST, "/api/do").json(&json!({}))).await, 401);
    assert_eq!(status(get("/api/resources").bearer_auth(TOKEN)).await, 200);
    assert_eq!(status(get("/api/resources").bearer_auth(TOKEN).header("host", "ops.example.com")).await, 200);
    assert_eq!(status(get("/api/resources").bearer_auth(TOKEN).header("host", "evil.example")).await, 421);
    shop.close().await;
}

#[tokio::test]
async fn an_address_of_the_network_needs_a_token() {
    let shop = Shop::open();
    let public = "0.0.0.0:0".parse().unwrap();
    let refused = Admin::of(shop.window.clone()).bind(public).await.unwrap_err();
    assert!(matches!(refused, BindError::NeedsToken(_)), "{refused}");
    shop.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_is_its_users_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let shop = Shop::open();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let bind = || Admin::of(shop.window.clone()).bind_unix(&path);
    let page = bind().unwrap();
    assert_eq!(page.address(), None);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");
    assert!(bind().unwrap_err().to_string().contains("admin.sock"), "it is in use");
    let serving = tokio::spawn(page.serve());
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let request = "GET /api/resources HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"resources\":[]"), "{answer}");
    serving.abort();
    drop(serving.await);
    // One that a dead process has left is replaced; a file is not.
    drop(bind().unwrap());
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "mine").unwrap();
    assert!(bind().is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    shop.close().await;
}
