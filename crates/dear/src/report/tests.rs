//! Evaluations as odd as users', rendered.

use std::collections::BTreeMap;

use super::*;
use crate::bootstrap::{Interval, Method};
use crate::dataset::Label;
use crate::evaluate::{
    Advice, Comparison, Curve, CurvePoint, Data, DetectorRecord, Difference, Distribution, EvaluateOptions,
    McNemar, Operating, ReliabilityBin, ScoreFile, ScoreOrigin, Shape, Standing, SubsetKind, Table,
};
use crate::metrics::Undefined;

/// A name that would run a script, were it not escaped.
const HOSTILE: &str = "<img src=x onerror=alert(1)>.png";

fn interval(metric: &str, value: f64) -> Interval {
    Interval {
        metric: metric.to_owned(),
        value: Some(value),
        undefined: None,
        low: Some(value - 0.06),
        high: Some((value + 0.05).min(1.0)),
        degenerate: false,
        resolvable: true,
        undefined_resamples: 0,
        method: Method::Bootstrap,
    }
}

/// A metric where a class is missing.
fn missing(metric: &str, undefined: Undefined) -> Interval {
    Interval { value: None, undefined: Some(undefined), low: None, high: None, ..interval(metric, 0.0) }
}

fn metrics(shift: f64) -> Vec<Interval> {
    let all = [
        ("auc", 0.81),
        ("ap", 0.8),
        ("r_acc", 0.86),
        ("f_acc", 0.52),
        ("balanced_accuracy", 0.69),
        ("asymmetry", 0.34),
        ("tpr_at_5_fpr", 0.31),
        ("tpr_at_1_fpr", 0.2),
        ("tpr_at_01_fpr", 0.1),
        ("fpr_at_95_tpr", 0.6),
        ("eer", 0.27),
        ("brier", 0.2),
        ("nll", 0.61),
        ("ece", 0.11),
    ];
    let mut made: Vec<Interval> = all.iter().map(|&(name, value)| interval(name, value - shift)).collect();
    made[7].resolvable = false;
    made[8].degenerate = true;
    made
}

fn shape(chain: &str, system: &str, subsets: usize) -> Shape {
    let operating = |name: &str, threshold: Option<f64>, fpr: f64, tpr: f64| Operating {
        name: name.to_owned(),
        threshold,
        fpr: interval("fpr", fpr),
        tpr: interval("tpr", tpr),
    };
    let distribution = |i: usize| Distribution {
        subset: if i == 0 { HOSTILE.to_owned() } else { format!("subset {i}") },
        label: if i.is_multiple_of(2) { Label::Real } else { Label::Generated },
        n: 12,
        quantiles: if i == 3 {
            Vec::new()
        } else {
            [-4.0, -2.5, -1.0, 0.2, 1.0, 2.0, 40.0]
                .iter()
                .map(|q| q + if i.is_multiple_of(2) { -1.0 } else { 0.7 })
                .collect()
        },
    };
    Shape {
        chain: chain.to_owned(),
        system: system.to_owned(),
        roc: (0..=50).map(|i| f64::from(i) / 50.0).map(|fpr| [fpr, fpr.powf(0.25)]).collect(),
        operating: vec![
            operating("logit 0", Some(0.0), 0.14, 0.52),
            operating("5 % FPR here", Some(1.8), 0.05, 0.31),
            operating("file", None, 1.0, 1.0),
        ],
        distributions: (0..subsets).map(distribution).collect(),
        edges: (0..=24).map(|i| f64::from(i) / 3.0 - 4.0).collect(),
        real: (0..24).map(|i: i32| (30 - (i - 8).pow(2) / 4).max(0) as u64).collect(),
        fake: (0..24).map(|i: i32| (24 - (i - 14).pow(2) / 4).max(0) as u64).collect(),
        reliability: (0..10)
            .map(|i| f64::from(i) / 10.0 + 0.05)
            .map(|p| ReliabilityBin {
                probability: p,
                share: p * p,
                low: (p * p - 0.1).max(0.0),
                high: (p * p + 0.12).min(1.0),
                n: 30,
            })
            .collect(),
    }
}

