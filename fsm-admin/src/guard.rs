//! Who may reach the page. Invariant: nothing of a resource is shown, and nothing is changed, before the request has passed `Guard::judge`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::token::Token;

/// Marks the requests of a listener that only this computer reaches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Local;

/// What is asked of each request.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) token: Option<Token>,
    /// Names by which the page is reached, besides loopback and addresses.
    pub(crate) hosts: Vec<String>,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this page is not served under that host; allow the name with `Admin::host`, or use 127.0.0.1")]
    Host,
    #[error("this request comes from another site; open the page itself")]
    Site,
    #[error("a change is asked for with the content type application/json")]
    Kind,
    #[error("the token is missing or wrong; send it as `Authorization: Bearer …`")]
    Token,
    #[error("without a token, only this computer may reach the page; set a token with `Admin::token`")]
    Remote,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Refusal::Host => StatusCode::MISDIRECTED_REQUEST,
            Refusal::Site | Refusal::Remote => StatusCode::FORBIDDEN,
            Refusal::Kind => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::Token => StatusCode::UNAUTHORIZED,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(json!({ "error": self.to_string() }))).into_response();
        if self == Refusal::Token {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Only what the page consists of may be loaded and run.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The layer around all routes.
pub(crate) async fn layer(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.judge(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            tracing::debug!(path = request.uri().path(), %refusal, "a request was refused");
            refusal.into_response()
        }
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Guard {
    fn judge(&self, request: &Request) -> Result<(), Refusal> {
        let headers = request.headers();
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let authority = text(&header::HOST).or_else(|| request.uri().authority().map(Authority::as_str));
        let host = Host::of(authority.ok_or(Refusal::Host)?);
        // A name that an attacker's DNS leads here is no address, and is not on the list.
        let is_known = matches!(host, Host::Address(_) | Host::Localhost) || self.is_named(&host);
        if !is_known {
            return Err(Refusal::Host);
        }
        if is_foreign(headers, authority.unwrap_or_default()) {
            return Err(Refusal::Site);
        }
        let is_page = *request.method() == Method::GET && !request.uri().path().starts_with("/api/");
        match &self.token {
            // The page itself tells nothing, and asks for the token.
            Some(_) if is_page => {}
            Some(token) => {
                let given = text(&header::AUTHORIZATION).and_then(|text| text.strip_prefix("Bearer "));
                if !given.is_some_and(|given| token.is(given)) {
                    return Err(Refusal::Token);
                }
            }
            None if is_from_here(request) && host.is_loopback() => {}
            None => return Err(Refusal::Remote),
        }
        let is_json =
            text(&header::CONTENT_TYPE).is_some_and(|kind| kind.split(';').next() == Some("application/json"));
        // Another site may not send this type without asking first.
        if *request.method() == Method::POST && !is_json {
            return Err(Refusal::Kind);
        }
        Ok(())
    }

    fn is_named(&self, host: &Host<'_>) -> bool {
        matches!(host, Host::Name(name) if self.hosts.iter().any(|it| it.eq_ignore_ascii_case(name)))
    }
}

/// Whether the browser says that another site has sent the request. Programs that are no browsers say nothing.
fn is_foreign(headers: &HeaderMap, authority: &str) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_foreign_site = site.is_some_and(|site| site != b"same-origin" && site != b"none");
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    let is_own = |origin: &str| {
        let bare = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        bare.is_some_and(|bare| bare.eq_ignore_ascii_case(authority))
    };
    is_foreign_site || origin.is_some_and(|origin| !is_own(origin))
}

/// Whether the peer is on this computer: the listener is one of this computer alone, or says so of the peer.
fn is_from_here(request: &Request) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    request.extensions().get::<Local>().is_some() || peer.is_some_and(|ConnectInfo(peer)| peer.ip().is_loopback())
}

/// What a browser believes to be talking to, without the port.
enum Host<'h> {
    Localhost,
    Address(IpAddr),
    Name(&'h str),
}

