use super::*;
use crate::backbone::LooksLike;

/// A file of the folder that `oracle/checkpoint.py` writes.
fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoint");
    fs_err::read(folder.join(name)).unwrap()
}

fn read(bytes: &[u8], limits: &Limits) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::read(bytes.to_vec(), None, limits)
}

fn error(bytes: &[u8]) -> CheckpointError {
    Checkpoint::from_bytes(bytes.to_vec()).err().expect("it is refused")
}

/// A zip with stored members, as PyTorch writes it.
fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let header = file.len() as u32;
        let (size, name_size) = (data.len() as u32, name.len() as u16);
        // Method and times, checksum, sizes, lengths of name and extra field.
        let mut row = [0; 6].to_vec();
        row.extend([crc32fast::hash(data), size, size].iter().flat_map(|number| number.to_le_bytes()));
        row.extend([name_size, 0].iter().flat_map(|number| number.to_le_bytes()));
        file.extend([b"PK\x03\x04\0\0\0\0".as_slice(), &row, name.as_bytes(), data].concat());
        let place = [[0; 10].as_slice(), &header.to_le_bytes()].concat();
        directory.extend([b"PK\x01\x02\0\0\0\0\0\0".as_slice(), &row, &place, name.as_bytes()].concat());
    }
    let (start, count) = (file.len() as u32, members.len() as u16);
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([count, count].iter().flat_map(|number| number.to_le_bytes()));
    file.extend([directory.len() as u32, start].iter().flat_map(|number| number.to_le_bytes()));
    file.extend([0, 0]);
    file
}

/// A checkpoint with this pickle and the storage `0` of eight bytes: 1 and 2 in f32.
fn with_pickle(pickle: &[u8]) -> Vec<u8> {
    zipped(&[("x/data.pkl", pickle), ("x/data/0", b"\0\0\x80\x3f\0\0\0\x40")])
}

fn text(text: &str) -> Vec<u8> {
    [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

/// A tensor over the storage `0`: offset, shape and strides are instructions.
fn tensor(offset: &[u8], shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let storage =
        [b"(".as_slice(), &text("storage"), b"ctorch\nFloatStorage\n", &text("0"), &text("cpu"), b"K\x02tQ"];
    let call =
        [b"ctorch._utils\n_rebuild_tensor\n(".as_slice(), &storage.concat(), offset, shape, strides, b"tR"];
    call.concat()
}

/// A dict with one key.
fn dict(key: &str, value: &[u8]) -> Vec<u8> {
    [b"}".as_slice(), &text(key), value, b"s"].concat()
}

fn pickle(object: &[u8]) -> Vec<u8> {
    [b"\x80\x02", object, b"."].concat()
}

fn good_tensor() -> Vec<u8> {
    tensor(b"K\0", b"K\x02\x85", b"K\x01\x85")
}

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes(), data].concat()
}

#[test]
fn what_is_no_checkpoint_says_what_it_is_and_what_to_do() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let mut torch_tar = tar.clone();
    torch_tar[..8].copy_from_slice(b"sys_info");
    let cut = fixture("plain.pth");
    let onnx = fixture("../detector/tiny.onnx");
    let cases: [(&[u8], &str, &str); 20] = [
        (b"", "empty", "the file is empty"),
        (b"<!DOCTYPE html>\n<html>", "not_a_checkpoint", "looks like an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "not_a_checkpoint", "git-lfs pointer"),
        (&tar, "not_a_checkpoint", "looks like a tar archive"),
        (&torch_tar, "torch_tar", "before 0.1.10"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "not_a_checkpoint", "looks like a compressed file"),
        (b"\x28\xb5\x2f\xfd....", "not_a_checkpoint", "looks like a compressed file"),
        (b"\xff\xd8\xff\xe0....", "not_a_checkpoint", "looks like a picture"),
        (b"\x89HDF\r\n\x1a\n", "not_a_checkpoint", "HDF5"),
        (b"once upon a time", "not_a_checkpoint", "unknown content"),
        (&onnx, "onnx", "an ONNX model already"),
        (b"\x80\x04\x95\x02\0\0\0\0\0\0\0}.", "plain_pickle", "not one that torch.save wrote"),
        (&cut[..cut.len() - 30], "cut_zip", "no central directory"),
        (&zipped(&[("a.txt", b"")]), "not_torch_zip", "it holds \"a.txt\""),
        (&zipped(&[("x/model.json", b"")]), "old_torch_script", "model.json"),
        (
            &zipped(&[("m/models/model.json", b""), ("m/archive_format", b"pt2")]),
            "torch_export",
            "a torch.export archive (.pt2), expected a state dict",
        ),
        (&zipped(&[("serialized_exported_program.json", b""), ("version", b"")]), "torch_export", "(.pt2)"),
        (&with_pickle(b"\x80\x02}q\0h\x05."), "pickle", "nothing was remembered as 5"),
        (&with_pickle(b"\x80\x02\x97."), "opcode", "0x97 at byte 2"),
        (&with_pickle(b"\x80\x02}."), "no_tensors", "a dict without names"),
    ];
    let mut hints = std::collections::HashSet::new();
    for (bytes, kind, message) in cases {
        let error = error(bytes);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert!(!error.is_environment());
        hints.insert(error.hint());
    }
    assert_eq!(hints.len(), 12);
    assert_eq!(error(b"").to_string(), "checkpoint: the file is empty, expected a checkpoint");
    assert!(matches!(error(&tar).problem(), Problem::NotACheckpoint(LooksLike::Tar)));
}