fn curve(name: &str, axis: &str, system: &str, levels: &[f64]) -> Curve {
    let point = |(i, &level): (usize, &f64)| CurvePoint {
        level,
        chain: if i == 0 { "clean".to_owned() } else { format!("{name}({level})") },
        real: 150,
        fake: 160,
        refused_real: 0,
        refused_fake: u64::from(i == 4),
        metrics: if i == 3 { vec![missing("f_acc", Undefined::NoFake)] } else { metrics(0.05 * i as f64) },
    };
    Curve {
        name: name.to_owned(),
        axis: axis.to_owned(),
        system: system.to_owned(),
        points: levels.iter().enumerate().map(point).collect(),
    }
}

/// `systems` x `chains` x `subsets`; with one chain or more it is complete, and as hostile as names can be.
fn sample(systems: usize, chains: usize, subsets: usize) -> Evaluation {
    let chains: Vec<String> = (0..chains)
        .map(|i| if i == 0 { "clean".to_owned() } else { format!("resize(0.{i}) | jpeg({}, 4:2:0)", 90 - i) })
        .collect();
    let names: Vec<String> = (0..systems)
        .map(|i| match i {
            0 => "mini".to_owned(),
            1 => format!("detector with a very long name {}", "and more of it ".repeat(6)),
            2 => HOSTILE.to_owned(),
            i => format!("detector {i}"),
        })
        .collect();
    let mut tables = Vec::new();
    let mut shapes = Vec::new();
    for (c, chain) in chains.iter().enumerate() {
        for (s, name) in names.iter().enumerate() {
            let table = |subset: &str, kind, fake, metrics| Table {
                chain: chain.clone(),
                system: name.clone(),
                subset: subset.to_owned(),
                kind,
                real: 152,
                fake,
                refused_real: u64::from(c == 1) * 3,
                refused_fake: u64::from(c == 1) * 11,
                metrics,
            };
            let shift = 0.02 * s as f64 + 0.03 * c as f64;
            tables.push(table("all", SubsetKind::All, 161, metrics(shift)));
            tables.push(table("generators", SubsetKind::MeanOverGenerators, 161, metrics(shift)));
            for i in 0..subsets {
                let subset = if i == 0 { HOSTILE.to_owned() } else { format!("generator_{i}") };
                tables.push(table(&subset, SubsetKind::Generator, 8, metrics(shift + 0.01)));
            }
            let real = vec![interval("r_acc", 0.9), missing("f_acc", Undefined::NoFake)];
            tables.push(table("kodak", SubsetKind::RealSet, 0, real));
            shapes.push(shape(chain, name, subsets));
        }
    }
    let mut comparisons = Vec::new();
    for chain in &chains {
        for other in names.iter().skip(1) {
            let difference = |metric, value: f64, spread: f64| Interval {
                low: Some(value - spread),
                high: Some(value + spread),
                method: Method::Simultaneous,
                ..interval(metric, value)
            };
            comparisons.push(Comparison {
                chain: chain.clone(),
                before: other.clone(),
                after: names[0].clone(),
                differences: vec![difference("balanced_accuracy", 0.05, 0.02)],
                corrected: vec![
                    difference("balanced_accuracy", 0.05, 0.03),
                    difference("tpr_at_5_fpr", -0.08, 0.05),
                    difference("auc", 0.01, 0.04),
                ],
                delong: Some(Difference { value: 0.01, low: -0.02, high: 0.04, p: 0.412 }),
                mcnemar_real: Some(McNemar { only_before: 12, only_after: 31, p: 0.0053 }),
                mcnemar_fake: None,
                at_equal_r_acc: Some(interval("f_acc", 0.04)),
                detectable: Some(0.061),
            });
        }
    }
    let families: [(&str, &str, &[f64]); 4] = [
        ("jpeg", "JPEG quality", &[0.0, 100.0, 90.0, 80.0, 70.0, 60.0, 50.0, 40.0, 30.0]),
        ("resize", "side x", &[1.0, 0.9, 0.75, 0.5, 0.35]),
        ("blur", "sigma in pixels", &[0.0, 0.5, 1.0, 1.5, 2.0, 3.0]),
        ("noise", "standard deviation of 255", &[0.0, 2.0, 5.0, 10.0, 15.0, 20.0]),
    ];
    let standings = [Standing::NotUsable, Standing::NotShown, Standing::Usable];
    Evaluation {
        schema: 1,
        version: "0.1.0".to_owned(),
        data: Data {
            root: format!("photos/{HOSTILE}"),
            split: None,
            real: 155,
            fake: 172,
            skipped: 2,
            in_both_classes: 0,
            in_other_splits: 0,
            scenes_known: false,
            scenes: None,
        },
        detectors: names
            .iter()
            .map(|name| DetectorRecord {
                name: name.clone(),
                sha256: "ab".repeat(32),
                backbone_sha256: "cd".repeat(32),
                architecture: "four convolutions".to_owned(),
                licence: "MIT".to_owned(),
                card: String::new(),
                rad: None,
                pruned: Vec::new(),
                recipe: serde_json::json!({"views": 4}),
                head: serde_json::Value::Null,
            })
            .collect(),
        engine: None,
        scores: None,
        options: EvaluateOptions::default(),
        family: (comparisons.len() * 3) as u32,
        curves: names
            .iter()
            .flat_map(|name| families.iter().map(move |(family, axis, levels)| curve(family, axis, name, levels)))
            .collect(),
        shapes,
        advice: names
            .iter()
            .enumerate()
            .map(|(i, name)| Advice {
                system: name.clone(),
                standing: standings[i % 3],
                threshold: 0.0,
                threshold_origin: "default".to_owned(),
                sentences: vec![
                    format!("Do not use {name} to accuse anyone: at its threshold it accuses 14.0 % (8.0 to 19.0 %) of real photographs."),
                    "To keep false alarms at 5 % here the threshold would be 1.8; then it finds 31 %.".to_owned(),
                    "Not tested: any generator but these.".to_owned(),
                ],
            })
            .collect(),
        words: vec![format!("Against {HOSTILE}, balanced accuracy is better under 1 of {} conditions.", chains.len())],
        systems: names
            .iter()
            .enumerate()
            .map(|(i, name)| System {
                name: name.clone(),
                detector: Some(i),
                note: "the detector as given".to_owned(),
                hardened: i == 0,
                controls: BTreeMap::new(),
                threshold: 0.0,
                threshold_origin: "default".to_owned(),
            })
            .collect(),
        chains,
        tables,
        comparisons,
    }
}

