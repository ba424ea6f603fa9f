//! Batches in one SQLite file, so that a restart loses none. It holds an image's bytes until the image is scored; what is
//! deleted is overwritten, unless the disk is full.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dear::error::Error;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

use super::fault::Fault;

/// Says that a SQLite file is ours: "DEAJ" in ASCII.
const APPLICATION: u32 = 0x4445_414a;
/// Of the tables below. A file of another number is not touched.
const VERSION: u32 = 1;
const TABLES: &str = "
    CREATE TABLE job (
        id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, state TEXT NOT NULL, total INTEGER NOT NULL, detector TEXT NOT NULL,
        stability INTEGER NOT NULL, provenance INTEGER NOT NULL, created INTEGER NOT NULL, ended INTEGER
    ) STRICT;
    CREATE TABLE item (
        job TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE, place INTEGER NOT NULL, name TEXT NOT NULL,
        bytes BLOB, record TEXT, refused INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (job, place)
    ) STRICT;
    CREATE INDEX open_items ON item (job, place) WHERE record IS NULL;
";
const JOB: &str = "SELECT id, state, total, detector, stability, provenance, created,
    (SELECT count(*) FROM item WHERE job = id AND record IS NOT NULL),
    (SELECT count(*) FROM item WHERE job = id AND refused = 1) FROM job";

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum JobState {
    /// Nothing of it was scored yet.
    Queued,
    /// Some of it was.
    Running,
    /// All of it was.
    Done,
    /// It was stopped; what was scored is kept.
    Cancelled,
    /// The engine failed; what was scored is kept, and the server's log says why.
    Failed,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Job {
    /// Its name in addresses.
    pub(super) id: String,
    /// Where it stands.
    pub(super) state: JobState,
    /// Images.
    pub(super) total: u64,
    /// Images that have a record.
    pub(super) done: u64,
    /// Of those, refused ones.
    pub(super) refused: u64,
    /// SHA-256 of the detector.
    pub(super) detector: String,
    /// Whether copies are scored, too.
    pub(super) stability: bool,
    /// Whether files are asked for their origin.
    pub(super) provenance: bool,
    /// When it came, in seconds since 1970.
    pub(super) created: u64,
}

/// An image that waits.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) job: Job,
    pub(super) place: u64,
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// The file.
#[derive(Debug)]
pub(crate) struct Jobs {
    database: Mutex<Connection>,
    /// Batches that did not come whole and could not be forgotten yet.
    left: Mutex<Vec<String>>,
    /// Told after every change.
    changed: watch::Sender<()>,
}

impl Jobs {
    /// Open or make the file. Uploads that were cut off by the end of the last server are forgotten.
    ///
    /// # Errors
    /// A file that is none of ours, or that another server holds; a full disk.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        const OTHER: &str = "name another file with --jobs";
        let other = |found: String, hint: &str| Error::Images {
            message: format!("{}: {found}", path.display()),
            hint: hint.to_owned(),
        };
        let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
            _ if is_full(&error) => Error::Io(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("{}: the disk is full", path.display()),
            )),
            Some(ErrorCode::DatabaseBusy) => other("held by another server".to_owned(), OTHER),
            Some(ErrorCode::NotADatabase) => other(
                format!("not a file of batches: {error}"),
                "move it away, or name another file with --jobs",
            ),
            Some(ErrorCode::DatabaseCorrupt) => other(
                format!("a damaged file of batches: {error}"),
                "move it away, or name another file with --jobs",
            ),
            _ => other(
                format!("cannot be used: {error}"),
                "see that it and its folder can be read and written, or name another file with --jobs",
            ),
        };
        if path.is_dir() {
            return Err(other("is a folder, expected a file".to_owned(), "name a file with --jobs"));
        }
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs_err::create_dir_all(folder)?;
        }
        // Only its owner reads it: there are images of others in it.
        #[cfg(unix)]
        if !path.exists() {
            use fs_err::os::unix::fs::OpenOptionsExt;
            fs_err::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        }
        let mut database = Connection::open(path).map_err(failed)?;
        let (objects, application, version) = identity(&database).map_err(failed)?;
        match (objects, application, version) {
            (0, 0, 0) | (_, APPLICATION, VERSION) => {}
            (_, APPLICATION, _) => {
                return Err(other(format!("batches of version {version}, expected {VERSION}"), OTHER));
            }
            _ => {
                let found = "a SQLite file of another program, expected one of batches";
                return Err(other(found.to_owned(), OTHER));
            }
        }
        prepare(&database).map_err(failed)?;
        if application == 0 {
            let numbers = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};");
            database.execute_batch(&format!("BEGIN; {TABLES} {numbers} COMMIT;")).map_err(failed)?;
        }
        let cut_off = "DELETE FROM job WHERE state = 'receiving'";
        in_little_room(&mut database, |database| database.execute(cut_off, [])).map_err(failed)?;
        tidy(&database).map_err(failed)?;
        Ok(Self {
            database: Mutex::new(database),
            left: Mutex::new(Vec::new()),
            changed: watch::Sender::new(()),
        })
    }

    /// Told after every change.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Do something with the file on a thread that may wait.
    async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let jobs = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            // A panic between two statements leaves no half change: what belongs together is a transaction.
            work(&mut jobs.database.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match done.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                crate::output::warning(format_args!("the file of batches: {error}"));
                Err(if is_full(&error) { Fault::NoSpace } else { Fault::Internal })
            }
            Err(_) => Err(Fault::Internal),
        }
    }

    /// Begin a batch, which is seen by nobody before [`Jobs::submit`].
    pub(super) async fn receive(
        self: &Arc<Self>,
        detector: String,
        stability: bool,
        provenance: bool,
    ) -> Result<String, Fault> {
        self.with(move |database| {
            // Of its own: a statement that answers with a row hides what goes wrong when it is committed.
            let change = database.transaction()?;
            let id: String = change.query_row(
                "INSERT INTO job SELECT lower(hex(randomblob(16))), coalesce(max(sequence), 0) + 1, 'receiving', 0, ?1, ?2, ?3, ?4, NULL
                 FROM job RETURNING id",
                params![detector, stability, provenance, now()],
                |row| row.get(0),
            )?;
            change.commit()?;
            Ok(id)
        })
        .await
    }

    /// Add an image.
    pub(super) async fn add(
        self: &Arc<Self>,
        job: &str,
        place: u64,
        name: String,
        bytes: Vec<u8>,
    ) -> Result<(), Fault> {
        let job = job.to_owned();
        self.with(move |database| {
            database.execute(
                "INSERT INTO item (job, place, name, bytes) VALUES (?1, ?2, ?3, ?4)",
                params![job, place, name, bytes],
            )
        })
        .await?;
        Ok(())
    }

    /// All images have come.
    pub(super) async fn submit(self: &Arc<Self>, job: &str, total: u64) -> Result<Job, Fault> {
        let id = job.to_owned();
        let job = self
            .with(move |database| {
                database.execute(
                    "UPDATE job SET state = 'queued', total = ?2 WHERE id = ?1",
                    params![id, total],
                )?;
                find(database, &id)
            })
            .await?;
        self.changed.send_replace(());
        job.ok_or(Fault::Internal)
    }

    /// A batch; nothing where there is none of this name.
    pub(super) async fn find(self: &Arc<Self>, job: &str) -> Result<Option<Job>, Fault> {
        let id = job.to_owned();
        self.with(move |database| find(database, &id)).await
    }

    /// Batches that are not done.
    pub(super) async fn open_jobs(self: &Arc<Self>) -> Result<u64, Fault> {
        self.with(|database| {
            database.query_row(
                "SELECT count(*) FROM job WHERE state IN ('receiving', 'queued', 'running')",
                [],
                |row| row.get(0),
            )
        })
        .await
    }

    /// The next image, of the oldest batch of one of these detectors.
    pub(super) async fn next(self: &Arc<Self>, detectors: Vec<String>) -> Result<Option<Item>, Fault> {
        let wanted = serde_json::to_string(&detectors).map_err(|_| Fault::Internal)?;
        self.with(move |database| {
            let found = database
                .query_row(
                    "SELECT job, place, name, bytes FROM item JOIN job ON job.id = item.job
                     WHERE record IS NULL AND state IN ('queued', 'running')
                       AND detector IN (SELECT value FROM json_each(?1))
                     ORDER BY sequence, place LIMIT 1",
                    [wanted],
                    |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
                )
                .optional()?;
            let Some((job, place, name, bytes)) = found else { return Ok(None) };
            database
                .execute("UPDATE job SET state = 'running' WHERE id = ?1 AND state = 'queued'", [&job])?;
            Ok(find(database, &job)?.map(|job| Item { job, place, name, bytes }))
        })
        .await
    }

    /// Put an image's record in the place of its bytes; the last one ends the batch.
    pub(super) async fn record(
        self: &Arc<Self>,
        item: &Item,
        record: String,
        refused: bool,
    ) -> Result<(), Fault> {
        let (job, place) = (item.job.id.clone(), item.place);
        self.with(move |database| {
            in_little_room(database, |database| {
                let change = database.transaction()?;
                change.execute(
                    "UPDATE item SET record = ?3, refused = ?4, bytes = NULL WHERE job = ?1 AND place = ?2 AND bytes IS NOT NULL",
                    params![job, place, record, refused],
                )?;
                change.execute(
                    "UPDATE job SET state = 'done', ended = ?2 WHERE id = ?1 AND state = 'running'
                     AND NOT EXISTS (SELECT 1 FROM item WHERE job = ?1 AND record IS NULL)",
                    params![job, now()],
                )?;
                change.commit()
            })?;
            tidy_later(database)
        })
        .await?;
        self.changed.send_replace(());
        Ok(())
    }

    /// Stop a batch that is not done, which is `state` (cancelled or failed) from now on, and forget the images that were
    /// not scored.
    pub(super) async fn stop(self: &Arc<Self>, job: &str, state: JobState) -> Result<Option<Job>, Fault> {
        let id = job.to_owned();
        let word = if state == JobState::Failed { "failed" } else { "cancelled" };
        let job = self
            .with(move |database| {
                in_little_room(database, |database| {
                    let change = database.transaction()?;
                    let stopped = change.execute(
                        "UPDATE job SET state = ?3, ended = ?2 WHERE id = ?1 AND state IN ('queued', 'running')",
                        params![id, now(), word],
                    )?;
                    if stopped > 0 {
                        change.execute("UPDATE item SET bytes = NULL WHERE job = ?1", [&id])?;
                    }
                    change.commit()
                })?;
                tidy_later(database)?;
                find(database, &id)
            })
            .await?;
        self.changed.send_replace(());
        Ok(job)
    }

    /// Forget a batch; whether there was one.
    pub(super) async fn forget(self: &Arc<Self>, job: &str) -> Result<bool, Fault> {
        let id = job.to_owned();
        let forgotten = self
            .with(move |database| {
                let forgotten = delete(database, &id)?;
                tidy_later(database)?;
                Ok(forgotten > 0)
            })
            .await?;
        self.changed.send_replace(());
        Ok(forgotten)
    }

    /// Forget a batch that did not come whole: now, or, where that cannot be, when others expire.
    pub(super) async fn abandon(self: &Arc<Self>, job: String) {
        if self.forget(&job).await.is_err() {
            self.left.lock().unwrap_or_else(PoisonError::into_inner).push(job);
        }
    }

    /// Forget batches that ended longer ago, and those that came longer ago and have none of these detectors to wait for.
    pub(super) async fn expire(
        self: &Arc<Self>,
        keep: Duration,
        detectors: Vec<String>,
    ) -> Result<(), Fault> {
        self.forget_left().await?;
        let known = serde_json::to_string(&detectors).map_err(|_| Fault::Internal)?;
        self.with(move |database| {
            let before = now().saturating_sub(keep.as_secs());
            let expired = in_little_room(database, |database| {
                database.execute(
                    "DELETE FROM job WHERE ended < ?1 OR (ended IS NULL AND created < ?1 AND state <> 'receiving'
                     AND detector NOT IN (SELECT value FROM json_each(?2)))",
                    params![before, known],
                )
            })?;
            if expired > 0 {
                tidy_later(database)?;
            }
            Ok(())
        })
        .await
    }

    /// Try once more what [`Jobs::abandon`] could not do. Why it fails again was told the first time.
    async fn forget_left(self: &Arc<Self>) -> Result<(), Fault> {
        let left = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        if left.is_empty() {
            return Ok(());
        }
        let still = self
            .with(move |database| {
                let mut still = Vec::new();
                for id in left {
                    if delete(database, &id).and_then(|_| tidy_later(database)).is_err() {
                        still.push(id);
                    }
                }
                Ok(still)
            })
            .await?;
        self.left.lock().unwrap_or_else(PoisonError::into_inner).extend(still);
        Ok(())
    }

    /// Batches that wait for a detector which is none of these.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn waiting(&self, detectors: &[&str]) -> Result<u64, Error> {
        let known = serde_json::to_string(detectors).map_err(|error| Error::Options(error.to_string()))?;
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let count = "SELECT count(*) FROM job WHERE state IN ('queued', 'running')
                     AND detector NOT IN (SELECT value FROM json_each(?1))";
        let count = database.query_row(count, [known], |row| row.get(0));
        count.map_err(|error| Error::Options(format!("the file of batches: {error}")))
    }

    /// Some records of a batch in the order of the upload, from a place on, one JSON document each.
    pub(super) async fn records(
        self: &Arc<Self>,
        job: &str,
        from: u64,
        most: u64,
    ) -> Result<Vec<(u64, String)>, Fault> {
        let id = job.to_owned();
        self.with(move |database| {
            let mut select = database.prepare_cached(
                "SELECT place, record FROM item WHERE job = ?1 AND place >= ?2 AND record IS NOT NULL ORDER BY place LIMIT ?3",
            )?;
            let rows = select.query_map(params![id, from, most], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .await
    }
}

/// How many tables and such it has, and whose it is.
fn identity(database: &Connection) -> rusqlite::Result<(u64, u32, u32)> {
    database.busy_timeout(Duration::from_millis(500))?;
    let objects = database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let number = |name| database.pragma_query_value(None, name, |row| row.get(0));
    Ok((objects, number("application_id")?, number("user_version")?))
}

/// One server has the file to itself; deleted bytes are overwritten; writes survive the loss of power.
fn prepare(database: &Connection) -> rusqlite::Result<()> {
    database.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    database.pragma_update(None, "auto_vacuum", "FULL")?;
    database.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    database.pragma_update(None, "secure_delete", "ON")?;
    database.pragma_update(None, "foreign_keys", "ON")?;
    // Takes the lock that is then held.
    database.execute_batch("BEGIN EXCLUSIVE; COMMIT;")
}

/// The log holds what was deleted, too.
fn tidy(database: &Connection) -> rusqlite::Result<()> {
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// [`tidy`] after a change that is made: where the disk is full, the log is brought in with a later one.
fn tidy_later(database: &Connection) -> rusqlite::Result<()> {
    tidy(database).or_else(|error| if is_full(&error) { Ok(()) } else { Err(error) })
}

/// Forget a batch; how many there were.
fn delete(database: &mut Connection, id: &str) -> rusqlite::Result<usize> {
    in_little_room(database, |database| database.execute("DELETE FROM job WHERE id = ?1", [id]))
}

/// Make a change after which the file is smaller, also where the disk is full: what would help must not fail for want of
/// what it helps with.
fn in_little_room<T>(
    database: &mut Connection,
    mut change: impl FnMut(&mut Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    match change(database) {
        Err(error) if is_full(&error) => {}
        done => return done,
    }
    // What the log holds already may go into the file, and give its room back. Where it cannot, the rest may do.
    let _ = tidy(database);
    // To overwrite what is deleted, all of it is written to the log once more. Without that, only pages that move are: with
    // auto_vacuum = FULL the last pages move to where the deleted were, and the file is cut: whole pages of it leave the file, and
    // the disk has them back as they were. What shares a page with others (small images) stays in it until it is used again.
    database.pragma_update(None, "secure_delete", "OFF")?;
    let done = change(database);
    database.pragma_update(None, "secure_delete", "ON")?;
    done
}

/// Whether there was no room on the disk.
fn is_full(error: &rusqlite::Error) -> bool {
    let shared = |found: &rusqlite::ffi::Error| found.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
    error.sqlite_error_code() == Some(ErrorCode::DiskFull) || error.sqlite_error().is_some_and(shared)
}

fn find(database: &Connection, id: &str) -> rusqlite::Result<Option<Job>> {
    database.query_row(&format!("{JOB} WHERE id = ?1 AND state <> 'receiving'"), [id], job).optional()
}

fn job(row: &Row) -> rusqlite::Result<Job> {
    Ok(Job {
        id: row.get(0)?,
        state: row.get(1)?,
        total: row.get(2)?,
        detector: row.get(3)?,
        stability: row.get(4)?,
        provenance: row.get(5)?,
        created: row.get(6)?,
        done: row.get(7)?,
        refused: row.get(8)?,
    })
}

/// The words of the file are those of the answers.
impl FromSql for JobState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
            value.as_str()?.into_deserializer();
        Self::deserialize(word).map_err(FromSqlError::other)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Jobs {
        /// As if there were room on the disk for so many pages.
        pub(in crate::serve) fn most_pages(&self, pages: u32) {
            let database = self.database.lock().unwrap();
            database.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        }
    }

    fn overwrites(database: &Connection) -> i64 {
        database.pragma_query_value(None, "secure_delete", |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_makes_room_is_tried_without_overwriting_where_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::open(&folder.path().join("jobs.sqlite")).unwrap();
        let mut database = jobs.database.lock().unwrap();
        let full =
            || rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        for (failures, expected) in [(0, vec![1]), (1, vec![1, 0]), (2, vec![1, 0])] {
            let mut tried = Vec::new();
            let done = in_little_room(&mut database, |database| {
                tried.push(overwrites(database));
                if tried.len() <= failures { Err(full()) } else { Ok(()) }
            });
            assert_eq!((done.is_ok(), tried), (failures < 2, expected));
            assert_eq!(overwrites(&database), 1, "it is as before afterwards");
        }
        let mut tries = 0;
        let failed = in_little_room(&mut database, |_| {
            tries += 1;
            Err::<(), _>(rusqlite::Error::InvalidQuery)
        });
        assert_eq!((failed.is_err(), tries), (true, 1));
    }

    #[tokio::test]
    async fn an_upload_that_could_not_be_forgotten_is_forgotten_later() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Arc::new(Jobs::open(&folder.path().join("jobs.sqlite")).unwrap());
        let only_read =
            |word: &str| jobs.database.lock().unwrap().pragma_update(None, "query_only", word).unwrap();
        let cut = jobs.receive("x".to_owned(), false, false).await.unwrap();
        only_read("ON");
        jobs.abandon(cut).await;
        jobs.expire(Duration::from_secs(60), vec![]).await.unwrap_err();
        assert_eq!(jobs.open_jobs().await.unwrap(), 1);
        only_read("OFF");
        jobs.expire(Duration::from_secs(60), vec![]).await.unwrap();
        assert_eq!(jobs.open_jobs().await.unwrap(), 0);
    }
}