#[test]
fn a_missing_file_is_named() {
    let error = Checkpoint::open("no such/weights.pth").err().unwrap();
    assert_eq!((error.kind(), error.file()), ("unreadable", "no such/weights.pth"));
}

#[test]
fn a_pickle_by_hand_is_read() {
    let checkpoint = Checkpoint::from_bytes(with_pickle(&pickle(&dict("a", &good_tensor())))).unwrap();
    assert_eq!(checkpoint.tensor("a").unwrap(), Tensor { shape: vec![2], data: vec![1.0, 2.0] });
    let error = checkpoint.tensor("b").unwrap_err();
    assert_eq!(error.to_string(), "checkpoint: no tensor \"b\" in the checkpoint");
}

#[test]
fn nothing_is_called() {
    // What `pickle.loads` would run: os.system("touch ran"). Here it is an object of a class that holds no tensor.
    let call = [b"cos\nsystem\n".as_slice(), &text("touch ran"), b"\x85R"].concat();
    let two = [b"}".as_slice(), &text("evil"), &call, b"s", &text("a"), &good_tensor(), b"s"].concat();
    let checkpoint = Checkpoint::from_bytes(with_pickle(&pickle(&two))).unwrap();
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a"]);
    assert!(!Path::new("ran").exists());
}

#[test]
fn a_view_beyond_its_storage_is_refused() {
    let huge: &[u8] = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
    let twice = |number: &[u8]| [number, number, b"\x86"].concat();
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("one too many", tensor(b"K\0", b"K\x03\x85", b"K\x01\x85"), "outside"),
        ("offset", tensor(b"K\x01", b"K\x02\x85", b"K\x01\x85"), "outside"),
        ("stride", tensor(b"K\0", b"K\x02\x85", b"K\x02\x85"), "outside"),
        ("huge offset", tensor(huge, b"K\x02\x85", b"K\x01\x85"), "outside"),
        ("huge shape and stride", tensor(b"K\0", &twice(huge), &twice(huge)), "outside"),
        ("huge expanded", tensor(b"K\0", &twice(huge), b"K\0K\0\x86"), "geometry"),
        ("negative", tensor(b"K\0", b"J\xff\xff\xff\xff\x85", b"K\x01\x85"), "geometry"),
        ("fewer strides", tensor(b"K\0", b"K\x01K\x01\x86", b"K\x01\x85"), "geometry"),
        ("no shape", tensor(b"K\0", b"N", b"K\x01\x85"), "geometry"),
    ];
    for (what, tensor, kind) in cases {
        let error = error(&with_pickle(&pickle(&dict("a", &tensor))));
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(error.to_string().contains("tensor \"a\""), "{what}: {error}");
    }
    // An empty tensor needs nothing of its storage, however large its other sides are.
    let empty = tensor(b"K\0", &[huge, b"K\0\x86"].concat(), b"K\x01K\x01\x86");
    let checkpoint = Checkpoint::from_bytes(with_pickle(&pickle(&dict("a", &empty)))).unwrap();
    assert!(checkpoint.tensor("a").unwrap().data.is_empty());
}

