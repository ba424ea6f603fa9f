//! The view of a file is lossless, and says what is wrong with files that are no models.

use super::*;

const TINY: &[u8] = include_bytes!("../../../tests/fixtures/detector/tiny.onnx");
const MINI: &[u8] = crate::detector::MINI;
const RESYNTH: &[u8] = crate::generator::RESYNTH_X4;

/// What every reader of a detector file does before it asks an engine.
fn import(file: &[u8]) -> Result<(), ImportError> {
    let model = OnnxModel::parse(file)?;
    super::super::metadata::Metadata::parse(&model.document()?)?;
    model.tensor("head.weight")?;
    model.tensor("head.bias")?;
    model.check_finite()
}

#[test]
fn inputs_outputs_tensors_and_metadata_are_read() {
    let model = OnnxModel::parse(TINY).expect("valid");
    let names = |ports: &[Port]| ports.iter().map(|port| port.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(model.inputs()), ["image"]);
    assert_eq!(names(model.outputs()), ["features", "pooled", "logit", "evidence"]);
    assert_eq!(model.outputs()[0].shape, Some(vec![None, Some(8), None, None]));
    // Written as raw_data and as float_data.
    assert_eq!(model.tensor("head.weight").expect("there").shape, [1, 8, 1, 1]);
    assert_eq!(model.tensor("head.bias").expect("there"), Tensor { shape: vec![1], data: vec![0.125] });
    assert_eq!(model.metadata("other").expect("readable").as_deref(), Some("kept as it is"));
    assert_eq!(model.metadata("absent").expect("readable"), None);
}

#[test]
fn a_file_without_edits_comes_back_byte_for_byte() {
    for file in [TINY, MINI, RESYNTH] {
        let model = OnnxModel::parse(file).expect("valid");
        assert!(model.rewrite(&[]).expect("written") == file);
    }
}

#[test]
fn an_edit_leaves_all_other_fields_as_they_were() {
    // Fields that no version of ONNX knows, in the model and in the graph.
    let model = OnnxModel::parse(TINY).expect("valid");
    let mut file = Vec::new();
    for field in &model.fields {
        if field.number == super::model::GRAPH {
            let mut graph = TINY[field.body.clone()].to_vec();
            wire::write_bytes(&mut graph, 4000, b"in the graph");
            wire::write_bytes(&mut file, super::model::GRAPH, &graph);
        } else {
            file.extend_from_slice(&TINY[field.whole.clone()]);
        }
    }
    wire::write_bytes(&mut file, 5000, b"in the model");

    let before = OnnxModel::parse(&file).expect("valid");
    let weight = [0.5; 8];
    let edits = [
        Edit::Tensor { name: "head.weight", data: &weight },
        Edit::Tensor { name: "head.bias", data: &[-3.0] },
        Edit::Metadata { key: "dear", value: Some("new") },
        Edit::Metadata { key: "added", value: Some("later") },
    ];
    let edited = before.rewrite(&edits).expect("written");
    assert_eq!(before.rewritten_sha256(&edits).expect("written"), crate::files::sha256_hex(&edited));
    let after = OnnxModel::parse(&edited).expect("valid");
    assert_eq!(after.tensor("head.weight").expect("there").data, weight);
    assert_eq!(after.tensor("head.bias").expect("there").data, [-3.0]);
    let text = |key| after.metadata(key).expect("readable");
    assert_eq!(text("dear").as_deref(), Some("new"));
    assert_eq!(text("added").as_deref(), Some("later"));
    assert_eq!(text("other").as_deref(), Some("kept as it is"));

    let rest = |model: &OnnxModel<'_>| -> Vec<Vec<u8>> {
        let whole = |field: &Field| model.file[field.whole.clone()].to_vec();
        let is_head = |bytes: &[u8]| bytes.windows(5).any(|part| part == b"head.");
        let graph = model.graph.iter().filter(|field| field.number != super::graph::INITIALIZER).map(whole);
        let tensors = model.initializers.iter().map(|tensor| model.file[tensor.whole.clone()].to_vec());
        let tensors = tensors.filter(|bytes| !is_head(bytes));
        let outer =
            |field: &&Field| ![super::model::GRAPH, super::model::METADATA_PROPS].contains(&field.number);
        graph.chain(tensors).chain(model.fields.iter().filter(outer).map(whole)).collect()
    };
    let kept = rest(&before);
    assert!(kept.iter().any(|field| field.ends_with(b"in the graph")));
    assert!(kept.iter().any(|field| field.ends_with(b"in the model")));
    assert_eq!(rest(&after), kept);

    let removed = after.rewrite(&[Edit::Metadata { key: "dear", value: None }]).expect("written");
    assert_eq!(OnnxModel::parse(&removed).expect("valid").metadata("dear").expect("readable"), None);
}

