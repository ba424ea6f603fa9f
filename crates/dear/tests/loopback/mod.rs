//! A server on this machine that speaks as much HTTP as a download needs, and answers as it is told.

#![allow(unreachable_pub)] // A test binary has no other crate to be reached from.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use dear::files::sha256_hex;

/// What a client sent.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// `GET`, and what it asks for; `Range` where there is one.
    pub fn line(&self) -> String {
        let range = self.header("range").map(|range| format!(" {range}")).unwrap_or_default();
        format!("{} {}{range}", self.method, self.path)
    }
}

/// What it gets.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Send so many bytes of the body, then close the connection.
    pub cut: Option<usize>,
    /// Or then keep it open for so long, and send nothing.
    pub stall: Duration,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn body(body: &[u8]) -> Self {
        Self { status: 200, body: body.to_vec(), ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn redirect(to: &str) -> Self {
        Self::status(302).header("Location", to)
    }

    pub fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }

    pub fn stalled(mut self, after: usize, stall: Duration) -> Self {
        (self.cut, self.stall) = (Some(after), stall);
        self
    }

    fn send(self, mut stream: &TcpStream, head: bool) -> std::io::Result<()> {
        let mut text = format!("HTTP/1.1 {} Whatever\r\nConnection: close\r\n", self.status);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding")) {
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        stream.write_all((text + "\r\n").as_bytes())?;
        if !head {
            stream.write_all(&self.body[..self.cut.unwrap_or(self.body.len()).min(self.body.len())])?;
            stream.flush()?;
            thread::sleep(self.stall);
        }
        stream.shutdown(Shutdown::Write)
    }
}

type Answer = Box<dyn Fn(&Request, usize) -> Reply + Send + Sync>;

/// A running server. It ends with its handle.
pub struct Server {
    pub address: String,
    port: u16,
    sent: Arc<Mutex<Vec<Request>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// `answer` gets each request and how many came before it.
    pub fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer): (_, Arc<Answer>) = (sent.clone(), Arc::new(Box::new(answer)));
        let thread = thread::spawn(move || {
            let mut count = 0;
            for stream in listener.incoming() {
                let Some(request) = read(stream.as_ref().unwrap()) else { continue };
                if request.method == "STOP" {
                    return;
                }
                seen.lock().unwrap().push(request.clone());
                let number = count;
                count += 1;
                let answer = answer.clone();
                // A client that has seen enough hangs up; that is no failure of the server.
                thread::spawn(move || {
                    _ = answer(&request, number).send(&stream.unwrap(), request.method == "HEAD");
                });
            }
        });
        Self { address: format!("http://127.0.0.1:{port}"), port, sent, thread: Some(thread) }
    }

    pub fn sent(&self) -> Vec<Request> {
        self.sent.lock().unwrap().clone()
    }

    /// The requests since the last call, as [`Request::line`].
    pub fn lines(&self) -> Vec<String> {
        self.sent.lock().unwrap().drain(..).map(|request| request.line()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            _ = stream.write_all(b"STOP / HTTP/1.1\r\n\r\n");
        }
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    Some(Request { method, path, headers })
}

/// A file in a repository of the hub, large enough to be kept outside of git (LFS).
#[derive(Debug, Clone)]
pub struct Stored {
    pub repo: String,
    pub file: String,
    pub commit: String,
    pub bytes: Vec<u8>,
    /// Where the bytes are. Empty: on the same server.
    pub store: String,
}

impl Stored {
    pub fn new(bytes: Vec<u8>) -> Self {
        let (repo, file) = ("owner/name".to_owned(), "dir/weights.pth".to_owned());
        Self {
            repo,
            file,
            commit: "c".repeat(40).replace('c', "c0")[..40].to_owned(),
            bytes,
            store: String::new(),
        }
    }

    pub fn sha256(&self) -> String {
        sha256_hex(&self.bytes)
    }

    /// As the hub answers: HEAD and GET at a revision are a redirect with what it knows; the bytes are where that leads.
    pub fn answer(&self, request: &Request) -> Reply {
        let hash = self.sha256();
        if request.path == format!("/store/{hash}?signed=1") {
            return self.serve(request);
        }
        let at = |revision: &str| format!("/{}/resolve/{revision}/{}", self.repo, self.file);
        if request.path != at("main") && request.path != at(&self.commit) {
            let known = request.path.starts_with(&format!("/{}/", self.repo));
            let code = if known { "EntryNotFound" } else { "RepoNotFound" };
            return Reply::status(if known { 404 } else { 401 }).header("X-Error-Code", code);
        }
        Reply::redirect(&format!("{}/store/{hash}?signed=1", self.store))
            .header("X-Repo-Commit", &self.commit)
            .header("X-Linked-Etag", format!("\"{hash}\""))
            .header("X-Linked-Size", self.bytes.len())
            .header("ETag", "\"of-the-redirect\"")
    }

    /// The bytes, or a range of them.
    pub fn serve(&self, request: &Request) -> Reply {
        let total = self.bytes.len();
        let from = request.header("range").map(|range| {
            range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse::<usize>().unwrap()
        });
        let etag = format!("\"{}\"", self.sha256());
        match from {
            Some(from) if from < total => Reply { status: 206, ..Reply::body(&self.bytes[from..]) }
                .header("Content-Range", format!("bytes {from}-{}/{total}", total - 1)),
            Some(_) => Reply::status(416).header("Content-Range", format!("bytes */{total}")),
            None => Reply::body(&self.bytes),
        }
        .header("Accept-Ranges", "bytes")
        .header("ETag", etag)
    }
}
