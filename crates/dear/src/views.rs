//! Images become rows of the feature store: augmented training views, probe views with region moments, and whole images
//! under perturbation chains. Work goes shard by shard; finished shards are read back.

use std::path::{Path, PathBuf};

use dear_image::{
    AugmentOptions, AugmentPlan, AugmentRole, Chain, DecodeOptions, Draw, FileFacts, Image, Mask, decode,
    inspect,
};
use rayon::prelude::*;
use serde_json::json;

use crate::dataset::Label;
use crate::detector::{Detector, DetectorError, Quantity, is_passing};
use crate::error::Error;
use crate::files::{Unread, read_image, sha256_hex};
use crate::observe::{Event, Observer};
use crate::preview::reduced;
use crate::probe::{Refused, blend_weights, read_mask};
use crate::rad::{MaskWeights, region_moments, resize_mask};
use crate::recipe::Recipe;
use crate::store::{Row, Store};

/// Images in a shard of the store: a kill costs at most the work on these.
const SHARD: usize = 32;
/// To be raised whenever decoding, augmentation or a chain gives other pixels: stored features are then made anew.
const PIXELS_REVISION: u32 = 3;

/// An image on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Its name in results.
    pub key: String,
    /// Its label; for a probe, the label of a view of which some mask survives.
    pub label: Label,
    /// Its subset.
    pub subset: String,
    /// The mask's file, for probes.
    pub mask: Option<PathBuf>,
}

/// Rows of `views` augmented views of each source (method section 5), in order of source and view. View `v` of an image
/// depends on seed, content, role and `v` alone.
///
/// # Errors
/// The engine's or the store's, or a stop. A source that cannot be read gives one row with its error.
pub fn augmented(
    detector: &Detector,
    store: &Store,
    sources: &[Source],
    role: AugmentRole,
    options: &ViewOptions,
    observer: &dyn Observer,
) -> Result<Vec<Row>, Error> {
    let name = role_name(role);
    let weights = if role == AugmentRole::Probe { options.mask } else { MaskWeights::Hard };
    observer.event(Event::Started { step: options.step, total: sources.len() as u64 });
    let mut rows = Vec::new();
    for shard in sources.chunks(SHARD) {
        if observer.cancelled() {
            return Err(Error::Interrupted);
        }
        let contents = read_all(shard, &options.decode);
        let key = shard_key(
            detector,
            shard,
            &contents,
            json!([name, options.seed, options.views, options.augment, options.decode, weights]),
        );
        let shard_rows = match store.read(name, &key)? {
            Some(found) => found,
            None => {
                let made = augmented_shard(detector, shard, contents, role, options)?;
                store.write(name, &key, detector.channels(), &made)?;
                made
            }
        };
        rows.extend(shard_rows);
        observer.event(Event::Advanced { by: shard.len() as u64 });
    }
    observer.event(Event::Finished);
    Ok(rows)
}

/// How views are drawn.
#[derive(Debug, Clone, Copy)]
pub struct ViewOptions<'a> {
    /// Seed of all views.
    pub seed: u64,
    /// Views of each image.
    pub views: u32,
    /// The augmentation.
    pub augment: &'a AugmentOptions,
    /// How files become pixels.
    pub decode: DecodeOptions,
    /// What the masks of probes mean for their region moments.
    pub mask: MaskWeights,
    /// What the observer is told.
    pub step: &'a str,
}

impl<'a> ViewOptions<'a> {
    /// The views that a recipe asks for.
    pub fn of(recipe: &'a Recipe, step: &'a str) -> Self {
        let Recipe { seed, views, augment, decode, rad, .. } = recipe;
        Self { seed: *seed, views: *views, augment, decode: *decode, mask: rad.mask, step }
    }

    /// What is drawn for one view of an image of `size` whose file has this hash.
    fn plan(&self, size: (u32, u32), sha256: &str, role: AugmentRole, view: u32) -> AugmentPlan {
        let key = [sha256.as_bytes(), role_name(role).as_bytes(), &view.to_le_bytes()];
        AugmentPlan::draw(size, self.augment, role, &mut Draw::keyed(self.seed, &key))
    }
}

