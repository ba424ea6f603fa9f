use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, BinaryArray, DictionaryArray, Int32Array, LargeBinaryArray, RecordBatch, StringArray,
    StructArray,
};
use arrow_schema::{DataType, Field, Fields};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use sha2::{Digest, Sha256};

use super::*;
use crate::columns::tests::said_to_be_zstd;
use crate::engine::EngineOptions;
use crate::observe::{Observer, Silent};

/// A picture of 64 x 64 pixels.
pub(super) fn picture(seed: u32) -> Vec<u8> {
    let image = Image::from_fn(64, 64, |x, y| {
        [(x * 5 + seed * 31) as u8, (y * 3 + seed * 7) as u8, ((x ^ y) + seed) as u8]
    });
    dear_image::encode_png(&image).unwrap()
}

fn detector() -> Detector {
    Detector::mini(&EngineOptions { threads: Some(1), ..EngineOptions::builtin() }).unwrap()
}

/// A folder of `n` pictures, the last two of which are the same as the first.
fn folder(n: u32) -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    for number in 0..n {
        let seed = if number + 2 >= n { 0 } else { number };
        fs_err::write(temp.path().join(format!("{number:03}.png")), picture(seed)).unwrap();
    }
    temp
}

fn scanned(cache: Cache, paths: &[PathBuf], options: InputOptions) -> Result<(Vec<Record>, Tally), Error> {
    let mut records = Vec::new();
    let scan = Scan { detector: &detector(), options: ScanOptions::default(), cache, observer: &Silent };
    let tally = scan.run(Inputs::new(paths, options)?, |record| {
        records.push(record);
        Ok(())
    })?;
    Ok((records, tally))
}

fn scan_all(cache: Cache, paths: &[PathBuf]) -> (Vec<Record>, Tally) {
    scanned(cache, paths, InputOptions::default()).unwrap()
}

fn temporary(paths: &[PathBuf]) -> Vec<Record> {
    scan_all(Cache::temporary().unwrap(), paths).0
}

#[test]
fn each_picture_is_scored_once_and_never_again() {
    let (temp, cache) = (folder(100), tempfile::tempdir().unwrap());
    let paths = [temp.path().to_owned()];
    let file = cache.path().join("deep/scan.sqlite");
    let (first, tally) = scan_all(Cache::open(&file).unwrap(), &paths);
    let expected = Tally { records: 100, scored: 98, duplicates: 2, ..Tally::default() };
    assert_eq!((first.len(), tally), (100, expected));
    // As each file alone, which knows no cache.
    for record in first.iter().step_by(9).chain(first.last()) {
        let alone = score_file(&detector(), Path::new(&record.path), &ScanOptions::default()).unwrap();
        assert_eq!(*record, alone);
    }
    let (again, tally) = scan_all(Cache::open(&file).unwrap(), &paths);
    assert_eq!(tally, Tally { records: 100, cached: 100, ..Tally::default() });
    assert_eq!(again, first);
    assert_eq!(temporary(&paths), first);
}

#[test]
fn a_rescan_takes_what_the_cache_says_and_looks_at_no_pixel() {
    let (temp, cache) = (folder(5), tempfile::tempdir().unwrap());
    let (paths, file) = ([temp.path().to_owned()], cache.path().join("scan.sqlite"));
    let (first, _) = scan_all(Cache::open(&file).unwrap(), &paths);
    // As it would be, had the image answered so.
    let mut forged = first[1].clone();
    forged.logit = Some(123.5);
    {
        let mut cache = Cache::open(&file).unwrap();
        cache.begin(outcome::subject(&detector(), &ScanOptions::default())).unwrap();
        let hash: cache::Hash = Sha256::digest(picture(1)).into();
        cache.put(&hash, &outcome::Outcome::of(&forged)).unwrap();
    }
    let (again, tally) = scan_all(Cache::open(&file).unwrap(), &paths);
    assert_eq!(tally.cached, 5);
    assert_eq!((again[1].logit, again[2].logit), (Some(123.5), first[2].logit));
}

