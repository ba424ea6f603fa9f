//! `/v1/batch`: many images, scored one after the other while the client does something else.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;

use super::App;
use super::fault::{Fault, Problem};
use super::jobs::{Job, JobState, Jobs};
use super::request::{Asked, Name, Parameters};
use super::upload::{self, Uploads};

/// Batches that are not done, at most.
const OPEN_JOBS: u64 = 100;
/// Seconds after which one who was refused may come again.
const AGAIN: u64 = 10;
/// Records that are read from the file at once.
const PAGE: u64 = 100;

/// Score many images.
#[utoipa::path(
    post, path = "/v1/batch", tag = "batches", params(Parameters),
    request_body(content((super::openapi::ManyImages = "multipart/form-data"))),
    responses(
        (status = 202, description = "The batch; Location is its address", body = Job),
        (status = 400, description = "No image, or a wrong field or parameter", body = Problem),
        (status = 401, description = "An API key is needed", body = Problem),
        (status = 403, description = "Another site asks", body = Problem),
        (status = 404, description = "No such detector", body = Problem),
        (status = 408, description = "The body did not arrive in time", body = Problem),
        (status = 413, description = "Too many images, or an image of too many bytes", body = Problem),
        (status = 503, description = "Too many batches: Retry-After says when to come again", body = Problem),
        (status = 507, description = "The server's disk is full", body = Problem),
    )
)]
pub(super) async fn submit(State(app): State<Arc<App>>, request: Request) -> Result<Response, Fault> {
    let asked = match Asked::of(&app, request.uri()) {
        Ok(asked) => asked,
        Err(fault) => return Err(upload::refuse(request, fault).await),
    };
    let receiving = app.receiving.try_acquire();
    if receiving.is_err() || app.jobs.open_jobs().await? >= OPEN_JOBS {
        return Err(upload::refuse(request, Fault::Busy { seconds: AGAIN }).await);
    }
    let Asked { detector, options, name } = asked;
    let received = app.jobs.receive(detector.sha256().to_owned(), options.stability, options.provenance);
    let id = match received.await {
        Ok(id) => id,
        Err(fault) => return Err(upload::refuse(request, fault).await),
    };
    let unfinished = Unfinished { jobs: Arc::clone(&app.jobs), id: Some(id.clone()) };
    let (mut total, most) = (0, app.settings.max_batch);
    let mut uploads = Uploads::of(request, name, &app).await?;
    while let Some(upload) = uploads.next().await? {
        if total == most {
            let fault = Fault::TooLarge { what: "images", limit: most, got: most + 1 };
            return Err(uploads.refuse(fault).await);
        }
        let name = upload.name.to_string_lossy().into_owned();
        if let Err(fault) = app.jobs.add(&id, total, name, upload.bytes).await {
            return Err(uploads.refuse(fault).await);
        }
        total += 1;
    }
    if total == 0 {
        return Err(Fault::bad(
            "no image, expected at least one",
            "send fields \"image\" of multipart/form-data",
        ));
    }
    let job = app.jobs.submit(&id, total).await?;
    unfinished.keep();
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, format!("/v1/batch/{id}"))], Json(job)).into_response())
}

/// A batch that is being received: forgotten, unless it becomes whole.
struct Unfinished {
    jobs: Arc<Jobs>,
    id: Option<String>,
}

impl Unfinished {
    fn keep(mut self) {
        self.id = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) {
            let jobs = Arc::clone(&self.jobs);
            runtime.spawn(async move { jobs.abandon(id).await });
        }
    }
}

async fn found(app: &App, id: &str) -> Result<Job, Fault> {
    app.jobs.find(id).await?.ok_or_else(|| no_such_job(id))
}

fn no_such_job(id: &str) -> Fault {
    Fault::NotFound(format!("no batch {:?}", id.chars().take(100).collect::<String>()))
}

/// Where a batch stands.
#[utoipa::path(
    get, path = "/v1/batch/{id}", tag = "batches", params(("id" = String, Path, description = "The batch")),
    responses(
        (status = 200, description = "The batch", body = Job),
        (status = 401, description = "An API key is needed", body = Problem),
        (status = 403, description = "Another site asks", body = Problem),
        (status = 404, description = "No such batch", body = Problem),
    )
)]
pub(super) async fn look(State(app): State<Arc<App>>, Name(id): Name) -> Result<Json<Job>, Fault> {
    found(&app, &id).await.map(Json)
}

