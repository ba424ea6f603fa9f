//! `registry::pull` against a server on this machine that speaks the hub's protocol, with faults. Each test looks at what is
//! left on disk.

#![expect(clippy::unwrap_used, reason = "the helpers are tests too")]

mod loopback;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dear::error::{Category, Error};
use dear::files::sha256_hex;
use dear::observe::{Event, Observer, Silent};
use dear::registry::pull::Token;
use dear::registry::{Cache, Entry, Home, PullError, PullOptions, Pulled, pull};
use loopback::{Reply, Request, Server, Stored};

/// A cache of its own, a model, and what a test changes of the options.
struct Place {
    temp: tempfile::TempDir,
    entry: Entry,
    options: PullOptions,
}

impl Place {
    fn new(endpoint: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let mut options = PullOptions::new(Cache::in_folder(temp.path()));
        options.endpoint = endpoint.to_owned();
        options.backoff = Duration::from_millis(1);
        options.attempts = 3;
        options.stall = Duration::from_millis(500);
        let entry: Entry = toml::from_str(
            "id = \"m\"\ntitle = \"t\"\narchitecture = \"npr\"\npaper = \"p\"\nrepository = \"https://r\"\n\
             licence = \"MIT\"\nhome = { kind = \"hub\", repo = \"owner/name\", file = \"dir/weights.pth\" }",
        )
        .unwrap();
        Self { temp, entry, options }
    }

    fn pull(&self) -> Result<Pulled, Error> {
        pull(&self.entry, &self.options, &Silent)
    }

    /// The error, which must be of this kind.
    #[track_caller]
    fn fails(&self, kind: &str) -> PullError {
        match self.pull().unwrap_err() {
            Error::Pull(error) => {
                assert_eq!(error.kind(), kind, "{error}");
                assert!(error.hint().is_some() && !error.to_string().contains('\n'), "{error}");
                error
            }
            other => panic!("{other}"),
        }
    }

    fn models(&self) -> PathBuf {
        self.temp.path().join("models")
    }

    /// Files of the cache and their lengths, without the locks of processes. Hashes in names are cut to four digits.
    fn disk(&self) -> Vec<(String, u64)> {
        let (mut found, mut open) = (Vec::new(), vec![self.models()]);
        while let Some(folder) = open.pop() {
            let Ok(entries) = fs_err::read_dir(&folder) else { continue };
            for path in entries.map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    open.push(path);
                } else if path.file_name().unwrap() != ".lock" {
                    let name = path.strip_prefix(self.models()).unwrap().to_string_lossy().into_owned();
                    let short =
                        |part: &str| if part.len() >= 40 { part[..4].to_owned() } else { part.to_owned() };
                    let name: Vec<String> = name.split('.').map(short).collect();
                    found.push((name.join("."), path.metadata().unwrap().len()));
                }
            }
        }
        found.retain(|(name, _)| name != "lock.toml");
        found.sort();
        found
    }

    fn pinned(&self) -> Option<String> {
        self.options.cache.pin(&self.entry).unwrap().map(|pin| pin.sha256)
    }

    /// Whole, verified, pinned, and nothing else.
    #[track_caller]
    fn has(&self, bytes: &[u8]) {
        assert_eq!(self.disk(), [("m/weights.pth".to_owned(), bytes.len() as u64)]);
        assert!(fs_err::read(self.models().join("m/weights.pth")).unwrap() == bytes);
        assert_eq!(self.pinned(), Some(sha256_hex(bytes)));
    }

    /// Nothing but a partial file with the first bytes of these.
    #[track_caller]
    fn has_part(&self, bytes: &[u8], length: usize) {
        let etag = sha256_hex(bytes);
        assert_eq!(self.disk(), [(format!("m/.weights.pth.{}.part", &etag[..4]), length as u64)]);
        let part = fs_err::read(self.models().join(format!("m/.weights.pth.{etag}.part"))).unwrap();
        assert!(part == bytes[..length]);
        assert_eq!(self.pinned(), None);
    }

    #[track_caller]
    fn has_nothing(&self) {
        assert_eq!((self.disk(), self.pinned()), (vec![], None));
    }
}