fn role_name(role: AugmentRole) -> &'static str {
    match role {
        AugmentRole::Main => "main",
        AugmentRole::Probe => "probe",
    }
}

/// An image and the views that [`augmented`] makes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// [`Source::key`].
    pub key: String,
    /// Columns and rows of the image.
    pub size: (u32, u32),
    /// The image, and the mask of a probe, in the size in which a contact sheet shows them.
    pub image: (Image, Option<Mask>),
    /// Each view with its mask, and what was drawn for it.
    pub views: Vec<(Image, Option<Mask>, AugmentPlan)>,
}

/// The very views that [`augmented`] sends through a backbone, to be looked at. What cannot be read is left out and named.
pub fn shown(sources: &[Source], role: AugmentRole, options: &ViewOptions) -> (Vec<Shown>, Vec<Refused>) {
    let one = |source: &Source| {
        let content = Content::read(source, &options.decode);
        let pixels = content
            .decode(source.mask.as_deref(), &options.decode)
            .map_err(|(kind, message)| Refused { path: source.key.clone(), kind, message })?;
        let view = |view| {
            let plan = options.plan(pixels.image.size(), &content.sha256, role, view);
            let (image, mask) = plan.apply(&pixels.image, pixels.mask.as_ref());
            (image, mask, plan)
        };
        let views = (0..options.views).map(view).collect();
        // Of a whole folder of photographs no more is held than is shown.
        let image = reduced(&pixels.image, pixels.mask.as_ref());
        Ok(Shown { key: source.key.clone(), size: pixels.image.size(), image, views })
    };
    let all: Vec<Result<Shown, Refused>> = sources.par_iter().map(one).collect();
    let (mut shown, mut refused) = (Vec::new(), Vec::new());
    for result in all {
        match result {
            Ok(one) => shown.push(one),
            Err(one) => refused.push(one),
        }
    }
    (shown, refused)
}

/// How whole images are seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WholeOptions {
    /// Seed of what chains draw.
    pub seed: u64,
    /// How files become pixels.
    pub decode: DecodeOptions,
}

/// Rows of whole images, at native resolution, under each chain: `rows[chain][image]`.
///
/// # Errors
/// As [`augmented`].
pub fn whole(
    detector: &Detector,
    store: &Store,
    sources: &[Source],
    chains: &[Chain],
    options: WholeOptions,
    observer: &dyn Observer,
) -> Result<Vec<Vec<Row>>, Error> {
    let mut rows: Vec<Vec<Row>> = vec![Vec::with_capacity(sources.len()); chains.len()];
    each_whole(&[detector], store, sources, chains, options, observer, |place, _, row| {
        rows[place.chain].push(row);
    })?;
    Ok(rows)
}

/// Whose row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of the detector.
    pub detector: usize,
    /// Index of the chain.
    pub chain: usize,
    /// Index of the source.
    pub image: usize,
}