#[test]
fn what_decides_a_record_is_in_the_key() {
    let (temp, cache) = (folder(3), tempfile::tempdir().unwrap());
    let file = cache.path().join("scan.sqlite");
    let with = |options: ScanOptions| {
        let detector = detector();
        let scan =
            Scan { detector: &detector, options, cache: Cache::open(&file).unwrap(), observer: &Silent };
        let inputs = Inputs::new(&[temp.path().to_owned()], InputOptions::default()).unwrap();
        scan.run(inputs, |_| Ok(())).unwrap().cached
    };
    let plain = ScanOptions::default();
    let white = DecodeOptions { alpha: dear_image::Alpha::White, ..DecodeOptions::default() };
    let options = [
        plain,
        ScanOptions { stability: true, ..plain },
        ScanOptions { provenance: true, ..plain },
        ScanOptions { decode: white, ..plain },
    ];
    assert_eq!(options.map(with), [0; 4]);
    assert_eq!(options.map(with), [3; 4]);
    // Threads are not: the record says how many there were.
    let detector = Detector::mini(&EngineOptions { threads: Some(2), ..EngineOptions::builtin() }).unwrap();
    let scan =
        Scan { detector: &detector, options: plain, cache: Cache::open(&file).unwrap(), observer: &Silent };
    let inputs = Inputs::new(&[temp.path().to_owned()], InputOptions::default()).unwrap();
    let mut threads = Vec::new();
    let tally = scan
        .run(inputs, |record| {
            threads.push(record.engine.threads);
            Ok(())
        })
        .unwrap();
    assert_eq!((tally.cached, threads), (3, vec![1; 3]));
}

#[test]
fn the_order_is_that_of_the_inputs_and_a_missing_file_is_a_record() {
    let temp = folder(4);
    let at = |name: &str| temp.path().join(name);
    let paths = [at("002.png"), at("none.png"), at("00[01].png"), temp.path().to_owned(), at("001.png")];
    let records = temporary(&paths);
    let names: Vec<&str> = records.iter().map(|record| record.path.rsplit('/').next().unwrap()).collect();
    let expected =
        ["002", "none", "000", "001", "000", "001", "002", "003", "001"].map(|name| format!("{name}.png"));
    assert_eq!(names, expected);
    let missing = &records[1];
    assert_eq!((missing.status, missing.sha256.as_deref()), (Status::Refused, None));
    assert_eq!(missing.error.as_ref().unwrap().kind, "unreadable");
    // A file whose name is also a pattern is that file.
    fs_err::write(at("0*.png"), picture(9)).unwrap();
    assert_eq!(temporary(&[at("0*.png")]).len(), 1);
}

#[test]
fn a_decoder_that_fails_refuses_one_image() {
    let failed = guarded(|| -> u8 { panic!("index out of bounds") }).unwrap_err();
    assert_eq!((&*failed.kind, &*failed.message), ("corrupt", "the decoder failed"));
    assert_eq!(guarded(|| 7), Ok(7));
}

#[test]
fn inputs_that_cannot_be_meant_are_said_before_any_work() {
    let temp = folder(2);
    let at = |name: &str| temp.path().join(name);
    fs_err::create_dir(at("empty")).unwrap();
    for (name, rows) in [("tables/none.parquet", 0), ("more/deep/some.pq", 1)] {
        fs_err::create_dir_all(at(name).parent().unwrap()).unwrap();
        table(&at(name), &structures(&vec![(Some(picture(1)), None); rows]), 10);
    }
    let null = InputOptions { null: true, ..InputOptions::default() };
    let column = InputOptions { column: Some("image".to_owned()), ..InputOptions::default() };
    let cases: [(&[PathBuf], &InputOptions, &str); 10] = [
        (&[at("none")], &InputOptions::default(), "none: does not exist, expected"),
        (&[at("none"), at("nothing")], &InputOptions::default(), "none: does not exist, expected"),
        (&[at("000.png"), at("*.gif")], &InputOptions::default(), "*.gif: no file fits this pattern"),
        (&[at("000.png"), at("empty")], &InputOptions::default(), "empty: no image found"),
        (&["-".into(), at("000.png"), "-".into()], &InputOptions::default(), "- stands twice"),
        (&[at("000.png")], &null, "paths that end in NUL, and no list"),
        (&[at("000.png"), at("more")], &column, r#"a column of Parquet files ("image"), and no such file"#),
        (&[at("tables")], &InputOptions::default(), "tables: no image found (1 other file passed over)"),
        (&[at("more")], &InputOptions::default(), "more: no image found (1 other file passed over)"),
        (
            &[at("tables/none.parquet")],
            &InputOptions::default(),
            "none.parquet: no image found (Parquet without any row), expected at least one",
        ),
    ];
    for (paths, options, expected) in cases {
        let error = Inputs::new(paths, options.clone()).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().is_some() && error.category() == crate::error::Category::Input, "{error}");
    }
    for (folder, pattern) in [("tables", "tables/*.parquet"), ("more", "more/**/*.pq")] {
        let error = Inputs::new(&[at(folder)], InputOptions::default()).map(|_| ()).unwrap_err();
        let expected = format!("name Parquet files themselves: '{}'", at(pattern).display());
        assert_eq!(error.hint(), Some(expected));
    }
    // Beside a picture, a table without rows is no error; and a pattern may bring tables.
    assert_eq!(temporary(&[at("000.png"), at("tables/none.parquet")]).len(), 1);
    assert_eq!(Inputs::new(&[at("more/**/*.pq")], column).unwrap().total(), Some(1));
}

