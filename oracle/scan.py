"""Parquet files with images, as Hugging Face's data sets have them, written by DuckDB; and records of a scan, read by DuckDB.

    python oracle/scan.py                        # writes the fixtures in crates/dear/tests/fixtures/scan
    python oracle/scan.py RECORDS.parquet        # says what is in the records of `dear scan --out RECORDS.parquet`

Nothing of dear runs here: that each reads what the other writes is what is checked.
"""

import hashlib
import io
import json
import sys
from pathlib import Path

import duckdb
import numpy as np
import PIL
from PIL import Image

FIXTURES = Path(__file__).resolve().parent.parent / "crates/dear/tests/fixtures/scan"
SEED = 0
WHOLE, REAL = {"schema", "row", "width", "height", "orientation"}, {
    "logit", "probability", "threshold", "uncertain_low", "uncertain_high", "stability_low", "stability_high"}


def pictures(count):
    rng = np.random.default_rng(SEED)
    for _ in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        file = io.BytesIO()
        coarse.resize((64, 64), Image.Resampling.BICUBIC).save(file, "JPEG", quality=80)
        yield file.getvalue()


def fixtures():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    db = duckdb.connect()
    files = [*pictures(6)]
    db.execute("CREATE TABLE t (number INTEGER, bytes BLOB, path VARCHAR)")
    rows = [(at, None if at == 3 else file, None if at % 2 else f"cats/{at}.jpg") for at, file in enumerate(files)]
    db.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    db.execute(f"""COPY (SELECT {{'bytes': bytes, 'path': path}} AS image, number AS label FROM t ORDER BY number)
                   TO '{FIXTURES}/structures.parquet' (FORMAT parquet, COMPRESSION snappy)""")
    db.execute(f"""COPY (SELECT number AS label, path, bytes AS photo FROM t ORDER BY number)
                   TO '{FIXTURES}/columns.parquet' (FORMAT parquet, COMPRESSION uncompressed)""")
    expected = [{"path": path or str(at), "sha256": file and hashlib.sha256(file).hexdigest()} for at, file, path in rows]
    about = {"versions": {"duckdb": duckdb.__version__, "numpy": np.__version__, "pillow": PIL.__version__}, "seed": SEED}
    (FIXTURES / "rows.json").write_text(json.dumps({**about, "rows": expected}, indent=1) + "\n")


def records(path):
    db = duckdb.connect()
    db.execute(f"CREATE VIEW records AS SELECT * FROM read_parquet('{path}')")
    for name, kind, *_ in db.execute("DESCRIBE records").fetchall():
        expected = "UBIGINT" if name in WHOLE else "DOUBLE" if name in REAL else "BOOLEAN" if name == "oriented" else "VARCHAR"
        assert kind == expected, (name, kind)
    rows, scored, odd = db.execute(
        """SELECT count(*), count(logit), count(*) FILTER (WHERE (logit IS NULL) <> (status = 'refused')
           OR (verdict = 'generated') <> (logit > coalesce(uncertain_high, threshold))
           OR (logit IS NOT NULL AND (length(sha256) <> 64 OR width IS NULL))) FROM records"""
    ).fetchone()
    assert rows > 0 and odd == 0, (rows, odd)
    print(f"DuckDB {duckdb.__version__}: {rows} records, {scored} scored")


if __name__ == "__main__":
    records(sys.argv[1]) if len(sys.argv) > 1 else fixtures()
