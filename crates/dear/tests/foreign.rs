//! Foreign ONNX files against their users' pipelines in Python (`oracle/foreign.py`), on both engines.

mod oracle;

use std::path::{Path, PathBuf};

use dear::backbone::OnnxModel;
use dear::detector::{Detector, Quantity};
use dear::engine::{EngineChoice, EngineOptions};
use dear::error::Error;
use dear::import::declared::{Answer, Color, Layout, Normalisation, Positive, Range};
use dear::import::{FeatureOptions, ForeignOptions, GivenAnswer, import_foreign};
use dear::observe::Silent;
use dear::scan::{Cache, InputOptions, Inputs, Scan, ScanOptions};
use dear_image::{DecodeOptions, Image, decode};
use oracle::{difference, engines, sha256};
use serde::Deserialize;

/// f32 sums in other orders, of networks of a few layers; relative to 1 and above.
const CLOSE: f64 = 1e-5;

#[derive(Debug, Deserialize)]
struct Fixture {
    networks: Vec<Network>,
}

#[derive(Debug, Deserialize)]
struct Network {
    name: String,
    sha256: String,
    answers: Vec<Answered>,
}

#[derive(Debug, Deserialize)]
struct Answered {
    image: String,
    answer: Vec<f64>,
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/foreign").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    fs_err::read(path(name)).expect("fixture")
}

fn image(name: &str) -> Image {
    decode(&bytes(name), &DecodeOptions::default()).expect("fixture").image
}

fn network(name: &str) -> Network {
    let fixture: Fixture = serde_json::from_slice(&bytes("foreign.json")).expect("fixture");
    fixture.networks.into_iter().find(|network| network.name == name).expect("in the fixture")
}

impl Network {
    fn file(&self) -> PathBuf {
        let name = format!("{}.onnx", self.name);
        assert_eq!(sha256(&bytes(&name)), self.sha256, "{name}");
        path(&name)
    }