#[test]
fn limits_hold_to_the_last_one() {
    let plain = fixture("plain.pth");
    let nested = with_pickle(&pickle(&dict("a", &dict("b", &dict("c", &good_tensor())))));
    let expanded = with_pickle(&pickle(&dict("a", &tensor(b"K\0", b"M\xe8\x03\x85", b"K\0\x85"))));
    let packed = fixture("deflated.pth");
    let flat = fixture("plain.safetensors");
    let header = u64::from_le_bytes(*flat.first_chunk().unwrap()) as usize;
    type Set = fn(&mut Limits, usize);
    let cases: [(&str, &[u8], Set, usize); 9] = [
        ("objects", &with_pickle(&pickle(&dict("a", &good_tensor()))), |limits, n| limits.objects = n, 17),
        ("depth", &nested, |limits, n| limits.depth = n, 2),
        ("visits", &nested, |limits, n| limits.visits = n, 6),
        ("tensors", &plain, |limits, n| limits.tensors = n, 5),
        ("names", &plain, |limits, n| limits.name_bytes = n, "bn.num_batches_tracked".len()),
        ("dimensions", &plain, |limits, n| limits.dimensions = n, 4),
        ("expanded", &expanded, |limits, n| (limits.growth, limits.grown_bytes) = (0, n), 4000),
        ("decompressed", &packed, |limits, n| (limits.growth, limits.grown_bytes) = (0, n), 617),
        ("header", &flat, |limits, n| limits.header_bytes = n, header),
    ];
    for (what, bytes, set, enough) in cases {
        let with = |number| {
            let mut limits = Limits::default();
            set(&mut limits, number);
            read(bytes, &limits)
        };
        let found = (0..2 * enough).find(|&number| with(number).is_ok());
        assert_eq!(found, Some(enough), "{what}");
        let error = with(enough - 1).err().unwrap();
        assert!(matches!(error.kind(), "limit" | "geometry" | "header"), "{what}: {error}");
    }
}

#[test]
fn dicts_that_hold_each_other_many_times_end() {
    // Each dict holds the one before under two keys: 2^40 paths.
    let mut object = dict("t", &good_tensor());
    object.extend(b"q\0");
    for _ in 0..40 {
        let both = [b"}".as_slice(), &text("a"), b"h\0s", &text("b"), b"h\0sq\0"].concat();
        object.extend(both);
    }
    let file = with_pickle(&pickle(&object));
    assert_eq!(error(&file).kind(), "ambiguous");
    let error = Checkpoint::read(file, Some(""), &Limits::default()).err().unwrap();
    assert_eq!(error.kind(), "limit", "{error}");
}

#[test]
fn a_cut_or_changed_file_is_an_error_or_another_checkpoint() {
    let (mut cut, mut changed) = (0, 0);
    for name in ["plain.pth", "odd_legacy.pth", "script.pt", "types.safetensors", "deflated.pth"] {
        let whole = fixture(name);
        for length in (0..whole.len()).step_by(7) {
            let error = error(&whole[..length]);
            assert!(!error.to_string().contains('\n'), "{error}");
            cut += 1;
        }
        for at in (0..whole.len()).step_by(3) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            if let Ok(checkpoint) = Checkpoint::from_bytes(bytes) {
                checkpoint.names().for_each(|name| drop(checkpoint.tensor(name)));
            }
            changed += 1;
        }
    }
    assert!(cut > 2000 && changed > 4500, "{cut} {changed}");
}

