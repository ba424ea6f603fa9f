//! `dear models`: published checkpoints, what is known of them, and their download.

use std::path::PathBuf;

use clap::Subcommand;
use dear::architecture::Architecture;
use dear::error::Error;
use dear::import::import;
use dear::registry::{Cache, Entry, Home, PullOptions, Pulled, Registry, pull};
use serde::Serialize;

use crate::arguments::{EngineArgs, Format};
use crate::progress::Progress;
use crate::{Outcome, command, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All of them: architecture, licence, size, and whether the cache has them
    List(List),
    /// All that is known of one, and how to import it
    Info(Info),
    /// Download one into the cache, verified, and import it if a detector file is named
    Pull(Pull),
}

#[derive(Debug, clap::Args)]
struct Source {
    /// A registry of your own instead of the embedded one; docs/models.md describes it
    #[arg(long, value_name = "FILE.toml")]
    registry: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// A table, or one JSON array
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, clap::Args)]
struct Info {
    /// As `dear models list` shows it
    id: String,
    /// Lines, or one JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, clap::Args)]
struct Pull {
    /// As `dear models list` shows it
    id: String,
    /// Say yes to a licence that restricts what the weights may be used for
    #[arg(long)]
    accept_licence: bool,
    /// Take the file that its branch has now, though another is pinned
    #[arg(long)]
    update: bool,
    /// Import it at once into this detector file
    #[arg(short, long, value_name = "FILE.onnx")]
    out: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    engine: EngineArgs,
}

impl Source {
    fn open(&self) -> Result<Registry, Error> {
        Ok(match &self.registry {
            Some(path) => Registry::open(path)?,
            None => Registry::embedded()?,
        })
    }
}

/// An entry, and whether the cache has its file.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    permissive: bool,
    cached: bool,
    import: String,
}

impl<'a> Listed<'a> {
    fn new(entry: &'a Entry, registry: &Registry, cache: &Cache) -> Result<Self, Error> {
        let path = cache.file(entry).unwrap_or_else(|| "FILE".into());
        let backbone =
            backbone(entry, registry)?.map(|below| cache.file(below).unwrap_or_else(|| "FILE".into()));
        Ok(Self {
            entry,
            permissive: entry.is_permissive(),
            cached: cache.holds(entry)?,
            import: entry.import_command(&path, backbone.as_deref()),
        })
    }

    fn size(&self) -> String {
        let text = |size: u64| match size as f64 {
            size if size < 1e6 => format!("{:.1} kB", size / 1e3),
            size => format!("{:.1} MB", size / 1e6),
        };
        self.entry.size.map_or("unknown".to_owned(), text)
    }

    /// Whether a program can fetch it.
    fn state(&self) -> &'static str {
        match (&self.entry.home, self.cached) {
            (_, true) => "cached",
            (Home::Page { .. }, _) => "by hand",
            _ => "no",
        }
    }
}

/// The entry of the frozen network below.
fn backbone<'r>(entry: &Entry, registry: &'r Registry) -> Result<Option<&'r Entry>, Error> {
    Ok(entry.backbone.as_deref().map(|id| registry.entry(id)).transpose()?)
}

pub(crate) fn run(args: Args) -> Result<Outcome, Error> {
    let cache = Cache::of_this_machine()?;
    match args.action {
        Action::List(args) => list(&args, &cache)?,
        Action::Info(args) => info(&args, &cache)?,
        Action::Pull(args) => fetch(&args, cache)?,
    }
    Ok(Outcome::Done)
}

