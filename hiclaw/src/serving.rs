//! What a controller tells over HTTP: whether it lives, and its metrics.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use durable_fsm::metrics::Metrics;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/healthz` and `/metrics` for as long as it is polled.
pub(crate) async fn serve(listener: TcpListener, metrics: Metrics) -> std::io::Result<()> {
    let tell = move || async move { tell(&metrics) };
    let router = Router::new().route("/healthz", get(|| async { "ok" })).route("/metrics", get(tell));
    axum::serve(listener, router).await
}

fn tell(metrics: &Metrics) -> Response {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