fn weights(seed: usize) -> Vec<u8> {
    (0..300_000).map(|i| (i * 31 % 251 + seed) as u8).collect()
}

fn is_store(request: &Request) -> bool {
    request.path.starts_with("/store/")
}

const HEAD: &str = "HEAD /owner/name/resolve/main/dir/weights.pth";

#[test]
fn a_file_is_pulled_once_and_then_needs_no_server() {
    let stored = Stored::new(weights(0));
    let (hub, bytes, commit) = {
        let stored = stored.clone();
        (Server::start(move |request, _| stored.answer(request)), weights(0), "c0".repeat(20))
    };
    let place = Place::new(&hub.address);
    let pulled = place.pull().unwrap();
    place.has(&bytes);
    assert_eq!((pulled.pin.commit.as_deref(), pulled.from_cache), (Some(commit.as_str()), false));
    let store = format!("GET /store/{}?signed=1", stored.sha256());
    let at_commit = HEAD.replace("HEAD", "GET").replace("main", &commit);
    assert_eq!(hub.lines(), [HEAD.to_owned(), at_commit, store]);
    let again = place.pull().unwrap();
    assert!(again.from_cache && again.path == pulled.path && hub.lines().is_empty());
    drop(hub);
    for offline in [false, true] {
        let place = Place { options: PullOptions { offline, ..place.options.clone() }, ..Place::new("x") };
        assert!(pull(&place.entry, &place.options, &Silent).unwrap().from_cache);
    }
    // A byte has changed since: the file is not what was pulled.
    let mut damaged = bytes.clone();
    damaged[1000] ^= 1;
    fs_err::write(&pulled.path, &damaged).unwrap();
    let offline =
        Place { options: PullOptions { offline: true, ..place.options.clone() }, ..Place::new("x") };
    offline.fails("offline");
    let hub = Server::start(move |request, _| stored.answer(request));
    let place =
        Place { options: PullOptions { endpoint: hub.address.clone(), ..place.options.clone() }, ..place };
    place.pull().unwrap();
    place.has(&bytes);
}

#[test]
fn a_small_file_is_verified_by_what_git_calls_it() {
    // git hash-object of the three bytes "abc".
    let serve = |body: &'static [u8]| {
        Server::start(move |_, _| {
            Reply::body(body)
                .header("X-Repo-Commit", "d".repeat(40))
                .header("ETag", "W/\"f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f\"")
        })
    };
    let hub = serve(b"abc");
    let place = Place::new(&hub.address);
    place.pull().unwrap();
    place.has(b"abc");
    let hub = serve(b"abd");
    let place = Place::new(&hub.address);
    let error = place.fails("hash").to_string();
    assert!(
        error.contains("git sha1 is ") && error.contains("f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f"),
        "{error}"
    );
    place.has_nothing();
}

#[test]
fn a_cut_transfer_goes_on_where_it_stopped() {
    let bytes = weights(0);
    for knows_ranges in [true, false] {
        let stored = Stored::new(bytes.clone());
        // Of the bytes, the first three answers are cut, each after 70,000.
        let hub = Server::start(move |request, number| {
            let reply = stored.answer(request);
            let reply = if is_store(request) && !knows_ranges { Reply::body(&stored.bytes) } else { reply };
            if is_store(request) && number < 7 { reply.cut(70_000) } else { reply }
        });
        let place = Place::new(&hub.address);
        let error = place.fails("unreachable");
        assert!(
            error.to_string().contains("of 300000 bytes") && error.to_string().ends_with("3 times"),
            "{error}"
        );
        assert!(Error::Pull(error).category() == Category::Environment);
        let have = if knows_ranges { 210_000 } else { 70_000 };
        place.has_part(&bytes, have);
        let ranges: Vec<Option<String>> = hub
            .sent()
            .iter()
            .filter(|request| is_store(request))
            .map(|request| request.header("range").map(str::to_owned))
            .collect();
        let (second, third) = if knows_ranges { (70_000, 140_000) } else { (70_000, 70_000) };
        assert_eq!(ranges, [None, Some(format!("bytes={second}-")), Some(format!("bytes={third}-"))]);
        hub.lines();
        place.pull().unwrap();
        place.has(&bytes);
        let last = hub.lines().pop().unwrap();
        assert!(last.ends_with(&format!(" bytes={have}-")), "{last}");
    }
}