impl<'h> Host<'h> {
    fn of(authority: &'h str) -> Self {
        let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => match authority.rsplit_once(':') {
                Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
                _ => authority,
            },
        };
        match host.parse() {
            Ok(address) => Host::Address(address),
            Err(_) if host.eq_ignore_ascii_case("localhost") => Host::Localhost,
            Err(_) => Host::Name(host),
        }
    }

    fn is_loopback(&self) -> bool {
        match self {
            Host::Localhost => true,
            Host::Address(address) => address.is_loopback(),
            Host::Name(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn from(peer: &str, mut request: Request) -> Request {
        request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        request
    }

    #[test]
    fn without_a_token_only_this_computer_is_let_in() {
        let guard = Guard { token: None, hosts: vec!["ops.example.com".to_owned()] };
        let get = |host| request("GET", "/api/resources", &[("host", host)]);
        for host in ["127.0.0.1:8081", "localhost", "LOCALHOST:1", "[::1]:8081", "127.9.9.9"] {
            assert_eq!(guard.judge(&from("127.0.0.1:9", get(host))), Ok(()), "{host}");
        }
        assert_eq!(guard.judge(&get("localhost")), Err(Refusal::Remote), "the peer is not known");
        assert_eq!(guard.judge(&from("10.0.0.9:9", get("localhost"))), Err(Refusal::Remote));
        assert_eq!(guard.judge(&from("[::1]:9", get("10.0.0.1"))), Err(Refusal::Remote), "a proxy on this computer");
        assert_eq!(guard.judge(&from("127.0.0.1:9", get("ops.example.com"))), Err(Refusal::Remote));
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8081",
            "",
            "[::1",
            "localhost@x",
            "localhost:80@x",
        ] {
            assert_eq!(guard.judge(&from("127.0.0.1:9", get(host))), Err(Refusal::Host), "{host}");
        }
        assert_eq!(guard.judge(&request("GET", "/", &[])), Err(Refusal::Host), "no host at all");
    }

    #[test]
    fn with_a_token_the_peer_may_be_anywhere() {
        let token = "0123456789abcdef";
        let guard = Guard { token: Some(Token::new(token).unwrap()), hosts: vec!["ops.example.com".to_owned()] };
        let get = |value: &str| request("GET", "/api/events", &[("host", "Ops.Example.com"), ("authorization", value)]);
        assert_eq!(guard.judge(&get(&format!("Bearer {token}"))), Ok(()));
        for wrong in ["", token, "Bearer ", "Bearer 0123456789abcdeF", &format!("Basic {token}")] {
            assert_eq!(guard.judge(&get(wrong)), Err(Refusal::Token), "{wrong}");
        }
        assert_eq!(guard.judge(&request("GET", "/page.js", &[("host", "10.0.0.1:80")])), Ok(()), "it tells nothing");
        let post = request("POST", "/page.js", &[("host", "10.0.0.1:80"), ("content-type", "application/json")]);
        assert_eq!(guard.judge(&post), Err(Refusal::Token));
    }

    #[test]
    fn other_sites_are_refused() {
        let guard = Guard { token: None, hosts: Vec::new() };
        let judge = |method, more: &[(&str, &str)]| {
            let headers = [&[("host", "localhost:8081"), ("content-type", "application/json")], more].concat();
            guard.judge(&from("127.0.0.1:9", request(method, "/api/do", &headers)))
        };
        assert_eq!(judge("POST", &[]), Ok(()), "a program");
        assert_eq!(judge("POST", &[("origin", "http://localhost:8081"), ("sec-fetch-site", "same-origin")]), Ok(()));
        for origin in
            ["http://evil.example", "null", "http://localhost:8082", "http://localhost", "file://localhost:8081"]
        {
            assert_eq!(judge("POST", &[("origin", origin)]), Err(Refusal::Site), "{origin}");
            assert_eq!(judge("GET", &[("origin", origin)]), Err(Refusal::Site), "{origin}");
        }
        assert_eq!(judge("GET", &[("sec-fetch-site", "cross-site")]), Err(Refusal::Site));
        assert_eq!(judge("GET", &[("sec-fetch-site", "same-site")]), Err(Refusal::Site));
        let form = [("host", "localhost"), ("content-type", "text/plain")];
        assert_eq!(guard.judge(&from("127.0.0.1:9", request("POST", "/api/do", &form))), Err(Refusal::Kind));
    }
}
