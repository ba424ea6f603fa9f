//! Tables of images that another program wrote: `oracle/scan.py` has DuckDB write Parquet as Hugging Face's data sets are.

use std::path::Path;

use dear::detector::Detector;
use dear::engine::EngineOptions;
use dear::observe::Silent;
use dear::scan::{Cache, InputOptions, Inputs, Scan, ScanOptions, Status};
use serde_json::Value;

#[test]
fn every_row_comes_with_its_name_and_its_exact_bytes() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/scan");
    let oracle: Value = serde_json::from_slice(&fs_err::read(fixtures.join("rows.json")).unwrap()).unwrap();
    let rows = oracle["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    let detector = Detector::mini(&EngineOptions::builtin()).unwrap();
    for (file, column) in [("structures.parquet", None), ("columns.parquet", Some("photo"))] {
        let path = fixtures.join(file);
        let options = InputOptions { column: column.map(str::to_owned), ..InputOptions::default() };
        let inputs = Inputs::new(std::slice::from_ref(&path), options).unwrap();
        assert_eq!(inputs.total(), Some(6));
        let (options, cache) = (ScanOptions::default(), Cache::temporary().unwrap());
        let mut records = Vec::new();
        let scan = Scan { detector: &detector, options, cache, observer: &Silent };
        let tally = scan.run(inputs, |record| {
            records.push(record);
            Ok(())
        });
        assert_eq!(tally.unwrap().scored, 5, "one row has no bytes");
        for (record, row) in records.iter().zip(rows) {
            assert_eq!(record.path, format!("{}#{}", path.display(), row["path"].as_str().unwrap()));
            assert_eq!(record.sha256.as_deref(), row["sha256"].as_str());
            assert_eq!(record.status == Status::Scored, row["sha256"].is_string());
        }
    }
}
