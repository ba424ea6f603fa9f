//! A detector: a backbone and a linear head in one ONNX file.
//!
//! ```text
//! image [N, 3, H, W] RGB 0..1 -> features [N, C, h, w] -> pooled [N, C] -> logit [N]
//!                                          \-> evidence [N, 1, h, w], its mean is the logit
//! ```
//!
//! Normalisation is inside of the graph. A logit above 0 means "generated". Nothing is resized. An image for which the
//! network would hold more than [`EngineOptions::memory`] is computed in tiles that give the whole image's scores, if the
//! file states stride and halo; else in one piece, and memory grows with its area.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use dear_image::Image;
use thiserror::Error;

use crate::backbone::onnx::Port;
use crate::backbone::{Edit, ImportError, METADATA_KEY, Metadata, OnnxModel, Problem};
use crate::engine::{self, EngineInfo, EngineOptions, Output, RuntimeError, Session};
use crate::files::{sha256_hex, without_path};
use crate::head::Head;
use crate::tile::{Grid, Tile, tiles};
use crate::view::{View, ViewError};

/// The file of the detector `mini`, which this library carries. For demonstration and tests only.
pub const MINI: &[u8] = include_bytes!("../../../models/mini.onnx");

const INPUT: &str = "image";
pub(crate) const HEAD_WEIGHT: &str = "head.weight";
pub(crate) const HEAD_BIAS: &str = "head.bias";
const FLOAT: i32 = 1;

/// Bytes for a pixel where the file does not say: a piece of two megapixels takes 1 GiB. (`mini` takes 280 to 650, by engine.)
const ASSUMED_BYTES_PER_PIXEL: u32 = 512;
/// Pixels that go through the network together on a processor. Measured with both engines on two cores: 2 images of 96 x 96
/// or 4 of 64 x 64 through `mini` take up to 15 % less time together than alone, more of them take longer (16 of 96 x 96
/// twice as long in rten), and ResNet-50 gains nothing at any number: what is computed leaves the cache.
const BATCH_PIXELS: u64 = 20_000;
/// Images that go through the network together at most.
const MOST_IMAGES: usize = 32;

/// A detector that is ready to score images. Usable from several threads at once.
pub struct Detector {
    file: Cow<'static, [u8]>,
    metadata: Metadata,
    head: Head,
    has_evidence: bool,
    sha256: String,
    backbone_sha256: String,
    memory: u64,
    /// `[N, 3, H, W]` of the input, where the file fixes a length.
    input: [Option<u64>; 4],
    session: Box<dyn Session>,
}

/// A value that a detector computes, by its name in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// `features`, `[N, C, h, w]`.
    Features,
    /// `pooled`, `[N, C]`.
    Pooled,
    /// `logit`, `[N]`.
    Logit,
    /// `evidence`, `[N, 1, h, w]`.
    Evidence,
}

/// Feature maps of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// `[N, C, h, w]`.
    pub shape: [usize; 4],
    /// All numbers, in that order.
    pub data: Vec<f32>,
}

/// Where the logit comes from: the head's answer at each place of the feature grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Rows of the grid.
    pub h: usize,
    /// Columns of the grid.
    pub w: usize,
    /// `[h, w]`; the mean is `logit`.
    pub data: Vec<f32>,
    /// The image's logit.
    pub logit: f64,
}

/// Why a detector cannot be opened or cannot score.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DetectorError {
    /// The file is not a detector.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The engine fails.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A side is shorter than the network can judge.
    #[error("image of {width} x {height} pixels, expected sides of at least {min_side}")]
    TooSmall {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
        /// The shortest side that is accepted.
        min_side: u32,
    },
    /// The network takes images of one size only.
    #[error("image of {width} x {height} pixels, expected {expected}: the network takes no other size")]
    WrongSize {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
        /// For example `224 x 224`; `?` where any length will do.
        expected: String,
    },
    /// Not even the smallest tile fits into the memory that is allowed.
    #[error("image of {width} x {height} pixels needs {needed} bytes for a tile, allowed are {memory}")]
    Memory {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes of the smallest tile.
        needed: u64,
        /// [`EngineOptions::memory`].
        memory: u64,
    },
    /// The declared view cannot be taken of the image.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A map is asked for where the network sees several windows.
    #[error("the view {view} has several windows, expected one for a map")]
    Windows {
        /// The view.
        view: String,
    },
    /// A batch of images that have not one size.
    #[error("image {index} of the batch is {found:?}, expected {expected:?} like the first")]
    MixedSizes {
        /// The first image that differs.
        index: usize,
        /// Its width and height.
        found: (u32, u32),
        /// Those of the first.
        expected: (u32, u32),
    },
    /// A batch without images.
    #[error("the batch is empty, expected at least one image")]
    NoImages,
    /// Something that this file cannot compute.
    #[error("detector {detector} has no output \"{output}\"")]
    NoOutput {
        /// The detector's name.
        detector: String,
        /// The missing output.
        output: &'static str,
    },
    /// The network answers this image with NaN or infinity.
    #[error("output \"{output}\" is {value}, expected a finite number")]
    NonFinite {
        /// The output.
        output: &'static str,
        /// What came.
        value: f32,
    },
    /// The engine's answer has another shape than the contract says.
    #[error("output \"{output}\" is {found}, expected {expected}")]
    Output {
        /// The output.
        output: &'static str,
        /// What came.
        found: String,
        /// What should come.
        expected: String,
    },
}