/// Hand rows of whole images, at native resolution, to `take`, for each detector, chain and image, with what the file's
/// header says. An image is decoded
/// once, and goes through each chain once, for all detectors whose shard is not finished; no more rows than a shard's are
/// held at a time. For one detector and chain the images come in order.
///
/// # Errors
/// As [`augmented`].
pub fn each_whole(
    detectors: &[&Detector],
    store: &Store,
    sources: &[Source],
    chains: &[Chain],
    options: WholeOptions,
    observer: &dyn Observer,
    mut take: impl FnMut(Place, &FileFacts, Row),
) -> Result<(), Error> {
    let WholeOptions { seed, decode } = options;
    let total = sources.len() * chains.len() * detectors.len();
    observer.event(Event::Started { step: "scoring images", total: total as u64 });
    for (number, shard) in sources.chunks(SHARD).enumerate() {
        let contents = read_all(shard, &decode);
        let mut parts = Vec::new();
        for (chain, detector) in
            (0..chains.len()).flat_map(|chain| (0..detectors.len()).map(move |d| (chain, d)))
        {
            let seed = if chains[chain].is_clean() { 0 } else { seed };
            let options = json!(["whole", seed, chains[chain].to_string(), decode]);
            let key = shard_key(detectors[detector], shard, &contents, options);
            let found = store.read("whole", &key)?;
            if found.is_some() {
                observer.event(Event::Advanced { by: shard.len() as u64 });
            }
            parts.push(Part {
                detector,
                chain,
                key,
                missing: found.is_none(),
                rows: found.unwrap_or_default(),
            });
        }
        if parts.iter().any(|part| part.missing) {
            for (source, content) in shard.iter().zip(&contents) {
                let decoded = content.decode(None, &decode);
                for (chain, of_chain) in chains.iter().zip(parts.chunks_mut(detectors.len())) {
                    let mut missing = of_chain.iter_mut().filter(|part| part.missing).peekable();
                    if missing.peek().is_none() {
                        continue;
                    }
                    let seen = perturbed(&decoded, chain, seed, content);
                    for part in missing {
                        if observer.cancelled() {
                            return Err(Error::Interrupted);
                        }
                        let warning = decoded.as_ref().ok().and_then(Pixels::warning);
                        let row = Row { chain: chain.to_string(), warning, ..empty_row(source, content) };
                        part.rows.push(whole_row(detectors[part.detector], row, &seen)?);
                        observer.event(Event::Advanced { by: 1 });
                    }
                }
            }
        }
        let facts: Vec<FileFacts> = contents.iter().map(Content::facts).collect();
        for part in parts {
            // What another engine or more memory might do is tried again.
            let lasts = |row: &Row| row.error.as_ref().is_none_or(|(kind, _)| !is_passing(kind));
            if part.missing && part.rows.iter().all(lasts) {
                store.write("whole", &part.key, detectors[part.detector].channels(), &part.rows)?;
            }
            for (image, row) in part.rows.into_iter().enumerate() {
                let place =
                    Place { detector: part.detector, chain: part.chain, image: number * SHARD + image };
                take(place, &facts[image], row);
            }
        }
    }
    observer.event(Event::Finished);
    Ok(())
}

/// The rows of one shard under one chain, for one detector.
struct Part {
    detector: usize,
    chain: usize,
    key: String,
    missing: bool,
    rows: Vec<Row>,
}

fn perturbed(
    decoded: &Result<Pixels, (String, String)>,
    chain: &Chain,
    seed: u64,
    content: &Content,
) -> Result<Image, (String, String)> {
    let pixels = decoded.as_ref().map_err(Clone::clone)?;
    match chain.apply(&pixels.image, seed, content.sha256.as_bytes()) {
        Ok(applied) => Ok(applied.image),
        Err(error) => Err(("chain".to_owned(), error.to_string())),
    }
}

fn whole_row(
    detector: &Detector,
    mut row: Row,
    image: &Result<Image, (String, String)>,
) -> Result<Row, Error> {
    match image {
        Err(error) => row.error = Some(error.clone()),
        Ok(image) => match detector.pooled(image) {
            Ok(pooled) => row.pooled = pooled,
            Err(error) => row.error = Some(image_error(error)?),
        },
    }
    Ok(row)
}

/// An image that the detector cannot take is that image's error; any other failure ends the run.
fn image_error(error: DetectorError) -> Result<(String, String), Error> {
    match error.refusal() {
        Some(kind) => Ok((kind.to_owned(), error.to_string())),
        None => Err(error.into()),
    }
}

fn empty_row(source: &Source, content: &Content) -> Row {
    Row {
        path: source.key.clone(),
        sha256: content.sha256.clone(),
        label: source.label,
        subset: source.subset.clone(),
        view: 0,
        chain: String::new(),
        error: None,
        warning: None,
        mask_share: None,
        pooled: Vec::new(),
        moments: None,
    }
}