#[test]
fn another_content_starts_anew() {
    let (old, new) = (Stored::new(weights(0)), Stored::new(weights(1)));
    let (a, b) = (old.clone(), new.clone());
    let changed = std::sync::Arc::new(AtomicBool::new(false));
    let now = changed.clone();
    let hub = Server::start(move |request, _| {
        if now.load(Ordering::SeqCst) {
            return b.answer(request);
        }
        let reply = a.answer(request);
        if is_store(request) { reply.cut(100_000) } else { reply }
    });
    let mut place = Place::new(&hub.address);
    place.options.attempts = 1;
    place.fails("unreachable");
    place.has_part(&old.bytes, 100_000);
    changed.store(true, Ordering::SeqCst);
    place.pull().unwrap();
    place.has(&new.bytes);
    assert_eq!(hub.sent().last().unwrap().header("range"), None);
}

#[test]
fn other_bytes_than_announced_get_no_name() {
    let (good, bad) = (Stored::new(weights(0)), weights(1));
    let other = bad.clone();
    let hub = Server::start(
        move |request, _| {
            if is_store(request) { Reply::body(&other) } else { good.answer(request) }
        },
    );
    let place = Place::new(&hub.address);
    let error = place.fails("hash").to_string();
    assert!(error.contains(&sha256_hex(&bad)) && error.contains(&sha256_hex(&weights(0))), "{error}");
    place.has_nothing();

    // The registry knows better than the hub, and says so before anything is downloaded.
    let stored = Stored::new(bad.clone());
    let hub = Server::start(move |request, _| stored.answer(request));
    let mut place = Place::new(&hub.address);
    place.entry.sha256 = Some(sha256_hex(&weights(0)));
    let error = place.fails("hash").to_string();
    assert!(error.contains(&sha256_hex(&bad)) && error.ends_with("(the registry)"), "{error}");
    place.has_nothing();
    assert_eq!(hub.lines(), [HEAD]);
}

#[test]
fn other_lengths_than_announced_get_no_name() {
    for (length, header) in [(299_999, true), (300_001, true), (300_001, false)] {
        let stored = Stored::new(weights(0));
        let hub = Server::start(move |request, _| {
            if !is_store(request) {
                return stored.answer(request);
            }
            let mut body = stored.bytes.clone();
            body.resize(length, 7);
            if header {
                return Reply::body(&body);
            }
            let mut chunked = format!("{length:x}\r\n").into_bytes();
            chunked.extend(body);
            chunked.extend(b"\r\n0\r\n\r\n");
            Reply::body(&chunked).header("Transfer-Encoding", "chunked")
        });
        let place = Place::new(&hub.address);
        match place.fails("length") {
            PullError::Length { found, expected, .. } => {
                assert!(found > 0 && (found > 300_000) == (length > 300_000) && expected == 300_000);
            }
            other => panic!("{other}"),
        }
        place.has_nothing();
    }
}

#[test]
fn a_server_that_says_no_is_asked_once() {
    let cases: [(Reply, &str, &str, Category); 6] = [
        (
            Reply::status(401).header("X-Error-Code", "RepoNotFound"),
            "not_found",
            "repository not found (HTTP 401)",
            Category::Environment,
        ),
        (
            Reply::status(404).header("X-Error-Code", "EntryNotFound"),
            "not_found",
            "file not found (HTTP 404)",
            Category::Environment,
        ),
        (
            Reply::status(404).header("X-Error-Code", "RevisionNotFound"),
            "not_found",
            "revision not found (HTTP 404)",
            Category::Environment,
        ),
        (
            Reply::status(401).header("X-Error-Code", "GatedRepo"),
            "refused",
            "the authors ask for consent first (HTTP 401)",
            Category::Input,
        ),
        (Reply::status(403), "refused", "access refused (HTTP 403)", Category::Input),
        (
            Reply::body(b"<html>").header("Content-Type", "text/html"),
            "answer",
            "no X-Repo-Commit, expected an answer of the Hugging Face hub",
            Category::Environment,
        ),
    ];
    for (reply, kind, expected, category) in cases {
        let hub = Server::start(move |_, _| reply.clone());
        let place = Place::new(&hub.address);
        let error = place.fails(kind);
        assert!(error.to_string().ends_with(expected), "{error}");
        assert_eq!(Error::Pull(error).category(), category);
        assert_eq!(hub.lines(), [HEAD]);
        place.has_nothing();
    }
}