impl DetectorError {
    /// A stable word: those of [`ImportError::kind`] and [`RuntimeError::kind`], and `too_small`, `wrong_size`, `memory`, `view`,
    /// `windows`, `mixed_sizes`, `no_images`, `no_output`, `output`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Import(error) => error.kind(),
            Self::Runtime(error) => error.kind(),
            Self::TooSmall { .. } => "too_small",
            Self::WrongSize { .. } => "wrong_size",
            Self::Memory { .. } => "memory",
            Self::View(_) => "view",
            Self::Windows { .. } => "windows",
            Self::MixedSizes { .. } => "mixed_sizes",
            Self::NoImages => "no_images",
            Self::NonFinite { .. } => "non_finite",
            Self::NoOutput { .. } => "no_output",
            Self::Output { .. } => "output",
        }
    }

    /// Why an image is refused, as records say it: `size`, `non_finite`, or, since another engine or more memory may do,
    /// `engine` or `memory`. `None`: it is not about an image.
    pub fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::TooSmall { .. } | Self::WrongSize { .. } | Self::View(_) => Some("size"),
            Self::NonFinite { .. } => Some("non_finite"),
            Self::Memory { .. } => Some("memory"),
            // A network may fail on pictures of one size, and run on others.
            Self::Output { .. } | Self::Runtime(RuntimeError::Run(_)) => Some("engine"),
            _ => None,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Import(error) => error.hint(),
            Self::Runtime(error) => error.hint(),
            Self::TooSmall { .. } => {
                Some("score the original: a thumbnail has lost the traces that are looked for".to_owned())
            }
            Self::WrongSize { .. } => {
                Some("say how an image becomes what the network sees: --view".to_owned())
            }
            Self::View(error) => error.hint(),
            Self::Windows { .. } => Some("import with a view of one picture, such as crop(224)".to_owned()),
            Self::Memory { needed, .. } => Some(format!("allow at least that: --memory {needed}")),
            Self::NoOutput { output: "evidence", .. } => Some(
                "only a head of average pool and linear layer has evidence: import with --head patch-mean, \
                 a foreign ONNX file with --features"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// Whether a refusal of this kind may not come again: it is not kept.
pub(crate) fn is_passing(kind: &str) -> bool {
    matches!(kind, "engine" | "memory")
}

impl Detector {
    /// The embedded detector `mini`.
    pub fn mini(options: &EngineOptions) -> Result<Self, DetectorError> {
        Self::new(Cow::Borrowed(MINI), options).map_err(|error| named(error, "mini"))
    }

    /// Reads a detector file.
    pub fn open(path: impl AsRef<Path>, options: &EngineOptions) -> Result<Self, DetectorError> {
        let path = path.as_ref();
        let file = read_model(path)?;
        Self::new(Cow::Owned(file), options).map_err(|error| named(error, path.display()))
    }

    /// Takes the bytes of a detector file.
    pub fn from_bytes(file: impl Into<Vec<u8>>, options: &EngineOptions) -> Result<Self, DetectorError> {
        Self::new(Cow::Owned(file.into()), options)
    }

    fn new(file: Cow<'static, [u8]>, options: &EngineOptions) -> Result<Self, DetectorError> {
        let model = OnnxModel::parse(&file)?;
        let metadata = Metadata::parse(&model.document()?)?;
        let head = read_head(&model)?;
        check_ports(&model, &metadata, &head)?;
        model.check_finite()?;
        let has_evidence = model.outputs().iter().any(|port| port.name == Quantity::Evidence.name());
        let zero = vec![0.0; head.weight.len()];
        let backbone_sha256 = model.rewritten_sha256(&[
            Edit::Tensor { name: HEAD_WEIGHT, data: &zero },
            Edit::Tensor { name: HEAD_BIAS, data: &[0.0] },
            Edit::Metadata { key: METADATA_KEY, value: None },
        ])?;
        let declared = model.inputs().first().and_then(|port| port.shape.as_deref());
        let input = declared.and_then(|shape| shape.try_into().ok()).unwrap_or_default();
        let session = engine::load(&file, options)?;
        Ok(Self {
            sha256: sha256_hex(&file),
            backbone_sha256,
            memory: options.memory,
            file,
            metadata,
            head,
            has_evidence,
            input,
            session,
        })
    }

    /// The document in the file.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What runs it.
    pub fn info(&self) -> &EngineInfo {
        self.session.info()
    }

    /// The hash of the file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The hash of the file without its head and its document: detectors that differ only there have the same
    /// features, and share what is stored of them.
    pub fn backbone_sha256(&self) -> &str {
        &self.backbone_sha256
    }

    /// Whether two detectors on one engine have the same pooled features of every image: the same backbone, shown the same of it.
    pub fn same_features(&self, other: &Self) -> bool {
        let reading = |detector: &Self| {
            let Metadata { stride, halo, ref valid_input, .. } = detector.metadata;
            (valid_input.min_side, stride, halo, detector.metadata.span())
        };
        self.backbone_sha256 == other.backbone_sha256
            && self.metadata.view == other.metadata.view
            && reading(self) == reading(other)
    }

    /// The head in the file.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The number of feature channels.
    pub fn channels(&self) -> usize {
        self.head.weight.len()
    }

    /// Whether the file has the output `evidence`.
    pub fn has_evidence(&self) -> bool {
        self.has_evidence
    }

    /// Whether [`Detector::evidence`] gives a map: the file has the output, and the view is of one picture.
    pub fn has_map(&self) -> bool {
        self.has_evidence && !matches!(self.metadata.view, View::Windows { .. })
    }

    /// The bytes of the file.
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    /// What the network sees of an image by the view that the document declares: the image itself, a part or a smaller copy
    /// of it, or several windows.
    pub fn seen<'i>(&self, image: &'i Image) -> Result<Vec<Cow<'i, Image>>, DetectorError> {
        match &self.metadata.view {
            View::Native => Ok(vec![Cow::Borrowed(image)]),
            view => Ok(view.apply(image)?.into_iter().map(Cow::Owned).collect()),
        }
    }

    /// [`Detector::seen`] where it is one picture.
    fn seen_whole<'i>(&self, image: &'i Image) -> Result<Option<Cow<'i, Image>>, DetectorError> {
        match self.metadata.view.windows(image)?.count() {
            1 => Ok(self.seen(image)?.pop()),
            _ => Ok(None),
        }
    }

    /// The logit of an image, through the declared view. A large image goes through the network in tiles, see the module.
    pub fn score(&self, image: &Image) -> Result<f64, DetectorError> {
        let Some(seen) = self.seen_whole(image)? else { return Ok(self.head.logit(&self.pooled(image)?)) };
        if self.tiled(&seen)?.is_some() {
            return Ok(self.head.logit(&self.pooled_of_seen(&seen)?));
        }
        let [logit] = self.compute(&[seen.as_ref()], [Quantity::Logit])?;
        Ok(f64::from(logit.data[0]))
    }

    /// The pooled features of an image through the declared view, `[C]`; of several windows, their mean. A large image goes
    /// through the network in tiles.
    pub fn pooled(&self, image: &Image) -> Result<Vec<f32>, DetectorError> {
        if let Some(seen) = self.seen_whole(image)? {
            return self.pooled_of_seen(&seen);
        }
        // One at a time: there may be many, and together they are several times the image.
        let (mut sums, mut windows) = (vec![0.0f64; self.channels()], 0u64);
        for window in self.metadata.view.windows(image)?.iter() {
            let pooled = self.pooled_of_seen(&window)?;
            sums.iter_mut().zip(pooled).for_each(|(sum, value)| *sum += f64::from(value));
            windows += 1;
        }
        Ok(sums.into_iter().map(|sum| (sum / windows as f64) as f32).collect())
    }

    fn pooled_of_seen(&self, image: &Image) -> Result<Vec<f32>, DetectorError> {
        if let Some(tiles) = self.tiled(image)? {
            return self.pooled_in_tiles(image, &tiles);
        }
        let [pooled] = self.compute(&[image], [Quantity::Pooled])?;
        Ok(pooled.data)
    }

    /// Pixels that the network computes at once: what [`EngineOptions::memory`] allows. A larger image is tiled, and a batch
    /// of small ones holds no more.
    pub fn piece(&self) -> u64 {
        (self.memory / u64::from(self.bytes_per_pixel())).max(1)
    }

    fn bytes_per_pixel(&self) -> u32 {
        self.metadata.memory.as_ref().map_or(ASSUMED_BYTES_PER_PIXEL, |memory| memory.bytes_per_pixel.max(1))
    }

    /// Tiles for an image that is more than a piece, where the file states stride and halo: features, pool and evidence are
    /// those of the whole image to rounding. `None`: one piece.
    fn tiled(&self, image: &Image) -> Result<Option<Vec<Tile>>, DetectorError> {
        let (width, height) = image.size();
        let min_side = self.metadata.valid_input.min_side;
        let (Some(stride @ 1..), Some(halo)) = (self.metadata.stride, self.metadata.halo) else {
            return Ok(None);
        };
        if area(image) <= self.piece() || width.min(height) < min_side {
            return Ok(None);
        }
        let found = tiles((width, height), self.grid(stride, halo), self.piece());
        found.map(Some).map_err(|pixels| DetectorError::Memory {
            width,
            height,
            needed: pixels * u64::from(self.bytes_per_pixel()),
            memory: self.memory,
        })
    }

    fn grid(&self, stride: u32, halo: u32) -> Grid {
        Grid { stride, halo, min_side: self.metadata.valid_input.min_side, span: self.metadata.span() }
    }

    fn pooled_in_tiles(&self, image: &Image, tiles: &[Tile]) -> Result<Vec<f32>, DetectorError> {
        let mut sums = vec![0.0f64; self.channels()];
        let mut cells = 0usize;
        for tile in tiles {
            let [features] = self.compute_tile(&tile.cut(image), [Quantity::Features])?;
            let [_, _, h, w] = shape4(&features);
            for (sum, map) in sums.iter_mut().zip(features.data.chunks_exact(h * w)) {
                for row in taken_rows(map, w, tile) {
                    *sum += row.iter().map(|&value| f64::from(value)).sum::<f64>();
                }
            }
            cells += tile.cells.0 * tile.cells.1;
        }
        let pooled: Vec<f32> = sums.into_iter().map(|sum| (sum / cells as f64) as f32).collect();
        match pooled.iter().find(|value| !value.is_finite()) {
            Some(&value) => Err(DetectorError::NonFinite { output: Quantity::Pooled.name(), value }),
            None => Ok(pooled),
        }
    }

    fn evidence_in_tiles(
        &self,
        image: &Image,
        tiles: &[Tile],
        stride: u32,
    ) -> Result<Evidence, DetectorError> {
        let grid = self.grid(stride, 0);
        let (w, h) = (grid.cells(image.width()) as usize, grid.cells(image.height()) as usize);
        let mut data = vec![0.0f32; w * h];
        for tile in tiles {
            let [evidence] = self.compute_tile(&tile.cut(image), [Quantity::Evidence])?;
            let [_, _, _, map_w] = shape4(&evidence);
            let first = (tile.y / stride) as usize * w + (tile.x / stride) as usize;
            for (i, row) in taken_rows(&evidence.data, map_w, tile).enumerate() {
                data[first + i * w..][..row.len()].copy_from_slice(row);
            }
        }
        let logit = data.iter().map(|&value| f64::from(value)).sum::<f64>() / data.len() as f64;
        if !logit.is_finite() {
            return Err(DetectorError::NonFinite { output: Quantity::Evidence.name(), value: logit as f32 });
        }
        Ok(Evidence { h, w, data, logit })
    }

    fn compute_tile<const N: usize>(
        &self,
        tile: &Image,
        quantities: [Quantity; N],
    ) -> Result<[Output; N], DetectorError> {
        let (shape, data) = to_tensor(&[tile])?;
        self.run(shape, &data, quantities)
    }

    /// The pooled features of images of any sizes, `[C]` each, in their order. Images of one size go through the network
    /// together, [`batch_of`](Self::batch_of) at a time; one that fails spoils no other. Each through the declared view.
    pub fn pooled_of_any(&self, images: &[impl Borrow<Image>]) -> Vec<Result<Vec<f32>, DetectorError>> {
        if self.metadata.view != View::Native {
            return images.iter().map(|image| self.pooled(image.borrow())).collect();
        }
        let mut by_size: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
        for (index, image) in images.iter().enumerate() {
            by_size.entry(image.borrow().size()).or_default().push(index);
        }
        let mut found: Vec<(usize, Result<Vec<f32>, DetectorError>)> = Vec::with_capacity(images.len());
        for (size, indices) in by_size {
            for batch in indices.chunks(self.batch_of(size)) {
                let together: Vec<&Image> = batch.iter().map(|&index| images[index].borrow()).collect();
                match (together.len() > 1).then(|| self.pooled_batch(&together)) {
                    Some(Ok(rows)) => found.extend(batch.iter().copied().zip(rows.into_iter().map(Ok))),
                    // Alone each has its own answer, or its own error.
                    _ => found.extend(
                        batch.iter().zip(together).map(|(&index, image)| (index, self.pooled(image))),
                    ),
                }
            }
        }
        found.sort_by_key(|(index, _)| *index);
        found.into_iter().map(|(_, pooled)| pooled).collect()
    }

    /// How many images of this size go through the network together: within [`piece`](Self::piece), and on a processor no
    /// more than save time.
    pub fn batch_of(&self, (width, height): (u32, u32)) -> usize {
        if self.input[0] == Some(1) {
            return 1;
        }
        let most = if self.info().device == "cpu" { self.piece().min(BATCH_PIXELS) } else { self.piece() };
        let pixels = (u64::from(width) * u64::from(height)).max(1);
        usize::try_from(most / pixels).unwrap_or(usize::MAX).clamp(1, MOST_IMAGES)
    }

    /// The pooled features of images of one size, `[C]` each.
    pub fn pooled_batch(&self, images: &[impl Borrow<Image>]) -> Result<Vec<Vec<f32>>, DetectorError> {
        let [pooled] = self.compute(images, [Quantity::Pooled])?;
        Ok(pooled.data.chunks_exact(self.channels()).map(<[f32]>::to_vec).collect())
    }

    /// The feature maps of images of one size.
    pub fn features(&self, images: &[impl Borrow<Image>]) -> Result<Features, DetectorError> {
        let [features] = self.compute(images, [Quantity::Features])?;
        let shape = shape4(&features);
        Ok(Features { shape, data: features.data })
    }

    /// Evidence and logit of an image, over what the network sees of it ([`Detector::seen`]). A large image goes through the
    /// network in tiles.
    ///
    /// # Errors
    /// Also for a view of several windows, which have no one map.
    pub fn evidence(&self, image: &Image) -> Result<Evidence, DetectorError> {
        match self.seen_whole(image)? {
            Some(seen) => self.evidence_of_seen(&seen),
            None => Err(DetectorError::Windows { view: self.metadata.view.to_string() }),
        }
    }

    fn evidence_of_seen(&self, image: &Image) -> Result<Evidence, DetectorError> {
        if let (Some(tiles), Some(stride), true) =
            (self.tiled(image)?, self.metadata.stride, self.has_evidence)
        {
            return self.evidence_in_tiles(image, &tiles, stride);
        }
        let [evidence, logit] = self.compute(&[image], [Quantity::Evidence, Quantity::Logit])?;
        let [_, _, h, w] = shape4(&evidence);
        Ok(Evidence { h, w, data: evidence.data, logit: f64::from(logit.data[0]) })
    }

    /// Any quantities of images of one size, computed together.
    pub fn compute<const N: usize>(
        &self,
        images: &[impl Borrow<Image>],
        quantities: [Quantity; N],
    ) -> Result<[Output; N], DetectorError> {
        let (shape, data) = to_tensor(images)?;
        self.compute_raw(shape, &data, quantities)
    }

    /// Any quantities of a tensor `[N, 3, H, W]`, RGB in 0..1.
    pub fn compute_raw<const N: usize>(
        &self,
        shape: [usize; 4],
        data: &[f32],
        quantities: [Quantity; N],
    ) -> Result<[Output; N], DetectorError> {
        let [_, _, height, width] = shape.map(|side| side as u64);
        let min_side = self.metadata.valid_input.min_side;
        if height.min(width) < u64::from(min_side) {
            return Err(DetectorError::TooSmall { width, height, min_side });
        }
        let [_, _, h, w] = self.input;
        if h.is_some_and(|h| h != height) || w.is_some_and(|w| w != width) {
            let [w, h] = [w, h].map(|side| side.map_or("?".to_owned(), |side| side.to_string()));
            return Err(DetectorError::WrongSize { width, height, expected: format!("{w} x {h}") });
        }
        if self.input[0] == Some(1) && shape[0] > 1 && data.len() == shape.iter().product::<usize>() {
            return self.run_one_by_one(shape, data, quantities);
        }
        self.run(shape, data, quantities)
    }

    /// For networks that take one image at a time.
    fn run_one_by_one<const N: usize>(
        &self,
        [images, channels, height, width]: [usize; 4],
        data: &[f32],
        quantities: [Quantity; N],
    ) -> Result<[Output; N], DetectorError> {
        let mut all = quantities.map(|_| Output { shape: vec![], data: vec![] });
        for image in data.chunks_exact((channels * height * width).max(1)) {
            let outputs = self.run([1, channels, height, width], image, quantities)?;
            for (all, one) in all.iter_mut().zip(outputs) {
                all.shape = one.shape;
                all.shape[0] = images;
                all.data.extend(one.data);
            }
        }
        Ok(all)
    }

    fn run<const N: usize>(
        &self,
        shape: [usize; 4],
        data: &[f32],
        quantities: [Quantity; N],
    ) -> Result<[Output; N], DetectorError> {
        if quantities.contains(&Quantity::Evidence) && !self.has_evidence {
            let detector = self.metadata.name.clone();
            return Err(DetectorError::NoOutput { detector, output: Quantity::Evidence.name() });
        }
        let outputs = self.session.run((INPUT, shape, data), &quantities.map(Quantity::name))?;
        for (output, quantity) in outputs.iter().zip(quantities) {
            self.check_output(output, quantity, shape[0])?;
        }
        outputs.try_into().map_err(|outputs: Vec<Output>| DetectorError::Output {
            output: "all",
            found: format!("{} outputs", outputs.len()),
            expected: format!("{N} outputs"),
        })
    }

    /// A detector file with another head. `edit` changes the document: what the head is, gate, thresholds.
    pub fn with_head(&self, head: &Head, edit: impl FnOnce(&mut Metadata)) -> Result<Vec<u8>, ImportError> {
        let mut metadata = self.metadata.clone();
        edit(&mut metadata);
        if head.weight.len() != self.channels() || metadata.channels as usize != self.channels() {
            let found = format!("{} weights for {} channels", head.weight.len(), metadata.channels);
            return Err(ImportError::contract("head", found, format!("{} channels", self.channels())));
        }
        let all = head.weight.iter().chain([&head.bias]);
        if let Some((index, &value)) = all.enumerate().find(|(_, value)| !value.is_finite()) {
            let tensor = if index < self.channels() { HEAD_WEIGHT } else { HEAD_BIAS }.to_owned();
            return Err(ImportError::new(Problem::NonFinite { tensor, index, value: f64::from(value) }));
        }
        if *head != self.head {
            // What it holds is the answer of the head that is replaced.
            metadata.self_test = None;
        }
        let document = metadata.to_json()?;
        OnnxModel::parse(&self.file)?.rewrite(&[
            Edit::Tensor { name: HEAD_WEIGHT, data: &head.weight },
            Edit::Tensor { name: HEAD_BIAS, data: &[head.bias] },
            Edit::Metadata { key: METADATA_KEY, value: Some(&document) },
        ])
    }

    /// The engine's word is not taken: what has another shape, or a logit that is no number, is an error.
    fn check_output(&self, output: &Output, quantity: Quantity, batch: usize) -> Result<(), DetectorError> {
        let channels = self.channels();
        let (expected, fits) = match (quantity, output.shape.as_slice()) {
            (Quantity::Features, shape) => {
                ("[N, C, h, w]", matches!(*shape, [n, c, h, w] if (n, c) == (batch, channels) && h * w > 0))
            }
            (Quantity::Pooled, shape) => ("[N, C]", *shape == [batch, channels]),
            (Quantity::Logit, shape) => ("[N]", *shape == [batch]),
            (Quantity::Evidence, shape) => {
                ("[N, 1, h, w]", matches!(*shape, [n, 1, h, w] if n == batch && h * w > 0))
            }
        };
        let name = quantity.name();
        if !fits || output.data.len() != output.shape.iter().product::<usize>() {
            let expected = format!("{expected} with N = {batch}, C = {channels}");
            return Err(DetectorError::Output {
                output: name,
                found: format!("{:?}", output.shape),
                expected,
            });
        }
        let broken = output.data.iter().find(|value| !value.is_finite());
        match broken.filter(|_| matches!(quantity, Quantity::Logit | Quantity::Pooled)) {
            None => Ok(()),
            Some(&value) => Err(DetectorError::NonFinite { output: name, value }),
        }
    }
}