#[test]
fn shards_part_the_files_of_a_folder_and_the_rows_of_a_table() {
    let temp = folder(40);
    table(
        &temp.path().join("rows.parquet"),
        &structures(&(0..40).map(|n| (Some(picture(n)), None)).collect::<Vec<_>>()),
        10,
    );
    let paths = [temp.path().to_owned(), temp.path().join("rows.parquet")];
    let all = temporary(&paths);
    assert_eq!(all.len(), 80);
    let mut found = Vec::new();
    for number in 1..=3 {
        let shard = Some(format!("{number}/3").parse().unwrap());
        let options = InputOptions { shard, ..InputOptions::default() };
        let inputs = Inputs::new(&paths, options.clone()).unwrap();
        let (records, tally) = scanned(Cache::temporary().unwrap(), &paths, options).unwrap();
        assert_eq!(inputs.total(), Some(tally.records));
        assert!((5..=45).contains(&tally.records), "{}", tally.records);
        found.extend(records);
    }
    found.sort_by_key(|record| all.iter().position(|one| one.path == record.path));
    assert_eq!(found, all);
}

/// A stop asked for after some records.
struct After(std::sync::atomic::AtomicU64);

impl Observer for After {
    fn event(&self, event: crate::observe::Event<'_>) {
        if let crate::observe::Event::Advanced { by } = event {
            self.0.fetch_sub(by, std::sync::atomic::Ordering::SeqCst);
        }
    }
    fn cancelled(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::SeqCst) == 0
    }
}

#[test]
fn a_stopped_scan_goes_on_where_it_was() {
    let (temp, cache) = (folder(12), tempfile::tempdir().unwrap());
    let (paths, file) = ([temp.path().to_owned()], cache.path().join("scan.sqlite"));
    let detector = detector();
    let stopped = |cache| {
        let observer = After(5.into());
        let scan = Scan { detector: &detector, options: ScanOptions::default(), cache, observer: &observer };
        let mut seen = 0;
        let error = scan.run(Inputs::new(&paths, InputOptions::default()).unwrap(), |_| {
            seen += 1;
            Ok(())
        });
        (seen, error.unwrap_err())
    };
    let (seen, error) = stopped(Cache::open(&file).unwrap());
    assert!(seen == 5 && matches!(error, Error::Interrupted), "{seen} {error:?}");
    let (seen, error) = stopped(Cache::temporary().unwrap());
    assert!(seen == 5 && matches!(error, Error::Abandoned), "{seen} {error:?}");
    let (records, tally) = scan_all(Cache::open(&file).unwrap(), &paths);
    // The last two are the same as the first.
    assert_eq!((tally.cached, tally.scored, tally.duplicates), (7, 5, 0));
    assert_eq!(records, temporary(&paths));
}

/// Bytes and path of a row.
type Row = (Option<Vec<u8>>, Option<&'static str>);

/// A column `image` as Hugging Face stores it.
fn structures(rows: &[Row]) -> RecordBatch {
    let (mut bytes, mut paths) = (BinaryBuilder::new(), StringBuilder::new());
    for (image, path) in rows {
        bytes.append_option(image.as_ref());
        paths.append_option(*path);
    }
    let fields: Fields =
        vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)].into();
    let arrays: Vec<ArrayRef> = vec![Arc::new(bytes.finish()), Arc::new(paths.finish())];
    let images: ArrayRef = Arc::new(StructArray::new(fields, arrays, None));
    let labels: ArrayRef = Arc::new((0..rows.len() as i32).collect::<Int32Array>());
    RecordBatch::try_from_iter([("image", images), ("label", labels)]).unwrap()
}

