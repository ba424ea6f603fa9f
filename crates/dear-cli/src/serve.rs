//! The service: images in, records and maps out, over HTTP; and a page for people.
//!
//! ```text
//! connection (connections.rs) -> guard (host, origin, key) -> router
//!   /v1/score, /v1/explain : upload -> pool (bounded) -> dear::scan -> JSON
//!   /v1/batch              : upload -> jobs (SQLite)  -> runner -> pool -> jobs -> events, results
//! ```
//! Nothing is fetched, and nothing stays on disk but batches, until they are forgotten. [`router`] needs no port: tests
//! call it as it is.

mod batch;
mod connections;
mod explain;
mod fault;
mod guard;
mod jobs;
mod measures;
mod models;
mod openapi;
mod page;
mod pool;
mod request;
mod runner;
mod score;
mod upload;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use dear::detector::Detector;
use dear_image::DecodeOptions;
use tokio::sync::{Semaphore, watch};

pub(crate) use connections::serve;
pub(crate) use guard::Keys;
pub(crate) use jobs::Jobs;

use measures::Measures;
use pool::Pool;

/// Batches that come at once, at most.
const RECEIVING: usize = 4;

/// How the service behaves.
#[derive(Debug)]
pub(crate) struct Settings {
    /// How images become pixels.
    pub(crate) decode: DecodeOptions,
    /// Bytes of an image at most.
    pub(crate) max_upload: u64,
    /// Images of a batch at most.
    pub(crate) max_batch: u64,
    /// Images that are scored at once.
    pub(crate) concurrency: usize,
    /// Requests that may wait for that.
    pub(crate) queue: usize,
    /// For an image to arrive.
    pub(crate) timeout: Duration,
    /// For an image to be scored.
    pub(crate) longest: Duration,
    /// How long a finished batch is kept.
    pub(crate) keep: Duration,
    /// Who may ask; nobody is asked for a key without.
    pub(crate) keys: Option<Keys>,
    /// Names under which it is reached, besides addresses and `localhost`.
    pub(crate) hosts: Vec<String>,
}

/// All that requests share.
#[derive(Debug)]
pub(crate) struct App {
    settings: Settings,
    detectors: Vec<Arc<Detector>>,
    pool: Arc<Pool>,
    /// Bytes of images that may have come and wait: as many as all places take at most.
    arrived: Arc<Semaphore>,
    /// Batches that come at once.
    receiving: Semaphore,
    jobs: Arc<Jobs>,
    measures: Measures,
    close: watch::Sender<bool>,
}

impl App {
    /// `detectors` are at least one; the first is the default.
    pub(crate) fn new(settings: Settings, detectors: Vec<Detector>, jobs: Jobs) -> Arc<Self> {
        let pool = Pool::new(settings.concurrency, settings.queue, settings.longest);
        let places = (settings.concurrency + settings.queue) as u64;
        let bytes = usize::try_from(places.saturating_mul(settings.max_upload)).unwrap_or(usize::MAX);
        let arrived = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        let detectors = detectors.into_iter().map(Arc::new).collect();
        let measures = Measures::new(Arc::clone(&pool));
        Arc::new(Self {
            settings,
            detectors,
            pool,
            arrived,
            receiving: Semaphore::new(RECEIVING),
            jobs: Arc::new(jobs),
            measures,
            close: watch::Sender::new(false),
        })
    }

    /// Until the server closes.
    async fn closing(&self) {
        // An error is the end of the sender, which lives as long as this.
        let _ = self.close.subscribe().wait_for(|close| *close).await;
    }
}

/// Where the default file of batches lies.
pub(crate) fn jobs_file(cache: &std::path::Path) -> PathBuf {
    cache.join("serve.sqlite")
}

/// All addresses.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/page/{name}", get(page::file))
        .route("/v1/models", get(models::list))
        .route("/v1/score", post(score::score))
        .route("/v1/explain", post(explain::explain))
        .route("/v1/batch", post(batch::submit))
        .route("/v1/batch/{id}", get(batch::look).delete(batch::forget))
        .route("/v1/batch/{id}/events", get(batch::events))
        .route("/v1/batch/{id}/results", get(batch::results))
        .route("/v1/batch/{id}/cancel", post(batch::cancel))
        .route("/healthz", get(measures::health))
        .route("/metrics", get(measures::metrics))
        .route("/openapi.json", get(openapi::document))
        .fallback(fault::no_such_address)
        .method_not_allowed_fallback(fault::no_such_method)
        .layer(from_fn_with_state(Arc::clone(&app), guard::guard))
        .layer(from_fn_with_state(Arc::clone(&app), measures::measure))
        .layer(from_fn(guard::headers))
        // Its limit is 2 MB; ours is in `upload`.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}