impl fmt::Debug for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detector")
            .field("name", &self.metadata.name)
            .field("sha256", &self.sha256)
            .field("engine", self.info())
            .finish_non_exhaustive()
    }
}

impl Quantity {
    /// The name of the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Features => "features",
            Self::Pooled => "pooled",
            Self::Logit => "logit",
            Self::Evidence => "evidence",
        }
    }
}

fn area(image: &Image) -> u64 {
    u64::from(image.width()) * u64::from(image.height())
}

/// The rows of a computed map that a tile takes.
fn taken_rows<'m>(map: &'m [f32], width: usize, tile: &Tile) -> impl Iterator<Item = &'m [f32]> {
    let ((columns, rows), (left, top)) = (tile.cells, tile.offset);
    map.chunks_exact(width).skip(top).take(rows).map(move |row| &row[left..][..columns])
}

/// Images of one size as a tensor `[N, 3, H, W]` of `value / 255`: HWC bytes => CHW numbers.
pub fn to_tensor(images: &[impl Borrow<Image>]) -> Result<([usize; 4], Vec<f32>), DetectorError> {
    let first = images.first().ok_or(DetectorError::NoImages)?.borrow();
    let area = first.width() as usize * first.height() as usize;
    let mut data = Vec::with_capacity(images.len() * 3 * area);
    for (index, image) in images.iter().enumerate() {
        let image = image.borrow();
        if image.size() != first.size() {
            let (found, expected) = (image.size(), first.size());
            return Err(DetectorError::MixedSizes { index, found, expected });
        }
        for channel in 0..3 {
            data.extend(image.data().iter().skip(channel).step_by(3).map(|&value| f32::from(value) / 255.0));
        }
    }
    Ok(([images.len(), 3, first.height() as usize, first.width() as usize], data))
}