fn table(path: &Path, batch: &RecordBatch, group: usize) {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let file = fs_err::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn rows_of_a_table_are_scored_as_files_are() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("train.parquet");
    let mut rows: Vec<Row> = (0..30).map(|seed| (Some(picture(seed)), None)).collect();
    rows[1] = (Some(picture(1)), Some("cats/one.png"));
    rows[2] = (None, Some("cats/two.png"));
    rows[3] = (Some(b"no image".to_vec()), Some(""));
    table(&file, &structures(&rows), 7);
    let records = temporary(std::slice::from_ref(&file));
    assert_eq!(records.len(), 30);
    let shown = file.display();
    let alone = temp.path().join("alone.png");
    for (at, (record, (bytes, name))) in records.iter().zip(&rows).enumerate() {
        let name = name.filter(|name| !name.is_empty()).map_or(at.to_string(), str::to_owned);
        assert_eq!(record.path, format!("{shown}#{name}"));
        match bytes {
            Some(bytes) => {
                fs_err::write(&alone, bytes).unwrap();
                let expected = score_file(&detector(), &alone, &ScanOptions::default()).unwrap();
                let (path, row) = (record.path.clone(), Some(at as u64));
                assert_eq!(*record, Record { path, row, ..expected }, "{at}");
            }
            None => {
                let error = record.error.as_ref().unwrap();
                assert_eq!((&*error.kind, record.sha256.as_deref()), ("unreadable", None));
                assert!(error.message.contains("its bytes are null"), "{}", error.message);
            }
        }
        assert_eq!(record.row, Some(at as u64));
    }
}

#[test]
fn a_row_is_known_by_its_number_where_paths_repeat() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("train.parquet");
    let images: ArrayRef = Arc::new(BinaryArray::from_iter_values([1, 2, 1, 3].map(picture)));
    // As pandas stores a categorical column.
    let names = [Some("a.png"), Some("b.png"), Some("a.png"), None].into_iter();
    let names: ArrayRef = Arc::new(names.collect::<DictionaryArray<Int8Type>>());
    table(&file, &RecordBatch::try_from_iter([("image", images), ("path", names)]).unwrap(), 3);
    let alone = temp.path().join("alone.png");
    fs_err::write(&alone, picture(4)).unwrap();
    let records = temporary(&[file, alone]);
    let seen: Vec<_> =
        records.iter().map(|record| (record.path.rsplit('#').next().unwrap(), record.row)).collect();
    let expected = [("a.png", Some(0)), ("b.png", Some(1)), ("a.png", Some(2)), ("3", Some(3))];
    assert_eq!((&seen[..4], seen[4].1), (&expected[..], None));
    // In text, too.
    for form in [RecordForm::Jsonl, RecordForm::Csv] {
        let mut writer = RecordWriter::new(Vec::new(), form).unwrap();
        records.iter().for_each(|record| writer.write(record).unwrap());
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        assert!(text.contains(if form == RecordForm::Csv { "a.png,,2," } else { "\"row\":2," }), "{text}");
    }
}

#[test]
fn a_compression_that_is_not_read_is_said_before_any_work() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("zstd.parquet");
    table(&file, &structures(&[(Some(picture(1)), None), (Some(picture(2)), None)]), 1);
    let whole = fs_err::read(&file).unwrap();
    let message = "Parquet compressed with zstd, expected none or snappy";
    for column in ["bytes", "path"] {
        fs_err::write(&file, said_to_be_zstd(&whole, column)).unwrap();
        let error =
            Inputs::new(std::slice::from_ref(&file), InputOptions::default()).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: {message}", file.display()));
        assert!(error.hint().unwrap().contains("Snappy"));
        assert_eq!(error.category(), crate::error::Category::Input);
    }
    // In a list it is a record.
    let items: Vec<_> = InputOptions::default().items(file.clone()).collect();
    let [inputs::Item::Refused { refusal, row: None, .. }] = &items[..] else { panic!("{}", items.len()) };
    assert_eq!((&*refusal.kind, &*refusal.message), ("unsupported", message));
    // A column that is not read may have any.
    fs_err::write(&file, said_to_be_zstd(&whole, "label")).unwrap();
    assert!(temporary(std::slice::from_ref(&file)).iter().all(|record| record.logit.is_some()));
}

