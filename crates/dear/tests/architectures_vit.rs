//! Vision transformers against the libraries of their authors, on weights that follow from their names
//! (`oracle/architectures_vit.py`).

mod oracle;

use std::path::{Path, PathBuf};

use dear::architecture::c2p_clip::C2pClip;
use dear::architecture::dinov2::Dinov2;
use dear::architecture::rine::Rine;
use dear::architecture::ufd::Ufd;
use dear::architecture::{HeadChoice, Network, NetworkOptions};
use dear::backbone::Metadata;
use dear::checkpoint::Checkpoint;
use dear::detector::{Detector, DetectorError, Quantity};
use dear::engine::EngineOptions;
use dear::error::Error;
use dear::import::{ImportOptions, decide, import};
use dear_image::{Chain, Image};
use oracle::seeded::{Seeded, safetensors};
use oracle::{engines, picture};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    networks: Vec<Peer>,
}

/// A network and its peer's answers.
#[derive(Deserialize)]
struct Peer {
    name: String,
    architecture: String,
    head_width: usize,
    tensors: Vec<Seeded>,
    /// The file of the tower, if it is one of its own.
    backbone: Option<Vec<Seeded>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    width: u32,
    height: u32,
    seed: u64,
    side: u32,
    pooled: Vec<f32>,
    logit: f64,
}

impl Case {
    /// The middle of the picture, as the network's view takes it.
    fn image(&self) -> Image {
        let crop = Chain::parse(&format!("crop({})", self.side)).expect("a chain");
        crop.apply(&picture(self.width, self.height, self.seed), 0, &[]).expect("large enough").image
    }
}

impl Peer {
    fn checkpoint(&self) -> Checkpoint {
        Checkpoint::from_bytes(safetensors(&self.tensors)).expect("a checkpoint")
    }

    /// The tower's file, in a folder of the test.
    fn backbone(&self, folder: &Path) -> Option<PathBuf> {
        let path = folder.join("tower.safetensors");
        self.backbone.as_ref().map(|tensors| {
            fs_err::write(&path, safetensors(tensors)).expect("written");
            path
        })
    }

    fn build(&self, checkpoint: &Checkpoint, options: &NetworkOptions) -> Result<Network, Error> {
        let head_width = self.head_width;
        match self.architecture.as_str() {
            "ufd" => Ufd { head_width }.build(checkpoint, options),
            "c2p-clip" => C2pClip { head_width }.build(checkpoint, options),
            "rine" => Rine { head_width }.build(checkpoint, options),
            "dinov2" => Dinov2 { head_width }.build(checkpoint, options),
            other => panic!("{other}"),
        }
    }

    fn detector(&self, options: &NetworkOptions, engine: &EngineOptions) -> Detector {
        let network =
            self.build(&self.checkpoint(), options).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let file = network.into_detector(Metadata::new(self.name.clone())).expect("a file");
        Detector::from_bytes(file, engine).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

fn fixture(name: &str) -> Vec<Peer> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/architectures").join(name);
    let fixture: Fixture = serde_json::from_slice(&fs_err::read(path).expect("fixture")).expect("fixture");
    fixture.networks
}

/// The small network of this name.
fn peer(name: &str) -> Peer {
    fixture("vit.json").into_iter().find(|peer| peer.name == name).expect("a network of the fixture")
}

/// Runs all networks of a fixture with these engines, and returns how many cases there were.
fn compare(name: &str, engines: &[EngineOptions]) -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cases = 0;
    for peer in fixture(name) {
        let backbone = peer.backbone(folder.path());
        let mut opened: Option<(u32, Vec<Detector>)> = None;
        for case in &peer.cases {
            if opened.as_ref().is_none_or(|(side, _)| *side != case.side) {
                // One network at a time in memory.
                drop(opened.take());
                let options = NetworkOptions {
                    backbone: backbone.clone(),
                    side: Some(case.side),
                    ..Default::default()
                };
                let detectors = engines.iter().map(|engine| peer.detector(&options, engine)).collect();
                opened = Some((case.side, detectors));
            }
            let image = case.image();
            for detector in opened.iter().flat_map(|(_, detectors)| detectors) {
                let [pooled, logit] =
                    detector.compute(&[&image], [Quantity::Pooled, Quantity::Logit]).expect("runs");
                let subject =
                    format!("{} ({}) at {} x {}", peer.name, detector.info().name, case.width, case.height);
                // Single precision over up to 24 blocks: the bound; measured about 1e-6 of the largest.
                let bound = 1e-4 * case.logit.abs().max(1.0);
                let off = (f64::from(logit.data[0]) - case.logit).abs();
                assert!(off <= bound, "{subject}: {} and {}", logit.data[0], case.logit);
                let farthest = oracle::difference(&pooled.data, &case.pooled);
                assert!(f64::from(farthest) <= bound, "{subject}: pooled differs by {farthest}");
                println!("{subject}: logit off by {off:.1e} of {:.3}, pooled by {farthest:.1e}", case.logit);
                cases += 1;
            }
        }
    }
    cases
}