/// The bytes of a model file.
pub(crate) fn read_model(path: &Path) -> Result<Vec<u8>, ImportError> {
    fs_err::read(path)
        .map_err(|error| ImportError::new(Problem::Unreadable(without_path(&error))).named(path.display()))
}

fn named(error: DetectorError, file: impl fmt::Display) -> DetectorError {
    match error {
        DetectorError::Import(error) => DetectorError::Import(error.named(file)),
        other => other,
    }
}

fn read_head(model: &OnnxModel<'_>) -> Result<Head, ImportError> {
    let weight = model.tensor(HEAD_WEIGHT)?;
    if !matches!(*weight.shape, [1, channels, 1, 1] if channels > 0) {
        let found = format!("{:?}", weight.shape);
        return Err(ImportError::contract(format!("tensor \"{HEAD_WEIGHT}\""), found, "[1, C, 1, 1]"));
    }
    let bias = model.tensor(HEAD_BIAS)?;
    match (bias.shape.as_slice(), bias.data.as_slice()) {
        (&[1], &[bias]) => Ok(Head { weight: weight.data, bias }),
        _ => {
            let found = format!("{:?}", bias.shape);
            Err(ImportError::contract(format!("tensor \"{HEAD_BIAS}\""), found, "[1]"))
        }
    }
}