fn list(args: &List, cache: &Cache) -> Result<(), Error> {
    let registry = args.source.open()?;
    let all: Vec<Listed> = registry
        .entries
        .iter()
        .map(|entry| Listed::new(entry, &registry, cache))
        .collect::<Result<_, _>>()?;
    if args.format == Format::Json {
        return output::json(&all);
    }
    let rows = all.iter().map(|row| {
        let entry = row.entry;
        [
            entry.id.clone(),
            entry.architecture.clone(),
            entry.licence.clone(),
            row.size(),
            row.state().to_owned(),
        ]
    });
    let head = ["model", "architecture", "licence of the weights", "size", "cached"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let widths: Vec<usize> =
        (0..5).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    for row in rows {
        let cells: Vec<_> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        output::line(cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn info(args: &Info, cache: &Cache) -> Result<(), Error> {
    let registry = args.source.open()?;
    let row = Listed::new(registry.entry(&args.id)?, &registry, cache)?;
    if args.format == Format::Json {
        return output::json(&row);
    }
    let entry = row.entry;
    if !row.permissive {
        output::line(format_args!("LICENCE        {}: {}", entry.licence, RESTRICTED))?;
    }
    let network = Architecture::named(&entry.architecture).map(|architecture| architecture.title);
    let fact = |name: &str, value: &str| output::line(format_args!("{name:<14} {value}"));
    fact("model", &entry.id)?;
    fact("title", &entry.title)?;
    fact(
        "architecture",
        &format!("{} ({})", entry.architecture, network.unwrap_or("dear import has it not yet")),
    )?;
    fact("paper", &entry.paper)?;
    fact("repository", &entry.repository)?;
    fact("licence", &entry.licence)?;
    fact("code licence", entry.code_licence.as_deref().unwrap_or("the same"))?;
    match &entry.home {
        Home::Hub { repo, file, revision } => {
            fact("file", &format!("{file} of {repo} at {revision} (Hugging Face)"))?
        }
        Home::Url { url, .. } => fact("file", url)?,
        Home::Page { url } => fact("file", &format!("by hand: {url}"))?,
    }
    fact("size", &row.size())?;
    fact("sha256", entry.sha256.as_deref().unwrap_or("unknown: the server's is verified and pinned"))?;
    if let Some(sha1) = &entry.git_sha1 {
        fact("git sha1", sha1)?;
    }
    for (name, shape) in &entry.keys {
        fact("tensor", &format!("{name} {shape:?}"))?;
    }
    fact("trained on", entry.trained_on.as_deref().unwrap_or("unknown"))?;
    fact("test view", entry.test_view.as_deref().unwrap_or("unknown"))?;
    for warning in &entry.warnings {
        fact("warning", warning)?;
    }
    if entry.unverified {
        fact("warning", "not verified: nobody of this project has seen this file in its place")?;
    }
    if let Some(below) = &entry.backbone {
        fact("backbone", &format!("{below}, pulled with it"))?;
    }
    fact("cached", row.state())?;
    fact("import", &row.import)
}

/// What a licence that is not known to be permissive means here.
const RESTRICTED: &str = "what the weights may be used for is restricted, or not said";

fn fetch(args: &Pull, cache: Cache) -> Result<(), Error> {
    let registry = args.source.open()?;
    let entry = registry.entry(&args.id)?;
    if let Some(out) = &args.out {
        output::check_writable(out)?;
    }
    let options = PullOptions {
        accept_licence: args.accept_licence,
        update: args.update,
        ..PullOptions::from_environment(cache)
    };
    let below = match backbone(entry, &registry)? {
        Some(below) => Some(fetch_one(below, &options)?.path),
        None => None,
    };
    let pulled = fetch_one(entry, &options)?;
    let Some(out) = &args.out else {
        output::line(pulled.path.display())?;
        output::note(format_args!("sha256 {}", pulled.pin.sha256));
        output::note(format_args!("next: {}", entry.import_command(&pulled.path, below.as_deref())));
        return Ok(());
    };
    command::import::write(import(&pulled.path, &entry.import_options(below))?, out, &args.engine)
}

fn fetch_one(entry: &Entry, options: &PullOptions) -> Result<Pulled, Error> {
    let code = entry.code_licence.as_ref().map(|code| format!(" (the code: {code})")).unwrap_or_default();
    let restricted = if entry.is_permissive() { String::new() } else { format!(": {RESTRICTED}") };
    output::note(format_args!("{}: licence of the weights: {}{code}{restricted}", entry.id, entry.licence));
    entry.warnings.iter().for_each(output::warning);
    let pulled = pull(entry, options, &Progress::default())?;
    output::note(if pulled.from_cache { "taken from the cache" } else { "downloaded, verified and pinned" });
    Ok(pulled)
}
