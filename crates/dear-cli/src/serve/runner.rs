//! Scores the images of batches, one after the other, beside the requests.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dear::error::Error;
use dear::scan::{ScanOptions, Status, score_bytes};

use super::App;
use super::fault::Fault;
use super::jobs::{Item, JobState};
use crate::output;

/// How often batches whose time has passed, and those that could not be forgotten, are looked at; and a failed file tried
/// again.
const LOOK: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_secs(5);

/// Work until the server closes; the image at hand is begun again at the next start.
pub(super) async fn run(app: Arc<App>) {
    let mut changes = app.jobs.changes();
    let known: Vec<String> = app.detectors.iter().map(|detector| detector.sha256().to_owned()).collect();
    loop {
        changes.mark_unchanged();
        let worked = tokio::select! {
            worked = step(&app, &known) => worked,
            () = app.closing() => break,
        };
        let pause = match worked {
            Ok(true) => continue,
            Ok(false) => LOOK,
            Err(_) => AGAIN,
        };
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(pause) => {}
            () = app.closing() => break,
        }
    }
}

/// One image; whether there was one.
async fn step(app: &Arc<App>, known: &[String]) -> Result<bool, Fault> {
    app.jobs.expire(app.settings.keep, known.to_vec()).await?;
    let Some(mut item) = app.jobs.next(known.to_vec()).await? else { return Ok(false) };
    let Some(detector) = app.detector(&item.job.detector).cloned() else { return Ok(false) };
    let options = ScanOptions {
        decode: app.settings.decode,
        stability: item.job.stability,
        provenance: item.job.provenance,
    };
    let name = item.name.clone();
    let mut changes = app.jobs.changes();
    let bytes = std::mem::take(&mut item.bytes);
    let work =
        move |stop: &dyn Fn() -> bool| score_bytes(&detector, Path::new(&name), &bytes, &options, stop);
    let scored = app.pool.run(None, work);
    tokio::pin!(scored);
    let record = loop {
        tokio::select! {
            record = &mut scored => break record,
            _ = changes.changed() => {
                if !wanted(app, &item).await? {
                    return Ok(true);
                }
            }
        }
    };
    let record = match record {
        Ok(Ok(record)) => record,
        // It would be so again.
        Ok(Err(error)) => return fail(app, &item, &reason(&error)).await,
        Err(_) => return fail(app, &item, "the work ended in a panic").await,
    };
    app.measures.scored(&record);
    let refused = record.status == Status::Refused;
    let text = serde_json::to_string(&record).map_err(|_| Fault::Internal)?;
    app.jobs.record(&item, text, refused).await?;
    Ok(true)
}

/// End a batch at an image that could not be scored.
async fn fail(app: &Arc<App>, item: &Item, reason: &str) -> Result<bool, Fault> {
    output::warning(failure(item, reason));
    app.jobs.stop(&item.job.id, JobState::Failed).await?;
    Ok(true)
}

fn reason(error: &Error) -> String {
    match error {
        // Nobody else stops this work while the batch is wanted.
        Error::Abandoned => "it took longer than --score-timeout".to_owned(),
        error => error.to_string(),
    }
}

fn failure(item: &Item, reason: &str) -> String {
    let Item { job, place, name, .. } = item;
    format!("batch {} failed at image {} of {} ({name}): {reason}", job.id, place + 1, job.total)
}

/// Whether the batch was neither cancelled nor forgotten.
async fn wanted(app: &Arc<App>, item: &Item) -> Result<bool, Fault> {
    let job = app.jobs.find(&item.job.id).await?;
    Ok(job.is_some_and(|job| job.state == JobState::Running))
}

#[cfg(test)]
mod tests {
    use super::super::jobs::Job;
    use super::*;

    #[test]
    fn a_failed_batch_is_told_with_its_image_and_the_reason() {
        let job = Job {
            id: "00ff".to_owned(),
            state: JobState::Running,
            total: 3,
            done: 1,
            refused: 0,
            detector: String::new(),
            stability: true,
            provenance: false,
            created: 0,
        };
        let item = Item { job, place: 1, name: "b\n.png".to_owned(), bytes: Vec::new() };
        let told = output::one_line(failure(&item, &reason(&Error::Abandoned)));
        assert_eq!(told, "batch 00ff failed at image 2 of 3 (b\\n.png): it took longer than --score-timeout");
        assert_eq!(reason(&Error::Options("the engine's words".to_owned())), "the engine's words");
    }
}