/// Inputs and outputs must be there, of f32, of the right rank and with the head's channels.
fn check_ports(model: &OnnxModel<'_>, metadata: &Metadata, head: &Head) -> Result<(), ImportError> {
    let channels = head.weight.len() as u64;
    if u64::from(metadata.channels) != channels {
        let found = format!("{} channels", metadata.channels);
        return Err(ImportError::contract("metadata \"dear\"", found, format!("{channels} as the head has")));
    }
    let inputs = model.inputs();
    if inputs.len() != 1 {
        return Err(ImportError::contract(
            "the model's input",
            list(inputs),
            "one input, image [N, 3, H, W]",
        ));
    }
    check_port("input", inputs, INPUT, &[None, Some(3), None, None])?;
    let outputs = model.outputs();
    let c = Some(channels);
    check_port("output", outputs, Quantity::Features.name(), &[None, c, None, None])?;
    check_port("output", outputs, Quantity::Pooled.name(), &[None, c])?;
    check_port("output", outputs, Quantity::Logit.name(), &[None])?;
    match outputs.iter().any(|port| port.name == Quantity::Evidence.name()) {
        true => check_port("output", outputs, Quantity::Evidence.name(), &[None, Some(1), None, None]),
        false => Ok(()),
    }
}

/// `expected` names the lengths that matter; a length that the file leaves open is accepted.
pub(crate) fn check_port(
    role: &str,
    ports: &[Port],
    name: &str,
    expected: &[Option<u64>],
) -> Result<(), ImportError> {
    let subject = format!("{role} \"{name}\"");
    let wanted = format!("f32 {}", describe(expected));
    let Some(port) = ports.iter().find(|port| port.name == name) else {
        return Err(ImportError::contract(subject, format!("absent among {}", list(ports)), wanted));
    };
    if port.element_type != FLOAT {
        return Err(ImportError::contract(subject, format!("of element type {}", port.element_type), wanted));
    }
    let Some(shape) = &port.shape else {
        return Err(ImportError::contract(subject, "without a declared shape", wanted));
    };
    let fits = |(found, expected): (&Option<u64>, &Option<u64>)| match (found, expected) {
        (Some(found), Some(expected)) => found == expected,
        _ => true,
    };
    if shape.len() != expected.len() || !shape.iter().zip(expected).all(fits) {
        return Err(ImportError::contract(subject, describe(shape), wanted));
    }
    Ok(())
}

