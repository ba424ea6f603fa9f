//! The page for people: files that are compiled in.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use include_dir::{Dir, include_dir};

use super::fault::Fault;
use super::request::Name;

static PAGE: Dir = include_dir!("$CARGO_MANIFEST_DIR/src/serve/page");

pub(super) async fn index() -> Result<Response, Fault> {
    send("index.html")
}

pub(super) async fn file(Name(name): Name) -> Result<Response, Fault> {
    send(&name)
}

fn send(name: &str) -> Result<Response, Fault> {
    let no_such = || Fault::NotFound("no such file of the page".to_owned());
    let file = PAGE.get_file(name).ok_or_else(no_such)?;
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => return Err(no_such()),
    };
    Ok(([(header::CONTENT_TYPE, kind)], file.contents()).into_response())
}
