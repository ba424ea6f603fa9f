//! What a request asks for in its address.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query, Request};
use axum::http::Uri;
use axum::http::request::Parts;
use dear::detector::Detector;
use dear::scan::ScanOptions;
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::fault::Fault;
use super::pool::Ticket;
use super::upload::{self, Upload};

/// The parameters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Parameters {
    /// Name or SHA-256 of a detector of `/v1/models`; without it, the first.
    detector: Option<String>,
    /// Whether copies of the image are scored, too.
    #[serde(default)]
    #[param(required = false)]
    stability: bool,
    /// Whether the file is asked for its origin.
    #[serde(default)]
    #[param(required = false)]
    provenance: bool,
    /// What the image is called, where it is sent as the body.
    name: Option<String>,
}

/// What they come to.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) detector: Arc<Detector>,
    pub(super) options: ScanOptions,
    pub(super) name: Option<String>,
}

impl Asked {
    pub(super) fn of(app: &App, uri: &Uri) -> Result<Self, Fault> {
        let Query(parameters) = Query::<Parameters>::try_from_uri(uri).map_err(|error| {
            Fault::bad(error.body_text(), "detector, name, stability=true|false, provenance=true|false")
        })?;
        let options = ScanOptions {
            decode: app.settings.decode,
            stability: parameters.stability,
            provenance: parameters.provenance,
        };
        let detector = match &parameters.detector {
            None => app.detectors.first(),
            Some(wanted) => app.detector(wanted),
        };
        let detector = detector.ok_or_else(|| {
            let wanted = parameters.detector.unwrap_or_default().chars().take(100).collect::<String>();
            Fault::NotFound(format!("no one detector {wanted:?}; /v1/models lists them, with their SHA-256"))
        })?;
        Ok(Self { detector: Arc::clone(detector), options, name: parameters.name })
    }
}

/// An image that has come, what is asked of it, and its place in the queue.
pub(super) struct Arrived {
    pub(super) asked: Asked,
    pub(super) upload: Upload,
    pub(super) ticket: Ticket,
}

impl Arrived {
    /// Who comes while the queue is full is told before the image is taken.
    pub(super) async fn of(app: &App, request: Request) -> Result<Self, Fault> {
        let asked = match Asked::of(app, request.uri()).and_then(|asked| app.pool.full().map(|()| asked)) {
            Ok(asked) => asked,
            Err(fault) => return Err(upload::refuse(request, fault).await),
        };
        let upload = upload::one(request, asked.name.clone(), app).await?;
        Ok(Self { ticket: app.pool.admit()?, asked, upload })
    }
}

/// The last part of an address. One that is no text names nothing.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let name = Path::from_request_parts(parts, state).await;
        name.map(|Path(name)| Self(name)).map_err(|_| Fault::NotFound("no such address".to_owned()))
    }
}

impl App {
    /// The detector of this hash, or the only one of this name.
    pub(super) fn detector(&self, wanted: &str) -> Option<&Arc<Detector>> {
        self.detectors.iter().find(|detector| detector.sha256() == wanted).or_else(|| {
            let mut named = self.detectors.iter().filter(|detector| detector.metadata().name == wanted);
            named.next().filter(|_| named.next().is_none())
        })
    }
}
