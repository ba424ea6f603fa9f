//! `dear models`: the embedded registry, and a pull from a server on this machine.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;

use crate::support::{Ran, args, command, contents, leftovers};

/// `dear models` with a cache of its own, offline unless the test names a server.
fn models(cache: &Path, endpoint: Option<&str>, more: Vec<OsString>) -> Ran {
    let mut command = command([args!["models"], more].concat());
    command.env("DEAR_CACHE", cache).env_remove("HF_TOKEN").env_remove("HF_ENDPOINT");
    match endpoint {
        Some(endpoint) => command.env("HF_ENDPOINT", endpoint).env_remove("HF_HUB_OFFLINE"),
        None => command.env("HF_HUB_OFFLINE", "1"),
    };
    command.output().unwrap().into()
}

#[test]
fn the_list_has_every_model_with_its_licence() {
    let temp = tempfile::tempdir().unwrap();
    let ran = models(temp.path(), None, args!["list"]).expect(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("model ") && lines[0].ends_with("  cached"), "{}", lines[0]);
    let row = |id: &str| lines.iter().find(|line| line.starts_with(&format!("{id} "))).unwrap().to_owned();
    assert!(row("dear-c").contains(" CC-BY-NC-4.0 ") && row("dear-c").ends_with(" no"), "{}", row("dear-c"));
    assert!(row("ladeda").ends_with(" by hand"), "{}", row("ladeda"));
    let ran = models(temp.path(), None, args!["list", "--format", "json"]).expect(0);
    let all: Vec<serde_json::Value> = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(all.len(), lines.len() - 1);
    let restricted = all.iter().filter(|one| one["permissive"] == false).count();
    assert!(restricted >= 4 && restricted < all.len(), "{restricted} of {}", all.len());
    assert!(contents(temp.path()).is_empty(), "a list writes nothing");
}

#[test]
fn a_licence_that_restricts_is_said_first_and_must_be_accepted() {
    let temp = tempfile::tempdir().unwrap();
    let ran = models(temp.path(), None, args!["info", "dear-c"]).expect(0);
    assert!(ran.stdout.starts_with("LICENCE        CC-BY-NC-4.0: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("\ntensor         gate.gate [2048]\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\nimport         dear import "), "{}", ran.stdout);
    let ran = models(temp.path(), None, args!["info", "dinov2-base"]).expect(0);
    assert!(ran.stdout.starts_with("model          dinov2-base\n"), "{}", ran.stdout);

    let ran = models(temp.path(), None, args!["pull", "dear-c"]).expect(2);
    assert_eq!(
        ran.talk("error: "),
        ["dear-c: the weights are under CC-BY-NC-4.0, which is not accepted yet"]
    );
    assert!(ran.talk("hint: ")[0].contains("--accept-licence") && ran.stdout.is_empty());
    let ran = models(temp.path(), None, args!["pull", "dear-c", "--accept-licence"]).expect(3);
    assert!(ran.talk("error: ")[0].contains("HF_HUB_OFFLINE"), "{}", ran.stderr);
    let ran = models(temp.path(), None, args!["pull", "rajan", "--accept-licence"]).expect(2);
    assert!(ran.talk("error: ")[0].contains("https://drive.google.com/"), "{}", ran.stderr);
    assert!(ran.talk("hint: ")[0].contains("dear import FILE --arch rajan --name rajan "), "{}", ran.stderr);
    let ran = models(temp.path(), None, args!["info", "deer"]).expect(2);
    assert!(
        ran.talk("error: ")[0].starts_with("no model \"deer\", expected one of: dear-c, "),
        "{}",
        ran.stderr
    );
    assert!(contents(temp.path()).is_empty());
}

/// A server with one small file, as the hub serves those that lie in git itself.
fn serve(bytes: &'static [u8], git_sha1: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(&stream).lines();
            let first = lines.next().unwrap().unwrap();
            lines.take_while(|line| !line.as_ref().unwrap().is_empty()).for_each(drop);
            let head = format!(
                "HTTP/1.1 200 OK\r\nX-Repo-Commit: {}\r\nETag: \"{git_sha1}\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                "a1".repeat(20),
                bytes.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            if first.starts_with("GET") {
                stream.write_all(bytes).unwrap();
            }
        }
    });
    address
}

#[test]
fn a_pull_says_where_the_file_is_and_how_to_go_on() {
    let temp = tempfile::tempdir().unwrap();
    let registry = temp.path().join("own.toml");
    let text = "[[model]]\nid = \"own\"\ntitle = \"t\"\narchitecture = \"npr\"\npaper = \"p\"\nrepository = \"https://r\"\n\
        licence = \"MIT\"\nhome = { kind = \"hub\", repo = \"o/r\", file = \"own.pth\" }\n";
    fs_err::write(&registry, text).unwrap();
    let cache = temp.path().join("cache");
    // git hash-object of the three bytes "abc".
    let address = serve(b"abc", "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f");
    let path = cache.join("models/own/own.pth");
    for (endpoint, said) in
        [(Some(address.as_str()), "downloaded, verified and pinned"), (None, "taken from the cache")]
    {
        let ran = models(&cache, endpoint, args!["pull", "own", "--registry", &registry]).expect(0);
        assert_eq!(ran.stdout, format!("{}\n", path.display()));
        let next = format!("dear import {} --arch npr --name own --licence MIT -o own.onnx", path.display());
        assert_eq!(ran.talk("next: "), [next]);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    assert_eq!(contents(&cache).into_keys().collect::<Vec<_>>(), ["models/lock.toml", "models/own/own.pth"]);
    let lock = fs_err::read_to_string(cache.join("models/lock.toml")).unwrap();
    assert!(lock.contains("commit = \"a1a1") && lock.contains("sha256 = \"ba7816bf"), "{lock}");
    let ran = models(&cache, None, args!["list", "--registry", &registry]).expect(0);
    assert!(ran.stdout.ends_with(" cached\n"), "{}", ran.stdout);

    // Three bytes are no checkpoint: the pull stands, and no detector file is written.
    let out = temp.path().join("own.onnx");
    models(&cache, None, args!["pull", "own", "--registry", &registry, "-o", &out]).expect(2);
    assert!(!out.exists() && path.exists() && leftovers(temp.path()).is_empty());
}