#[test]
fn images_may_stand_in_other_columns() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("x.PARQUET");
    let images = || -> ArrayRef { Arc::new(BinaryArray::from_iter_values([picture(1), picture(2)])) };
    let large: ArrayRef = Arc::new(LargeBinaryArray::from_iter_values([picture(3), picture(4)]));
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a.png"), None]));
    let columns = [("content", images()), ("path", names), ("thumb", large)];
    table(&file, &RecordBatch::try_from_iter(columns).unwrap(), 10);
    let seen = |column: Option<&str>| {
        let options = InputOptions { column: column.map(str::to_owned), ..InputOptions::default() };
        scanned(Cache::temporary().unwrap(), std::slice::from_ref(&file), options).map(|(records, _)| {
            let hash = |seed| Some(sha256_hex(&picture(seed)));
            let name = |record: &Record| record.path.rsplit('#').next().unwrap().to_owned();
            assert_eq!([name(&records[0]), name(&records[1])], ["a.png", "1"]);
            (0..9).find(|&seed| records[0].sha256 == hash(seed)).unwrap()
        })
    };
    assert_eq!((seen(None).unwrap(), seen(Some("thumb")).unwrap()), (1, 3));
    for column in ["path", "none"] {
        let error = seen(Some(column)).unwrap_err();
        let expected = format!("no column {column} of binary values");
        assert!(error.to_string().contains(&expected), "{error}");
        assert!(error.to_string().contains(r#"found "content" (binary), "path" (utf8), "thumb""#), "{error}");
        assert!(error.hint().unwrap().contains("--column"));
    }
}

#[test]
fn a_cut_table_gives_the_rows_it_has_or_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let whole = temp.path().join("whole.parquet");
    table(&whole, &structures(&(0..12).map(|seed| (Some(picture(seed)), None)).collect::<Vec<_>>()), 4);
    let bytes = fs_err::read(&whole).unwrap();
    let cut = temp.path().join("cut.parquet");
    let mut seen = 0;
    for end in (0..bytes.len()).step_by(bytes.len() / 20) {
        fs_err::write(&cut, &bytes[..end]).unwrap();
        let records = temporary(std::slice::from_ref(&cut));
        let error = records[0].error.as_ref().unwrap();
        assert_eq!(
            (records.len(), &*error.kind, records[0].path.as_str()),
            (1, "corrupt", &*cut.display().to_string())
        );
        seen += 1;
    }
    assert!(seen >= 20);
    // Damaged in its third row group: the rows before it are there, as far as they are not read with one of it.
    let mut damaged = bytes.clone();
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes.clone())).unwrap();
    let (start, length) = reader.metadata().row_group(2).column(0).byte_range();
    damaged[start as usize..][..length as usize].fill(0xff);
    fs_err::write(&cut, &damaged).unwrap();
    let records = temporary(std::slice::from_ref(&cut));
    let scored = records.iter().filter(|record| record.logit.is_some()).count();
    assert_eq!(scored, 8);
    let refused: Vec<_> = records.iter().filter_map(|record| record.error.as_ref()).collect();
    assert_eq!(refused.len(), 1);
    let expected = "; 3 rows after this row cannot be read either";
    assert!(refused[0].message.ends_with(expected), "{}", refused[0].message);
}

#[test]
fn a_verdict_needs_a_logit_beyond_the_band_or_the_threshold() {
    let threshold = |uncertain| Threshold { value: 1.0, uncertain, ..Threshold::default() };
    let words = |threshold: &Threshold| {
        [0.0, 0.5, 0.7, 1.0, 1.5, 2.0, 2.1].map(|logit| &Verdict::of(logit, threshold).word()[..1])
    };
    assert_eq!(words(&threshold(None)), ["r", "r", "r", "u", "g", "g", "g"]);
    assert_eq!(words(&threshold(Some([0.5, 1.0]))), ["r", "u", "u", "u", "g", "g", "g"]);
    assert_eq!(words(&threshold(Some([1.0, 2.0]))), ["r", "r", "r", "u", "u", "u", "g"]);
}