#[test]
fn a_page_in_place_of_the_file_is_not_kept() {
    let stored = Stored::new(weights(0));
    let hub = Server::start(move |request, _| {
        let page = Reply::body(&stored.bytes).header("Content-Type", "text/html; charset=utf-8");
        if is_store(request) { page } else { stored.answer(request) }
    });
    let place = Place::new(&hub.address);
    let error = place.fails("answer").to_string();
    assert!(error.ends_with("a page (text/html), expected a file"), "{error}");
    place.has_part(&weights(0), 0);
}

#[test]
fn a_busy_server_is_asked_again_and_not_forever() {
    let stored = Stored::new(weights(0));
    let hub = Server::start(move |request, number| match number {
        0 => Reply::status(429).header("Retry-After", 1),
        1 => Reply::status(503),
        _ => stored.answer(request),
    });
    let place = Place::new(&hub.address);
    let begun = Instant::now();
    place.pull().unwrap();
    place.has(&weights(0));
    assert!(begun.elapsed() >= Duration::from_secs(1), "Retry-After was not heeded");

    let hub = Server::start(|_, _| Reply::status(500));
    let place = Place::new(&hub.address);
    let error = place.fails("unreachable").to_string();
    assert!(error.ends_with(": HTTP 500, 3 times"), "{error}");
    assert_eq!(hub.lines(), [HEAD; 3]);
    place.has_nothing();

    let hub = Server::start(|_, _| Reply::status(429).header("Retry-After", 3600));
    let place = Place::new(&hub.address);
    let error = place.fails("unreachable").to_string();
    assert!(error.contains("HTTP 429, asks to come back in 3600 s"), "{error}");
    assert_eq!(hub.lines(), [HEAD]);
}

#[test]
fn a_server_that_falls_silent_is_left_after_the_limit() {
    let stored = Stored::new(weights(0));
    let hub = Server::start(move |request, _| {
        let reply = stored.answer(request);
        if is_store(request) && request.header("range").is_none() {
            reply.stalled(100_000, Duration::from_secs(3))
        } else {
            reply
        }
    });
    let mut place = Place::new(&hub.address);
    place.options.attempts = 1;
    let begun = Instant::now();
    place.fails("unreachable");
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(450) && took < Duration::from_millis(2500), "{took:?}");
    place.has_part(&weights(0), 100_000);
    place.pull().unwrap();
    place.has(&weights(0));
}

#[test]
fn the_token_goes_to_the_endpoint_and_to_nobody_else() {
    let bytes = Stored::new(weights(0));
    let mut stored = bytes.clone();
    let store = Server::start(move |request, _| bytes.serve(request));
    stored.store = store.address.clone();
    let hub = Server::start(move |request, _| {
        // A repository that was renamed: the redirect is relative and stays here.
        let old = request.path.replace("/owner/name/", "/owner/new/");
        if request.path.starts_with("/owner/name/") {
            return Reply::redirect(&old).header("X-Repo-Commit", "e".repeat(40));
        }
        let path = request.path.replace("/owner/new/", "/owner/name/");
        stored.answer(&Request { path, ..request.clone() })
    });
    let mut place = Place::new(&hub.address);
    place.options.token = Some(Token("hf_secret".into()));
    place.pull().unwrap();
    place.has(&weights(0));
    let (to_hub, to_store) = (hub.sent(), store.sent());
    assert_eq!((to_hub.len(), to_store.len()), (4, 1));
    for request in to_hub {
        assert_eq!(request.header("authorization"), Some("Bearer hf_secret"), "{request:?}");
    }
    assert_eq!(to_store[0].header("authorization"), None);
    assert_eq!(to_store[0].method, "GET");
}

