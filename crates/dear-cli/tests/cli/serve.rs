//! `dear serve` as a process: how it says where it is, what it refuses to start with, how it ends. What it answers is
//! tested in `src/serve/tests.rs`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

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

    fn ask(&self, request: &[u8]) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
        (status, serde_json::from_slice(&answer[end + 4..]).unwrap())
    }
}

#[test]
fn it_scores_and_ends_well_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let file = fs_err::read(sample(true)).unwrap();
    let head = format!(
        "POST /v1/score HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        server.address,
        file.len()
    );
    let (status, record) = server.ask(&[head.as_bytes(), &file].concat());
    assert_eq!((status, record["detector"]["name"].as_str()), (200, Some("mini")));
    let scanned = dear(args!["scan", "--format", "jsonl", sample(true)]).expect(0);
    let scanned: Value = serde_json::from_str(&scanned.stdout).unwrap();
    assert_eq!(record["logit"], scanned["logit"]);

    let port = server.address.rsplit(':').next().unwrap();
    let taken = dear(args!["serve", "--port", port, "--jobs", folder.path().join("other.sqlite")]).expect(3);
    assert!(taken.talk("error: ")[0].starts_with(&server.address), "{}", taken.stderr);
    let held = dear(args!["serve", "--port", "0", "--jobs", folder.path().join("jobs.sqlite")]).expect(2);
    assert!(
        held.stderr.contains("held by another server") && held.stderr.contains("hint: "),
        "{}",
        held.stderr
    );

    rustix::process::kill_process(
        rustix::process::Pid::from_child(&server.process),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
}

#[test]
fn it_does_not_start_with_what_it_cannot_keep() {
    let folder = tempfile::tempdir().unwrap();
    let [keys, jobs] = ["keys", "jobs.sqlite"].map(|name| folder.path().join(name));
    fs_err::write(&keys, "short\n").unwrap();
    fs_err::write(&jobs, "no database, and longer than the header of one, which has a hundred bytes: it is text, and stays what it is").unwrap();
    for (more, expected) in [
        (args!["--api-key-file", &keys], "a key of 5 bytes, expected at least 16"),
        (args!["--jobs", &jobs], "not a file of batches"),
        (args!["--detector", &keys], "keys"),
        (args!["--detector", "models/none.onnx"], "none.onnx"),
    ] {
        let ran = dear([args!["serve", "--port", "0"], more].concat());
        assert!(ran.code == 2 && ran.talk("error: ")[0].contains(expected), "{ran:?}");
    }
    assert!(fs_err::read_to_string(&jobs).unwrap().starts_with("no database"), "nothing is overwritten");
}