fn augmented_shard(
    detector: &Detector,
    shard: &[Source],
    contents: Vec<Content>,
    role: AugmentRole,
    options: &ViewOptions,
) -> Result<Vec<Row>, Error> {
    // One image at a time from file to crops, so that a thread holds one decoded image.
    let cropped: Vec<Result<Views, (String, String)>> = shard
        .par_iter()
        .zip(&contents)
        .map(|(source, content)| {
            let pixels = content.decode(source.mask.as_deref(), &options.decode)?;
            let composite = options.mask.composite();
            let weights =
                composite.zip(pixels.mask.as_ref()).map(|(composite, mask)| blend_weights(mask, composite));
            let views = (0..options.views)
                .map(|view| {
                    let plan = options.plan(pixels.image.size(), &content.sha256, role, view);
                    let (image, mask) = plan.apply(&pixels.image, pixels.mask.as_ref());
                    View { image, mask, weights: weights.as_ref().map(|weights| plan.apply_mask(weights)) }
                })
                .collect();
            Ok(Views { views, warning: pixels.warning() })
        })
        .collect();
    let mut rows = Vec::new();
    let mut views: Vec<View> = Vec::new();
    for ((source, content), cropped) in shard.iter().zip(&contents).zip(cropped) {
        let row = empty_row(source, content);
        match cropped {
            Err(error) => rows.push(Row { error: Some(error), ..row }),
            Ok(Views { views: crops, warning }) => {
                let row = Row { warning, ..row };
                for (view, crop) in crops.into_iter().enumerate() {
                    rows.push(Row { view: view as u32, ..row.clone() });
                    views.push(crop);
                }
            }
        }
    }
    let mut open: Vec<&mut Row> = rows.iter_mut().filter(|row| row.error.is_none()).collect();
    if role == AugmentRole::Main {
        let images: Vec<&Image> = views.iter().map(|view| &view.image).collect();
        for (row, pooled) in open.into_iter().zip(detector.pooled_of_any(&images)) {
            row.pooled = pooled?;
        }
        return Ok(rows);
    }
    if let Some(view) = views.first() {
        check_probe(detector, &view.image)?;
    }
    // Views are crops of one size.
    let batch = views.first().map_or(1, |view| detector.batch_of(view.image.size()));
    for (rows, views) in open.chunks_mut(batch).zip(views.chunks(batch)) {
        let images: Vec<&Image> = views.iter().map(|view| &view.image).collect();
        let [features, pooled] = detector.compute(&images, [Quantity::Features, Quantity::Pooled])?;
        let (channels, h, w) = (detector.channels(), features.shape[2], features.shape[3]);
        let positions = h * w;
        for (i, (row, view)) in rows.iter_mut().zip(views).enumerate() {
            let map = &features.data[i * channels * positions..][..channels * positions];
            row.pooled = map.chunks_exact(positions).map(mean).collect();
            check_pool(detector, &row.pooled, &pooled.data[i * channels..][..channels])?;
            let Some(mask) = &view.mask else { continue };
            let share = mask.count_inside() as f64 / mask.data().len() as f64;
            row.mask_share = Some(share as f32);
            // A probe's label is 1 if any of its mask survived the crop, else 0 (method section 4).
            row.label = if mask.count_inside() > 0 { Label::Generated } else { Label::Real };
            if mask.count_inside() > 0 {
                let soft: Vec<f32> = match &view.weights {
                    Some(weights) => weights.data().iter().map(|&value| f32::from(value) / 255.0).collect(),
                    None => mask.data().iter().map(|&value| f32::from(u8::from(value > 127))).collect(),
                };
                let from = (mask.height() as usize, mask.width() as usize);
                row.moments = Some(region_moments(map, channels, &resize_mask(&soft, from, (h, w))));
            }
        }
    }
    Ok(rows)
}

/// RAD compares places of a probe, so the network must see the crop as it is.
fn check_probe(detector: &Detector, crop: &Image) -> Result<(), Error> {
    let seen = detector.seen(crop)?;
    match seen.as_slice() {
        [seen] if seen.as_ref() == crop => Ok(()),
        _ => {
            let (width, height) = crop.size();
            let view = &detector.metadata().view;
            Err(Error::Probes {
                message: format!("the view {view} changes a crop of {width} x {height} pixels, expected it as it is"),
                hint: "import the detector with --view native, or set augment.crop in the recipe to the side that the \
                       view leaves alone"
                    .to_owned(),
            })
        }
    }
}