#[test]
fn redirects_end() {
    let hub = Server::start(|request, _| Reply::redirect(&request.path));
    let place = Place::new(&hub.address);
    let error = place.fails("redirects").to_string();
    assert!(error.ends_with("more than 10 redirects"), "{error}");
    assert_eq!(hub.lines().len(), 11);
    // Away from the hub only to https, or to this machine.
    let stored = Stored { store: "http://files.example.org".into(), ..Stored::new(weights(0)) };
    let hub = Server::start(move |request, _| stored.answer(request));
    let place = Place::new(&hub.address);
    let error = place.fails("insecure").to_string();
    assert!(error.starts_with("http://files.example.org/store/"), "{error}");
    place.has_part(&weights(0), 0);
}

#[test]
fn a_branch_that_moved_is_taken_only_on_request() {
    let moved = std::sync::Arc::new(AtomicBool::new(false));
    let now = moved.clone();
    let hub = Server::start(move |request, _| {
        let mut stored = Stored::new(weights(usize::from(now.load(Ordering::SeqCst))));
        if now.load(Ordering::SeqCst) {
            stored.commit = "f".repeat(40);
        }
        stored.answer(request)
    });
    let mut place = Place::new(&hub.address);
    place.pull().unwrap();
    moved.store(true, Ordering::SeqCst);
    hub.lines();
    place.pull().unwrap();
    assert!(hub.lines().is_empty(), "what is pinned and there is not asked for");
    fs_err::remove_file(place.models().join("m/weights.pth")).unwrap();
    let error = place.fails("moved");
    for part in [sha256_hex(&weights(0)), sha256_hex(&weights(1)), "f".repeat(40), "c0".repeat(20)] {
        assert!(error.to_string().contains(&part), "{error}");
    }
    assert_eq!(Error::Pull(error).category(), Category::Input);
    assert_eq!((place.disk(), place.pinned()), (vec![], Some(sha256_hex(&weights(0)))));
    place.options.update = true;
    place.pull().unwrap();
    place.has(&weights(1));
}

#[test]
fn two_at_once_end_with_one_file_and_one_download() {
    let stored = Stored::new(weights(0));
    let hub = Server::start(move |request, _| {
        if is_store(request) {
            std::thread::sleep(Duration::from_millis(300));
        }
        stored.answer(request)
    });
    let place = Place::new(&hub.address);
    let pulled: Vec<Pulled> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| place.pull().unwrap())).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    place.has(&weights(0));
    assert_eq!(pulled.iter().filter(|one| !one.from_cache).count(), 1);
    assert_eq!(hub.sent().iter().filter(|request| is_store(request)).count(), 1);
}

/// Asks for a stop once so many bytes have come.
struct StopAfter(u64, AtomicU64);

impl Observer for StopAfter {
    fn event(&self, event: Event<'_>) {
        if let Event::Advanced { by } = event {
            self.1.fetch_add(by, Ordering::SeqCst);
        }
    }
    fn cancelled(&self) -> bool {
        self.1.load(Ordering::SeqCst) >= self.0
    }
}

#[test]
fn an_interrupted_pull_goes_on_with_the_next() {
    let stored = Stored::new(weights(0));
    let hub = Server::start(move |request, _| stored.answer(request));
    let place = Place::new(&hub.address);
    let error = pull(&place.entry, &place.options, &StopAfter(100_000, AtomicU64::new(0))).unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
    let [(name, have)] = &place.disk()[..] else { panic!("{:?}", place.disk()) };
    assert!(name.ends_with(".part") && (100_000..300_000).contains(have), "{name} {have}");
    place.has_part(&weights(0), *have as usize);
    // All bytes are counted, those that were there and those that came.
    let counted = StopAfter(u64::MAX, AtomicU64::new(0));
    pull(&place.entry, &place.options, &counted).unwrap();
    assert_eq!(counted.1.load(Ordering::SeqCst), 300_000);
    place.has(&weights(0));
    assert!(hub.lines().pop().unwrap().ends_with(&format!(" bytes={have}-")));
}

