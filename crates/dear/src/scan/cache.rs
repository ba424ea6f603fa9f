//! Records that were made already, by content: a SQLite file, so that a scan that was killed goes on, and the same picture is
//! never scored twice.
//!
//! A row is committed when its image is scored (in WAL mode, so that a commit waits for no disk and survives the end of the
//! process). It holds hashes and what was found, no path and no pixels, and a seal over all of it: a row that was damaged
//! counts as absent.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::outcome::Outcome;

/// SHA-256 of a file's bytes.
pub(super) type Hash = [u8; 32];

/// Says that a SQLite file is such a cache: "DEAR" in ASCII.
const APPLICATION: i64 = 0x4445_4152;
/// Of the tables.
const VERSION: i64 = 1;
/// How long another program may hold the file. Another scan holds it for milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

const TABLES: &str = "
    CREATE TABLE subjects (id INTEGER PRIMARY KEY, subject TEXT NOT NULL UNIQUE);
    CREATE TABLE outcomes (content BLOB NOT NULL, subject INTEGER NOT NULL, run INTEGER NOT NULL, outcome TEXT NOT NULL,
        seal BLOB NOT NULL, PRIMARY KEY (content, subject)) WITHOUT ROWID;
";

/// What a scan remembers.
pub struct Cache {
    connection: Connection,
    /// Null for one that ends with the scan.
    path: Option<PathBuf>,
    /// What the scan asks, see [`super::outcome::subject`], and its number in the file.
    subject: (String, i64),
    /// Tells the rows of this scan from earlier ones.
    run: i64,
}

/// Why a file cannot be the cache.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct CacheError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("not a cache of scan records, but {0}")]
    Foreign(&'static str),
    #[error("a cache of version {0}, expected {VERSION}")]
    Version(i64),
    #[error("the cache is damaged: {0}")]
    Damaged(rusqlite::Error),
    #[error("the cache is held by another program for more than {} s", PATIENCE.as_secs())]
    Locked,
    #[error("the cache cannot be used: {0}")]
    Unusable(rusqlite::Error),
    #[error("the cache cannot be made: {0}")]
    Folder(std::io::Error),
}

impl CacheError {
    fn new(path: &Path, problem: impl Into<Problem>) -> Self {
        Self { path: path.to_owned(), problem: problem.into() }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match &self.problem {
            Problem::Foreign(_) => "name another file, or one that is not there yet, with --cache, or scan with --no-cache",
            Problem::Version(_) => "another version of dear wrote it: name another file with --cache, or scan with --no-cache",
            Problem::Damaged(_) => {
                "delete the file (its records are made again), name another with --cache, or scan with --no-cache"
            }
            Problem::Locked => "end that program, name another file with --cache, or scan with --no-cache",
            Problem::Unusable(_) | Problem::Folder(_) => {
                "name a file in a folder that you may write to with --cache, or scan with --no-cache"
            }
        }
        .to_owned()
    }

    /// Whether the machine, not the file, stands in the way.
    pub fn is_environment(&self) -> bool {
        matches!(self.problem, Problem::Locked | Problem::Unusable(_) | Problem::Folder(_))
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign("no SQLite file"),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(error),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            _ => Self::Unusable(error),
        }
    }
}

/// What a cache says of some bytes.
pub(super) struct Kept {
    pub(super) outcome: Outcome,
    /// Whether this very scan made it.
    pub(super) of_this_scan: bool,
}

