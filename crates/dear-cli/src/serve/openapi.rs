//! `GET /openapi.json`: the service for machines, from its types.

use axum::Json;
use serde::Deserialize;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use super::{batch, explain, measures, models, score};

/// One image in a form.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a description, never made")]
pub(super) struct OneImage {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
}

/// Many images in a form, each a field of this name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a description, never made")]
pub(super) struct ManyImages {
    /// The files.
    #[schema(value_type = Vec<String>, format = Binary, min_items = 1)]
    image: Vec<Vec<u8>>,
}

/// A server-sent event.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a description, never made")]
pub(super) struct Told {
    /// `progress` or `end`.
    event: String,
    /// The batch, as JSON.
    data: String,
}

struct ApiKeys;

impl Modify for ApiKeys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let header = ApiKey::Header(ApiKeyValue::new("X-Api-Key"));
        components.add_security_scheme("key", SecurityScheme::ApiKey(header));
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "dear", description = "Scores images, and shows where the scores come from."),
    paths(
        models::list, score::score, explain::explain, batch::submit, batch::look, batch::events, batch::results,
        batch::cancel, batch::forget, measures::health, measures::metrics, document
    ),
    modifiers(&ApiKeys),
    security((), ("bearer" = []), ("key" = [])),
    tags(
        (name = "images", description = "One image, one answer"),
        (name = "batches", description = "Many images, scored while the client does something else"),
        (name = "server", description = "The server itself")
    )
)]
struct Service;

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "server",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)), security(())
)]
pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Service::openapi())
}
