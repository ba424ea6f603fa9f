//! Requests: redirects, who sees the token, what may be tried again.

use std::fmt;
use std::time::Duration;

use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body};

use super::PullError;
use crate::error::Error;

/// How many redirects are followed. huggingface_hub follows as many.
const MAX_REDIRECTS: u32 = 10;

/// A secret that stays out of logs.
#[derive(Clone)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why an attempt ended.
#[derive(Debug)]
pub(super) enum Stop {
    /// Another attempt would end alike.
    Final(Error),
    /// It may pass.
    Passing {
        /// What happened.
        cause: String,
        /// How long the server asks to wait.
        wait: Option<Duration>,
    },
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Final(error.into())
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ask {
    /// The headers only. A redirect that says what it leads to ends it: where the bytes are, nobody knows of commits.
    Facts,
    /// The file from this byte on.
    Bytes {
        /// 0: all of it.
        from: u64,
    },
}

/// One endpoint, and whoever it redirects to.
pub(super) struct Client {
    agent: Agent,
    endpoint: String,
    token: Option<Token>,
}

impl Client {
    /// `endpoint`: the hub's address, which may be plain http where the user names one. `stall`: how long a server may be
    /// silent.
    pub(super) fn new(endpoint: &str, token: Option<Token>, connect: Duration, stall: Duration) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("dear/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_per_read(Some(stall))
            .timeout_per_write(Some(stall))
            .timeout_recv_response(Some(stall));
        Self { agent: config.build().into(), endpoint: endpoint.to_owned(), token }
    }

    /// The answer to `ask`: status 200, 206 or 416, or for facts a redirect that has them.
    pub(super) fn send(&self, url: &str, ask: Ask) -> Result<Response<Body>, Stop> {
        let mut at = url.to_owned();
        // Whoever gets a redirect from another host must not get the token, even if it leads back.
        let mut trusted = true;
        for _ in 0..=MAX_REDIRECTS {
            self.check(&at)?;
            trusted &= same_origin(&at, &self.endpoint);
            let answer = self.send_once(&at, ask, trusted)?;
            if !answer.status().is_redirection() {
                return judge(&at, answer);
            }
            let location = header(answer.headers(), "location").ok_or_else(|| PullError::Answer {
                url: at.clone(),
                found: format!("HTTP {} without a place", answer.status().as_u16()),
                expected: "a Location",
            })?;
            let next = join(&at, location);
            if matches!(ask, Ask::Facts) && answer.headers().contains_key("x-linked-etag") {
                return Ok(answer);
            }
            if at.starts_with("https://") && !next.starts_with("https://") {
                return Err(PullError::Insecure { url: next }.into());
            }
            at = next;
        }
        Err(PullError::Redirects { url: url.to_owned(), limit: MAX_REDIRECTS }.into())
    }

    fn send_once(&self, url: &str, ask: Ask, trusted: bool) -> Result<Response<Body>, Stop> {
        let request = match ask {
            Ask::Facts => self.agent.head(url),
            Ask::Bytes { .. } => self.agent.get(url),
        };
        // Lengths and hashes are those of the file, not of a compressed form.
        let mut request = request.header("accept-encoding", "identity");
        if let Ask::Bytes { from } = ask
            && from > 0
        {
            request = request.header("range", format!("bytes={from}-"));
        }
        if let (true, Some(Token(token))) = (trusted, &self.token) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if is_loopback(url) {
            request = request.config().proxy(None).build();
        }
        request.call().map_err(|error| failed(url, error))
    }

