//! Images out of the body of a request, as it is or as fields `image` of a form; never more of it than the limits allow.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use futures_util::{Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::App;
use super::fault::Fault;

/// Characters of a file's name that are kept.
const LONGEST_NAME: usize = 1000;
/// Bytes of a form that are read between two pieces of an image: heads of fields, and what stands before and after them.
const BETWEEN: u64 = 1 << 20;
const NO_IMAGE: &str = "more than a megabyte of a form without any of an image";
/// Bytes beyond the limit that are read and dropped, so that a client that sends first and reads later sees the answer.
const DRAINED: u64 = 256 << 20;
/// And how long.
const DRAINING: Duration = Duration::from_secs(20);
/// Seconds after which one may come again whose image found no memory.
const AGAIN: u64 = 5;

/// An image that came.
#[derive(Debug)]
pub(super) struct Upload {
    /// What the client calls it.
    pub(super) name: PathBuf,
    /// Its file.
    pub(super) bytes: Vec<u8>,
    /// What it takes of the memory for images that have come.
    _held: Option<OwnedSemaphorePermit>,
}

/// A body that several may hold: who parses it, and who reads on when that has given up.
#[derive(Clone)]
struct Incoming(Arc<Mutex<Reading>>);

struct Reading {
    stream: BodyDataStream,
    /// Bytes since the last piece of an image, where a form is parsed.
    between: Option<u64>,
    /// Whether a chunk was handed to the parser of the form, which would go on to read all that has come.
    handed: bool,
    /// Whether the client sends nothing before it is told to go on (`Expect`), which the first look at the body does.
    waits: bool,
}

impl Stream for Incoming {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Ok(mut reading) = self.0.lock() else { return Poll::Ready(None) };
        reading.waits = false;
        let Some(between) = reading.between else { return reading.stream.poll_next_unpin(context) };
        if std::mem::take(&mut reading.handed) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if between > BETWEEN {
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::other(NO_IMAGE)))));
        }
        let polled = reading.stream.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            reading.between = Some(between + chunk.len() as u64);
            reading.handed = true;
        }
        polled
    }
}

impl Incoming {
    fn of(headers: &HeaderMap, body: Body) -> Self {
        let waits = headers.contains_key(header::EXPECT);
        let stream = body.into_data_stream();
        Self(Arc::new(Mutex::new(Reading { stream, between: None, handed: false, waits })))
    }

    /// A form is parsed, and a piece of an image came.
    fn count_from_here(&self) {
        if let Ok(mut reading) = self.0.lock() {
            reading.between = Some(0);
        }
    }

    /// Whether it was given up because no image came.
    fn has_no_image(&self) -> bool {
        self.0.lock().is_ok_and(|reading| reading.between.is_some_and(|between| between > BETWEEN))
    }

    /// Read the rest, if it is under way, and drop it.
    async fn drain(mut self) {
        if let Ok(mut reading) = self.0.lock() {
            if reading.waits {
                return;
            }
            reading.between = None;
        }
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
    let (parts, body) = request.into_parts();
    Incoming::of(&parts.headers, body).drain().await;
    fault
}

/// The one image of a request; `name` is what it is called where the body does not say.
pub(super) async fn one(request: Request, name: Option<String>, app: &App) -> Result<Upload, Fault> {
    let mut uploads = Uploads::of(request, name, app).await?;
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
    memory: Arc<Semaphore>,
}

impl Uploads {
    pub(super) async fn of(request: Request, name: Option<String>, app: &App) -> Result<Self, Fault> {
        let (parts, body) = request.into_parts();
        let mut uploads = Self {
            incoming: Incoming::of(&parts.headers, body),
            form: None,
            name: None,
            limit: app.settings.max_upload,
            timeout: app.settings.timeout,
            memory: Arc::clone(&app.arrived),
        };
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let kind = text(header::CONTENT_TYPE).unwrap_or_default().trim_start().to_ascii_lowercase();
        if kind.starts_with("multipart/form-data") {
            uploads.incoming.count_from_here();
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
        let mut arriving =
            Arriving { bytes: Vec::new(), limit: self.limit, memory: &self.memory, held: None };
        if let Some(form) = &mut self.form {
            return field(form, &self.incoming, arriving).await;
        }
        let Some(name) = self.name.take() else { return Ok(None) };
        while let Some(chunk) = self.incoming.next().await {
            arriving.take(&chunk.map_err(cut)?)?;
        }
        Ok((!arriving.bytes.is_empty()).then(|| arriving.whole(PathBuf::from(name))))
    }
}

async fn field(
    form: &mut Multipart,
    incoming: &Incoming,
    mut arriving: Arriving<'_>,
) -> Result<Option<Upload>, Fault> {
    let broken = |error: MultipartError| match incoming.has_no_image() {
        true => cut(NO_IMAGE),
        false => cut(error.body_text()),
    };
    let Some(mut field) = form.next_field().await.map_err(broken)? else { return Ok(None) };
    incoming.count_from_here();
    if field.name() != Some("image") {
        let found = field.name().unwrap_or_default().chars().take(100).collect::<String>();
        return Err(Fault::bad(
            format!("field {found:?}, expected \"image\""),
            "options go into the address: ?detector=NAME&stability=true",
        ));
    }
    let name = file_name(&field);
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        arriving.take(&chunk)?;
        incoming.count_from_here();
    }
    Ok(Some(arriving.whole(name)))
}

/// An image of which some has come.
struct Arriving<'u> {
    bytes: Vec<u8>,
    limit: u64,
    memory: &'u Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Arriving<'_> {
    fn take(&mut self, chunk: &[u8]) -> Result<(), Fault> {
        let got = (self.bytes.len() + chunk.len()) as u64;
        if got > self.limit {
            return Err(too_large(self.limit, got));
        }
        let permits = u32::try_from(chunk.len()).map_err(|_| too_large(self.limit, got))?;
        let more = Arc::clone(self.memory).try_acquire_many_owned(permits);
        let more = more.map_err(|_| Fault::Busy { seconds: AGAIN })?;
        match &mut self.held {
            Some(held) => held.merge(more),
            held => *held = Some(more),
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    fn whole(self, name: PathBuf) -> Upload {
        Upload { name, bytes: self.bytes, _held: self.held }
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

/// What a field calls its file. Bytes that are not UTF-8 stay what they are, as those of a scanned file's path.
fn file_name(field: &Field<'_>) -> PathBuf {
    let stated = field.headers().get(header::CONTENT_DISPOSITION);
    // The parser drops a name that is not UTF-8.
    match (field.file_name(), stated.and_then(|stated| quoted_name(stated.as_bytes()))) {
        (None, Some(mut bytes)) if !bytes.is_empty() => {
            bytes.truncate(LONGEST_NAME);
            path_of(bytes)
        }
        (name, _) => named(name.map(str::to_owned)).into(),
    }
}

/// The bytes of `filename="..."` in a field's head.
fn quoted_name(stated: &[u8]) -> Option<Vec<u8>> {
    const KEY: &[u8] = b"filename=\"";
    let start = stated.windows(KEY.len()).position(|bytes| bytes.eq_ignore_ascii_case(KEY))? + KEY.len();
    let mut name = Vec::new();
    let mut rest = stated[start..].iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => return Some(name),
            b'\\' if rest.peek() == Some(&b'"') => name.extend(rest.next()),
            byte => name.push(byte),
        }
    }
    None
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}
