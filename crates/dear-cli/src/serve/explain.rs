//! `POST /v1/explain`: the record and the map.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dear::backbone::Metadata;
use dear::detector::{Detector, Evidence};
use dear::error::Error;
use dear::explain::{Scale, overlay};
use dear::scan::{Explained, Record, Refusal, explain_bytes};
use dear_image::{Chain, Image, encode_png};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::fault::{Fault, Problem};
use super::request::{Arrived, Asked, Parameters};

/// What becomes of the picture that is sent to look at.
const PICTURE: &str = "fit(1600, bilinear) | jpeg(90)";
/// Most rows or columns of values that are sent.
const CELLS: usize = 256;

/// An image's record and map.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    record: Record,
    /// Null where there is none.
    map: Option<Map>,
    /// Why there is none, where the image was scored.
    map_missing: Option<Refusal>,
}

/// Where the logit comes from.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Map {
    /// Of what the network saw, in pixels.
    width: u32,
    /// Of what the network saw, in pixels.
    height: u32,
    /// What the network saw, to look at: a JPEG of at most 1600 pixels a side in a `data:` address.
    picture: String,
    /// Rows of values.
    rows: usize,
    /// Columns of values.
    columns: usize,
    /// Logits, row by row from the top left. A value of the last row or column may stand for fewer cells of the network.
    values: Vec<f32>,
    /// Pixels that a value stands for: across, down.
    cell: [f64; 2],
    /// Pixels from the left and from the top edge to the first cell.
    offset: [f64; 2],
    /// Logit at which the colour is strongest.
    full: f64,
    /// The least of the network's cells.
    min: f64,
    /// The greatest.
    max: f64,
    /// Their mean.
    logit: f64,
}

/// Score an image and show where the logit comes from.
///
/// With `Accept: image/png` the answer is the picture of `dear explain`; JSON goes before where both are accepted alike.
#[utoipa::path(
    post, path = "/v1/explain", tag = "images", params(Parameters),
    request_body(content(
        (Vec<u8> = "application/octet-stream"),
        (super::openapi::OneImage = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "Record and map", content((Answer = "application/json"), (Vec<u8> = "image/png"))),
        (status = 400, description = "No image, two images, or a wrong field or parameter", body = Problem),
        (status = 401, description = "An API key is needed", body = Problem),
        (status = 403, description = "Another site asks", body = Problem),
        (status = 404, description = "No such detector", body = Problem),
        (status = 408, description = "The body did not arrive in time", body = Problem),
        (status = 413, description = "Too many bytes", body = Problem),
        (status = 422, description = "A picture was asked for, and there is no map", body = Problem),
        (status = 503, description = "The queue is full: Retry-After says when to come again", body = Problem),
        (status = 504, description = "It takes too long", body = Problem),
    )
)]
pub(super) async fn explain(State(app): State<Arc<App>>, request: Request) -> Result<Response, Fault> {
    let png = wants_png(request.headers());
    let Arrived { asked: Asked { detector, options, .. }, upload, ticket } =
        Arrived::of(&app, request).await?;
    let work = move |stop: &dyn Fn() -> bool| -> Result<(Record, Option<Drawn>), Error> {
        let (record, explained) = explain_bytes(&detector, &upload.name, &upload.bytes, &options, stop)?;
        let drawn = explained.map(|explained| draw(&detector, &explained, png)).transpose()?;
        Ok((record, drawn))
    };
    let (record, drawn) = app.pool.run(Some(ticket), work).await??;
    app.measures.scored(&record);
    match (drawn, png) {
        (Some(Drawn::Png(bytes)), _) => Ok(([(header::CONTENT_TYPE, "image/png")], bytes).into_response()),
        (_, true) => Err(Fault::NoMap(match record.error {
            Some(error) => format!("refused ({}): {}", error.kind, error.message),
            None => no_map().message,
        })),
        (drawn, false) => {
            let map = drawn.and_then(Drawn::map);
            let map_missing = (map.is_none() && record.logit.is_some()).then(no_map);
            Ok(Json(Answer { record, map, map_missing }).into_response())
        }
    }
}

fn no_map() -> Refusal {
    Refusal {
        kind: "no_map".to_owned(),
        message: "this detector has no map: its head is not the mean of what it finds at each place"
            .to_owned(),
        hint: Some("import it with --head patch-mean, or ask another detector".to_owned()),
    }
}