#[test]
fn a_wrong_safetensors_header_names_the_tensor() {
    let row =
        |shape: &str, range: &str| format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":{range}}}"#);
    let (first, second) = (row("[1]", "[0,4]"), row("[1]", "[4,8]"));
    let cases: [(String, &str, &str); 12] = [
        (format!(r#"{{"a":{first},"a":{second}}}"#), "header", "tensor \"a\" stands there twice"),
        (
            format!(r#"{{"a":{}}}"#, row("[3]", "[0,8]")),
            "header",
            "tensor \"a\" has bytes 0 to 8, which is not [3]",
        ),
        (format!(r#"{{"a":{}}}"#, row("[2]", "[8,0]")), "header", "tensor \"a\" has bytes 8 to 0"),
        (format!(r#"{{"a":{}}}"#, row("[18446744073709551615,2]", "[0,8]")), "header", "tensor \"a\""),
        (format!(r#"{{"a":{}}}"#, row("[-1]", "[0,8]")), "header", "tensor \"a\": invalid value"),
        (format!(r#"{{"a":{first},"b":{first}}}"#), "header", "tensor \"b\" begins at byte 0, expected 4"),
        (format!(r#"{{"a":{first}}}"#), "header", "the file has"),
        (
            format!(r#"{{"a":{first},"b":{second},"c":{}}}"#, row("[1]", "[8,12]")),
            "truncated",
            "tensor \"c\" needs",
        ),
        (r#"{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#.to_owned(), "header", "type \"F33\""),
        (r#"{"a":{"dtype":"F32","shape":[2]}}"#.to_owned(), "header", "tensor \"a\": missing field"),
        (r#"{"__metadata__":{"a":"b"}"#.to_owned(), "header", "EOF"),
        ("{}".to_owned(), "header", "it describes 10 bytes, the file has 18"),
    ];
    for (header, kind, message) in cases {
        let error = error(&safetensors(&header, &[0; 8]));
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
    assert_eq!(error(&safetensors("{}", b"")).kind(), "no_tensors");
    let good = format!(r#"{{"__metadata__":{{"x":"y"}},"b":{second},"a":{first}}}"#);
    let checkpoint = Checkpoint::from_bytes(safetensors(&good, b"\0\0\x80\x3f\0\0\0\x40")).unwrap();
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(checkpoint.tensor("b").unwrap().data, [2.0]);
    // More than is read: refused before anything is allocated.
    let large = [u64::from(u32::MAX).to_le_bytes().as_slice(), b"{"].concat();
    assert_eq!(error(&large).kind(), "header");
}

#[test]
fn the_value_that_is_not_finite_is_named_where_it_stands() {
    let cases = [
        ("nan.pth", "element 4 is NaN"),
        ("nan_transposed.pth", "element 3 is NaN"),
        ("infinite.pth", "element 1 is -inf"),
        ("too_large.pth", "element 0 is 1000000000000000000000000000000000000000"),
    ];
    for (name, message) in cases {
        let checkpoint = Checkpoint::from_bytes(fixture(&format!("refused/{name}"))).unwrap();
        let error = checkpoint.tensor("a").unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn what_was_asked_for_and_is_not_there_lists_what_is() {
    let read = |name, key| Checkpoint::read(fixture(name), Some(key), &Limits::default()).err().unwrap();
    let error = read("ema_and_model.pth", "net");
    assert_eq!(
        error.to_string(),
        "checkpoint: no state dict under \"net\", found \"model_ema\", \"model\", \"optimizer\""
    );
    assert_eq!(read("deep.pth", "model.cfg").kind(), "no_such_key");
    assert_eq!(read("plain.safetensors", "model").kind(), "no_such_key");
    assert_eq!(read("plain.pth", "fc.weight").kind(), "no_such_key");
    assert!(error.hint().contains("--key NAME"));
    assert_eq!(read("plain.pth", "model").hint(), "the file is a bare state dict: leave --key out");
}

#[test]
fn a_tensor_without_numbers_or_behind_a_sign_has_its_own_remedy() {
    // What `torch.save` writes of `torch._neg_view(t)`: the mark is the seventh argument.
    let storage =
        [b"(".as_slice(), &text("storage"), b"ctorch\nFloatStorage\n", &text("0"), &text("cpu"), b"K\x02tQ"]
            .concat();
    let mark = dict("neg", b"\x88");
    let view = [b"ctorch._utils\n_rebuild_tensor_v2\n(".as_slice(), &storage, b"K\0K\x02\x85K\x01\x85\x89N"];
    let view = [view.concat().as_slice(), &mark, b"tR"].concat();
    let negated = error(&with_pickle(&pickle(&dict("a", &view))));
    assert_eq!(
        negated.to_string(),
        "checkpoint: tensor \"a\" is a conjugate or negated view, expected a dense tensor"
    );
    assert!(negated.hint().contains(".resolve_neg()"), "{}", negated.hint());
    let meta = error(&fixture("refused/meta.pth"));
    assert!(meta.hint().contains("before its weights were loaded"), "{}", meta.hint());
    let quantised = error(&fixture("refused/quantized.pth"));
    assert!(quantised.hint().contains(".dequantize()"), "{}", quantised.hint());
}