/// As `dear evaluate --scores` makes it: nothing ran, no detector is known.
fn scores_only() -> Evaluation {
    let mut evaluation = sample(1, 1, 2);
    evaluation.detectors.clear();
    evaluation.systems[0].detector = None;
    evaluation.curves.clear();
    evaluation.scores = Some(ScoreOrigin {
        files: vec![ScoreFile { path: "theirs|odd.csv".to_owned(), sha256: "ef".repeat(32), rows: 327 }],
        unit: "probability".to_owned(),
        warnings: vec!["AUC is 0.12: labels look inverted".to_owned()],
    });
    evaluation
}

/// Every image refused: no metric has a value.
fn all_refused() -> Evaluation {
    let mut evaluation = sample(1, 2, 1);
    for table in &mut evaluation.tables {
        (table.refused_real, table.refused_fake, table.real, table.fake) = (155, 172, 0, 0);
        table.metrics =
            table.metrics.iter().map(|metric| missing(&metric.metric, Undefined::Empty)).collect();
    }
    for shape in &mut evaluation.shapes {
        *shape = Shape {
            roc: Vec::new(),
            edges: Vec::new(),
            real: Vec::new(),
            fake: Vec::new(),
            reliability: Vec::new(),
            ..shape.clone()
        };
        shape.operating.clear();
        for distribution in &mut shape.distributions {
            (distribution.n, distribution.quantiles) = (0, Vec::new());
        }
    }
    (evaluation.curves, evaluation.advice) = (Vec::new(), Vec::new());
    evaluation
}