    /// What the script's pipeline for it does, with its first answer as the self-test.
    fn options(&self) -> ForeignOptions {
        let imagenet = Normalisation::Colours { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
        let (generated, real) = (Some(Positive::Generated), Some(Positive::Real));
        let none = Normalisation::None;
        let (layout, range, normalisation, color, output, positive) = match self.name.as_str() {
            "keras" => (Layout::Nhwc, Range::Bytes, none, Color::Bgr, Answer::Softmax(1), None),
            "timm" => (Layout::Nchw, Range::Unit, imagenet, Color::Rgb, Answer::Probability, real),
            "torch" => (Layout::Nchw, Range::Signed, none, Color::Rgb, Answer::Logits(0), None),
            "names" => (Layout::Nchw, Range::Bytes, none, Color::Rgb, Answer::Logit, generated),
            "saturated" => (Layout::Nchw, Range::Unit, none, Color::Rgb, Answer::Probability, generated),
            "half" | "rigid" | "bare" => {
                (Layout::Nchw, Range::Unit, none, Color::Rgb, Answer::Logit, generated)
            }
            "quantised" => (Layout::Nchw, Range::Bytes, none, Color::Rgb, Answer::Logit, generated),
            other => panic!("{other}"),
        };
        let mut options = ForeignOptions {
            layout: Some(layout),
            range: Some(range),
            normalisation: Some(normalisation),
            color: Some(color),
            output: Some(output),
            positive,
            output_name: (self.name == "timm").then(|| "prob".to_owned()),
            ..ForeignOptions::default()
        };
        options.self_test = Some(self.given(&options, 0));
        options
    }

    /// An answer as a user gives it: of two probabilities that of the generated class.
    fn given(&self, options: &ForeignOptions, index: usize) -> GivenAnswer {
        let answered = &self.answers[index];
        let numbers = match options.output {
            Some(Answer::Softmax(index)) => vec![answered.answer[index]],
            _ => answered.answer.clone(),
        };
        GivenAnswer { image: path(&answered.image), numbers }
    }

    fn import(&self, options: &ForeignOptions, engine: &EngineOptions) -> Result<Detector, Error> {
        import_foreign(&self.file(), options, engine).map(|imported| imported.detector)
    }
}

/// The logit that Python's answer stands for.
fn expected(options: &ForeignOptions, answer: &[f64]) -> f64 {
    let logit = |p: f64| (p / (1.0 - p)).ln();
    match (options.output.expect("declared"), answer) {
        (Answer::Logit, &[value]) => value,
        (Answer::Probability, &[p]) => {
            logit(p) * if options.positive == Some(Positive::Real) { -1.0 } else { 1.0 }
        }
        (Answer::Logits(0), &[first, second]) => first - second,
        (Answer::Softmax(1), &[first, second]) => second.ln() - first.ln(),
        other => panic!("{other:?}"),
    }
}

fn inside(weight: &str) -> Option<FeatureOptions> {
    Some(FeatureOptions {
        tensor: "feature_map".to_owned(),
        layout: Layout::Nchw,
        weight: weight.to_owned(),
        bias: Some("classifier.bias".to_owned()),
    })
}

fn message(error: &Error) -> String {
    assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{error}");
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn wrapped_networks_answer_as_their_pipelines() {
    let mut compared = 0;
    for engine in engines() {
        for name in ["keras", "timm", "torch", "names", "half", "quantised", "rigid", "bare"] {
            let network = network(name);
            // Answers of half precision have 11 bits; what is quantised may fall on the next of 256 steps in some places.
            let close = match name {
                "half" => 1e-3,
                "quantised" => 1e-2,
                _ => CLOSE,
            };
            let options = network.options();
            // rten computes this one otherwise, which the self-test finds.
            if name == "quantised" && engine.engine == EngineChoice::Builtin {
                let error = network.import(&options, &engine).expect_err("another answer");
                assert!(message(&error).contains("the self-test fails"), "{error}");
                assert!(error.hint().expect("a hint").contains("--engine onnxruntime"));
                continue;
            }
            let detector = network.import(&options, &engine).expect(name);
            assert_eq!((detector.channels(), detector.has_evidence()), (1, false));
            for answered in &network.answers {
                let image = image(&answered.image);
                let (found, expected) =
                    (detector.score(&image).expect("score"), expected(&options, &answered.answer));
                let far = (found - expected).abs() / expected.abs().max(1.0);
                assert!(far < close, "{name} {}: {found}, expected {expected}", answered.image);
                assert_eq!(f64::from(detector.pooled(&image).expect("pooled")[0]), found);
                compared += 1;
            }
            let test = detector.metadata().self_test.clone().expect("stored");
            assert_eq!(test.image().expect("PNG").data(), image(&network.answers[0].image).data());
            // The file alone is enough to run it again.
            let again = Detector::from_bytes(detector.file(), &engine).expect("a detector file");
            assert!(test.run(&again).expect("runs").passed());
        }
    }
    assert_eq!(compared, 23 * engines().len() - 3);
}

#[test]
fn a_network_whose_answer_depends_on_its_batch_is_given_one_image_at_a_time() {
    let (quantised, torch) = (network("quantised"), network("torch"));
    for engine in engines() {
        let detector = torch.import(&torch.options(), &engine).expect("imports");
        assert!(detector.batch_of((32, 24)) > 1);
        if engine.engine == EngineChoice::Builtin {
            continue;
        }
        let imported = import_foreign(&quantised.file(), &quantised.options(), &engine).expect("imports");
        let notes = imported.notes.join("; ");
        assert!(
            notes.contains("depends on the other images of a batch: it is given one image at a time"),
            "{notes}"
        );
        let detector = imported.detector;
        assert_eq!(detector.batch_of((32, 24)), 1);
        let images = [image("a.png"), image("b.png")];
        let [logits] = detector.compute(&images, [Quantity::Logit]).expect("one by one");
        let alone: Vec<f32> =
            images.iter().map(|image| detector.score(image).expect("score") as f32).collect();
        assert_eq!(difference(&logits.data, &alone), 0.0);
    }
}

#[test]
fn an_image_on_which_the_engine_fails_is_refused_and_not_remembered() {
    let network = network("rigid");
    for engine in engines() {
        let detector = network.import(&network.options(), &engine).expect("imports");
        let error = detector.score(&image("c.png")).expect_err("another size");
        assert_eq!(error.refusal(), Some("engine"), "{error}");
        assert!(error.hint().expect("a hint").contains("--view"));
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("cache.sqlite");
        let scan = || {
            let scan = Scan {
                detector: &detector,
                options: ScanOptions::default(),
                cache: Cache::open(&file).expect("a cache"),
                observer: &Silent,
            };
            let paths = ["a.png", "c.png", "b.png"].map(path);
            let inputs = Inputs::new(&paths, InputOptions::default()).expect("inputs");
            let mut kinds = Vec::new();
            let tally = scan.run(inputs, |record| {
                kinds.push(record.error.map(|error| error.kind));
                Ok(())
            });
            (kinds, tally.expect("goes on"))
        };
        let refused = [None, Some("engine".to_owned()), None];
        let (kinds, tally) = scan();
        assert_eq!((&kinds[..], tally.scored, tally.refused), (&refused[..], 2, 1));
        let (kinds, tally) = scan();
        assert_eq!((&kinds[..], tally.cached, tally.refused), (&refused[..], 2, 1));
    }
}

#[test]
fn named_features_give_the_whole_contract() {
    let network = network("torch");
    for engine in engines() {
        let own = network.import(&network.options(), &engine).expect("without features");
        let options = ForeignOptions { features: inside("classifier.weight"), ..network.options() };
        let detector = network.import(&options, &engine).expect("with features");
        assert_eq!((detector.channels(), detector.has_evidence()), (8, true));
        for name in ["a.png", "c.png", "grey.png"] {
            let image = image(name);
            let evidence = detector.evidence(&image).expect("evidence");
            assert_eq!(
                (evidence.w, evidence.h),
                (image.width().div_ceil(4) as usize, image.height().div_ceil(4) as usize)
            );
            let mean =
                evidence.data.iter().map(|&value| f64::from(value)).sum::<f64>() / evidence.data.len() as f64;
            let logit = own.score(&image).expect("score");
            assert!((mean - logit).abs() < 1e-4 && (evidence.logit - logit).abs() < 1e-4, "{mean} {logit}");
            let pooled = detector.pooled(&image).expect("pooled");
            assert!((detector.head().logit(&pooled) - logit).abs() < 1e-4);
        }
        // Another tensor of that shape is not what the layer reads; another matrix is not that layer.
        let body = FeatureOptions { tensor: "body".to_owned(), ..inside("classifier.weight").expect("some") };
        let error = network
            .import(&ForeignOptions { features: Some(body), ..network.options() }, &engine)
            .expect_err("before the ReLU");
        assert!(
            message(&error).contains("features \"body\", their mean and the linear layer give logit"),
            "{error}"
        );
        for (tensor, weight, expected) in [
            ("feature_maps", "classifier.weight", "no node computes a tensor \"feature_maps\""),
            ("feature_map", "body.weight", "body.weight is [8, 6, 3, 3], expected 2 rows or columns"),
            ("feature_map", "fc", "tensor \"fc\" is absent"),
        ] {
            let features = FeatureOptions { tensor: tensor.to_owned(), ..inside(weight).expect("some") };
            let options = ForeignOptions { features: Some(features), ..network.options() };
            let error = network.import(&options, &engine).expect_err(expected);
            assert!(message(&error).contains(expected), "{error}");
        }
    }
}

/// From operator set 18 on, what a mean is taken over is an input of it.
#[test]
fn named_features_work_with_newer_operators() {
    let network = network("bare");
    let features = FeatureOptions {
        tensor: "r2".to_owned(),
        layout: Layout::Nchw,
        weight: "fc.weight".to_owned(),
        bias: Some("fc.bias".to_owned()),
    };
    for engine in engines() {
        let options = ForeignOptions { features: Some(features.clone()), ..network.options() };
        let detector = network.import(&options, &engine).expect("with features");
        assert_eq!((detector.channels(), detector.has_evidence()), (4, true));
        for answered in &network.answers {
            let found = detector.score(&image(&answered.image)).expect("score");
            let expected = expected(&options, &answered.answer);
            assert!((found - expected).abs() < CLOSE * expected.abs(), "{found}, expected {expected}");
        }
    }
}

#[test]
fn a_network_of_one_image_and_one_size_is_given_nothing_else() {
    let network = network("keras");
    for engine in engines() {
        let detector = network.import(&network.options(), &engine).expect("imports");
        let images = [image("a.png"), image("b.png"), image("a.png")];
        assert_eq!(detector.batch_of((32, 24)), 1);
        let [logits, pooled] =
            detector.compute(&images, [Quantity::Logit, Quantity::Pooled]).expect("one by one");
        assert_eq!((&logits.shape[..], &pooled.shape[..]), (&[3][..], &[3, 1][..]));
        let alone: Vec<f32> =
            images.iter().map(|image| detector.score(image).expect("score") as f32).collect();
        assert_eq!(difference(&logits.data, &alone), 0.0);
        let error = detector.score(&image("c.png")).expect_err("another size");
        assert_eq!(error.kind(), "wrong_size");
        assert_eq!(
            error.to_string(),
            "image of 35 x 41 pixels, expected 32 x 24: the network takes no other size"
        );
        assert!(error.hint().is_some_and(|hint| hint.contains("--view")));
        let given = GivenAnswer { image: path("c.png"), numbers: vec![0.5] };
        let options = ForeignOptions { self_test: Some(given), ..network.options() };
        let error = message(&network.import(&options, &engine).expect_err("another size"));
        assert!(error.contains("--self-test: image of 35 x 41 pixels, expected 32 x 24"), "{error}");
    }
}

/// exp(-69.08) = 1e-30, and 17.33 = 25 ln 2.
#[test]
fn probabilities_of_nothing_and_all_have_finite_logits() {
    let network = network("saturated");
    for engine in engines() {
        let mut options = network.options();
        let detector = network.import(&options, &engine).expect("imports");
        let logits = ["dark.png", "bright.png"].map(|name| detector.score(&image(name)).expect("finite"));
        assert!((logits[0] + 69.0776).abs() < 1e-3 && (logits[1] - 17.3287).abs() < 1e-3, "{logits:?}");
        options.positive = Some(Positive::Real);
        let detector = network.import(&options, &engine).expect("imports");
        let turned = ["dark.png", "bright.png"].map(|name| detector.score(&image(name)).expect("finite"));
        assert_eq!(turned.map(|logit| -logit), logits);
    }
}

#[test]
fn the_networks_own_bytes_are_in_the_file() {
    for name in ["keras", "timm", "torch"] {
        let network = network(name);
        let original = bytes(&format!("{name}.onnx"));
        let detector = network.import(&network.options(), &EngineOptions::builtin()).expect(name);
        let (before, after) = (
            OnnxModel::parse(&original).expect("a model"),
            OnnxModel::parse(detector.file()).expect("a model"),
        );
        assert_eq!(before.operators().expect("read"), after.operators().expect("read"));
        let first = ["kernel", "w0", "stem.weight"]
            .into_iter()
            .find_map(|tensor| before.tensor(tensor).ok().zip(after.tensor(tensor).ok()));
        let (before, after) = first.expect("the first kernel");
        assert_eq!(before, after);
    }
}

#[test]
fn a_wrong_word_is_found_and_the_right_one_offered() {
    let (keras, timm, torch) = (network("keras"), network("timm"), network("torch"));
    let wrong = |network: &Network, change: &dyn Fn(&mut ForeignOptions)| {
        let mut options = network.options();
        change(&mut options);
        network.import(&options, &EngineOptions::builtin()).expect_err("a wrong word")
    };
    let cases: [(Error, &str, &str); 6] = [
        (wrong(&keras, &|o| o.color = Some(Color::Rgb)), "the self-test fails", "--color bgr"),
        (wrong(&keras, &|o| o.range = Some(Range::Unit)), "the self-test fails", "--range 0..255"),
        (
            wrong(&keras, &|o| o.output = Some(Answer::Softmax(0))),
            "the self-test fails",
            "--output softmax:1",
        ),
        (
            wrong(&timm, &|o| o.normalisation = Some(Normalisation::None)),
            "the self-test fails",
            "--mean 0.485,0.456,0.406",
        ),
        (wrong(&torch, &|o| o.range = Some(Range::Unit)), "the self-test fails", "--range -1..1"),
        (
            wrong(&torch, &|o| o.self_test.as_mut().expect("given").numbers[0] += 5.0),
            "the self-test fails",
            "no other order of colours",
        ),
    ];
    for (error, expected, hint) in &cases {
        assert!(message(error).contains(expected), "{error}");
        assert!(error.hint().expect("a hint").contains(hint), "{error}: {:?}", error.hint());
    }
}

#[test]
fn declarations_that_the_file_contradicts_are_refused_with_what_it_shows() {
    let (keras, timm, torch, names) = (network("keras"), network("timm"), network("torch"), network("names"));
    let wrong = |network: &Network, change: &dyn Fn(&mut ForeignOptions)| {
        let mut options = network.options();
        change(&mut options);
        message(&network.import(&options, &EngineOptions::builtin()).expect_err("contradicts the file"))
    };
    let number = |value: f64| Some(GivenAnswer { image: path("a.png"), numbers: vec![value] });
    let cases = [
        (
            wrong(&keras, &|o| o.layout = Some(Layout::Nchw)),
            "input \"input_1\" f32 [1, 24, 32, 3], expected [N, 3, H, W] as --layout nchw says",
        ),
        (
            wrong(&timm, &|o| o.layout = Some(Layout::Nhwc)),
            "input \"pixel_values\" f32 [?, 3, ?, ?], expected [N, H, W, 3] as --layout nhwc says",
        ),
        (
            wrong(&names, &|o| o.range = Some(Range::Unit)),
            "input \"image\" u8 [1, 3, ?, ?] takes bytes, expected --range 0..255 --no-normalisation",
        ),
        (
            wrong(&torch, &|o| (o.output, o.positive) = (Some(Answer::Logit), Some(Positive::Real))),
            "output \"logits\" f32 [?, 2], expected 1 for each image as --output logit says",
        ),
        (
            wrong(&timm, &|o| (o.output, o.positive) = (Some(Answer::Softmax(0)), None)),
            "output \"prob\" f32 [?, 1], expected 2 for each image as --output softmax:0 says",
        ),
        (
            wrong(&timm, &|o| o.output_name = Some("p".to_owned())),
            "no output \"p\"; the file shows input \"pixel_values\" f32 [?, 3, ?, ?] and outputs \"prob\" f32 [?, 1], \"r1\" f32 [?, 8, ?, ?]",
        ),
        (
            wrong(&torch, &|o| {
                o.normalisation = Some(Normalisation::Colours { mean: [0.0; 3], std: [1.0, 0.0, 1.0] });
            }),
            "--std has 0, expected three numbers above 0",
        ),
        (
            wrong(&torch, &|o| o.output = Some(Answer::Logits(2))),
            "the generated class has index 2, expected 0 or 1",
        ),
        (wrong(&torch, &|o| o.positive = Some(Positive::Real)), "--positive is for one number"),
        (wrong(&torch, &|o| o.self_test = number(1.0)), "--self-test: expected both numbers"),
        (wrong(&timm, &|o| o.self_test = number(1.5)), "--self-test: expected one number in 0..1"),
        (
            wrong(&timm, &|o| (o.output_name, o.self_test, o.positive) = (None, None, None)),
            "not declared: --positive, --output-name, --self-test; the file shows input",
        ),
    ];
    for (found, expected) in &cases {
        assert!(found.contains(expected), "{found}\nexpected {expected}");
    }
    let error = import_foreign(&torch.file(), &ForeignOptions::default(), &EngineOptions::builtin())
        .expect_err("nothing");
    let expected = "torch.onnx: not declared: --layout, --range, --mean and --std or --no-normalisation, --color, --output, \
                    --positive, --self-test; the file shows input \"x\" f32 [?, 3, ?, ?] and outputs \"logits\" f32 [?, 2]";
    assert!(message(&error).ends_with(expected), "{error}");
}

/// A number of the right range passes a self-test under the wrong word, so the graph is asked.
#[test]
fn a_word_that_the_last_operator_contradicts_is_refused() {
    let refused = |name: &str, output: Answer, positive: Option<Positive>, numbers: &[f64]| {
        let network = network(name);
        let given = GivenAnswer { image: path("a.png"), numbers: numbers.to_vec() };
        let options =
            ForeignOptions { output: Some(output), positive, self_test: Some(given), ..network.options() };
        let error = network.import(&options, &EngineOptions::builtin()).expect_err(name);
        (message(&error), error.hint().expect("a hint"))
    };
    let generated = Some(Positive::Generated);
    type Case = (&'static str, Answer, Option<Positive>, &'static [f64], &'static str, &'static str);
    let cases: [Case; 7] = [
        ("timm", Answer::Logit, generated, &[0.5], "(of operator Sigmoid)", "--output probability"),
        ("saturated", Answer::Logit, generated, &[0.5], "(of operator Sigmoid)", "--output probability"),
        ("keras", Answer::Logits(1), None, &[0.5, 0.5], "(of operator Softmax)", "--output softmax:1"),
        ("torch", Answer::Softmax(0), None, &[0.5], "(of operator Gemm)", "--output logits:0"),
        ("half", Answer::Probability, generated, &[0.5], "(of operator Gemm)", "--output logit"),
        ("rigid", Answer::Probability, generated, &[0.5], "(of operator MatMul)", "--output logit"),
        ("names", Answer::Probability, generated, &[0.5], "(of operator MatMul)", "--output logit"),
    ];
    for (name, output, positive, numbers, expected, remedy) in cases {
        let (error, hint) = refused(name, output, positive, numbers);
        assert!(error.contains(expected) && error.contains(&format!("as --output {output} says")), "{error}");
        assert!(hint.contains(remedy), "{name}: {hint}");
    }
    let (error, _) = refused("timm", Answer::Logit, generated, &[0.5]);
    let expected = "output \"prob\" is a probability (of operator Sigmoid), expected a number without bounds as --output \
                    logit says";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn files_that_cannot_be_wrapped_say_why() {
    let options = ForeignOptions { self_test: None, ..network("names").options() };
    let options = ForeignOptions {
        range: Some(Range::Unit),
        self_test: Some(GivenAnswer { image: path("a.png"), numbers: vec![0.0] }),
        ..options
    };
    let import = |path: &Path| import_foreign(path, &options, &EngineOptions::builtin()).map(|_| ());
    let nested = import(&path("nested.onnx")).expect_err("a name inside a node");
    let error = message(&nested);
    assert!(error.contains("the name \"features\" is used in a graph inside a node"), "{error}");
    assert!(nested.hint().expect("a hint").contains("another name in the original network"));
    let temp = tempfile::tempdir().expect("folder");
    let checkpoint = temp.path().join("x.pth");
    fs_err::write(&checkpoint, b"PK\x03\x04 and so on").expect("written");
    let error = import(&checkpoint).expect_err("a checkpoint");
    assert!(message(&error).contains("x.pth: not an ONNX model"), "{error}");
    assert!(error.hint().expect("a hint").starts_with("a PyTorch checkpoint: name its network as --arch"));
    let ours = temp.path().join("ours.onnx");
    fs_err::write(&ours, dear::detector::MINI).expect("written");
    let error = message(&import(&ours).expect_err("a detector"));
    assert!(error.ends_with("ours.onnx: a file that dear wrote already"), "{error}");
    // Cut anywhere, a file is refused and nothing panics.
    let (whole, cut) = (bytes("names.onnx"), temp.path().join("cut.onnx"));
    let mut refused = 0;
    for length in (0..whole.len()).step_by(7) {
        fs_err::write(&cut, &whole[..length]).expect("written");
        refused += usize::from(import(&cut).is_err());
    }
    assert_eq!(refused, whole.len().div_ceil(7));
}

#[test]
fn what_the_image_cannot_tell_is_said() {
    let network = network("torch");
    let mut options = network.options();
    let notes = |options: &ForeignOptions| {
        import_foreign(&network.file(), options, &EngineOptions::builtin()).expect("imports").notes
    };
    assert_eq!(notes(&options), Vec::<String>::new());
    options.self_test = Some(network.given(&options, 3));
    let found = notes(&options);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("--color bgr: another image would"), "{found:?}");
}

#[test]
fn another_head_has_no_self_test() {
    let network = network("timm");
    let detector = network.import(&network.options(), &EngineOptions::builtin()).expect("imports");
    let same =
        detector.with_head(detector.head(), |metadata| metadata.card = Some("x".to_owned())).expect("a file");
    let mut head = detector.head().clone();
    head.bias = 1.0;
    let other = detector.with_head(&head, |_| {}).expect("a file");
    for (file, stored) in [(same, true), (other, false)] {
        let detector = Detector::from_bytes(file, &EngineOptions::builtin()).expect("a detector");
        assert_eq!(detector.metadata().self_test.is_some(), stored);
    }
}