impl Cache {
    /// The cache in a file, which is made if it is not there. Several scans may use one at once.
    ///
    /// # Errors
    /// [`CacheError`]. A file that is something else is left as it is.
    pub fn open(path: &Path) -> Result<Self, CacheError> {
        let failed = |problem| CacheError::new(path, problem);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs_err::create_dir_all(folder).map_err(|error| failed(Problem::Folder(error)))?;
        }
        let open = || -> Result<Connection, Problem> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            // One look at all of it: another scan may be making it.
            let fresh = is_fresh(&*connection.unchecked_transaction()?)?;
            // Where a file system has no shared memory, SQLite stays with its other journal.
            let _: String =
                connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
            connection.pragma_update(None, "synchronous", "normal")?;
            if fresh {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                // Another scan may have been faster.
                if is_fresh(&transaction)? {
                    transaction.execute_batch(TABLES)?;
                    transaction.pragma_update(None, "application_id", APPLICATION)?;
                    transaction.pragma_update(None, "user_version", VERSION)?;
                }
                transaction.commit()?;
            }
            Ok(connection)
        };
        // Not every lock is waited for by SQLite: one that turns the journal over is an error at once.
        let start = Instant::now();
        loop {
            match open() {
                Err(Problem::Locked) if start.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20))
                }
                opened => return Ok(Self::new(opened.map_err(failed)?, Some(path.to_owned()))),
            }
        }
    }

    /// A cache that is gone when the scan ends, so that the same bytes are scored once in it. It is a file without a name, in
    /// the folder for temporary files, of which two megabytes are in memory.
    ///
    /// # Errors
    /// [`CacheError`].
    pub fn temporary() -> Result<Self, CacheError> {
        let open = || -> Result<Connection, rusqlite::Error> {
            // SQLite's name for such a file.
            let connection = Connection::open("")?;
            connection.pragma_update(None, "synchronous", "off")?;
            let _: String =
                connection.pragma_update_and_check(None, "journal_mode", "memory", |row| row.get(0))?;
            connection.execute_batch(TABLES)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| CacheError::new(&std::env::temp_dir(), error))?;
        Ok(Self::new(connection, None))
    }

    fn new(connection: Connection, path: Option<PathBuf>) -> Self {
        Self { connection, path, subject: (String::new(), 0), run: 0 }
    }

    /// Where it lies; nowhere if it ends with the scan.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Begin a scan that asks `subject`.
    pub(super) fn begin(&mut self, subject: String) -> Result<(), CacheError> {
        let ask = || -> rusqlite::Result<(i64, i64)> {
            self.connection.execute("INSERT OR IGNORE INTO subjects (subject) VALUES (?1)", [&subject])?;
            self.connection.query_row(
                "SELECT id, random() FROM subjects WHERE subject = ?1",
                [&subject],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        };
        let (id, run) = ask().map_err(|error| self.failed(error))?;
        (self.subject, self.run) = ((subject, id), run);
        Ok(())
    }

    /// What is known of the bytes with this hash. A row that was damaged is not known.
    pub(super) fn get(&self, content: &Hash) -> Result<Option<Kept>, CacheError> {
        let ask = || -> rusqlite::Result<Option<(i64, String, Vec<u8>)>> {
            let mut statement = self.connection.prepare_cached(
                "SELECT run, outcome, seal FROM outcomes WHERE content = ?1 AND subject = ?2",
            )?;
            let row = statement.query_row(params![content.as_slice(), self.subject.1], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            });
            row.optional()
        };
        let Some((run, text, seal)) = ask().map_err(|error| self.failed(error))? else { return Ok(None) };
        if seal != self.seal(content, &text) {
            return Ok(None);
        }
        Ok(serde_json::from_str(&text).ok().map(|outcome| Kept { outcome, of_this_scan: run == self.run }))
    }

    /// Keep an outcome.
    pub(super) fn put(&self, content: &Hash, outcome: &Outcome) -> Result<(), CacheError> {
        let Ok(text) = serde_json::to_string(outcome) else { return Ok(()) };
        let write = || -> rusqlite::Result<usize> {
            let mut statement = self.connection.prepare_cached(
                "INSERT OR REPLACE INTO outcomes (content, subject, run, outcome, seal) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            statement.execute(params![
                content.as_slice(),
                self.subject.1,
                self.run,
                text,
                self.seal(content, &text)
            ])
        };
        write().map(|_| ()).map_err(|error| self.failed(error))
    }

    /// What must stand in a row so that it is believed.
    fn seal(&self, content: &Hash, outcome: &str) -> Vec<u8> {
        let mut digest = Sha256::new();
        digest.update(content);
        digest.update(Sha256::digest(self.subject.0.as_bytes()));
        digest.update(outcome.as_bytes());
        digest.finalize().iter().take(16).copied().collect()
    }

    fn failed(&self, error: rusqlite::Error) -> CacheError {
        let path = self.path.clone().unwrap_or_else(std::env::temp_dir);
        CacheError { path, problem: error.into() }
    }
}

