//! The example pipeline, run as its users run it, against figures computed without Transom (`transom_tests::flights`).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use transom_build::BuildOptions;
use transom_file::{LoadOptions, load};
use transom_pipeline::plan::{Part, Slice, Sources};
use transom_pipeline::report::RunReport;
use transom_pipeline::run::{Observer, RunOptions};
use transom_pipeline::{BuildFailure, Builder, Found, Job, plugins};
use transom_plugin::{Cancel, Runtime, RuntimeOptions};
use transom_tests::flights::{Daily, expected};
use transom_tests::runner::python_runner;

struct Silent;

impl Observer for Silent {
    fn begin(&self, _stage: usize, _stages: usize, _what: &str) {}
    fn rows(&self, _rows: u64) {}
    fn end(&self, _rows: u64, _took: Duration) {}
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/flights")
        .canonicalize()
        .unwrap()
}

/// The example in a folder of its own, so that its results are too; data and plugins stay where they are.
fn copy_of_example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["data", "plugins", "sql", "transom.yaml"] {
        std::os::unix::fs::symlink(example().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn run_example(folder: &Path, target: &str) -> RunReport {
    let job = job_of_example(folder, target);
    runtime().block_on(async {
        let mut planned = job.plan(Sources::Open, &Part::default()).await.unwrap();
        job.run(&mut planned, &RunOptions::default(), &Silent)
            .await
            .unwrap()
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

fn job_of_example(folder: &Path, target: &str) -> Job {
    let options = LoadOptions {
        target: Some(target.to_owned()),
        ..LoadOptions::default()
    };
    let pipeline = load(&folder.join("transom.yaml"), &options).expect("the example is right");
    // Compiled code is shared by all tests of this machine.
    let cache = transom_build::cache_folder()
        .ok()
        .map(|cache| cache.join("cwasm"));
    let runtime = Runtime::new(RuntimeOptions {
        cache,
        python_runner: Some(python_runner(env!("CARGO_TARGET_TMPDIR"))),
        python_runner_digest: Some(transom_build::python_runner_digest),
    })
    .unwrap();
    let plugins = plugins::load(&pipeline, &runtime, &Compilers, |_| {}).unwrap();
    Job::new(pipeline, plugins)
}

/// The compilers of this machine.
struct Compilers;

impl Builder for Compilers {
    fn component(&self, folder: &Path, building: &dyn Fn()) -> Result<PathBuf, BuildFailure> {
        let built = transom_build::up_to_date(folder, &BuildOptions::default(), building);
        let built = built.map_err(|error| BuildFailure {
            hint: error.hint(),
            compiler_output: error.compiler_output().map(str::to_owned),
            error: Box::new(error),
        });
        Ok(built?.component)
    }

    fn find(&self, folder: &Path) -> Result<Found, BuildFailure> {
        self.component(folder, &|| ()).map(Found::UpToDate)
    }
}

/// All rows under a folder, in files and Hive folders.
fn read_all(folder: &Path) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            batches.extend(read_all(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            let reader =
                ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap())
                    .unwrap();
            batches.extend(reader.build().unwrap().map(|batch| batch.unwrap()));
        }
    }
    batches
}

fn daily_of(batches: &[RecordBatch]) -> BTreeMap<(String, String), Daily> {
    let mut daily = BTreeMap::new();
    for batch in batches {
        let text = |name: &str| cast(batch.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
        let whole =
            |name: &str| cast(batch.column_by_name(name).unwrap(), &DataType::Int64).unwrap();
        let float =
            |name: &str| cast(batch.column_by_name(name).unwrap(), &DataType::Float64).unwrap();
        for row in 0..batch.num_rows() {
            let text = |name: &str| text(name).as_string::<i32>().value(row).to_owned();
            let maybe = |name: &str| {
                let column = whole(name);
                column
                    .is_valid(row)
                    .then(|| column.as_primitive::<Int64Type>().value(row))
            };
            let whole = |name: &str| maybe(name).unwrap();
            let float = |name: &str| {
                let column = float(name);
                column
                    .is_valid(row)
                    .then(|| column.as_primitive::<Float64Type>().value(row))
            };
            let day = Daily {
                airline: text("airline"),
                flights: whole("flights"),
                cancelled: whole("cancelled"),
                mean_delay: float("mean_delay"),
                median_delay: float("median_delay"),
                late: whole("late"),
                late_again: whole("late_again"),
                inherited_share: float("inherited_share"),
                worst_gust: float("worst_gust"),
                worst_visibility: float("worst_visibility"),
                rough: whole("rough"),
                seats: maybe("seats"),
                seats_known: whole("seats_known"),
                mean_age: float("mean_age"),
                untraced: whole("untraced"),
                max_deviation: float("max_deviation"),
            };
            let twice = daily.insert((text("day"), text("carrier")), day);
            assert_eq!(twice, None, "a day and carrier has two rows");
        }
    }
    daily
}

fn agrees_with_the_independent_computation(target: &str, months: RangeInclusive<u32>) {
    let folder = copy_of_example();
    let report = run_example(folder.path(), target);
    agrees(folder.path(), &report, months);
}

fn agrees(folder: &Path, report: &RunReport, months: RangeInclusive<u32>) {
    let expected = expected(&example().join("data"), months);

    let daily = daily_of(&read_all(&folder.join("out/daily")));
    assert_eq!(
        daily.keys().collect::<Vec<_>>(),
        expected.daily.keys().collect::<Vec<_>>()
    );
    for (key, computed) in &daily {
        let independent = &expected.daily[key];
        if let Some(column) = computed.disagreement(independent) {
            panic!("{key:?} differs in `{column}`: {computed:?} is not {independent:?}");
        }
    }

    let rows = |path: &str| {
        read_all(&folder.join(path))
            .iter()
            .map(RecordBatch::num_rows)
            .sum::<usize>()
    };
    assert_eq!(rows("out/aircraft"), expected.aircraft);
    assert_eq!(
        rows("out/dead_letters/turnarounds"),
        expected.dead_letters.len()
    );

    let [transform] = report.transforms.as_slice() else {
        panic!("{:?}", report.transforms)
    };
    assert_eq!(transform.rows_out, expected.turnarounds as u64);
    assert_eq!(report.rows_rejected, expected.dead_letters.len() as u64);
    let rows_of = |name: &str| {
        let mut sinks = report.sinks.iter();
        sinks.find(|sink| sink.name == name).map(|sink| sink.rows)
    };
    assert_eq!(rows_of("daily"), Some(expected.daily.len() as u64));
    assert_eq!(rows_of("aircraft"), Some(expected.aircraft as u64));
}

#[test]
fn january_agrees_with_the_independent_computation() {
    agrees_with_the_independent_computation("january", 1..=1);
}

#[test]
fn one_plan_serves_one_month_after_another() {
    let folder = copy_of_example();
    let job = job_of_example(folder.path(), "year");
    runtime().block_on(async {
        let mut planned = job.plan(Sources::Open, &Part::default()).await.unwrap();
        let all = planned.inputs();
        // The last month twice: nothing of the run before is left.
        for month in [2, 1, 1] {
            let mut inputs = all["flights"].clone();
            let file = format!("2013-{month:02}.parquet");
            inputs.pieces.retain(|piece| piece.path.ends_with(&file));
            let slice = Slice {
                inputs: BTreeMap::from([("flights".to_owned(), inputs)]),
                time: job.session.time,
                cancel: Cancel::new(),
            };
            let begun = Instant::now();
            planned.begin(slice).await.unwrap();
            println!("ready for another slice after {:?}", begun.elapsed());
            let report = job.run(&mut planned, &RunOptions::default(), &Silent).await;
            agrees(folder.path(), &report.unwrap(), month..=month);
        }
    });
}

#[test]
#[ignore = "slow in a debug build; `just test-slow` runs it"]
fn the_year_agrees_with_the_independent_computation() {
    agrees_with_the_independent_computation("year", 1..=12);
}
