//! Images out of the body of a request, as it is or as fields `image` of a form; never more of it than the limits allow.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use axum::http::header;
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

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
        let _ = timeout(DRAINING, drain).await;
    }
}

/// Read the rest of a request that is refused before its body was looked at.
pub(super) async fn refuse(request: Request, fault: Fault) -> Fault {
    Incoming(Arc::new(Mutex::new(request.into_body().into_data_stream()))).drain().await;
    fault
}

/// The one image of a request; `name` is what it is called where the body does not say.
pub(super) async fn one(
    request: Request,
    name: Option<String>,
    settings: &Settings,
) -> Result<Upload, Fault> {
    let mut uploads = Uploads::of(request, name, settings).await?;
    let upload = uploads.next().await?.ok_or_else(|| {
        Fault::bad(
            "no image, expected one",
            "send the file as the body, or as the field \"image\" of multipart/form-data",
        )
    })?;
    match uploads.next().await? {
        None => Ok(upload),
        Some(_) => {
            Err(uploads.refuse(Fault::bad("two images, expected one", "send several to /v1/batch")).await)
        }
    }
}

/// The images of a request, one after the other. After a fault the rest is read and dropped.
pub(super) struct Uploads {
    incoming: Incoming,
    form: Option<Multipart>,
    /// Of the body that is the image itself, until it was read.
    name: Option<String>,
    limit: u64,
    timeout: Duration,
}

impl Uploads {
    pub(super) async fn of(
        request: Request,
        name: Option<String>,
        settings: &Settings,
    ) -> Result<Self, Fault> {
        let (parts, body) = request.into_parts();
        let mut uploads = Self {
            incoming: Incoming(Arc::new(Mutex::new(body.into_data_stream()))),
            form: None,
            name: None,
            limit: settings.max_upload,
            timeout: settings.timeout,
        };
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let kind = text(header::CONTENT_TYPE).unwrap_or_default().trim_start().to_ascii_lowercase();
        if kind.starts_with("multipart/form-data") {
            let request = Request::from_parts(parts, Body::from_stream(uploads.incoming.clone()));
            match Multipart::from_request(request, &()).await {
                Ok(form) => uploads.form = Some(form),
                Err(error) => {
                    let message = format!("not a form: {}", error.body_text());
                    let fault = Fault::bad(message, "Content-Type must name the form's boundary");
                    return Err(uploads.refuse(fault).await);
                }
            }
            return Ok(uploads);
        }
        uploads.name = Some(named(name));
        match text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()) {
            Some(got) if got > uploads.limit => {
                let fault = too_large(uploads.limit, got);
                Err(uploads.refuse(fault).await)
            }
            _ => Ok(uploads),
        }
    }

    /// The next image, which has the timeout to itself. An empty body has none.
    pub(super) async fn next(&mut self) -> Result<Option<Upload>, Fault> {
        match timeout(self.timeout, self.read()).await {
            Ok(Ok(upload)) => Ok(upload),
            Ok(Err(fault)) => Err(self.refuse(fault).await),
            Err(_) => Err(Fault::Timeout(self.timeout.as_secs())),
        }
    }

    /// Read what is left, and hand the fault on.
    pub(super) async fn refuse(&self, fault: Fault) -> Fault {
        self.incoming.clone().drain().await;
        fault
    }

    async fn read(&mut self) -> Result<Option<Upload>, Fault> {
        if let Some(form) = &mut self.form {
            return field(form, self.limit).await;
        }
        let Some(name) = self.name.take() else { return Ok(None) };
        let mut bytes = Vec::new();
        while let Some(chunk) = self.incoming.next().await {
            grow(&mut bytes, &chunk.map_err(cut)?, self.limit)?;
        }
        Ok((!bytes.is_empty()).then_some(Upload { name, bytes }))
    }
}

async fn field(form: &mut Multipart, limit: u64) -> Result<Option<Upload>, Fault> {
    let broken = |error: MultipartError| cut(error.body_text());
    let Some(mut field) = form.next_field().await.map_err(broken)? else { return Ok(None) };
    if field.name() != Some("image") {
        let found = field.name().unwrap_or_default().chars().take(100).collect::<String>();
        return Err(Fault::bad(
            format!("field {found:?}, expected \"image\""),
            "options go into the address: ?detector=NAME&stability=true",
        ));
    }
    let name = named(field.file_name().map(str::to_owned));
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        grow(&mut bytes, &chunk, limit)?;
    }
    Ok(Some(Upload { name, bytes }))
}

fn grow(bytes: &mut Vec<u8>, chunk: &[u8], limit: u64) -> Result<(), Fault> {
    bytes.extend_from_slice(chunk);
    match bytes.len() as u64 {
        got if got > limit => Err(too_large(limit, got)),
        _ => Ok(()),
    }
}

fn too_large(limit: u64, got: u64) -> Fault {
    Fault::TooLarge { what: "bytes of an image", limit, got }
}

fn cut(error: impl std::fmt::Display) -> Fault {
    Fault::bad(format!("the body cannot be read: {error}"), "send all of it, as long as Content-Length says")
}

fn named(name: Option<String>) -> String {
    match name {
        Some(name) if !name.is_empty() => name.chars().take(LONGEST_NAME).collect(),
        _ => "image".to_owned(),
    }
}
