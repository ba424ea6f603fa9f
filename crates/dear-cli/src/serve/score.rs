//! `POST /v1/score`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use dear::scan::{Record, score_bytes};

use super::App;
use super::fault::{Fault, Problem};
use super::request::{Arrived, Asked, Parameters};

/// Score an image.
///
/// A file that is no image is not an error: its record says why it was refused.
#[utoipa::path(
    post, path = "/v1/score", tag = "images", params(Parameters),
    request_body(content(
        (Vec<u8> = "application/octet-stream"),
        (super::openapi::OneImage = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "The image's record", body = Record),
        (status = 400, description = "No image, two images, or a wrong field or parameter", body = Problem),
        (status = 401, description = "An API key is needed", body = Problem),
        (status = 403, description = "Another site asks", body = Problem),
        (status = 404, description = "No such detector", body = Problem),
        (status = 408, description = "The body did not arrive in time", body = Problem),
        (status = 413, description = "Too many bytes", body = Problem),
        (status = 503, description = "The queue is full: Retry-After says when to come again", body = Problem),
        (status = 504, description = "It takes too long", body = Problem),
    )
)]
pub(super) async fn score(State(app): State<Arc<App>>, request: Request) -> Result<Json<Record>, Fault> {
    let Arrived { asked: Asked { detector, options, .. }, upload, ticket } =
        Arrived::of(&app, request).await?;
    let work =
        move |stop: &dyn Fn() -> bool| score_bytes(&detector, &upload.name, &upload.bytes, &options, stop);
    let record = app.pool.run(Some(ticket), work).await??;
    app.measures.scored(&record);
    Ok(Json(record))
}