/// Stop a batch. What was scored is kept.
#[utoipa::path(
    post, path = "/v1/batch/{id}/cancel", tag = "batches", params(("id" = String, Path, description = "The batch")),
    responses(
        (status = 200, description = "The batch", body = Job),
        (status = 401, description = "An API key is needed", body = Problem),
        (status = 403, description = "Another site asks", body = Problem),
        (status = 404, description = "No such batch", body = Problem),
        (status = 507, description = "The server's disk is full", body = Problem),
    )
)]
pub(super) async fn cancel(State(app): State<Arc<App>>, Name(id): Name) -> Result<Json<Job>, Fault> {
    app.jobs.stop(&id, JobState::Cancelled).await?.map(Json).ok_or_else(|| no_such_job(&id))
}

/// Forget a batch and its records.
#[utoipa::path(
    delete, path = "/v1/batch/{id}", tag = "batches", params(("id" = String, Path, description = "The batch")),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 401, description = "An API key is needed", body = Problem),
        (status = 403, description = "Another site asks", body = Problem),
        (status = 404, description = "No such batch", body = Problem),
        (status = 507, description = "The server's disk is full", body = Problem),
    )
)]
pub(super) async fn forget(State(app): State<Arc<App>>, Name(id): Name) -> Result<StatusCode, Fault> {
    match app.jobs.forget(&id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_such_job(&id)),
    }
}

/// Follow a batch: `progress` at the start and after each image, `end` at last; each carries the batch.
#[utoipa::path(
    get, path = "/v1/batch/{id}/events", tag = "batches", params(("id" = String, Path, description = "The batch")),
    responses(
        (status = 200, description = "Server-sent events", body = super::openapi::Told, content_type = "text/event-stream"),
        (status = 401, description = "An API key is needed", body = Problem),
        (status = 403, description = "Another site asks", body = Problem),
        (status = 404, description = "No such batch", body = Problem),
    )
)]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Name(id): Name,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Fault> {
    let changes = app.jobs.changes();
    found(&app, &id).await?;
    let following = Following { app, id, changes, told: None };
    Ok(Sse::new(unfold(Some(following), next_event)).keep_alive(KeepAlive::default()))
}

struct Following {
    app: Arc<App>,
    id: String,
    changes: watch::Receiver<()>,
    told: Option<Job>,
}

/// The next event, and who waits for the one after it. A batch that is forgotten meanwhile ends the stream.
async fn next_event(following: Option<Following>) -> Option<(Result<Event, Infallible>, Option<Following>)> {
    let mut following = following?;
    loop {
        following.changes.mark_unchanged();
        let job = following.app.jobs.find(&following.id).await.ok()??;
        if following.told.as_ref() != Some(&job) {
            let over = !matches!(job.state, JobState::Queued | JobState::Running);
            let event = Event::default().event(if over { "end" } else { "progress" }).json_data(&job).ok()?;
            following.told = Some(job);
            return Some((Ok(event), (!over).then_some(following)));
        }
        tokio::select! {
            changed = following.changes.changed() => changed.ok()?,
            () = following.app.closing() => return None,
        }
    }
}

/// The records of a batch so far, one JSON object a line, in the order of the upload.
#[utoipa::path(
    get, path = "/v1/batch/{id}/results", tag = "batches", params(("id" = String, Path, description = "The batch")),
    responses(
        (status = 200, description = "Records as JSON lines", body = String, content_type = "application/x-ndjson"),
        (status = 401, description = "An API key is needed", body = Problem),
        (status = 403, description = "Another site asks", body = Problem),
        (status = 404, description = "No such batch", body = Problem),
    )
)]
pub(super) async fn results(State(app): State<Arc<App>>, Name(id): Name) -> Result<Response, Fault> {
    found(&app, &id).await?;
    let pages = unfold((app, id, Some(0)), |(app, id, from)| async move {
        let page = app.jobs.records(&id, from?, PAGE).await;
        let (text, next) = match page {
            Err(_) => return Some((Err(std::io::Error::other("the file of batches")), (app, id, None))),
            Ok(rows) if rows.is_empty() => return None,
            Ok(rows) => {
                let next = rows.last().map(|(place, _)| place + 1);
                (rows.into_iter().map(|(_, record)| record + "\n").collect::<String>(), next)
            }
        };
        Some((Ok(Bytes::from(text)), (app, id, next)))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pages)).into_response())
}
