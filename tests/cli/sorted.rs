//! What a sink says of its files: the order of their rows, and where they end.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::invoke::succeeds;
use crate::program::Project;

const ROWS: i64 = 120_000;

fn pipeline(sink: &str) -> Project {
    let project = Project::empty();
    // No order that any step might bring about by chance; each value twice, and some that are missing.
    let lines = (0..ROWS).map(|row| match row % 1000 {
        999 => format!("{row},,{}\n", row % 3),
        _ => format!("{row},{},{}\n", row * 7919 % (ROWS / 2), row % 3),
    });
    let text = format!("id,value,part\n{}", lines.collect::<String>());
    project.write("raw.csv", text);
    project.write(
        "transom.yaml",
        format!(
            "name: p\nsources: {{ raw: {{ path: raw.csv }} }}\nsinks: {{ out: {{ from: raw, path: out, format: parquet{sink} }} }}\n"
        ),
    );
    project
}

/// `value` and `id`.
type Row = (Option<i64>, i64);

/// Of each file below a folder: its rows, and its number of row groups.
fn files(folder: &Path) -> Vec<(Vec<Row>, usize)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(self::files(&path));
            continue;
        }
        // Beside them there is an empty one, which says that the table is complete.
        if path
            .extension()
            .is_none_or(|extension| extension != "parquet")
        {
            continue;
        }
        let file = File::open(&path).expect("it opens");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
        let groups = reader.metadata().num_row_groups();
        let mut rows = Vec::new();
        for batch in reader.build().expect("Parquet") {
            let batch = batch.expect("a batch");
            let column = |name: &str| batch.column_by_name(name).expect("the column").clone();
            let (values, ids) = (column("value"), column("id"));
            let (values, ids) = (
                values.as_primitive::<Int64Type>(),
                ids.as_primitive::<Int64Type>(),
            );
            rows.extend((0..batch.num_rows()).map(|row| {
                let value = values.is_valid(row).then(|| values.value(row));
                (value, ids.value(row))
            }));
        }
        files.push((rows, groups));
    }
    files
}

#[test]
fn rows_are_in_order_within_files_of_a_size() {
    let sizes = ", file_size: 10kB, row_group_size: 5kB";
    for (partitions, by) in [("1", ""), ("3", ""), ("3", ", partition_by: [part]")] {
        let order = ", sort_by: [{ column: value, desc: true, nulls_first: false }, id]";
        let project = pipeline(&format!("{order}{sizes}{by}"));
        succeeds(&project, &["run", "--quiet", "--partitions", partitions]);
        let files = files(&project.path().join("out"));
        let rows: usize = files.iter().map(|(rows, _)| rows.len()).sum();
        assert_eq!(rows as i64, ROWS, "{partitions} {by}");
        assert!(files.len() > 3, "{partitions} {by}: {} files", files.len());
        let groups: usize = files.iter().map(|(_, groups)| groups).sum();
        assert!(
            groups > files.len(),
            "{partitions} {by}: {groups} row groups"
        );
        for (rows, _) in files {
            // The largest first, missing ones last; of equals the smallest `id` first.
            let key = |(value, id): &(Option<i64>, i64)| (value.is_none(), value.map(|v| -v), *id);
            assert!(rows.is_sorted_by_key(key), "{partitions} {by}");
        }
    }
}

#[test]
fn rows_are_sorted_by_columns_that_are_there() {
    let project = pipeline(", sort_by: [valeu]");
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(
        ran.stderr.contains("`raw` has no column `valeu`"),
        "{}",
        ran.all()
    );
    assert!(
        ran.stderr.contains("did you mean `value`?"),
        "{}",
        ran.all()
    );
}