#[test]
fn an_edit_that_does_not_fit_is_refused() {
    let model = OnnxModel::parse(TINY).expect("valid");
    let cases = [
        ("head.weight", "tensor \"head.weight\" is 2 numbers, expected [1, 8, 1, 1]"),
        ("absent", "tensor \"absent\" is absent, expected one initializer of that name"),
    ];
    for (name, expected) in cases {
        let error = model.rewrite(&[Edit::Tensor { name, data: &[1.0, 2.0] }]).expect_err(expected);
        assert_eq!(error.to_string(), format!("model: {expected}"));
    }
}

#[test]
fn what_is_no_onnx_file_is_named_with_a_remedy() {
    let zip = [b"PK\x03\x04".as_slice(), &[0; 60]].concat();
    let safetensors = [&[80, 0, 0, 0, 0, 0, 0, 0], b"{\"a\":{\"dtype\":\"F32\"".as_slice()].concat();
    let cases: [(&[u8], &str, &str); 11] = [
        (b"", "the file is empty", "download"),
        (
            &zip,
            "not an ONNX model (looks like a PyTorch checkpoint or another zip archive)",
            "import it first",
        ),
        (
            b"\x80\x02\x8a\nl\xfc",
            "not an ONNX model (looks like an old PyTorch checkpoint (pickle))",
            "import it first",
        ),
        (&safetensors, "not an ONNX model (looks like a safetensors file)", "import it first"),
        (b"<!DOCTYPE html><html>", "not an ONNX model (looks like an HTML page)", "not the page"),
        (b"\n <HTML>", "not an ONNX model (looks like an HTML page)", "not the page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid",
            "not an ONNX model (looks like a git-lfs pointer)",
            "git lfs pull",
        ),
        (b"\x89PNG\r\n\x1a\n", "not an ONNX model (looks like a picture)", "not an image"),
        (b"\x89HDF\r\n\x1a\n", "not an ONNX model (looks like an HDF5 file (Keras))", "export"),
        (b"hello, this is text", "not an ONNX model (unknown content)", "give a detector"),
        (b"\x08\x08", "damaged at byte 2: the model has not exactly one graph", "sha256"),
    ];
    for (file, message, hint) in cases {
        let error = import(file).expect_err(message);
        assert_eq!(error.to_string(), format!("model: {message}"));
        match hint {
            "" => assert_eq!(error.hint(), None),
            hint => assert!(error.hint().is_some_and(|found| found.contains(hint)), "{error}"),
        }
        assert!(error.named("a.onnx").to_string().starts_with("a.onnx: "));
    }
}

#[test]
fn a_file_cut_at_any_37th_byte_is_an_error() {
    for file in [TINY, MINI] {
        let mut kinds = std::collections::BTreeMap::new();
        for length in (0..file.len()).step_by(37) {
            let error = import(&file[..length]).expect_err("cut");
            *kinds.entry(error.kind()).or_insert(0) += 1;
        }
        assert_eq!(kinds.values().sum::<usize>(), file.len().div_ceil(37), "{kinds:?}");
        assert!(kinds["truncated"] > file.len() / 37 * 9 / 10, "{kinds:?}");
    }
}

#[test]
fn damaged_bytes_never_panic() {
    let mut refused = 0;
    for at in 0..TINY.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut file = TINY.to_vec();
            file[at] ^= change;
            refused += usize::from(import(&file).is_err());
        }
    }
    // Most bytes are weights, where a change is only another number.
    assert!(refused > 300, "{refused}");
}

