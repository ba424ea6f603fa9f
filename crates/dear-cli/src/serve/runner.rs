//! Scores the images of batches, one after the other, beside the requests.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dear::scan::{ScanOptions, Status, score_bytes};

use super::App;
use super::fault::Fault;
use super::jobs::{Item, JobState};
use crate::output;

/// How often finished batches are looked at, and a failed file tried again.
const HOUR: Duration = Duration::from_secs(3600);
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
            Ok(false) => HOUR,
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
        // The engine failed, it took too long, or there was a panic: it would be so again.
        failed => {
            if let Ok(Err(error)) = failed {
                output::error(&error);
            }
            app.jobs.stop(&item.job.id, JobState::Failed).await?;
            return Ok(true);
        }
    };
    app.measures.scored(&record);
    let refused = record.status == Status::Refused;
    let text = serde_json::to_string(&record).map_err(|_| Fault::Internal)?;
    app.jobs.record(&item, text, refused).await?;
    Ok(true)
}

/// Whether the batch was neither cancelled nor forgotten.
async fn wanted(app: &Arc<App>, item: &Item) -> Result<bool, Fault> {
    let job = app.jobs.find(&item.job.id).await?;
    Ok(job.is_some_and(|job| job.state == JobState::Running))
}
