//! Every type there and back: the host lowers a batch, the guest decodes it, encodes it again, and the host lifts it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Schema};
use proptest::prelude::*;
use transom_plugin::{Instance, border_type};

use crate::arrays::{Nulls, Numbers, array, leaf_types, map_of, nested_types};
use crate::support;

const NULLS: [Nulls; 4] = [Nulls::None, Nulls::Bitmap, Nulls::Some, Nulls::All];

/// The column as it comes back: views and dictionaries in the type in which they crossed.
fn as_crossed(column: &ArrayRef) -> ArrayRef {
    let data_type = border_type(column.data_type()).unwrap();
    match data_type == *column.data_type() {
        true => Arc::clone(column),
        false => cast(column, &data_type).unwrap(),
    }
}

/// Sends a batch through `echo` and compares what comes back.
fn assert_comes_back(instance: &mut Instance, batch: &RecordBatch) {
    let opened = instance
        .open_transform("echo", &batch.schema(), r#"{"reads": "all"}"#)
        .unwrap();
    let outcome = support::process(instance, &opened, batch)
        .unwrap_or_else(|error| panic!("{error} for {:?}", batch.schema()));
    assert!(outcome.rejected.is_empty() && !outcome.more);
    assert_eq!(outcome.batches.len(), 1);
    let back = &outcome.batches[0];
    assert_eq!(back.num_rows(), batch.num_rows());
    assert_eq!(back.num_columns(), batch.num_columns());
    for (index, (sent, back)) in batch.columns().iter().zip(back.columns()).enumerate() {
        let field = batch.schema().field(index).clone();
        let expected = as_crossed(sent);
        assert_eq!(
            opened.schema.field(index),
            &field.with_data_type(expected.data_type().clone())
        );
        assert_eq!(&expected, back, "{}", sent.data_type());
        back.to_data().validate_full().unwrap();
    }
    instance.close_transform(opened).unwrap();
}

/// The array in each of the forms that a query may hand over: whole, and as slices that start in the middle of a byte.
fn forms(whole: &ArrayRef) -> Vec<ArrayRef> {
    let rows = whole.len();
    let mut forms = vec![Arc::clone(whole), whole.slice(0, 0)];
    if rows > 8 {
        forms.push(whole.slice(3, rows - 5));
        forms.push(whole.slice(8, rows - 8));
        forms.push(whole.slice(rows, 0));
    }
    forms
}

#[test]
fn every_type_without_children_comes_back_equal() {
    let mut instance = support::instance();
    let mut numbers = Numbers(1);
    for data_type in leaf_types() {
        for nulls in NULLS {
            for rows in [1, 7, 8, 100] {
                for column in forms(&array(&mut numbers, &data_type, rows, nulls)) {
                    assert_comes_back(&mut instance, &support::batch(vec![column]));
                }
            }
        }
    }
}

#[test]
fn every_type_comes_back_equal_within_each_nested_type() {
    let mut instance = support::instance();
    let mut numbers = Numbers(2);
    for leaf in leaf_types() {
        for nested in nested_types(&leaf) {
            for nulls in [Nulls::None, Nulls::Some] {
                for column in forms(&array(&mut numbers, &nested, 30, nulls)) {
                    assert_comes_back(&mut instance, &support::batch(vec![column]));
                }
            }
        }
    }
}

fn data_type() -> impl Strategy<Value = DataType> {
    let leaf = prop::sample::select(leaf_types());
    let field = |name: &'static str, inner: DataType| Arc::new(Field::new(name, inner, true));
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(move |inner| DataType::List(field("item", inner))),
            inner
                .clone()
                .prop_map(move |inner| DataType::LargeList(field("element", inner))),
            (inner.clone(), 1..4_i32)
                .prop_map(move |(inner, size)| DataType::FixedSizeList(field("item", inner), size)),
            (inner.clone()).prop_map(|inner| map_of(&DataType::Int32, &inner)),
            prop::collection::vec(inner, 0..4).prop_map(|children| {
                let fields = children
                    .into_iter()
                    .enumerate()
                    .map(|(index, inner)| Field::new(format!("f{index}"), inner, true));
                DataType::Struct(fields.collect::<Fields>())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_batch_comes_back_equal(
        types in prop::collection::vec((data_type(), prop::sample::select(NULLS.to_vec())), 0..5),
        rows in 0..200_usize,
        offset in 0..20_usize,
        cut in 0..20_usize,
        seed in any::<u64>(),
    ) {
        let mut numbers = Numbers(seed);
        let columns: Vec<ArrayRef> = types
            .iter()
            .map(|(data_type, nulls)| {
                array(&mut numbers, data_type, offset + rows + cut, *nulls).slice(offset, rows)
            })
            .collect();
        let batch = match columns.is_empty() {
            true => support::without_columns(Arc::new(Schema::empty()), rows),
            false => support::batch(columns),
        };
        assert_comes_back(&mut support::instance(), &batch);
    }
}

#[test]
fn a_batch_without_columns_keeps_its_rows() {
    let batch = support::without_columns(Arc::new(Schema::empty()), 7);
    assert_comes_back(&mut support::instance(), &batch);
}

#[test]
fn many_rows_come_back_equal() {
    let mut numbers = Numbers(3);
    let columns = [DataType::Int64, DataType::Utf8, DataType::Decimal128(38, 2)]
        .iter()
        .map(|data_type| array(&mut numbers, data_type, 100_000, Nulls::Some))
        .collect();
    assert_comes_back(&mut support::instance(), &support::batch(columns));
}

#[test]
fn names_nullability_and_metadata_of_fields_survive() {
    let inner = Field::new("söme item", DataType::Utf8View, false)
        .with_metadata([("deep".to_owned(), "yes".to_owned())].into());
    let schema = Schema::new(vec![
        Field::new("Miles, flown", DataType::Int64, false).with_metadata(
            [
                ("unit".to_owned(), "mile".to_owned()),
                ("ARROW:extension:name".to_owned(), "distance".to_owned()),
            ]
            .into(),
        ),
        Field::new("tags", DataType::List(inner.into()), true),
    ]);
    let mut numbers = Numbers(4);
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            let nulls = match field.is_nullable() {
                true => Nulls::Some,
                false => Nulls::None,
            };
            array(&mut numbers, field.data_type(), 10, nulls)
        })
        .collect();
    let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    assert_comes_back(&mut support::instance(), &batch);
}
