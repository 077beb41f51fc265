//! What is in the bucket that COPY reads.

use std::io::Read as _;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int16Array,
    Int32Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::Int32Type;
use parquet::arrow::ArrowWriter;
use transom_redshift::Objects;

use crate::OneBucket;

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Bytes in the place of others of the same length, wherever they are.
fn patched(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

fn bzipped(text: &str) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder = bzip2::read::BzEncoder::new(text.as_bytes(), bzip2::Compression::fast());
    encoder.read_to_end(&mut packed).unwrap();
    packed
}

fn zstd_packed(text: &str) -> Vec<u8> {
    zstd::stream::encode_all(text.as_bytes(), 0).unwrap()
}

fn ids(ids: &[Option<i32>]) -> ArrayRef {
    Arc::new(Int32Array::from(ids.to_vec()))
}

fn texts(texts: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

pub(crate) async fn fill(bucket: &OneBucket) {
    let two = parquet(vec![
        ("id", ids(&[Some(1), Some(2)])),
        ("name", texts(&["a", "bé"])),
    ]);
    let more = parquet(vec![
        ("id", ids(&[Some(3), None])),
        ("name", texts(&["c", "d"])),
    ]);
    let long = parquet(vec![
        ("id", ids(&[Some(9)])),
        ("name", texts(&["abcdefghijkl"])),
    ]);
    let large = "x".repeat(70_000);
    let large = parquet(vec![("id", ids(&[Some(1)])), ("s", texts(&[&large]))]);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None])]);
    let nested = parquet(vec![
        ("id", ids(&[Some(1)])),
        ("s", Arc::new(list) as ArrayRef),
    ]);
    let money = Decimal128Array::from(vec![150])
        .with_precision_and_scale(18, 2)
        .unwrap();
    let types = parquet(vec![
        ("b", Arc::new(BooleanArray::from(vec![true])) as ArrayRef),
        ("n", Arc::new(Int64Array::from(vec![5])) as ArrayRef),
        ("f", Arc::new(Float64Array::from(vec![1.5])) as ArrayRef),
        ("m", Arc::new(money) as ArrayRef),
        ("d", Arc::new(Date32Array::from(vec![18_263])) as ArrayRef),
        (
            "t",
            Arc::new(TimestampMicrosecondArray::from(vec![1_577_934_245_000_001])) as ArrayRef,
        ),
        (
            "z",
            Arc::new(
                TimestampMicrosecondArray::from(vec![1_577_934_245_000_000]).with_timezone("UTC"),
            ) as ArrayRef,
        ),
    ]);
    let nanos = parquet(vec![(
        "t",
        Arc::new(TimestampNanosecondArray::from(vec![
            1_577_934_245_000_000_000,
        ])) as ArrayRef,
    )]);
    let bytes = parquet(vec![
        ("id", ids(&[Some(1), Some(2)])),
        (
            "name",
            Arc::new(BinaryArray::from(vec![&b"ab\xff"[..], &b"c\xc3\xa9"[..]])) as ArrayRef,
        ),
    ]);
    let no_text = parquet(vec![("id", ids(&[Some(1)])), ("name", texts(&["qzq"]))]);
    let no_text = patched(no_text, b"qzq", b"q\xffq");
    let numbered = parquet(vec![
        ("id", ids(&[Some(1), None])),
        ("name", texts(&["a", "b"])),
    ]);
    // Annotations say that these values are smaller than what is stored.
    let small = parquet(vec![(
        "n",
        Arc::new(Int16Array::from(vec![12_345])) as ArrayRef,
    )]);
    let small = patched(small, &12_345_i32.to_le_bytes(), &70_000_i32.to_le_bytes());
    let digits = Decimal128Array::from(vec![12_345])
        .with_precision_and_scale(5, 2)
        .unwrap();
    let digits = parquet(vec![("n", Arc::new(digits) as ArrayRef)]);
    let digits = patched(
        digits,
        &12_345_i32.to_le_bytes(),
        &99_999_999_i32.to_le_bytes(),
    );
    let far_date = Date32Array::from(vec![i32::MAX]);
    let far_date = parquet(vec![("d", Arc::new(far_date) as ArrayRef)]);
    let far_millis = TimestampMillisecondArray::from(vec![i64::MAX]);
    let far_millis = parquet(vec![("t", Arc::new(far_millis) as ArrayRef)]);
    let far_micros = TimestampMicrosecondArray::from(vec![i64::MAX]);
    let far_micros = parquet(vec![("t", Arc::new(far_micros) as ArrayRef)]);
    let length = two.len();
    let manifest = |url: &str, mandatory: bool, length: Option<usize>| {
        let meta = length.map_or_else(String::new, |length| {
            format!(", \"meta\": {{\"content_length\": {length}}}")
        });
        format!(
            "{{\"entries\": [{{\"url\": \"s3://bucket/{url}\", \"mandatory\": {mandatory}{meta}}}]}}"
        )
    };
    let csv =
        "id,name,at\n1,a,2020-01-02 03:04:05\n2,\"b, \"\"c\"\"\",\n,\\N,2020-01-02 00:00:00\n";
    let objects: Vec<(&str, Vec<u8>)> =
        vec![
        ("two/a.parquet", two.clone()),
        ("two/b.parquet", more),
        ("prefix/foo.parquet", two.clone()),
        ("prefix/foo2.parquet", two),
        ("long.parquet", long),
        ("large.parquet", large),
        ("nested.parquet", nested),
        ("types.parquet", types),
        ("nanos.parquet", nanos),
        ("bytes.parquet", bytes),
        ("no_text.parquet", no_text),
        ("broken.parquet", b"PAR1 but nothing else".to_vec()),
        (
            "good.manifest",
            manifest("two/a.parquet", true, Some(length)).into_bytes(),
        ),
        (
            "short.manifest",
            manifest("two/a.parquet", true, Some(1)).into_bytes(),
        ),
        (
            "bare.manifest",
            manifest("two/a.parquet", true, None).into_bytes(),
        ),
        (
            "missing.manifest",
            manifest("nope.parquet", true, Some(1)).into_bytes(),
        ),
        (
            "optional.manifest",
            manifest("nope.parquet", false, Some(1)).into_bytes(),
        ),
        ("rows.csv", csv.as_bytes().to_vec()),
        (
            "two.csv.bz2",
            [bzipped("701,x\n"), bzipped("702,y\n")].concat(),
        ),
        (
            "two.csv.zst",
            [zstd_packed("701,x\n"), zstd_packed("702,y\n")].concat(),
        ),
        ("turned.csv", b"c,80\n".to_vec()),
        ("bad.csv", b"1,a,\nx,b,\n3,c,\n".to_vec()),
        ("rows.txt", b"1|a|2020-01-02\n2||\n".to_vec()),
        (
            "rows.json",
            b"{\"id\": 1, \"name\": \"a\"}\n{\"id\": \"2\", \"name\": {\"x\": [1]}}\n{\"ID\": 3}\n"
                .to_vec(),
        ),
        (
            "paths.json",
            b"{\"jsonpaths\": [\"$['id']\", \"$['name']['x'][0]\"]}".to_vec(),
        ),
        (
            "one.paths.json",
            b"{\"jsonpaths\": [\"$.id\"]}".to_vec(),
        ),
        (
            "wild.paths.json",
            b"{\"jsonpaths\": [\"$..id\", \"$.*\"]}".to_vec(),
        ),
        ("escaped.txt", b"x|a\\|b\ny|c\\\\d\nz|\\N\nn|\\\\N\n".to_vec()),
        (
            "quoted.txt",
            b"\"x,y\",'a'\n'' 'Black' '',it's\nBlue',White\n".to_vec(),
        ),
        ("unclosed.txt", b"'Blue,a\n".to_vec()),
        ("decimals.txt", b"1.259\n-1.259\n1.2559e1\n20.25\n".to_vec()),
        (
            "decimals.json",
            b"{\"d\": 1.239}\n{\"d\": 12345678901234567890.12}\n".to_vec(),
        ),
        ("blanks.csv", b" \"a\" , \"b,\"\"c\"\"\"\t\n d , e\n".to_vec()),
        ("broken.csv", b"\"a\"x,b\nc,d\n".to_vec()),
        ("lines.txt", b"x|y\n\nz|w\n".to_vec()),
        ("short.txt", b"1\n2|b\n".to_vec()),
        ("dates.txt", b"2020-01-02\n02/01/2020\nJan 2 2020\n".to_vec()),
        (
            "super.csv",
            b"1,\"{\"\"b\"\":[1.50,2],\"\"a\"\":1}\"\n2,5\n".to_vec(),
        ),
        ("hex.csv", b"1,6162\n2,zz\n3,616\n4,616263646566\n5,\n".to_vec()),
        ("control.txt", b"a\x01b\n".to_vec()),
        ("invalid.csv", b"1,a\xf0\x9f\x98\n2,\xefb\xef\xbf\xbd\n".to_vec()),
        ("nope.csv", b"1,nope\n".to_vec()),
        ("wide.txt", "é\n".as_bytes().to_vec()),
        (
            "dotted.json",
            b"{\"first.name\": \"x\", \"l\": [1, 2]}".to_vec(),
        ),
        (
            "dotted.paths",
            b"{\"jsonpaths\": [\"$['first.name']\", \"$['l'][1]\"]}".to_vec(),
        ),
        (
            "beyond.paths",
            b"{\"jsonpaths\": [\"$.none\", \"$.l[2]\"]}".to_vec(),
        ),
        (
            "mixed.paths",
            b"{\"jsonpaths\": [\"$.id\", \"$['name']\"]}".to_vec(),
        ),
        ("other.paths", b"{\"paths\": [\"$.b\"]}".to_vec()),
        (
            "apart.json",
            b"{\"a\": 1} , {\"a\": 2}\n{\"a\": 3}\n".to_vec(),
        ),
        (
            "invalid.json",
            b"{\"b\": \"x\xffy\"}\n{\"b\": \"z\"}\n".to_vec(),
        ),
        ("fractions.txt", b"2020-01-02 03:04:05.5|1\n".to_vec()),
        ("nulls.txt", b"1|\\N\n|b\n".to_vec()),
        ("null_marks.txt", b"a|\\N\nb|N\nc|\0\nd|x\0\ne|\n".to_vec()),
        ("numbered.csv", b"1,a\n,b\n".to_vec()),
        ("unset.csv", b",a\n,b\n,c\n".to_vec()),
        ("numbered.parquet", numbered),
        ("small.parquet", small),
        ("digits.parquet", digits),
        ("far_date.parquet", far_date),
        ("far_millis.parquet", far_millis),
        ("far_micros.parquet", far_micros),
        (
            "deep.json",
            b"{\"id\": 5, \"name\": {\"x\": [\"y\"]}}".to_vec(),
        ),
    ];
    for (key, bytes) in objects {
        bucket.put("bucket", key, bytes.into()).await.unwrap();
    }
}