pub(crate) fn describe(shape: &[Option<u64>]) -> String {
    let lengths = shape.iter().map(|length| length.map_or("?".to_owned(), |length| length.to_string()));
    format!("[{}]", lengths.collect::<Vec<_>>().join(", "))
}

pub(crate) fn list(ports: &[Port]) -> String {
    let names: Vec<_> = ports.iter().map(|port| port.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// An output that `check_output` has seen to have four dimensions.
fn shape4(output: &Output) -> [usize; 4] {
    let mut shape = [0; 4];
    for (side, &found) in shape.iter_mut().zip(&output.shape) {
        *side = found;
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mini(memory: u64) -> Detector {
        Detector::mini(&EngineOptions { memory, ..EngineOptions::builtin() }).expect("mini")
    }

    #[test]
    fn tiles_give_the_scores_of_the_whole_image() {
        let (whole, tiled) = (mini(1 << 30), mini(64_000 * 160));
        assert_eq!(tiled.piece(), 20_000);
        // The last is 22 pixels more than a piece.
        for (width, height) in [(203, 149), (130, 257), (600, 50), (141, 142)] {
            let image = Image::from_fn(width, height, |x, y| {
                [(x * 7 + y * 3) as u8, (x * y / 5) as u8, ((x ^ y) * 9) as u8]
            });
            assert!(whole.tiled(&image).expect("fits").is_none());
            let tiles = tiled.tiled(&image).expect("fits").expect("mini states stride and halo");
            assert!(tiles.len() > 1);
            let (expected, found) =
                (whole.evidence(&image).expect("whole"), tiled.evidence(&image).expect("tiles"));
            assert_eq!((found.w, found.h), (expected.w, expected.h));
            // f32 sums in another order: 1e-4 is what is promised, measured differences are below 1e-5.
            assert!((found.logit - expected.logit).abs() < 1e-4, "{} and {}", found.logit, expected.logit);
            let worst =
                |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let difference = worst(&found.data, &expected.data);
            assert!(difference < 1e-4, "evidence differs by {difference}");
            let difference =
                worst(&tiled.pooled(&image).expect("tiles"), &whole.pooled(&image).expect("whole"));
            assert!(difference < 1e-4, "pooled differs by {difference}");
            assert!((tiled.score(&image).expect("tiles") - expected.logit).abs() < 1e-4);
        }
    }

    #[test]
    fn what_is_no_number_is_an_error_in_tiles_too() {
        let mini = mini(64_000 * 160);
        let head = Head { weight: vec![f32::MAX; mini.channels()], bias: 0.0 };
        let file = mini.with_head(&head, |_| {}).expect("a file");
        let options = EngineOptions { memory: 64_000 * 160, ..EngineOptions::builtin() };
        let detector = Detector::from_bytes(file, &options).expect("a detector");
        for side in [100, 300] {
            let image = Image::from_fn(side, side, |x, y| [(x * 7) as u8, (y * 5) as u8, (x ^ y) as u8]);
            let found = detector.evidence(&image).map(|evidence| evidence.logit);
            assert_eq!(found.expect_err("no number").refusal(), Some("non_finite"), "{side}");
        }
    }

    #[test]
    fn a_budget_below_the_smallest_tile_is_refused_with_what_it_takes() {
        let image = Image::from_fn(300, 200, |x, y| [x as u8, y as u8, 0]);
        let error = mini(1000).score(&image).expect_err("too little");
        assert_eq!(error.kind(), "memory");
        let DetectorError::Memory { needed, .. } = error else { panic!("{error}") };
        mini(needed).score(&image).expect("just enough");
        assert_eq!(mini(needed - 512).score(&image).expect_err("a pixel less").kind(), "memory");
    }
}
