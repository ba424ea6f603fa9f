//! `dear serve`: the service and the page.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use dear::detector::Detector;
use dear::engine::cache_dir;
use dear::error::Error;

use crate::arguments::{DecodeArgs, EngineArgs, open_detector};
use crate::serve::{App, Jobs, Keys, Settings, jobs_file, serve};
use crate::{Outcome, output, progress};

/// Most pixels of an image by default: a photograph of 48 megapixels passes.
const MAX_PIXELS: &str = "64000000";

#[derive(Debug, clap::Args)]
#[command(mut_arg("max_pixels", |arg| arg.default_value(MAX_PIXELS)))]
pub(crate) struct Args {
    /// Detector files; the first is asked where a request names none [default: the embedded `mini`, for demonstration only]
    #[arg(long = "detector", value_name = "FILE.onnx")]
    detectors: Vec<PathBuf>,
    /// Port; 0 takes a free one, which is printed
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Address to listen on; without --api-key-file only this machine should reach it
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// A name under which the service is reached, behind a proxy or in a network; may be given again
    #[arg(long = "public-host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Ask for a key: a file with one a line
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Bytes of an image at most
    #[arg(long, value_name = "BYTES", default_value_t = 50_000_000, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Limits")]
    max_upload: u64,
    /// Images of a batch at most
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Limits")]
    max_batch: u64,
    /// Images that are scored at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Limits")]
    concurrency: u16,
    /// Requests that may wait for that; more are told to come again
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16), help_heading = "Limits")]
    queue: u16,
    /// Seconds for an image to arrive
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..), help_heading = "Limits")]
    timeout: u16,
    /// Seconds that an image may take to be scored; it is stopped between two steps
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..), help_heading = "Limits")]
    score_timeout: u16,
    /// File of batches [default: serve.sqlite in the cache folder]
    #[arg(long, value_name = "FILE.sqlite", help_heading = "Batches")]
    jobs: Option<PathBuf>,
    /// Hours that a finished batch is kept
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u16), help_heading = "Batches")]
    keep: u16,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    decode: DecodeArgs,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let address = SocketAddr::new(args.host, args.port);
    // Before all else: that another server has the port says more than that it has the file of batches.
    let listener = std::net::TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|problem| Error::Listen { address, problem })?;
    let keys = args.api_key_file.as_deref().map(Keys::read).transpose()?;
    let detectors = open(&args)?;
    let path = match args.jobs {
        Some(path) => path,
        None => jobs_file(&cache_dir().ok_or_else(|| Error::Images {
            message: "no cache folder, expected one for the file of batches".to_owned(),
            hint: "name the file with --jobs".to_owned(),
        })?),
    };
    let jobs = Jobs::open(&path)?;
    let known: Vec<&str> = detectors.iter().map(Detector::sha256).collect();
    match jobs.waiting(&known)? {
        0 => {}
        waiting => output::warning(format_args!(
            "{} for a detector that this server does not have; {} h after they came they are forgotten",
            if waiting == 1 { "1 batch waits".to_owned() } else { format!("{waiting} batches wait") },
            args.keep
        )),
    }
    if keys.is_none() && !args.host.is_loopback() {
        output::warning("anyone who reaches this address can use it; --api-key-file asks for a key");
    }
    let settings = Settings {
        decode: args.decode.options(),
        max_upload: args.max_upload,
        max_batch: args.max_batch,
        concurrency: usize::from(args.concurrency),
        queue: usize::from(args.queue),
        timeout: Duration::from_secs(u64::from(args.timeout)),
        keep: Duration::from_secs(3600 * u64::from(args.keep)),
        longest: Duration::from_secs(u64::from(args.score_timeout)),
        keys,
        hosts: args.hosts,
    };
    let app = App::new(settings, detectors, jobs);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        output::note(format_args!("listening on http://{}", listener.local_addr()?));
        Ok::<_, Error>(serve(listener, app, asked_to_stop()).await?)
    });
    // What did not finish in its time ends with the process: a network that runs cannot be interrupted.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served?;
    output::note("stopped");
    Ok(Outcome::Done)
}

/// All detectors, each once.
fn open(args: &Args) -> Result<Vec<Detector>, Error> {
    if args.detectors.is_empty() {
        return Ok(vec![open_detector(None, &args.engine)?]);
    }
    let mut found = BTreeMap::new();
    let mut detectors = Vec::new();
    for path in &args.detectors {
        let detector = open_detector(Some(path), &args.engine)?;
        if let Some(first) = found.insert(detector.sha256().to_owned(), path) {
            return Err(Error::Images {
                message: format!("{}: the same detector as {}", path.display(), first.display()),
                hint: "name each detector once".to_owned(),
            });
        }
        detectors.push(detector);
    }
    Ok(detectors)
}

async fn asked_to_stop() {
    while !progress::cancelled() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