/// Whether a file is still empty; one that is neither that nor a cache is refused, before anything is written to it. In a
/// transaction, which the first question begins.
fn is_fresh(connection: &Connection) -> Result<bool, Problem> {
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    match (application, version) {
        (APPLICATION, VERSION) => Ok(false),
        (APPLICATION, other) => Err(Problem::Version(other)),
        (0, 0) if objects == 0 => Ok(true),
        _ => Err(Problem::Foreign("a SQLite file of another program")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(number: u8) -> Outcome {
        serde_json::from_value(serde_json::json!({
            "status": "refused", "warning": null, "truncated": false, "error": { "kind": "corrupt", "message": format!("{number}"), "hint": null },
            "width": null, "height": null, "format": null, "treatment": null, "logit": f64::from(number) / 7.0,
            "probability": null, "verdict": null, "outside": null, "stability": null, "provenance": null, "threads": 1,
        }))
        .unwrap()
    }

    fn opened(path: &Path, subject: &str) -> Cache {
        let mut cache = Cache::open(path).unwrap();
        cache.begin(subject.to_owned()).unwrap();
        cache
    }

    #[test]
    fn rows_are_found_by_content_and_subject() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a/b.sqlite");
        let (one, two) = (outcome(1), outcome(2));
        let first = opened(&path, "s");
        let (hash, other) = ([1; 32], [2; 32]);
        assert!(first.get(&hash).unwrap().is_none());
        first.put(&hash, &one).unwrap();
        let second = opened(&path, "t");
        assert!(second.get(&hash).unwrap().is_none());
        second.put(&hash, &two).unwrap();
        second.put(&other, &two).unwrap();
        // Both are open; each sees its own, and whose it is.
        let kept = first.get(&hash).unwrap().unwrap();
        assert!(kept.outcome == one && kept.of_this_scan);
        assert!(first.get(&other).unwrap().is_none());
        let third = opened(&path, "t");
        let kept = third.get(&hash).unwrap().unwrap();
        assert!(kept.outcome == two && !kept.of_this_scan);
    }

    #[test]
    fn a_row_that_was_changed_is_not_believed() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("scan.sqlite");
        let cache = opened(&path, "s");
        let hash = [7; 32];
        for change in [
            "outcome = replace(outcome, 'corrupt', 'CORRUPT')",
            "content = zeroblob(32)",
            "seal = x'00'",
            "subject = 2",
        ] {
            cache.connection.execute("DELETE FROM outcomes", []).unwrap();
            cache.put(&hash, &outcome(1)).unwrap();
            assert!(cache.get(&hash).unwrap().is_some());
            assert_eq!(cache.connection.execute(&format!("UPDATE outcomes SET {change}"), []).unwrap(), 1);
            let moved: Vec<u8> =
                cache.connection.query_row("SELECT content FROM outcomes", [], |row| row.get(0)).unwrap();
            let asked: Hash = moved.try_into().unwrap();
            let other = opened(&path, "t");
            assert!(cache.get(&asked).unwrap().is_none() && other.get(&asked).unwrap().is_none(), "{change}");
        }
    }

    #[test]
    fn other_files_are_refused_and_left_as_they_are() {
        let temp = tempfile::tempdir().unwrap();
        let sqlite = |name: &str, statements: &str| {
            let path = temp.path().join(name);
            Connection::open(&path).unwrap().execute_batch(statements).unwrap();
            path
        };
        let file = |name: &str, bytes: &[u8]| {
            let path = temp.path().join(name);
            fs_err::write(&path, bytes).unwrap();
            path
        };
        let newer = temp.path().join("newer.sqlite");
        drop(Cache::open(&newer).unwrap());
        Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
        let cases = [
            (sqlite("other.sqlite", "CREATE TABLE mine (x)"), "but a SQLite file of another program", false),
            (sqlite("id.sqlite", "PRAGMA application_id = 5"), "but a SQLite file of another program", false),
            (newer, "a cache of version 2, expected 1", false),
            (file("text", &b"a text of a few lines\n".repeat(100)), "but no SQLite file", false),
            (temp.path().to_owned(), "the cache cannot be used", true),
            (file("file", b"x").join("scan.sqlite"), "the cache cannot be made", true),
        ];
        for (path, expected, environment) in cases {
            let before = fs_err::read(&path).ok();
            let error = Cache::open(&path).map(|_| ()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(
                error.to_string().starts_with(&path.display().to_string())
                    && error.hint().contains("--no-cache")
            );
            assert_eq!(error.is_environment(), environment, "{error}");
            assert_eq!(fs_err::read(&path).ok(), before, "{error}");
        }
    }

    #[test]
    fn many_may_open_and_write_at_once() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("scan.sqlite");
        let one = outcome(1);
        std::thread::scope(|scope| {
            for writer in 0..4u8 {
                let (path, one) = (&path, &one);
                scope.spawn(move || {
                    let cache = opened(path, "s");
                    for number in 0..50u8 {
                        // Half of them are the same for all.
                        cache
                            .put(&[if number % 2 == 0 { number } else { 100 + 50 * (writer % 3) }; 32], one)
                            .unwrap();
                    }
                });
            }
        });
        let rows: i64 = opened(&path, "s")
            .connection
            .query_row("SELECT count(*) FROM outcomes", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 25 + 3);
    }

    #[test]
    fn damage_anywhere_in_the_file_is_an_error_or_an_absent_row() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("scan.sqlite");
        let cache = opened(&path, "s");
        for number in 0..200u8 {
            cache.put(&[number; 32], &outcome(number)).unwrap();
        }
        // Everything into the one file.
        cache.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        drop(cache);
        let whole = fs_err::read(&path).unwrap();
        let (mut errors, mut absent) = (0, 0);
        for at in (100..whole.len()).step_by(whole.len() / 97) {
            let mut bytes = whole.clone();
            let end = (at + 64).min(bytes.len());
            bytes[at..end].iter_mut().for_each(|byte| *byte ^= 0x15);
            let damaged = temp.path().join("damaged.sqlite");
            for suffix in ["-wal", "-shm"] {
                let _ = fs_err::remove_file(temp.path().join(format!("damaged.sqlite{suffix}")));
            }
            fs_err::write(&damaged, &bytes).unwrap();
            let Ok(mut cache) = Cache::open(&damaged) else {
                errors += 1;
                continue;
            };
            if cache.begin("s".to_owned()).is_err() {
                errors += 1;
                continue;
            }
            for number in 0..200u8 {
                match cache.get(&[number; 32]) {
                    Ok(Some(kept)) => assert!(kept.outcome == outcome(number), "{at} {number}"),
                    Ok(None) => absent += 1,
                    Err(_) => errors += 1,
                }
            }
        }
        assert!(errors + absent > 50, "{errors} errors, {absent} absent");
    }
}
