//! Casts of the items of lists, the fields of structs, and the keys and values of maps.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, MapArray, OffsetSizeTrait,
    StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::Result;

use super::can_change;

/// The items of a list.
fn item(data_type: &DataType) -> Option<&FieldRef> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            Some(item)
        }
        _ => None,
    }
}

/// The list with items of the type that they become; `None` if they stay, or if it is no list.
pub(super) fn with_items(
    list: &DataType,
    become_of: &dyn Fn(&DataType) -> Option<DataType>,
) -> Option<DataType> {
    let item = item(list)?;
    let data_type = become_of(item.data_type())?;
    let item = Arc::new(Field::new_list_field(data_type, true));
    Some(match list {
        DataType::LargeList(_) => DataType::LargeList(item),
        DataType::FixedSizeList(_, size) => DataType::FixedSizeList(item, *size),
        _ => DataType::List(item),
    })
}

/// The fields of two structs, if they are called alike and in one order; the keys and values of two maps, which may be called anything.
fn fields<'a>(from: &'a DataType, to: &'a DataType) -> Option<(&'a Fields, &'a Fields)> {
    match (from, to) {
        (DataType::Map(from, _), DataType::Map(to, _)) => {
            match (from.data_type(), to.data_type()) {
                (DataType::Struct(from), DataType::Struct(to)) => Some((from, to)),
                _ => None,
            }
        }
        (DataType::Struct(from), DataType::Struct(to)) => (from.len() == to.len()
            && from
                .iter()
                .zip(to)
                .all(|(from, to)| from.name() == to.name()))
        .then_some((from, to)),
        _ => None,
    }
}

/// Whether values inside can change on their way.
pub(super) fn inside_can_change(from: &DataType, to: &DataType) -> bool {
    if let (Some(from), Some(to)) = (item(from), item(to)) {
        return can_change(from.data_type(), to.data_type());
    }
    fields(from, to).is_some_and(|(from, to)| {
        from.iter()
            .zip(to)
            .any(|(from, to)| can_change(from.data_type(), to.data_type()))
    })
}

/// The list, struct or map with `cast` done to what is inside; `None` for other types.
pub(super) fn inside(
    values: &ArrayRef,
    to: &DataType,
    cast: &dyn Fn(&ArrayRef, &DataType) -> Result<ArrayRef>,
) -> Result<Option<ArrayRef>> {
    if let Some(to) = item(to) {
        return Ok(Some(match values.data_type() {
            DataType::List(_) => list::<i32>(values, to, cast)?,
            DataType::LargeList(_) => list::<i64>(values, to, cast)?,
            DataType::FixedSizeList(item, size) => {
                let lists = values.as_fixed_size_list();
                let items = cast(lists.values(), to.data_type())?;
                Arc::new(FixedSizeListArray::try_new(
                    retyped(item, to),
                    *size,
                    items,
                    lists.nulls().cloned(),
                )?)
            }
            _ => return Ok(None),
        }));
    }
    let Some((from, to)) = fields(values.data_type(), to) else {
        return Ok(None);
    };
    let structs = match values.data_type() {
        DataType::Map(..) => values.as_map().entries(),
        _ => values.as_struct(),
    };
    let columns = structs
        .columns()
        .iter()
        .zip(to)
        .map(|(column, to)| cast(column, to.data_type()))
        .collect::<Result<Vec<_>>>()?;
    let is_map = matches!(values.data_type(), DataType::Map(..));
    let fields: Fields = from
        .iter()
        .zip(to)
        .enumerate()
        .map(|(place, (from, to))| match is_map && place == 0 {
            // A key is never NULL.
            true => Arc::new(from.as_ref().clone().with_data_type(to.data_type().clone())),
            false => retyped(from, to),
        })
        .collect();
    let nulls = structs.nulls().cloned();
    let structs = StructArray::try_new(fields, columns, nulls)?;
    Ok(Some(match values.data_type() {
        DataType::Map(entries, is_sorted) => {
            let maps = values.as_map();
            let entries = entries.as_ref().clone();
            Arc::new(MapArray::try_new(
                Arc::new(entries.with_data_type(structs.data_type().clone())),
                maps.offsets().clone(),
                structs,
                maps.nulls().cloned(),
                *is_sorted,
            )?)
        }
        _ => Arc::new(structs),
    }))
}

fn list<O: OffsetSizeTrait>(
    values: &ArrayRef,
    to: &FieldRef,
    cast: &dyn Fn(&ArrayRef, &DataType) -> Result<ArrayRef>,
) -> Result<ArrayRef> {
    let lists = values.as_list::<O>();
    // A slice of a column shares the items of all rows, which must not count.
    let offsets = lists.offsets();
    let (start, end) = (offsets[0].as_usize(), offsets[offsets.len() - 1].as_usize());
    let items = cast(&lists.values().slice(start, end - start), to.data_type())?;
    let lengths = offsets
        .windows(2)
        .map(|pair| pair[1].as_usize() - pair[0].as_usize());
    Ok(Arc::new(GenericListArray::<O>::try_new(
        Arc::new(Field::new_list_field(to.data_type().clone(), true)),
        OffsetBuffer::from_lengths(lengths),
        items,
        lists.nulls().cloned(),
    )?))
}

fn retyped(from: &FieldRef, to: &FieldRef) -> FieldRef {
    let field = from.as_ref().clone().with_data_type(to.data_type().clone());
    Arc::new(field.with_nullable(true))
}
