//! What a request can end in besides its answer: one table of kinds and statuses.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use dear::error::Error;
use serde::Serialize;
use utoipa::ToSchema;

use crate::output;

/// An error, as it is sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    error: Detail,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
struct Detail {
    /// A stable word.
    kind: &'static str,
    /// One line.
    message: String,
    /// What to do, or null.
    hint: Option<String>,
    /// The limit that was met, in bytes or images.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    /// What came; for a body whose length is not announced, what had come when it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    got: Option<u64>,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is not what is expected.
    Bad { message: String, hint: Option<String> },
    /// No key, or a wrong one.
    Unauthorized,
    /// Another site's page, or a foreign host name.
    Forbidden(String),
    /// No such address, detector or job.
    NotFound(String),
    /// The address knows other methods.
    Method(Method),
    /// An image did not arrive in time.
    Timeout(u64),
    /// More than a limit.
    TooLarge { what: &'static str, limit: u64, got: u64 },
    /// There is no picture to send.
    NoMap(String),
    /// Scoring took longer than it may.
    TooLong,
    /// Too many wait already.
    Busy { seconds: u64 },
    /// The disk that the file of batches is on is full.
    NoSpace,
    /// Our fault; what it is stays in the log.
    Internal,
}

impl Fault {
    pub(super) fn bad(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Bad { message: message.into(), hint: Some(hint.into()) }
    }

    fn parts(self) -> (StatusCode, &'static str, String, Option<String>) {
        let hint = |text: &str| Some(text.to_owned());
        match self {
            Self::Bad { message, hint } => (StatusCode::BAD_REQUEST, "bad_request", message, hint),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "no valid API key".to_owned(),
                hint("send one as Authorization: Bearer KEY, or as X-Api-Key"),
            ),
            Self::Forbidden(message) => (StatusCode::FORBIDDEN, "forbidden", message, None),
            Self::NotFound(message) => (StatusCode::NOT_FOUND, "not_found", message, None),
            Self::Method(method) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                format!("method {method} is not known here"),
                hint("see /openapi.json"),
            ),
            Self::Timeout(seconds) => (
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                format!("an image did not arrive within {seconds} seconds"),
                None,
            ),
            Self::TooLarge { what, limit, got } => {
                let message = format!("{got} {what}, expected at most {limit}");
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", message, None)
            }
            Self::NoMap(message) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "no_map",
                message,
                hint("ask without Accept: image/png for the record alone"),
            ),
            Self::TooLong => (
                StatusCode::GATEWAY_TIMEOUT,
                "too_long",
                "the image was not scored in the time that it may take".to_owned(),
                hint("ask without stability=true, or start the server with a longer --score-timeout"),
            ),
            Self::Busy { seconds } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "the queue is full".to_owned(),
                Some(format!("come again in {seconds} s")),
            ),
            Self::NoSpace => (
                StatusCode::INSUFFICIENT_STORAGE,
                "no_space",
                "the disk of the server is full".to_owned(),
                hint("free some space on the server, or delete batches"),
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "this request failed; the server's log says why".to_owned(),
                None,
            ),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        // It was stopped: where nobody waits any more, nobody sees this.
        if matches!(error, Error::Abandoned) {
            return Self::TooLong;
        }
        output::error(&error);
        Self::Internal
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (limit, got) = match self {
            Self::TooLarge { limit, got, .. } => (Some(limit), Some(got)),
            _ => (None, None),
        };
        let more = match self {
            Self::Busy { seconds } => Some((header::RETRY_AFTER, HeaderValue::from(seconds))),
            Self::Unauthorized => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            _ => None,
        };
        let (status, kind, message, hint) = self.parts();
        let problem = Problem { error: Detail { kind, message, hint, limit, got } };
        let mut response = (status, Json(problem)).into_response();
        response.headers_mut().extend(more);
        response
    }
}

pub(super) async fn no_such_address(uri: Uri) -> Fault {
    Fault::NotFound(format!("no such address: {}", uri.path()))
}

pub(super) async fn no_such_method(method: Method) -> Fault {
    Fault::Method(method)
}