    /// Plain http is for this machine, and for an endpoint that the user names.
    fn check(&self, url: &str) -> Result<(), PullError> {
        if url.starts_with("https://") || is_loopback(url) || same_origin(url, &self.endpoint) {
            return Ok(());
        }
        Err(PullError::Insecure { url: url.to_owned() })
    }
}

/// What a status means: <https://huggingface.co/docs/hub/api> has the error codes.
fn judge(url: &str, answer: Response<Body>) -> Result<Response<Body>, Stop> {
    let status = answer.status().as_u16();
    let code = header(answer.headers(), "x-error-code").unwrap_or_default();
    let not_found = |what| Stop::from(PullError::NotFound { url: url.to_owned(), what, status });
    let refused = |gated| Stop::from(PullError::Refused { url: url.to_owned(), gated, status });
    Err(match (status, code) {
        (200 | 206 | 416, _) => return Ok(answer),
        (_, "GatedRepo") => refused(true),
        (_, "RepoNotFound") => not_found("repository"),
        (_, "RevisionNotFound") => not_found("revision"),
        (_, "EntryNotFound") => not_found("file"),
        (401 | 403, _) => refused(false),
        (404 | 410, _) => not_found("file"),
        (408 | 429 | 500.., _) => {
            let wait = header(answer.headers(), "retry-after").and_then(|text| text.trim().parse().ok());
            Stop::Passing { cause: format!("HTTP {status}"), wait: wait.map(Duration::from_secs) }
        }
        _ => {
            PullError::Answer { url: url.to_owned(), found: format!("HTTP {status}"), expected: "200" }.into()
        }
    })
}

fn failed(url: &str, error: ureq::Error) -> Stop {
    let wrong = |found: String| {
        PullError::Answer { url: url.to_owned(), found, expected: "an answer in HTTP" }.into()
    };
    match error {
        ureq::Error::Timeout(_) => Stop::Passing { cause: "no answer in time".to_owned(), wait: None },
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::LargeResponseHeader(..) => {
            wrong(error.to_string())
        }
        other => Stop::Passing { cause: other.to_string(), wait: None },
    }
}

/// The value of a header, if it is text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Scheme, host and port.
fn origin(url: &str) -> Option<(String, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some((scheme, uri.host()?.to_ascii_lowercase(), port))
}

fn same_origin(a: &str, b: &str) -> bool {
    origin(a).is_some_and(|a| Some(a) == origin(b))
}

/// Whether an address is plain http to this machine.
pub(super) fn is_loopback(url: &str) -> bool {
    let Some((scheme, host, _)) = origin(url) else { return false };
    let number = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    scheme == "http" && (host == "localhost" || number.is_ok_and(|number| number.is_loopback()))
}

/// Where a redirect leads to (RFC 3986, 5.2, without dots in paths).
fn join(base: &str, location: &str) -> String {
    let scheme_end = base.find("://").map_or(0, |at| at + 3);
    let path = base[scheme_end..].find('/').map_or(base.len(), |at| scheme_end + at);
    // A query may hold an address; a scheme holds letters.
    let scheme = location.split_once("://").map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| scheme.chars().all(|c| c.is_ascii_alphanumeric())) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{}{location}", &base[..scheme_end.saturating_sub(2)])
    } else if location.starts_with('/') {
        format!("{}{location}", &base[..path])
    } else {
        let folder = base[path..].rfind('/').map_or(path, |at| path + at);
        format!("{}/{location}", &base[..folder])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_where_they_say() {
        let base = "https://h:1/a/b";
        let cases = [
            ("http://x/y", "http://x/y"),
            ("//x/y", "https://x/y"),
            ("/y?q=http://z", "https://h:1/y?q=http://z"),
            ("y", "https://h:1/a/y"),
        ];
        for (location, expected) in cases {
            assert_eq!(join(base, location), expected);
        }
        assert_eq!(join("https://h", "y"), "https://h/y");
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert!(same_origin("https://H/a", "https://h:443/b"));
        for other in ["http://h/a", "https://h:8/a", "https://h.x/a", "https://x/h", "h"] {
            assert!(!same_origin("https://h/a", other), "{other}");
        }
        for (url, expected) in [
            ("http://127.0.0.1:80/a", true),
            ("http://[::1]:80/a", true),
            ("http://localhost/a", true),
            ("http://127.0.0.1.example.org/a", false),
            ("http://127.0.0.1@example.org/a", false),
            ("ftp://localhost/a", false),
        ] {
            assert_eq!(is_loopback(url), expected, "{url}");
        }
    }

    #[test]
    fn plain_http_is_refused_before_anything_is_sent() {
        let second = Duration::from_secs(1);
        let client = Client::new("https://huggingface.co", None, second, second);
        let stop = client.send("http://example.org/a", Ask::Facts).unwrap_err();
        assert!(matches!(stop, Stop::Final(Error::Pull(PullError::Insecure { .. }))), "{stop:?}");
    }

    #[test]
    fn a_token_is_not_printed() {
        assert_eq!(format!("{:?}", Token("hf_secret".into())), "Token(..)");
    }
}