fn example(wrong: Option<&str>, label: Label) -> Example {
    let dot =
        dear_image::encode_png(&dear_image::Image::from_fn(60, 40, |x, y| [x as u8 * 4, y as u8 * 5, 90]))
            .unwrap();
    let png = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, dot);
    let picture = |caption: &str| Picture { caption: caption.to_owned(), png: png.clone() };
    Example {
        path: HOSTILE.to_owned(),
        label,
        chain: "clean".to_owned(),
        wrong: wrong.map(str::to_owned),
        images: vec![picture("as scored"), picture("evidence")],
        full: Some(2.5),
        logits: vec![
            Logit { system: "mini".to_owned(), logit: Some(1.25) },
            Logit { system: HOSTILE.to_owned(), logit: None },
        ],
    }
}

/// All the odd evaluations by name.
fn cases() -> Vec<(&'static str, Evaluation)> {
    let mut one_class = sample(1, 1, 2);
    for table in &mut one_class.tables {
        table.fake = 0;
        table.metrics =
            table.metrics.iter().map(|metric| missing(&metric.metric, Undefined::NoFake)).collect();
    }
    vec![
        ("one", sample(1, 1, 3)),
        ("three", sample(3, 4, 8)),
        ("many", sample(12, 8, 60)),
        ("scores", scores_only()),
        ("one-class", one_class),
        ("refused", all_refused()),
        ("empty", Evaluation { advice: vec![], ..sample(0, 0, 0) }),
    ]
}

fn render(evaluation: &Evaluation) -> [String; 2] {
    let examples = [
        example(Some("mini"), Label::Real),
        example(Some("mini"), Label::Real),
        example(Some("mini"), Label::Generated),
    ];
    let extras = Extras {
        title: "Evaluation",
        command: "dear evaluate --data '<b>'",
        examples: &examples,
        caution: Some("A demonstration."),
    };
    [html(evaluation, &extras), markdown(evaluation, &extras)]
}

/// Pages to look at: `cargo test --release --workspace --lib pages -- --ignored`, then `target/tmp/report/*.html`.
#[test]
#[ignore = "writes files for the eye"]
fn pages() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tmp/report");
    fs_err::create_dir_all(&folder).unwrap();
    for (name, evaluation) in cases() {
        let [page, text] = render(&evaluation);
        fs_err::write(folder.join(format!("{name}.html")), page).unwrap();
        fs_err::write(folder.join(format!("{name}.md")), text).unwrap();
    }
}

/// Opening and closing tags of a page, in order; void elements and the doctype left out.
fn tags(page: &str) -> Vec<&str> {
    let void = ["!", "meta", "img", "br"];
    page.split('<')
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| c == '>' || c.is_whitespace()).next())
        .filter(|name| !void.iter().any(|void| name.starts_with(void)))
        .collect()
}

#[test]
fn every_page_is_whole_and_no_name_becomes_an_element() {
    let cases = cases();
    assert_eq!(cases.len(), 7);
    for (name, evaluation) in &cases {
        let [page, text] = render(evaluation);
        let mut open = Vec::new();
        for tag in tags(&page) {
            match tag.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop(), Some(closed), "{name}"),
                None => open.push(tag),
            }
        }
        assert!(open.is_empty(), "{name}: {open:?} left open");
        assert!(!page.contains("<img src=x") && !text.contains("<img"), "{name}: a name became an element");
        for foreign in ["<script", "http:", "https:", "NaN", "inf%"] {
            assert!(!page.contains(foreign), "{name}: {foreign}");
        }
        assert!(page.len() < 5_000_000, "{name}: {} bytes", page.len());
    }
}

