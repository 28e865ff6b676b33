//! Each row of the table of `durable_fsm::http`, on a real socket.

use std::time::Duration;

use durable_fsm::http::{Redirects, classify, classify_status};
use durable_fsm::{Class, Classify as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with one connection.
#[derive(Clone, Copy)]
enum Server {
    /// Reads the request and closes.
    Closes,
    /// Reads the request and resets.
    Resets,
    /// Reads the request and says nothing.
    Silent,
    /// Answers with these bytes and closes.
    Answers(&'static str),
}

async fn serve(listener: TcpListener, server: Server) {
    while let Ok((mut stream, _)) = listener.accept().await {
        read_request(&mut stream).await;
        match server {
            Server::Closes => {}
            Server::Resets => stream.set_zero_linger().unwrap(),
            // Held open until the client has had enough.
            Server::Silent => drop(stream.read(&mut [0; 16]).await),
            Server::Answers(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap(),
        }
    }
}

async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|it| it == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).await.unwrap();
        if count == 0 {
            return;
        }
        request.extend_from_slice(&buffer[..count]);
    }
}

fn client(redirects: Redirects) -> reqwest::Client {
    let builder = reqwest::Client::builder().timeout(Duration::from_millis(200)).no_proxy();
    let builder = match redirects {
        Redirects::Refused => builder.redirect(reqwest::redirect::Policy::none()),
        Redirects::Followed => builder,
    };
    builder.build().unwrap()
}

/// Sends one request as an author would, and classifies what comes of it.
async fn class_with(redirects: Redirects, url: &str) -> Class {
    let response = match client(redirects).post(url).body("x").send().await {
        Ok(response) => response,
        Err(error) => return classify(&error, redirects),
    };
    if !response.status().is_success() {
        return classify_status(response.status(), response.headers(), redirects);
    }
    match response.text().await {
        Ok(body) => panic!("it succeeded: {body}"),
        Err(error) => classify(&error, redirects),
    }
}

async fn class_of(url: &str) -> Class {
    class_with(Redirects::Refused, url).await
}

async fn class_from(server: Server) -> Class {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(serve(listener, server));
    let class = class_of(&url).await;
    serving.abort();
    class
}

#[tokio::test]
async fn a_request_that_cannot_be_built_is_rejected() {
    assert_eq!(class_of("http://[bad").await, Class::Rejected);
}

#[tokio::test]
async fn a_refused_connection_was_not_applied() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(class_of(&url).await, Class::NOT_APPLIED);
}

#[tokio::test]
async fn an_unknown_host_was_not_applied() {
    assert_eq!(class_of("http://no-such-host.invalid/").await, Class::NOT_APPLIED);
}

#[tokio::test]
async fn silence_after_the_request_is_unknown() {
    assert_eq!(class_from(Server::Silent).await, Class::Unknown);
}

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_is_unknown() {
    assert_eq!(class_from(Server::Closes).await, Class::Unknown);
    assert_eq!(class_from(Server::Resets).await, Class::Unknown);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_unknown() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"id\":";
    assert_eq!(class_from(Server::Answers(half)).await, Class::Unknown);
    assert_eq!(class_from(Server::Answers("HTTP/1.1 200 O")).await, Class::Unknown);
    assert_eq!(class_from(Server::Answers("garbage that is no http\r\n\r\n")).await, Class::Unknown);
}

/// A server that has served the request, and leads to another place.
async fn class_behind_a_redirect(redirects: Redirects, location: &str) -> Class {
    let text =
        format!("HTTP/1.1 303 See Other\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(serve(listener, Server::Answers(Box::leak(text.into_boxed_str()))));
    let class = class_with(redirects, &url).await;
    serving.abort();
    class
}

#[tokio::test]
async fn nothing_is_vouched_for_behind_a_redirect() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let mut hops = vec![nowhere, "http://no-such-host.invalid/".to_owned(), "/".to_owned()];
    for status in [404, 429, 500] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        hops.push(format!("http://{}/", listener.local_addr().unwrap()));
        tokio::spawn(serve(listener, answer(status, "")));
    }
    for hop in hops {
        for redirects in [Redirects::Refused, Redirects::Followed] {
            assert_eq!(class_behind_a_redirect(redirects, &hop).await, Class::Unknown, "{hop} {redirects:?}");
        }
    }
}

/// The policy of the client is not in its errors.
#[tokio::test]
async fn an_error_of_a_client_whose_policy_is_not_known_vouches_for_nothing_that_was_sent() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let refused = client(Redirects::Refused).get(&nowhere).send().await.unwrap_err();
    assert_eq!(refused.classify(), Class::Unknown);
    assert_eq!(classify(&refused, Redirects::Refused), Class::NOT_APPLIED);
    let unbuilt = client(Redirects::Followed).get("http://[bad").send().await.unwrap_err();
    assert_eq!(unbuilt.classify(), Class::Rejected);
}

/// An answer with a status and nothing else, for as long as the test runs.
fn answer(status: u16, headers: &str) -> Server {
    let text = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n");
    Server::Answers(Box::leak(text.into_boxed_str()))
}

#[tokio::test]
async fn too_many_requests_was_not_applied_and_says_when() {
    for status in [429, 425] {
        assert_eq!(class_from(answer(status, "")).await, Class::NOT_APPLIED);
        let asked = Class::NotApplied { retry_after: Some(Duration::from_secs(7)) };
        assert_eq!(class_from(answer(status, "Retry-After: 7\r\n")).await, asked);
    }
    let past = class_from(answer(429, "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n")).await;
    assert_eq!(past, Class::NotApplied { retry_after: Some(Duration::ZERO) });
    let future = class_from(answer(429, "Retry-After: Sat, 31 Dec 2199 23:59:59 GMT\r\n")).await;
    assert!(matches!(future, Class::NotApplied { retry_after: Some(time) } if time > Duration::from_secs(1_000_000)));
    let nonsense = class_from(answer(429, "Retry-After: soon\r\n")).await;
    assert_eq!(nonsense, Class::NOT_APPLIED);
}

#[tokio::test]
async fn each_status_has_its_class() {
    for status in [408, 409, 412, 500, 501, 502, 503, 504, 507, 302] {
        assert_eq!(class_from(answer(status, "")).await, Class::Unknown, "{status}");
    }
    for status in [400, 401, 403, 404, 405, 410, 413, 415, 422, 451] {
        assert_eq!(class_from(answer(status, "")).await, Class::Rejected, "{status}");
    }
}

#[tokio::test]
async fn an_error_made_of_a_status_has_the_class_of_the_status() {
    for (status, class) in [(400, Class::Rejected), (503, Class::Unknown), (429, Class::NOT_APPLIED)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serving = tokio::spawn(serve(listener, answer(status, "")));
        let error = client(Redirects::Refused).get(&url).send().await.unwrap().error_for_status().unwrap_err();
        serving.abort();
        assert_eq!(classify(&error, Redirects::Refused), class);
    }
}
