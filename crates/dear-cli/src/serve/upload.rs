//! Images out of the body of a request, as it is or as fields `image` of a form; never more of it than the limits allow.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{FromRequest, Request};
use axum::http::header;
use futures_util::{Stream, StreamExt};

use super::Settings;
use super::fault::Fault;

/// Characters of a file's name that are kept.
const LONGEST_NAME: usize = 1000;
/// Bytes beyond the limit that are read and dropped, so that a client that sends first and reads later sees the answer.
const DRAINED: u64 = 256 << 20;
/// And how long.
const DRAINING: Duration = Duration::from_secs(20);

/// An image that came.
#[derive(Debug)]
pub(super) struct Upload {
    /// What the client calls it.
    pub(super) name: String,
    /// Its file.
    pub(super) bytes: Vec<u8>,
}

/// A body that several may hold: who parses it, and who reads on when that has given up.
#[derive(Clone)]
struct Incoming(Arc<Mutex<BodyDataStream>>);

impl Stream for Incoming {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.0.lock() {
            Ok(mut stream) => stream.poll_next_unpin(context),
            Err(_) => Poll::Ready(None),
        }
    }
}

impl Incoming {
    async fn drain(mut self) {
        let drain = async {
            let mut read = 0;
            while let Some(Ok(chunk)) = self.next().await {
                read += chunk.len() as u64;
                if read > DRAINED {
                    break;
                }
            }
        };
        // Whether or not it is in time: the answer follows.
        let _ = tokio::time::timeout(DRAINING, drain).await;
    }
}

/// Read the rest of a request that is refused before its body was looked at.
pub(super) async fn refuse(request: Request, fault: Fault) -> Fault {
    Incoming(Arc::new(Mutex::new(request.into_body().into_data_stream()))).drain().await;
    fault
}

/// The one image of a request; `name` is what it is called where the body does not say.
pub(super) async fn one(request: Request, name: Option<String>, settings: &Settings) -> Result<Upload, Fault> {
    let mut found = None;
    each(request, name, settings, async |upload| match found.replace(upload) {
        None => Ok(()),
        Some(_) => Err(Fault::bad("two images, expected one", "send several to /v1/batch")),
    })
    .await?;
    found.ok_or_else(none)
}

fn none() -> Fault {
    Fault::bad(
        "no image, expected one",
        "send the file as the body, or as the field \"image\" of multipart/form-data",
    )
}

/// Hand each image of a request to `take`. An empty body has none.
pub(super) async fn each(
    request: Request,
    name: Option<String>,
    settings: &Settings,
    take: impl AsyncFnMut(Upload) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (parts, body) = request.into_parts();
    let incoming = Incoming(Arc::new(Mutex::new(body.into_data_stream())));
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let form = content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data"));
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let read = async {
        match (form, length) {
            (false, Some(got)) if got > settings.max_upload => Err(too_large(settings.max_upload, got)),
            (false, _) => raw(incoming.clone(), name, settings.max_upload, take).await,
            (true, _) => {
                let request = Request::from_parts(parts, Body::from_stream(incoming.clone()));
                fields(request, settings.max_upload, take).await
            }
        }
    };
    let read = tokio::time::timeout(settings.timeout, read).await;
    match read {
        Ok(Ok(())) => Ok(()),
        Ok(Err(fault)) => {
            incoming.drain().await;
            Err(fault)
        }
        Err(_) => Err(Fault::Timeout(settings.timeout.as_secs())),
    }
}

fn too_large(limit: u64, got: u64) -> Fault {
    Fault::TooLarge { what: "bytes of an image", limit, got }
}

fn cut(error: impl std::fmt::Display) -> Fault {
    Fault::bad(format!("the body cannot be read: {error}"), "send all of it, as long as Content-Length says")
}

async fn raw(
    mut incoming: Incoming,
    name: Option<String>,
    limit: u64,
    mut take: impl AsyncFnMut(Upload) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut bytes = Vec::new();
    while let Some(chunk) = incoming.next().await {
        bytes.extend_from_slice(&chunk.map_err(cut)?);
        if bytes.len() as u64 > limit {
            return Err(too_large(limit, bytes.len() as u64));
        }
    }
    if bytes.is_empty() {
        return Err(none());
    }
    take(Upload { name: named(name), bytes }).await
}

async fn fields(
    request: Request,
    limit: u64,
    mut take: impl AsyncFnMut(Upload) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let form = |error: axum::extract::multipart::MultipartError| cut(error.body_text());
    let mut multipart = Multipart::from_request(request, &()).await.map_err(|error| {
        Fault::bad(format!("not a form: {}", error.body_text()), "Content-Type must name the form's boundary")
    })?;
    while let Some(mut field) = multipart.next_field().await.map_err(form)? {
        if field.name() != Some("image") {
            let found = field.name().unwrap_or_default().chars().take(100).collect::<String>();
            return Err(Fault::bad(
                format!("field {found:?}, expected \"image\""),
                "options go into the address: ?detector=NAME&stability=true",
            ));
        }
        let name = named(field.file_name().map(str::to_owned));
        let bytes = whole(&mut field, limit).await?;
        take(Upload { name, bytes }).await?;
    }
    Ok(())
}

async fn whole(field: &mut Field<'_>, limit: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| cut(error.body_text()))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > limit {
            return Err(too_large(limit, bytes.len() as u64));
        }
    }
    Ok(bytes)
}

fn named(name: Option<String>) -> String {
    match name {
        Some(name) if !name.is_empty() => name.chars().take(LONGEST_NAME).collect(),
        _ => "image".to_owned(),
    }
}