#[test]
fn nesting_and_numbers_of_fields_are_bounded() {
    // if { if { if { ... } } }: graph > node > attribute > graph > ...
    let mut graph = Vec::new();
    for _ in 0..40 {
        let (mut attribute, mut node, mut outer) = (vec![], vec![], vec![]);
        wire::write_bytes(&mut attribute, 6, &graph);
        wire::write_bytes(&mut node, 5, &attribute);
        wire::write_bytes(&mut outer, 1, &node);
        graph = outer;
    }
    assert!(import(&file_of(&graph)).expect_err("deep").to_string().contains("nested too deep"));

    let many = [0x12, 0x00].repeat(MAX_FIELDS + 1);
    assert!(import(&file_of(&many)).expect_err("many").to_string().contains("too many fields"));
}

/// rten-onnx 0.27 never returns from a number of ten bytes that all announce another one, so such a file must not
/// reach it, wherever the number is.
#[test]
fn endless_numbers_are_refused_wherever_they_are() {
    let endless = [&[0x08][..], &[0xff; 12]].concat();
    // The numbers of the fields that lead from the graph to the message with the broken number in it.
    let paths: [&[u32]; 9] = [
        &[],
        &[1],
        &[1, 5],
        &[1, 5, 8],
        &[5],
        &[5, 1],
        &[11, 2, 1, 2, 1],
        &[13, 2, 4, 1, 1],
        &[1, 5, 6, 5, 7],
    ];
    for path in paths {
        let mut body = endless.clone();
        for &number in path.iter().rev() {
            let mut outer = Vec::new();
            wire::write_bytes(&mut outer, number, &body);
            body = outer;
        }
        let error = import(&file_of(&body)).expect_err("endless");
        assert!(error.to_string().contains("more than 64 bits"), "{path:?}: {error}");
    }
}

#[test]
fn tensors_in_other_files_are_refused_wherever_they_are() {
    let mut tensor = Vec::new();
    wire::write_bytes(&mut tensor, super::tensor::NAME, b"far");
    tensor.extend_from_slice(&[14 << 3, 1]); // data_location = EXTERNAL
    let (mut attribute, mut node) = (vec![], vec![]);
    wire::write_bytes(&mut attribute, 5, &tensor);
    wire::write_bytes(&mut node, 5, &attribute);
    for (number, body) in [(super::graph::INITIALIZER, &tensor), (1, &node)] {
        let mut graph = Vec::new();
        wire::write_bytes(&mut graph, number, body);
        let error = import(&file_of(&graph)).expect_err("external");
        assert_eq!(error.kind(), "external_data");
        assert!(error.to_string().contains("tensor \"far\" is kept in another file"), "{error}");
    }
}

#[test]
fn numbers_that_are_not_finite_are_named_with_tensor_and_position() {
    let mut weight = [0.5; 8];
    weight[6] = f32::NAN;
    let model = OnnxModel::parse(TINY).expect("valid");
    let file = model.rewrite(&[Edit::Tensor { name: "head.weight", data: &weight }]).expect("written");
    let error = import(&file).expect_err("NaN");
    assert_eq!(error.to_string(), "model: tensor \"head.weight\" is not finite: element 6 is NaN");

    let parts = |bits: [u16; 2]| -> Vec<u8> { bits.iter().flat_map(|bits| bits.to_le_bytes()).collect() };
    let find =
        |bytes: &[u8], exponent| halves([bytes].into_iter(), exponent).position(|value| !value.is_finite());
    assert_eq!(find(&parts([0x7bff, 0xfbff]), 0x7c00), None);
    assert_eq!(find(&parts([0x7bff, 0xfc00]), 0x7c00), Some(1));
    assert_eq!(find(&parts([0x7f7f, 0x7f80]), 0x7f80), Some(1));
}

/// A file of IR version 8 with this graph and an operator set.
fn file_of(graph: &[u8]) -> Vec<u8> {
    let mut file = vec![0x08, 8];
    wire::write_bytes(&mut file, super::model::GRAPH, graph);
    wire::write_bytes(&mut file, super::model::OPSET_IMPORT, &[]);
    file
}
