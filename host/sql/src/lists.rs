//! Functions of lists whose items are compared: [their order](crate::nested) is that of columns, and NULL is equal to nothing.
//!
//! DataFusion's `array_has_any` and `array_has_all`, and with it `@>`, find NULL in lists that have one, and give `true` or `false` for a list
//! that is NULL if no list of the batch has items. Its `array_sort` puts NULL first, and sorts all lists as the first row says.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, GenericListArray, OffsetSizeTrait, UInt64Array,
    new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{SortOptions, cast, take};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use arrow::row::Rows;
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_nested::array_has::{array_has_all_udf, array_has_any_udf};
use datafusion::functions_nested::min_max::{array_max_udf, array_min_udf};
use datafusion::functions_nested::resize::array_resize_udf;
use datafusion::functions_nested::sort::array_sort_udf;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use crate::error::ValueError;
use crate::nested::Order;

pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let all = [
        array_has_any_udf(),
        array_has_all_udf(),
        array_sort_udf(),
        array_min_udf(),
        array_max_udf(),
        array_resize_udf(),
    ];
    all.iter().filter_map(own).collect()
}

/// The function in whose place one of DataFusion's stands, which its planner writes for `@>`, `< ANY (list)` and the like.
pub(crate) fn own(others: &Arc<ScalarUDF>) -> Option<Arc<ScalarUDF>> {
    let kind = match others.name() {
        _ if others.inner().downcast_ref::<OfLists>().is_some() => return None,
        "array_has_any" => Kind::HasAny,
        "array_has_all" => Kind::HasAll,
        "array_sort" => Kind::Sort,
        "array_min" => Kind::Best(Ordering::Less),
        "array_max" => Kind::Best(Ordering::Greater),
        "array_resize" => Kind::Resize,
        _ => return None,
    };
    let others = Arc::clone(others);
    Some(Arc::new(ScalarUDF::from(OfLists { others, kind })))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    HasAny,
    HasAll,
    Sort,
    /// The item that is this to all others.
    Best(Ordering),
    Resize,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfLists {
    /// DataFusion's function: its arguments and types, and what it does rightly.
    others: Arc<ScalarUDF>,
    kind: Kind,
}

impl ScalarUDFImpl for OfLists {
    fn name(&self) -> &str {
        self.others.name()
    }

    fn aliases(&self) -> &[String] {
        self.others.aliases()
    }

    fn signature(&self) -> &Signature {
        self.others.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.others.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.others.return_field_from_args(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match self.kind {
            Kind::HasAny => self.has(arguments, |own, others| {
                others.iter().any(|item| own.contains(*item))
            }),
            Kind::HasAll => self.has(arguments, |own, others| {
                others.iter().all(|item| own.contains(*item))
            }),
            Kind::Sort => self.sort(arguments),
            Kind::Best(best) => self.best(arguments, best),
            Kind::Resize => self.resize(arguments),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.others.documentation()
    }
}

impl OfLists {
    /// `is_true` says it of the items of two lists; an item that is NULL is none.
    fn has(
        &self,
        arguments: ScalarFunctionArgs,
        is_true: impl Fn(&Items<'_>, &[Option<&[u8]>]) -> bool,
    ) -> Result<ColumnarValue> {
        let [own, others] = arguments.args.as_slice() else {
            return self.others.invoke_with_args(arguments);
        };
        let (Some(own), Some(others)) = (Lists::of(own)?, Lists::of(others)?) else {
            return self.others.invoke_with_args(arguments);
        };
        if own.values.data_type() != others.values.data_type() {
            return self.others.invoke_with_args(arguments);
        }
        let is_constant = own.is_one && others.is_one;
        let rows = if is_constant {
            1
        } else {
            arguments.number_rows
        };
        let found: BooleanArray = (0..rows)
            .map(|row| {
                let others = others.items(row)?;
                Some(is_true(&Items::of(own.items(row)?), &others))
            })
            .collect();
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?),
            false => ColumnarValue::Array(Arc::new(found)),
        })
    }

    fn sort(&self, mut arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [lists, words @ ..] = arguments.args.as_slice() else {
            return self.others.invoke_with_args(arguments);
        };
        let words = words.iter().map(word).collect::<Result<Vec<_>>>()?;
        let words: Vec<Option<&str>> = words.iter().map(Option::as_deref).collect();
        let descending = match words.as_slice() {
            [] | [Some("ASC"), ..] => false,
            [Some("DESC"), ..] => true,
            // NULL, or another word.
            _ => return self.others.invoke_with_args(arguments),
        };
        let nulls_first = match words.get(1) {
            // As in ORDER BY.
            None => descending,
            Some(Some("NULLS FIRST")) => true,
            Some(Some("NULLS LAST")) => false,
            Some(_) => return self.others.invoke_with_args(arguments),
        };
        let options = SortOptions {
            descending,
            nulls_first,
        };
        let item = match lists.data_type() {
            DataType::List(item) | DataType::LargeList(item) => item.data_type().clone(),
            _ => return self.others.invoke_with_args(arguments),
        };
        if item.is_nested() {
            return each(lists, |lists| match lists.data_type() {
                DataType::LargeList(_) => sorted(lists.as_list::<i64>(), options),
                _ => sorted(lists.as_list::<i32>(), options),
            });
        }
        let order = if descending { "DESC" } else { "ASC" };
        let nulls = match nulls_first {
            true => "NULLS FIRST",
            false => "NULLS LAST",
        };
        arguments.args.truncate(1);
        let words = [order, nulls].map(|word| ColumnarValue::Scalar(ScalarValue::from(word)));
        arguments.args.extend(words);
        self.others.invoke_with_args(arguments)
    }

    fn best(&self, arguments: ScalarFunctionArgs, best: Ordering) -> Result<ColumnarValue> {
        match arguments.args.as_slice() {
            [lists] if arguments.return_type().is_nested() => {
                each(lists, |lists| match lists.data_type() {
                    DataType::LargeList(_) => best_of(lists.as_list::<i64>(), best),
                    _ => best_of(lists.as_list::<i32>(), best),
                })
            }
            _ => self.others.invoke_with_args(arguments),
        }
    }

    fn resize(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let Some(length) = arguments.args.get(1) {
            let lengths = cast(&length.to_array(1)?, &DataType::Int64)?;
            let mut lengths = lengths.as_primitive::<Int64Type>().iter().flatten();
            if let Some(length) = lengths.find(|length| *length < 0) {
                let message = format!("`array_resize` makes no list of {length} items");
                return Err(ValueError::new(message)
                    .hint("write array_resize(x, greatest(n, 0))")
                    .into());
            }
        }
        self.others.invoke_with_args(arguments)
    }
}

/// A word that is the same for all rows, in capitals; none for NULL.
fn word(value: &ColumnarValue) -> Result<Option<String>> {
    let word = match value {
        ColumnarValue::Scalar(word) => word.clone(),
        ColumnarValue::Array(words) if words.is_empty() => return Ok(None),
        ColumnarValue::Array(words) => ScalarValue::try_from_array(words, 0)?,
    };
    Ok(word.try_as_str().flatten().map(str::to_uppercase))
}

/// The lists, or one that is the same for all rows.
fn each(
    lists: &ColumnarValue,
    change: impl Fn(&ArrayRef) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    Ok(match lists {
        ColumnarValue::Array(lists) => ColumnarValue::Array(change(lists)?),
        ColumnarValue::Scalar(list) => {
            let changed = change(&list.to_array()?)?;
            ColumnarValue::Scalar(ScalarValue::try_from_array(&changed, 0)?)
        }
    })
}

/// Lists whose items are sorted by their keys.
pub(crate) fn sorted<O: OffsetSizeTrait>(
    lists: &GenericListArray<O>,
    options: SortOptions,
) -> Result<ArrayRef> {
    let (field, offsets, values, nulls) = lists.clone().into_parts();
    let keys = Order::of(values.data_type())?.keys(&values)?;
    let mut places: Vec<u64> = Vec::with_capacity(values.len());
    let mut lengths = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let range = range(&offsets, row);
        let range = match lists.is_null(row) {
            true => range.start..range.start,
            false => range,
        };
        lengths.push(range.len());
        let sorted = in_order(&keys, &values, range, options);
        places.extend(sorted.into_iter().map(|place| place as u64));
    }
    let values = take(&values, &UInt64Array::from(places), None)?;
    let offsets = OffsetBuffer::<O>::from_lengths(lengths);
    let lists = GenericListArray::<O>::try_new(field, offsets, values, nulls)?;
    Ok(Arc::new(lists))
}

