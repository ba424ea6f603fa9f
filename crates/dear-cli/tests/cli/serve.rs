//! `dear serve` as a process: how it says where it is, what it refuses to start with, how it ends. What it answers is
//! tested in `src/serve/tests.rs`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::{args, command, dear, sample};

struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// On a free port, which is read from what it says.
    fn start(folder: &std::path::Path) -> Self {
        let mut process = command(args!["serve", "--port", "0", "--jobs", folder.join("jobs.sqlite")])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address =
            lines.find_map(|line| line.unwrap().strip_prefix("listening on http://").map(str::to_owned));
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address: address.expect("it listens") }
    }

    /// Send a request; who reads the answer does so from the stream.
    fn send(&self, method: &str, address: &str, kind: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (host, length) = (&self.address, body.len());
        let head = format!(
            "{method} {address} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        stream
    }

    fn get(&self, address: &str) -> (u16, String) {
        answer(self.send("GET", address, "", b""))
    }

    /// A batch of this address when `until` is true of it.
    fn wait(&self, batch: &str, until: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let (status, job) = self.get(batch);
            let job: Value = serde_json::from_str(&job).unwrap();
            assert!(status == 200 && begun.elapsed() < Duration::from_secs(120), "{status}: {job}");
            if until(&job) {
                return job;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn terminate(&mut self) -> Option<i32> {
        let process = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        self.process.wait().unwrap().code()
    }
}

/// Status and body; a body in chunks is put together.
fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, mut body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head[9..12].parse().unwrap();
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return (status, body.to_owned());
    }
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
    (status, whole)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn it_scores_and_ends_well_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let file = fs_err::read(sample(true)).unwrap();
    let (status, record) = answer(server.send("POST", "/v1/score", "image/jpeg", &file));
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!((status, record["detector"]["name"].as_str()), (200, Some("mini")));
    let scanned = dear(args!["scan", "--format", "jsonl", sample(true)]).expect(0);
    let scanned: Value = serde_json::from_str(&scanned.stdout).unwrap();
    assert_eq!(record["logit"], scanned["logit"]);

    let port = server.address.rsplit(':').next().unwrap();
    let taken = dear(args!["serve", "--port", port, "--jobs", folder.path().join("other.sqlite")]).expect(3);
    assert!(taken.talk("error: ")[0].starts_with(&server.address), "{}", taken.stderr);
    assert!(taken.talk("hint: ")[0].contains("--port"), "{}", taken.stderr);
    let held = dear(args!["serve", "--port", "0", "--jobs", folder.path().join("jobs.sqlite")]).expect(2);
    assert!(
        held.stderr.contains("held by another server") && held.stderr.contains("hint: "),
        "{}",
        held.stderr
    );

    assert_eq!(server.terminate(), Some(0));
}

/// A noisy picture that takes the network long enough to be met at work.
fn large(side: u32) -> Vec<u8> {
    let image =
        dear_image::Image::from_fn(side, side, |x, y| [x as u8, y as u8, ((x * 31) ^ (y * 17)) as u8]);
    dear_image::encode_png(&image).unwrap()
}

#[test]
fn a_batch_survives_the_kill_of_its_server() {
    const IMAGES: usize = 12;
    let folder = tempfile::tempdir().unwrap();
    let picture = large(256);
    let mut form = Vec::new();
    for place in 0..IMAGES {
        let head = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"image\"; filename=\"{place}.png\"\r\n\r\n"
        );
        form.extend_from_slice(&[head.as_bytes(), &picture, b"\r\n"].concat());
    }
    form.extend_from_slice(b"--XX--\r\n");
    let mut first = Server::start(folder.path());
    let sent = first.send("POST", "/v1/batch?stability=true", "multipart/form-data; boundary=XX", &form);
    let (status, job) = answer(sent);
    let job: Value = serde_json::from_str(&job).unwrap();
    assert_eq!((status, job["total"].as_u64()), (202, Some(IMAGES as u64)));
    let batch = format!("/v1/batch/{}", job["id"].as_str().unwrap());
    let before = first.wait(&batch, |job| job["done"].as_u64() >= Some(2));
    first.process.kill().unwrap();
    first.process.wait().unwrap();
    let done = before["done"].as_u64().unwrap() as usize;
    assert!(done < IMAGES, "killed too late: {before}");

    let second = Server::start(folder.path());
    let after = second.wait(&batch, |job| job["state"] == "done");
    assert_eq!((after["done"].as_u64(), after["refused"].as_u64()), (Some(IMAGES as u64), Some(0)));
    let (status, results) = second.get(&format!("{batch}/results"));
    let records: Vec<Value> = results.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((status, records.len()), (200, IMAGES));
    for (place, record) in records.iter().enumerate() {
        assert_eq!(record["path"], format!("{place}.png"));
        assert_eq!(
            (&record["logit"], &record["stability"]),
            (&records[0]["logit"], &records[0]["stability"])
        );
        assert!(record["logit"].is_number());
    }
    // What had a record is not scored again.
    let (_, metrics) = second.get("/metrics");
    let scored = metrics.lines().filter(|line| line.starts_with("dear_images_total{"));
    let scored: usize = scored.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum();
    assert!((1..=IMAGES - done).contains(&scored), "{scored} of {IMAGES}, {done} before");
}

#[test]
fn what_is_being_scored_is_answered_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let asked = server.send("POST", "/v1/score?stability=true", "image/png", &large(768));
    let inside = |metrics: String| metrics.lines().any(|line| line == "dear_requests_inside 1");
    let begun = Instant::now();
    while !inside(server.get("/metrics").1) {
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
    assert_eq!(server.terminate(), Some(0));
    let (status, record) = answer(asked);
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!((status, record["stability"]["copies"].as_array().map(Vec::len)), (200, Some(6)));
}

#[test]
fn it_does_not_start_with_what_it_cannot_keep() {
    let folder = tempfile::tempdir().unwrap();
    let [keys, jobs, odd] = ["keys", "jobs.sqlite", "odd"].map(|name| folder.path().join(name));
    fs_err::write(&keys, "short\n").unwrap();
    fs_err::write(&odd, b"# caf\xe9\nkey-of-sixteen-letters\nkey\xe2\x80\x93of-sixteen-letters\n").unwrap();
    fs_err::write(&jobs, "no database, and longer than the header of one, which has a hundred bytes: it is text, and stays what it is").unwrap();
    for (more, expected, hint) in [
        (args!["--api-key-file", &keys], "a key of 5 bytes, expected at least 16", "one key a line"),
        (args!["--api-key-file", &odd], "line 3: a key with", "one key a line"),
        (args!["--api-key-file", folder.path()], "is a folder, expected a file", "one key a line"),
        (args!["--jobs", &jobs], "not a file of batches", "move it away"),
        (args!["--jobs", folder.path()], "is a folder, expected a file", "--jobs"),
        (args!["--detector", &keys], "keys", ".onnx"),
        (args!["--detector", sample(true)], "looks like a picture", "give the detector's file"),
        (args!["--detector", "models/none.onnx"], "none.onnx", "check the path"),
    ] {
        let ran = dear([args!["serve", "--port", "0"], more].concat());
        assert!(ran.code == 2 && ran.talk("error: ")[0].contains(expected), "{ran:?}");
        assert!(ran.talk("hint: ")[0].contains(hint), "{ran:?}");
    }
    assert!(fs_err::read_to_string(&jobs).unwrap().starts_with("no database"), "nothing is overwritten");
}