/// Two systems on 30 real and 30 generated images; `scale` times numbers in -1..1, or all equal to it.
fn extreme(scale: f64, equal: bool) -> Evaluation {
    use crate::scores::tests::scores;
    let names: Vec<String> = (0..60).map(|i| format!("{i:02}")).collect();
    let label = |i: usize| if i < 30 { Label::Real } else { Label::Generated };
    let images: Vec<(&str, Label, &str, &str)> =
        (0..60).map(|i| (&*names[i], label(i), if i % 2 == 0 { "p" } else { "q" }, &*names[i])).collect();
    let logit = |i: usize| if equal { 1.0 } else { ((i * 7 + i / 30 * 11) % 61) as f64 / 30.0 - 1.0 };
    let one: Vec<f64> = (0..60).map(|i| logit(i) * scale).collect();
    let two: Vec<f64> = (0..60).map(|i| if logit(i) > 0.2 { scale } else { -scale }).collect();
    let mut scores = scores(&images, vec![vec![one, two]]);
    scores.scenes_known = false;
    scores.systems[0].threshold = scale / 3.0;
    scores.systems[0].threshold_origin = "calibrated".to_owned();
    let options = EvaluateOptions::default();
    crate::evaluate::of_scores(&scores, None, &options, &crate::observe::Silent).unwrap()
}

#[test]
fn scores_of_any_size_make_a_page_with_short_numbers() {
    let mut seen = 0;
    for scale in [1e308, f64::MAX, 1.0, 1e-300, 5e-324, -1e308] {
        for equal in [false, true] {
            for text in render(&extreme(scale, equal)) {
                let text = text.split("</style>").last().unwrap();
                for token in text.split(|c: char| !c.is_ascii_alphanumeric()) {
                    assert!(!["NaN", "inf", "infpx"].contains(&token), "{scale} {equal}");
                }
                for number in text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != 'e') {
                    assert!(number.len() <= 24, "{scale} {equal}: {number}");
                }
                seen += text.matches("%").count();
            }
        }
    }
    assert!(seen > 2_000, "{seen}");
}

#[test]
fn headings_come_in_order_and_ids_are_unique() {
    for (name, evaluation) in cases() {
        let [page, _] = render(&evaluation);
        let mut last = 0;
        for level in
            page.match_indices("<h").filter_map(|(at, _)| page[at + 2..].chars().next()?.to_digit(10))
        {
            assert!(level <= last + 1, "{name}: h{level} after h{last}");
            last = level;
        }
        let ids: Vec<&str> =
            page.match_indices(" id=\"").map(|(at, _)| page[at + 5..].split('"').next().unwrap()).collect();
        let unique: std::collections::BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{name}: {ids:?}");
        for target in page.match_indices("href=\"#").map(|(at, _)| page[at + 7..].split('"').next().unwrap())
        {
            assert!(ids.contains(&target), "{name}: {target}");
        }
    }
}

#[test]
fn charts_and_tables_say_what_they_are() {
    let [page, _] = render(&sample(3, 4, 8));
    let labelled = |tag: &str, attribute: &str| {
        let all: Vec<&str> = page
            .match_indices(tag)
            .map(|(at, _)| &page[at..at + page[at..].find("><").unwrap() + 8])
            .collect();
        assert!(all.len() > 5, "{tag}: {}", all.len());
        let bare: Vec<&&str> = all
            .iter()
            .filter(|tag| {
                !tag.contains(attribute)
                    && ["aria-hidden", "overflow=", "><title>"].iter().all(|other| !tag.contains(other))
            })
            .collect();
        assert!(bare.is_empty(), "{bare:?}");
    };
    labelled("<svg", "aria-label=");
    labelled("<img", "alt=");
    assert_eq!(page.matches("<table>").count(), page.matches("<table><caption>").count());
}

