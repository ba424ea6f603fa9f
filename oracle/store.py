"""Reads a feature store with DuckDB, and says what is in it: `python oracle/store.py FOLDER`.

Nothing of dear runs here: that a foreign reader gets the same table is what is checked. It fails where the columns, their
types or simple facts are other than docs/files.md says.
"""

import sys
from pathlib import Path

import duckdb

FOLDER = Path(sys.argv[1])
EXPECTED = {
    "path": "VARCHAR", "sha256": "VARCHAR", "label": "UTINYINT", "subset": "VARCHAR", "view": "UINTEGER",
    "chain": "VARCHAR", "error_kind": "VARCHAR", "error": "VARCHAR", "warning": "VARCHAR", "mask_share": "FLOAT",
    "pooled": "FLOAT[]", "w_in": "DOUBLE", "w_bg": "DOUBLE", "mu_in": "FLOAT[]", "mu_bg": "FLOAT[]",
    "sq_in": "FLOAT[]", "sq_bg": "FLOAT[]",
}

db = duckdb.connect()
db.execute(f"CREATE VIEW store AS SELECT * FROM read_parquet('{FOLDER}/*.parquet')")
found = {name: kind for name, kind, *_ in db.execute("DESCRIBE store").fetchall()}
assert found == EXPECTED, found

bytes_of = sum(path.stat().st_size for path in FOLDER.glob("*.parquet"))
rows, images, channels, odd = db.execute(
    """SELECT count(*), count(DISTINCT sha256), max(len(pooled)), count(*) FILTER (WHERE error IS NULL AND pooled IS NULL)
       FROM store"""
).fetchone()
assert rows > 0 and odd == 0, (rows, odd)

# The mean over the view is the mean inside and outside of the mask, weighted: computed by DuckDB, in double precision.
# f32 moments of values up to about 10 and their f32 mean: 1e-4 is ten roundings of 1e-6 x 10.
probes, worst = db.execute(
    """SELECT count(*), max(list_max(list_transform(range(1, len(pooled) + 1),
              lambda k : abs(pooled[k] - (w_in * mu_in[k] + w_bg * mu_bg[k]) / (w_in + w_bg)))))
       FROM store WHERE w_in > 0.001 AND w_bg > 0.001"""
).fetchone()
assert probes > 0 and worst < 1e-4, (probes, worst)
print(f"DuckDB {duckdb.__version__}: {rows} rows of {images} images, {channels} channels, {bytes_of / rows:.0f} bytes a row;")
print(f"{probes} probe views whose regions add up to the pooled vector within {worst:.1e}")
