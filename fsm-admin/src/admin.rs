//! The page, as a program sets it up. Invariant: every route is behind the guard.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Router, http::StatusCode};
use durable_fsm::controller::Window;
use tokio::sync::Semaphore;

use crate::desk::Desk;
use crate::guard::{self, Guard};
use crate::token::Token;
use crate::{api, events, page};

/// The largest request, in bytes.
const LARGEST: usize = 64 * 1024;

/// How many listeners may follow at once, unless set.
const LISTENERS: usize = 32;

/// A page and an API for the resources of one or more controllers. See the [crate].
#[derive(Debug)]
#[must_use = "the page is reached only when it is bound, or its router is mounted"]
pub struct Admin {
    windows: Vec<Window>,
    pub(crate) guard: Guard,
    listeners: usize,
}

impl Admin {
    /// The page for the resources of a controller: `Admin::of(controller.window())`.
    pub fn of(window: Window) -> Self {
        Self { windows: vec![window], guard: Guard { token: None, hosts: Vec::new() }, listeners: LISTENERS }
    }

    /// Shows the resources of another controller too. Each machine needs a name of its own.
    pub fn and(mut self, window: Window) -> Self {
        self.windows.push(window);
        self
    }

    /// Asks every caller for this token. Without one, only callers on this computer are let in.
    pub fn token(mut self, token: Token) -> Self {
        self.guard.token = Some(token);
        self
    }

    /// Serves the page under this host name too, such as that of a proxy. Loopback and addresses need not be named.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.guard.hosts.push(name.into());
        self
    }

    /// How many listeners may follow the resources at once. 32 unless set. Each open page is one.
    pub fn listeners(mut self, most: usize) -> Self {
        self.listeners = most;
        self
    }

    /// The routes, for a server of your own. Mount them at its root.
    ///
    /// Without a token, a request is let in only if its peer is known to be on this computer. So serve it with `into_make_service_with_connect_info::<SocketAddr>()`, or set a
    /// token.
    pub fn router(self) -> Router {
        let desk = Desk { windows: self.windows, listeners: Arc::new(Semaphore::new(self.listeners)) };
        let api = Router::new()
            .route("/resources", get(api::resources))
            .route("/resource", get(api::resource))
            .route("/picture", get(api::picture))
            .route("/events", get(events::follow))
            .route("/preview", post(api::preview))
            .route("/do", post(api::carry_out))
            .fallback(|| async { StatusCode::NOT_FOUND });
        Router::new()
            .route("/", get(page::html))
            .route("/page.css", get(page::css))
            .route("/page.js", get(page::js))
            // A browser asks for it by itself, and complains if it is not found.
            .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
            .nest("/api", api)
            .layer(DefaultBodyLimit::max(LARGEST))
            .layer(from_fn_with_state(Arc::new(self.guard), guard::layer))
            .with_state(Arc::new(desk))
    }
}