#[test]
fn the_first_screen_answers_and_only_corrected_intervals_judge() {
    let evaluation = sample(3, 2, 2);
    let [page, text] = render(&evaluation);
    let first = &page[..page.find("id=\"findings\"").unwrap()];
    for needle in [
        "do not use it",
        "not shown to be safe",
        "usable under the conditions tried",
        "logit 0 (default)",
        "14.0",
    ] {
        assert!(first.contains(needle), "{needle}");
        assert!(text.contains(&needle.replace('_', r"\_")), "{needle} in Markdown");
    }
    // Corrected: +5 points better, -8 worse, AUC not shown.
    for (word, expected) in [("better", 4), ("worse", 4), ("not shown", 4)] {
        assert_eq!(page.matches(&format!(">{word}</span>")).count(), expected, "{word}");
        assert_eq!(
            text.matches(&format!("]: {word} |").replace(']', r"\]")).count(),
            expected,
            "{word} in Markdown"
        );
    }
    let mut bare = evaluation;
    bare.comparisons.iter_mut().for_each(|comparison| comparison.corrected.clear());
    let [page, text] = render(&bare);
    for word in ["better", "worse"] {
        assert!(
            !page.contains(&format!(">{word}</span>")) && !text.contains(&format!(": {word} |")),
            "{word} without correction"
        );
    }
}

#[test]
fn what_makes_numbers_doubtful_is_said_before_them() {
    let mut evaluation = scores_only();
    (evaluation.data.in_both_classes, evaluation.data.in_other_splits) = (6, 4);
    let [page, text] = render(&evaluation);
    for warning in
        ["labels look inverted", "6 images stand in both classes", "4 images also stand in another split"]
    {
        for text in [&page, &text] {
            assert!(text.find(warning).unwrap() < text.find("do not use it").unwrap(), "{warning}");
        }
    }
}

#[test]
fn both_denominators_are_shown_where_images_were_refused() {
    let [page, text] = render(&sample(1, 2, 1));
    // 152 of 155 scored with 83 % right: 81.4 % of all listed.
    for needle in ["81.4", "18.6", "155"] {
        assert!(page.contains(needle) && text.contains(needle), "{needle}");
    }
    let [page, _] = render(&sample(1, 1, 1));
    assert!(page.contains("Every image listed was scored") && !page.contains("of listed %"));
    let said =
        "Judged on 152 real (of 155 listed) and 161 generated images (of 172 listed), under 2 conditions;";
    assert!(lead(&sample(1, 2, 1)).starts_with(said), "{}", lead(&sample(1, 2, 1)));
    let mut processed = sample(1, 1, 1);
    processed.chains = vec!["jpeg(70, 4:2:0)".to_owned()];
    assert!(lead(&processed).contains(", after jpeg(70, 4:2:0); "), "{}", lead(&processed));
}

/// WCAG 2.1's relative luminance of `#rrggbb`.
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.03928 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[test]
fn text_stands_out_from_its_background_in_light_dark_and_print() {
    let mut schemes = 0;
    for block in
        include_str!("style.css").split(":root {").skip(1).map(|rest| rest.split('}').next().unwrap())
    {
        let colours: BTreeMap<&str, &str> = block
            .split("--")
            .skip(1)
            .filter_map(|entry| entry.split_once(": "))
            .map(|(name, rest)| (name, &rest[..7]))
            .collect();
        schemes += 1;
        for text in ["text", "soft", "real", "fake", "third", "caution", "good", "bad"] {
            for back in ["back", "card"] {
                let (a, b) = (luminance(colours[text]), luminance(colours[back]));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= 4.5, "{text} on {back}: {contrast:.2} (scheme {schemes})");
            }
        }
    }
    assert_eq!(schemes, 3);
}
