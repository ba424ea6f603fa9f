//! `/healthz`, and `/metrics` for Prometheus.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dear::scan::{Record, Status};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::fault::{Fault, Problem};
use super::pool::Pool;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    path: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Judged {
    detector: String,
    result: String,
}

/// What is counted.
#[derive(Debug)]
pub(super) struct Measures {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    images: Family<Judged, Counter>,
    inside: Gauge<u64, AtomicU64>,
    pool: Arc<Pool>,
}

impl Measures {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        let mut registry = Registry::with_prefix("dear");
        let requests = Family::<Answered, Counter>::default();
        // 1 ms to a minute.
        let seconds = Family::<Route, Histogram, fn() -> Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.001, 2.5, 13))
        });
        let images = Family::<Judged, Counter>::default();
        let inside = Gauge::<u64, AtomicU64>::default();
        registry.register("requests", "Requests answered", requests.clone());
        registry.register("request_seconds", "Time to the head of the answer", seconds.clone());
        registry.register("images", "Images judged, by verdict or as refused", images.clone());
        registry.register("requests_inside", "Requests that are computed or wait", inside.clone());
        Self { registry, requests, seconds, images, inside, pool }
    }

    /// Count a record.
    pub(super) fn scored(&self, record: &Record) {
        let result = match (record.status, record.verdict) {
            (Status::Refused, _) | (_, None) => "refused",
            (_, Some(verdict)) => verdict.word(),
        };
        let judged = Judged { detector: record.detector.name.clone(), result: result.to_owned() };
        self.images.get_or_create(&judged).inc();
    }
}

/// Times and counts a request by its route: addresses of no route are one.
pub(super) async fn measure(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let begun = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    app.measures.seconds.get_or_create(&Route { path: path.clone() }).observe(begun.elapsed().as_secs_f64());
    app.measures.requests.get_or_create(&Answered { path, status }).inc();
    response
}

/// That the server lives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
    /// Of dear.
    version: &'static str,
}

/// Whether the server lives.
#[utoipa::path(
    get, path = "/healthz", tag = "server",
    responses(
        (status = 200, description = "It does", body = Health),
        (status = 403, description = "Another site asks", body = Problem),
    ),
    security(())
)]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Counts and times, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "server",
    responses(
        (status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
        (status = 401, description = "An API key is needed", body = Problem),
        (status = 403, description = "Another site asks", body = Problem),
    )
)]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Fault> {
    app.measures.inside.set(app.measures.pool.inside() as u64);
    let mut text = String::new();
    encode(&mut text, &app.measures.registry).map_err(|_| Fault::Internal)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