/// Whether a picture is named, and not JSON before or beside it.
fn wants_png(headers: &HeaderMap) -> bool {
    let quality = |wanted: &str| {
        let named = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let kinds = named.flat_map(|value| value.split(',')).filter_map(|kind| {
            let (name, parameters) = kind.split_once(';').unwrap_or((kind, ""));
            let quality = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
            let quality = quality.map_or(1.0, |quality| quality.parse::<f32>().unwrap_or(0.0));
            name.trim().eq_ignore_ascii_case(wanted).then_some(quality)
        });
        kinds.fold(0.0, f32::max)
    };
    quality("image/png") > quality("application/json")
}

/// What is sent of a map.
enum Drawn {
    Png(Vec<u8>),
    Map(Box<Map>),
}

impl Drawn {
    fn map(self) -> Option<Map> {
        match self {
            Self::Png(_) => None,
            Self::Map(map) => Some(*map),
        }
    }
}

fn draw(detector: &Detector, explained: &Explained, png: bool) -> Result<Drawn, Error> {
    let Explained { seen, evidence } = explained;
    let scale = Scale::of([evidence]);
    let metadata = detector.metadata();
    if png {
        let picture = encode_png(&overlay(seen, evidence, metadata, &scale));
        return picture.map(Drawn::Png).map_err(|error| Error::Options(error.to_string()));
    }
    let picture = Chain::parse(PICTURE).and_then(|chain| chain.write(seen, 0, &[]));
    let jpeg = picture.map_err(|error| Error::Options(error.to_string()))?.bytes;
    let blocks = evidence.h.max(evidence.w).div_ceil(CELLS).max(1);
    let (values, rows, columns) = means(evidence, blocks);
    let (cell, offset) = geometry(metadata, seen, evidence);
    Ok(Drawn::Map(Box::new(Map {
        width: seen.width(),
        height: seen.height(),
        picture: format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)),
        rows,
        columns,
        values,
        cell: cell.map(|side| side * blocks as f64),
        offset,
        full: scale.full,
        min: scale.min,
        max: scale.max,
        logit: evidence.logit,
    })))
}

/// Size of a cell, and where the first begins: as [`overlay`] lays them.
fn geometry(metadata: &Metadata, seen: &Image, evidence: &Evidence) -> ([f64; 2], [f64; 2]) {
    match metadata.stride {
        Some(stride) => {
            let offset = f64::from(metadata.span().saturating_sub(stride) / 2);
            ([f64::from(stride); 2], [offset; 2])
        }
        None => {
            let cell = [
                f64::from(seen.width()) / evidence.w.max(1) as f64,
                f64::from(seen.height()) / evidence.h.max(1) as f64,
            ];
            (cell, [0.0; 2])
        }
    }
}

/// Means over `side` x `side` cells, fewer at the right and lower edges; rows, columns.
fn means(evidence: &Evidence, side: usize) -> (Vec<f32>, usize, usize) {
    let (rows, columns) = (evidence.h.div_ceil(side), evidence.w.div_ceil(side));
    let mut values = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let (mut sum, mut n) = (0.0f64, 0u32);
            for i in row * side..((row + 1) * side).min(evidence.h) {
                for j in column * side..((column + 1) * side).min(evidence.w) {
                    sum += f64::from(evidence.data[i * evidence.w + j]);
                    n += 1;
                }
            }
            values.push((sum / f64::from(n.max(1))) as f32);
        }
    }
    (values, rows, columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_sent_to_who_prefers_it() {
        for (accept, expected) in [
            ("image/png", true),
            ("Image/PNG; q=0.2, */*", true),
            ("text/html, image/png;v=1;q=0.9, application/json; q=0.5", true),
            ("image/png;q=0", false),
            ("image/png;q=x", false),
            ("image/png, application/json", false),
            ("image/png;q=0.5, application/json", false),
            ("*/*", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(wants_png(&headers), expected, "{accept:?}");
        }
        assert!(!wants_png(&HeaderMap::new()));
    }

    #[test]
    fn a_large_map_is_sent_as_means_whose_weighted_mean_is_the_logit() {
        let data: Vec<f32> = (0..7 * 5).map(|index| index as f32).collect();
        let evidence = Evidence { h: 7, w: 5, data, logit: 17.0 };
        let (values, rows, columns) = means(&evidence, 2);
        assert_eq!((rows, columns), (4, 3));
        // (0 + 1 + 5 + 6) / 4; the last stands alone.
        assert_eq!((values[0], values[11]), (3.0, 34.0));
        let weights = [4.0, 4.0, 2.0, 4.0, 4.0, 2.0, 4.0, 4.0, 2.0, 2.0, 2.0, 1.0];
        let sum: f32 = values.iter().zip(weights).map(|(value, weight)| value * weight).sum();
        assert_eq!(sum / 35.0, 17.0);
    }
}