#[test]
fn small_networks_equal_their_peers() {
    let engines = engines();
    assert_eq!(compare("vit.json", &engines), 27 * engines.len());
}

/// Makes three networks of 22 to 304 million weights; run with
/// `cargo test --release --workspace --test architectures_vit -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes and 6 GB"]
fn published_sizes_equal_their_peers() {
    let engines = engines();
    let cases: usize =
        engines.iter().map(|engine| compare("vit_full.json", std::slice::from_ref(engine))).sum();
    assert_eq!(cases, 6 * engines.len());
}

#[test]
fn a_batch_has_the_scores_of_its_images() {
    let peer = peer("dinov2, registers");
    for engine in engines() {
        let detector = peer.detector(&NetworkOptions::default(), &engine);
        let images: Vec<Image> = (0..3).map(|seed| picture(48, 48, seed)).collect();
        let [batch] = detector.compute(&images, [Quantity::Logit]).expect("runs");
        for (image, batched) in images.iter().zip(batch.data) {
            // Scores do not depend on neighbours: architecture.md's bound.
            let [single] = detector.compute(&[image], [Quantity::Logit]).expect("runs");
            assert!((single.data[0] - batched).abs() <= 1e-5, "{} and {batched}", single.data[0]);
        }
    }
}

/// Head, features and pooled vector are the same function of their token: with one patch's token in the class token's place
/// nothing else could be told. Here by what follows from it: the features have the head's channels, the mean of the evidence is
/// the logit, and a patch's vector of C2P-CLIP has unit length.
#[test]
fn features_are_in_the_space_of_the_head() {
    let peer = peer("c2p-clip");
    let replaced = NetworkOptions { head: HeadChoice::PatchMean, ..Default::default() };
    for engine in engines() {
        let image = peer.cases[0].image();
        let detector = peer.detector(&NetworkOptions::default(), &engine);
        assert!(!detector.has_evidence());
        let [features, pooled] =
            detector.compute(&[&image], [Quantity::Features, Quantity::Pooled]).expect("runs");
        assert_eq!((&features.shape[..], &pooled.shape[..]), (&[1, 32, 4, 4][..], &[1, 32][..]));
        for place in 0..16 {
            let length: f32 = features.data.iter().skip(place).step_by(16).map(|value| value * value).sum();
            assert!((length - 1.0).abs() < 1e-5, "{length}");
        }
        let error = detector.compute(&[&image], [Quantity::Evidence]).expect_err("none");
        assert!(matches!(error, DetectorError::NoOutput { output: "evidence", .. }));

        let mean = peer.detector(&replaced, &engine);
        assert!(mean.has_evidence());
        assert!(mean.head().weight.iter().all(|&weight| weight == 0.0));
        let [found] = mean.compute(&[&image], [Quantity::Pooled]).expect("runs");
        for (channel, cells) in features.data.chunks_exact(16).enumerate() {
            let expected = cells.iter().sum::<f32>() / 16.0;
            assert!((found.data[channel] - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn the_document_says_what_the_authors_look_at_and_where_the_tower_is_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let views = [
        ("ufd, in two files", "crop(56)"),
        ("c2p-clip", "resize(side=64, kernel=bilinear) | crop(64)"),
        ("rine, in two files", "crop(56)"),
        ("dinov2", "resize(side=45, kernel=bicubic) | crop(40)"),
    ];
    for (name, view) in views {
        let peer = peer(name);
        let backbone = peer.backbone(folder.path());
        let options = NetworkOptions { backbone: backbone.clone(), ..Default::default() };
        let detector = peer.detector(&options, &EngineOptions::builtin());
        let metadata = detector.metadata();
        assert_eq!((metadata.view.to_string().as_str(), metadata.halo), (view, None), "{name}");
        let recorded = metadata.source.extra.get("backbone").map(|value| value["sha256"].clone());
        let expected = backbone.map(|path| oracle::sha256(&fs_err::read(path).expect("there")).into());
        assert_eq!(recorded, expected, "{name}");
    }
}

#[test]
fn what_is_missing_or_does_not_fit_is_named_with_its_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let [apart, whole, dino] = ["ufd, in two files", "ufd, in one file", "dinov2"].map(peer);
    let tower = apart.backbone(folder.path());
    let none = NetworkOptions::default();
    let of = |side| NetworkOptions { side: Some(side), ..none.clone() };
    let with = |backbone: &Option<PathBuf>| NetworkOptions { backbone: backbone.clone(), ..none.clone() };
    let headless = folder.path().join("head.safetensors");
    fs_err::write(&headless, safetensors(&apart.tensors)).expect("written");
    let mut broken = whole.tensors.clone();
    broken.retain(|tensor| tensor.0 != "model.visual.ln_post.bias");
    broken.push(Seeded("model.visual.more".to_owned(), vec![1], 0.0, 1.0));
    let broken = Peer { tensors: broken, ..peer("ufd, in one file") };
    let without = |name: &str, start: &str| {
        let whole = peer(name);
        let tensors: Vec<_> =
            whole.tensors.iter().filter(|tensor| !tensor.0.starts_with(start)).cloned().collect();
        assert!(tensors.len() < whole.tensors.len(), "{start}");
        Peer { tensors, ..whole }
    };
    let (unprojected, blockless) = (without("rine, in two files", "proj2."), without("dinov2", "blocks."));
    let beside = tempfile::tempdir().expect("a folder");
    let below = with(&unprojected.backbone(beside.path()));
    let apart_with = |weight: Vec<usize>| {
        let bias = Seeded("bias".to_owned(), weight[..1].to_vec(), 0.0, 1.0);
        Peer {
            tensors: vec![Seeded("weight".to_owned(), weight, 0.0, 1.0), bias],
            ..self::peer("ufd, in two files")
        }
    };
    let (two, wider) = (apart_with(vec![2, 48]), apart_with(vec![1, 64]));
    let mut variant = self::peer("c2p-clip");
    for Seeded(name, shape, ..) in &mut variant.tensors {
        if name.ends_with(".mlp.fc1.weight") {
            shape[0] *= 2;
        }
    }
    let cases = [
        (&two, with(&tower), "tensor \"weight\" is [2, 48], expected [1, 48]", "--head second-minus-first"),
        (
            &wider,
            with(&tower),
            "tensor \"weight\" is [1, 64], expected [1, 48]",
            "another number of channels",
        ),
        (
            &variant,
            none.clone(),
            "mlp.fc1.weight\" is [512, 64], expected [256, 64]",
            "the names fit and the shapes do not: another variant",
        ),
        (&unprojected, below, "2 tensors are missing: proj2.1.weight, proj2.1.bias", ""),
        (&blockless, none.clone(), "1 tensor is missing: blocks.0.attn.qkv.weight", ""),
        (&apart, none.clone(), "no image tower", "--backbone ViT-L-14.pt"),
        (&apart, with(&Some(headless)), "head.safetensors: no image tower", "--backbone takes"),
        (&whole, with(&tower), "an image tower of its own", "leave --backbone out"),
        (&whole, of(128), "--side is 128, expected 64", "--view"),
        (&dino, of(41), "--side is 41, expected a multiple of 8", "the nearest is 40"),
        (&dino, of(8 * 129), "--side is 1032", "the nearest is 1024"),
        (
            &broken,
            none.clone(),
            "1 tensor is missing: model.visual.ln_post.bias; 1 tensor is unexpected: model.visual.more",
            "",
        ),
    ];
    for (peer, options, message, hint) in cases {
        let error = peer.build(&peer.checkpoint(), &options).map(|_| ()).expect_err(message);
        assert!(error.to_string().contains(message), "{error}");
        assert!(!error.to_string().contains('\n'));
        assert!(error.hint().expect("a hint").contains(hint), "{:?}", error.hint());
    }
}

#[test]
fn names_of_hugging_face_decide_for_c2p_clip_only_where_the_head_is_within_the_model() {
    let whole = peer("c2p-clip");
    let decided = |rename: &dyn Fn(&str) -> Option<String>| {
        let renamed =
            |tensor: &Seeded| Some(Seeded(rename(&tensor.0)?, tensor.1.clone(), tensor.2, tensor.3));
        let tensors: Vec<_> = whole.tensors.iter().filter_map(renamed).collect();
        let checkpoint = Checkpoint::from_bytes(safetensors(&tensors)).expect("a checkpoint");
        decide(&checkpoint, Path::new("c.pth"))
            .map(|architecture| architecture.name)
            .map_err(|error| error.to_string())
    };
    let published =
        |name: &str| Some(if name.starts_with("fc.") { format!("model.{name}") } else { name.to_owned() });
    assert_eq!(decided(&published), Ok("c2p-clip"));
    assert_eq!(decided(&|name| Some(format!("module.{}", published(name)?))), Ok("c2p-clip"));
    let both = Err("c.pth: the tensors do not decide between ufd, c2p-clip".to_owned());
    assert_eq!(decided(&|name| Some(name.trim_start_matches("model.").to_owned())), both);
    assert_eq!(decided(&|name| Some(name.to_owned())), both);
    assert_eq!(
        decided(&|name| Some(
            name.replace("model.vision", "clip.vision").replace("model.visual", "clip.visual")
        )),
        both
    );
    assert_eq!(decided(&|name| (!name.starts_with("fc.")).then(|| name.to_owned())), both);
    let openai =
        Checkpoint::from_bytes(safetensors(&peer("ufd, in one file").tensors)).expect("a checkpoint");
    assert_eq!(decide(&openai, Path::new("c.pth")).expect("decided").name, "ufd");
}

/// The smallest network has tokens as wide as one head of the published ones, so the command's own way reads it.
#[test]
fn an_import_decides_by_names_takes_a_view_and_refuses_what_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dino.safetensors");
    fs_err::write(&path, safetensors(&peer("dinov2").tensors)).expect("written");
    let document = |options: &ImportOptions| {
        let imported = import(&path, options).expect("imported");
        assert_eq!(imported.architecture.name, "dinov2");
        let detector = Detector::from_bytes(imported.file, &EngineOptions::builtin()).expect("a detector");
        (detector.metadata().view.to_string(), detector.metadata().valid_input.min_side)
    };
    let authors = ("resize(side=45, kernel=bicubic) | crop(40)".to_owned(), 40);
    assert_eq!(document(&ImportOptions::default()), authors);
    let view = Some("windows(40)".parse().expect("a view"));
    let network = NetworkOptions { side: Some(24), ..Default::default() };
    let other = ImportOptions { view, network, ..Default::default() };
    assert_eq!(document(&other), ("windows(side=40, stride=40)".to_owned(), 24));

    let network = NetworkOptions { backbone: Some(path.clone()), ..Default::default() };
    let error =
        import(&path, &ImportOptions { network, ..Default::default() }).map(|_| ()).expect_err("unread");
    assert_eq!(error.to_string(), "--backbone is given, and dinov2 has none");
}
