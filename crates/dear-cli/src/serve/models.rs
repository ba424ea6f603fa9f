//! `GET /v1/models`: which detectors there are, and what must be known of them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dear::detector::Detector;
use dear::engine::EngineInfo;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::fault::Problem;

/// The detectors of this server.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Models {
    /// The first is asked where a request names none.
    models: Vec<Model>,
}

/// A detector.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Model {
    name: String,
    /// Of its file.
    sha256: String,
    architecture: String,
    licence: String,
    /// What one must know before trusting a score.
    card: Option<String>,
    /// What the network has seen.
    trained_on: Option<String>,
    /// The shortest side in pixels; smaller images are refused.
    min_side: u32,
    /// Shortest and longest shorter side of the images that it was calibrated on.
    sides: Option<[u32; 2]>,
    /// Their formats.
    formats: Option<Vec<String>>,
    /// Logit above which an image counts as generated.
    threshold: f64,
    /// Who set it, with what it promises.
    threshold_origin: String,
    /// Logits between which it does not decide.
    uncertain: Option<[f64; 2]>,
    /// Whether records have a probability.
    calibrated: bool,
    /// Whether `/v1/explain` gives a map.
    has_map: bool,
    /// What the network sees of an image.
    view: String,
    /// What runs it.
    engine: EngineInfo,
}

impl Model {
    fn of(detector: &Detector) -> Self {
        let metadata = detector.metadata();
        Self {
            name: metadata.name.clone(),
            sha256: detector.sha256().to_owned(),
            architecture: metadata.architecture.clone(),
            licence: metadata.licence.clone(),
            card: metadata.card.clone(),
            trained_on: metadata.valid_input.trained_on.clone(),
            min_side: metadata.valid_input.min_side,
            sides: metadata.valid_input.sides,
            formats: metadata.valid_input.formats.clone(),
            threshold: metadata.threshold.value,
            threshold_origin: metadata.threshold.origin.clone(),
            uncertain: metadata.threshold.uncertain,
            calibrated: metadata.calibration.is_some(),
            has_map: detector.has_map(),
            view: metadata.view.to_string(),
            engine: detector.info().clone(),
        }
    }
}

/// The detectors of this server.
#[utoipa::path(
    get, path = "/v1/models", tag = "server",
    responses(
        (status = 200, description = "The detectors", body = Models),
        (status = 401, description = "An API key is needed", body = Problem),
        (status = 403, description = "Another site asks", body = Problem),
    )
)]
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Models> {
    Json(Models { models: app.detectors.iter().map(|detector| Model::of(detector)).collect() })
}