/// The places of values, of which these are the keys, as they are sorted.
fn in_order(
    keys: &Rows,
    values: &ArrayRef,
    places: Range<usize>,
    options: SortOptions,
) -> Vec<usize> {
    let (mut present, missing): (Vec<usize>, Vec<usize>) =
        places.partition(|&place| values.is_valid(place));
    present.sort_by(|&a, &b| {
        let order = keys.row(a).cmp(&keys.row(b));
        match options.descending {
            true => order.reverse(),
            false => order,
        }
    });
    match options.nulls_first {
        true => [missing, present].concat(),
        false => [present, missing].concat(),
    }
}

fn best_of<O: OffsetSizeTrait>(lists: &GenericListArray<O>, best: Ordering) -> Result<ArrayRef> {
    let values = lists.values();
    if values.is_empty() {
        return Ok(new_null_array(values.data_type(), lists.len()));
    }
    let keys = Order::of(values.data_type())?.keys(values)?;
    let places: UInt64Array = (0..lists.len())
        .map(|row| {
            if lists.is_null(row) {
                return None;
            }
            let present = range(lists.offsets(), row).filter(|&place| values.is_valid(place));
            let place = present.reduce(|known, other| {
                match keys.row(other).cmp(&keys.row(known)) == best {
                    true => other,
                    false => known,
                }
            });
            place.map(|place| place as u64)
        })
        .collect();
    Ok(take(values, &places, None)?)
}