/// The head must read the mean of the map: of a class token nothing is said inside or outside of a region.
fn check_pool(detector: &Detector, mean: &[f32], pooled: &[f32]) -> Result<(), DetectorError> {
    let most = pooled.iter().fold(1e-6f32, |most, value| most.max(value.abs()));
    // Rounding of sums of thousands of numbers is a thousandth of this.
    match mean.iter().zip(pooled).all(|(a, b)| (a - b).abs() <= 1e-2 * most) {
        true => Ok(()),
        false => {
            let detector = detector.metadata().name.clone();
            Err(DetectorError::NoOutput { detector, output: Quantity::Evidence.name() })
        }
    }
}

/// A view, with the mask of a probe, and how far each pixel is generated where that is asked for.
struct View {
    image: Image,
    mask: Option<Mask>,
    weights: Option<Mask>,
}

/// The views of a source, and what should be known of its file.
struct Views {
    views: Vec<View>,
    warning: Option<String>,
}

/// A decoded source.
struct Pixels {
    image: Image,
    mask: Option<Mask>,
    warnings: Vec<String>,
}

impl Pixels {
    fn warning(&self) -> Option<String> {
        (!self.warnings.is_empty()).then(|| self.warnings.join("; "))
    }
}

fn read_all(shard: &[Source], options: &DecodeOptions) -> Vec<Content> {
    shard.par_iter().map(|source| Content::read(source, options)).collect()
}

fn mean(values: &[f32]) -> f32 {
    (values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64) as f32
}

/// The bytes of a source (and of its mask) and their hashes, read once, so that what is keyed is what is decoded; what
/// cannot be read is an error of this image.
struct Content {
    bytes: Result<Vec<u8>, Unread>,
    sha256: String,
    mask: Option<Result<Vec<u8>, Unread>>,
    mask_sha256: String,
}

impl Content {
    fn read(source: &Source, options: &DecodeOptions) -> Self {
        let read = |path: &Path| read_image(path, options);
        let hash = |bytes: &Result<Vec<u8>, Unread>| {
            bytes.as_ref().map(|bytes| sha256_hex(bytes)).unwrap_or_default()
        };
        let bytes = read(&source.path);
        let mask = source.mask.as_deref().map(read);
        Self { sha256: hash(&bytes), mask_sha256: mask.as_ref().map(hash).unwrap_or_default(), bytes, mask }
    }

    fn facts(&self) -> FileFacts {
        self.bytes.as_deref().map(inspect).unwrap_or_default()
    }

    /// The image, and the mask if the source has one (whose file is `mask`, for messages).
    fn decode(&self, mask: Option<&Path>, options: &DecodeOptions) -> Result<Pixels, (String, String)> {
        let named = |error: dear_image::DecodeError| (error.kind().as_str().to_owned(), error.to_string());
        let bytes = self.bytes.as_ref().map_err(|error| (error.kind.to_owned(), error.message.clone()))?;
        let dear_image::Decoded { image, warnings, .. } = decode(bytes, options).map_err(named)?;
        let (Some(path), Some(bytes)) = (mask, &self.mask) else {
            return Ok(Pixels { image, mask: None, warnings });
        };
        let mask = bytes
            .as_ref()
            .map_err(|error| (error.kind.to_owned(), format!("{}: {}", path.display(), error.message)))?;
        let mask = read_mask(path, mask, image.size(), options)?;
        Ok(Pixels { image, mask: Some(mask), warnings })
    }
}

/// Everything that decides a shard's rows, as JSON.
fn shard_key(
    detector: &Detector,
    shard: &[Source],
    contents: &[Content],
    options: serde_json::Value,
) -> String {
    let images: Vec<_> = shard
        .iter()
        .zip(contents)
        .map(|(source, content)| {
            json!([source.key, source.label, source.subset, content.sha256, content.mask_sha256])
        })
        .collect();
    let metadata = detector.metadata();
    json!({
        "schema": 1,
        "backbone": detector.backbone_sha256(),
        // The document is no part of that hash, but says which images are refused, how large ones are tiled and what the network sees of them.
        "reading": [metadata.valid_input.min_side, metadata.stride, metadata.halo, metadata.span],
        "view": metadata.view,
        "piece": detector.piece(),
        "engine": detector.info(),
        "pixels": PIXELS_REVISION,
        "options": options,
        "images": images,
    })
    .to_string()
}