#[test]
fn what_may_not_be_downloaded_is_said_before_any_request() {
    let hub = Server::start(|_, _| Reply::status(500));
    let mut place = Place::new(&hub.address);
    place.entry.licence = "CC-BY-NC-4.0".into();
    let error = place.fails("licence").to_string();
    assert_eq!(error, "m: the weights are under CC-BY-NC-4.0, which is not accepted yet");
    place.options.accept_licence = true;
    place.options.offline = true;
    place.fails("offline");
    place.options.offline = false;
    place.entry.home = Home::Page { url: "https://drive.example.org/x".into() };
    let error = place.fails("by_hand");
    assert!(error.to_string().ends_with("https://drive.example.org/x"), "{error}");
    assert!(
        error
            .hint()
            .unwrap()
            .contains("dear import FILE --arch npr --name m --licence CC-BY-NC-4.0 -o m.onnx")
    );
    assert!(hub.lines().is_empty());
    place.has_nothing();
}

#[test]
fn a_plain_address_needs_the_registrys_hash() {
    let stored = Stored::new(weights(0));
    let file = stored.clone();
    let server = Server::start(move |request, _| match request.path.as_str() {
        "/raw/a" => Reply::redirect("/file"),
        _ => file.serve(request),
    });
    let mut place = Place::new("https://huggingface.co");
    place.entry.home = Home::Url { url: format!("{}/raw/a", server.address), file: "weights.pth".into() };
    place.entry.sha256 = Some(sha256_hex(&weights(1)));
    let error = place.fails("hash").to_string();
    assert!(error.ends_with("(the registry)") && error.contains(&stored.sha256()), "{error}");
    place.has_nothing();
    place.entry.sha256 = Some(stored.sha256());
    place.pull().unwrap();
    place.has(&weights(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let stored = Stored::new(weights(0));
    let part = format!(".weights.pth.{}.part", stored.sha256());
    let hub = Server::start(move |request, _| stored.answer(request));
    let place = Place::new(&hub.address);
    fs_err::create_dir_all(place.models().join("m")).unwrap();
    std::os::unix::fs::symlink("/dev/full", place.models().join("m").join(&part)).unwrap();
    let error = place.fails("disk");
    assert!(error.hint().unwrap().starts_with("free some space"), "{error}");
    assert!(error.to_string().contains(&part), "{error}");
    assert_eq!(Error::Pull(error).category(), Category::Environment);
    assert_eq!(place.pinned(), None);
}

/// The server is what it claims to be, as far as the hub's own client can tell: it downloads from it.
///
/// `DEAR_PYTHON=python cargo test --release --workspace --test registry -- --ignored`, a Python with huggingface_hub.
#[test]
#[ignore = "needs Python with huggingface_hub"]
fn huggingface_hub_downloads_from_this_server() {
    let bytes = Stored::new(weights(0));
    let mut stored = bytes.clone();
    let store = Server::start(move |request, _| bytes.serve(request));
    stored.store = store.address.clone();
    let hub = Server::start(move |request, _| stored.answer(request));
    let temp = tempfile::tempdir().unwrap();
    let script = "import hashlib, huggingface_hub as h\n\
        path = h.hf_hub_download('owner/name', 'dir/weights.pth', token='hf_secret')\n\
        print(h.__version__, hashlib.sha256(open(path, 'rb').read()).hexdigest(), path.split('/')[-3])\n\
        try: h.hf_hub_download('owner/name', 'absent')\n\
        except h.errors.RemoteEntryNotFoundError: print('no entry')\n\
        try: h.hf_hub_download('owner/absent', 'absent')\n\
        except h.errors.RepositoryNotFoundError: print('no repository')\n";
    let python = std::env::var("DEAR_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = std::process::Command::new(python)
        .args(["-c", script])
        .env("HF_ENDPOINT", &hub.address)
        .env("HF_HOME", temp.path())
        .env("HF_HUB_DISABLE_XET", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = format!(" {} {}\nno entry\nno repository\n", sha256_hex(&weights(0)), "c0".repeat(20));
    assert!(said.ends_with(&expected), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(store.sent().iter().all(|request| request.header("authorization").is_none()));
    println!("huggingface_hub {said}");
}