fn range<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>, row: usize) -> Range<usize> {
    offsets[row].as_usize()..offsets[row + 1].as_usize()
}

/// The keys of the items of lists.
struct Lists {
    keys: Rows,
    values: ArrayRef,
    /// Where the items of each list are; none for NULL.
    ranges: Vec<Option<Range<usize>>>,
    /// Whether there is one list for all rows.
    is_one: bool,
}

impl Lists {
    /// None of what is no list.
    fn of(lists: &ColumnarValue) -> Result<Option<Self>> {
        let (lists, is_one) = match lists {
            ColumnarValue::Array(lists) => (Arc::clone(lists), false),
            ColumnarValue::Scalar(list) => (list.to_array()?, true),
        };
        let (values, ranges) = match lists.data_type() {
            DataType::List(_) => Self::parts(lists.as_list::<i32>()),
            DataType::LargeList(_) => Self::parts(lists.as_list::<i64>()),
            _ => return Ok(None),
        };
        Ok(Some(Self {
            keys: Order::of(values.data_type())?.keys(&values)?,
            values,
            ranges,
            is_one,
        }))
    }

    fn parts<O: OffsetSizeTrait>(
        lists: &GenericListArray<O>,
    ) -> (ArrayRef, Vec<Option<Range<usize>>>) {
        let ranges = (0..lists.len()).map(|row| {
            let range = range(lists.offsets(), row);
            lists.is_valid(row).then_some(range)
        });
        (Arc::clone(lists.values()), ranges.collect())
    }

    /// The keys of the items of a list that is not NULL; none for an item that is.
    fn items(&self, row: usize) -> Option<Vec<Option<&[u8]>>> {
        let row = if self.is_one { 0 } else { row };
        let range = self.ranges.get(row)?.clone()?;
        let key = |place| {
            self.values
                .is_valid(place)
                .then(|| self.keys.row(place).data())
        };
        Some(range.map(key).collect())
    }
}

/// What items are looked for in.
enum Items<'a> {
    Few(Vec<&'a [u8]>),
    Many(HashSet<&'a [u8]>),
}

/// Items that are looked through one by one.
const FEW: usize = 16;

impl<'a> Items<'a> {
    fn of(items: Vec<Option<&'a [u8]>>) -> Self {
        let is_few = items.len() <= FEW;
        let present = items.into_iter().flatten();
        match is_few {
            true => Self::Few(present.collect()),
            false => Self::Many(present.collect()),
        }
    }

    fn contains(&self, item: Option<&[u8]>) -> bool {
        item.is_some_and(|item| match self {
            Self::Few(items) => items.contains(&item),
            Self::Many(items) => items.contains(item),
        })
    }
}
