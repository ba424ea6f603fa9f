//! Who may ask: this server's own pages and programs, and, where keys are set, those that have one.

use std::path::Path;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dear::error::Error;
use dear::files::sha256_hex;

use super::App;
use super::fault::Fault;
use super::upload;

/// Fewest characters of a key.
const SHORTEST_KEY: usize = 16;

/// Keys that are accepted, as hashes: how long a comparison takes says nothing of a key.
#[derive(Debug)]
pub(crate) struct Keys(Vec<String>);

impl Keys {
    /// One a line; empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// A file without any key, or with one that is short or has characters that no header carries; a folder.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let refused = |message: String| Error::Images {
            message: format!("{}: {message}", path.display()),
            hint: "write one key a line, for example of: openssl rand -hex 24".to_owned(),
        };
        if path.is_dir() {
            return Err(refused("is a folder, expected a file of keys".to_owned()));
        }
        // What is not UTF-8 is not visible ASCII either, and found below.
        let text = String::from_utf8_lossy(&fs_err::read(path)?).into_owned();
        let lines = text.lines().map(str::trim).enumerate();
        let keys: Vec<(usize, &str)> =
            lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect();
        if keys.is_empty() {
            return Err(refused("no key, expected one a line".to_owned()));
        }
        if let Some((line, _)) = keys.iter().find(|(_, key)| !key.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            let line = line + 1;
            return Err(refused(format!(
                "line {line}: a key with blanks or characters outside of ASCII, expected visible ASCII alone"
            )));
        }
        if let Some((line, key)) = keys.iter().find(|(_, key)| key.len() < SHORTEST_KEY) {
            let (line, found) = (line + 1, key.len());
            return Err(refused(format!(
                "line {line}: a key of {found} bytes, expected at least {SHORTEST_KEY}"
            )));
        }
        Ok(Self(keys.into_iter().map(|(_, key)| sha256_hex(key.as_bytes())).collect()))
    }

    fn admit(&self, headers: &HeaderMap) -> bool {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
            let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
        });
        let own = headers.get("x-api-key").and_then(|value| value.to_str().ok());
        // A proxy may want the one for itself: either does.
        bearer.into_iter().chain(own).any(|key| self.0.contains(&sha256_hex(key.as_bytes())))
    }
}

/// Lets a request pass, or says why not.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match check(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(fault) => upload::refuse(request, fault).await.into_response(),
    }
}

fn check(app: &App, request: &Request) -> Result<(), Fault> {
    let headers = request.headers();
    let host = host(request.uri(), headers);
    // A page of another site may have its name point here ("DNS rebinding"), and its scripts would then read our answers.
    let named =
        |host: &str| app.settings.hosts.iter().any(|name| name.eq_ignore_ascii_case(without_port(host)));
    if !host.is_some_and(|host| is_address(host) || named(host)) {
        let found = host.unwrap_or_default().chars().take(100).collect::<String>();
        return Err(Fault::Forbidden(format!(
            "host {found:?}, expected localhost, an address, or a name of --public-host"
        )));
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let own = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        if !own.is_some_and(|own| Some(own) == host || named(own)) {
            return Err(Fault::Forbidden("a request of another site's page".to_owned()));
        }
    }
    let read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !read && headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return Err(Fault::Forbidden("a request of another site's page".to_owned()));
    }
    let path = request.uri().path();
    let guarded = path.starts_with("/v1/") || path == "/metrics";
    match &app.settings.keys {
        Some(keys) if guarded && !keys.admit(headers) => Err(Fault::Unauthorized),
        _ => Ok(()),
    }
}

fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    uri.authority().map(|authority| authority.as_str()).or_else(|| headers.get(header::HOST)?.to_str().ok())
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// `localhost`, or an address, with or without a port: no name server is asked for it.
fn is_address(host: &str) -> bool {
    let name = without_port(host);
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

/// Headers of every answer: the page runs nothing but its own files, and nothing is kept by what lies between.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; \
        form-action 'none'; frame-ancestors 'none'";
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_no_names() {
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1", "10.0.0.1:9", "[::1]", "[::2]:8000"] {
            assert!(is_address(host), "{host}");
        }
        for host in ["", "example.org", "localhost.example.org", "127.0.0.1.example.org", "0x7f000001"] {
            assert!(!is_address(host), "{host}");
        }
    }
}
