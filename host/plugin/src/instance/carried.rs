//! How many bytes a column has in certain rows, before they are copied.
//!
//! A guest names rows of its input, each as often as it likes, and the host copies what they hold. Four bytes of the guest may stand
//! for a text of megabytes, so that only the bytes themselves bound what is copied.

use arrow::array::{Array, ArrayRef, AsArray, GenericByteArray, OffsetSizeTrait};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    ArrowNativeType, BinaryType, ByteArrayType, DataType, LargeBinaryType, LargeUtf8Type, Utf8Type,
};

/// Bytes of one row.
type Weight<'a> = Box<dyn Fn(usize) -> usize + 'a>;

/// Bytes of these rows of a column, all of which must be there. Validity is left out.
pub(super) fn bytes_of(column: &dyn Array, rows: &[u32]) -> usize {
    if let Some(width) = column.data_type().primitive_width() {
        return rows.len().saturating_mul(width);
    }
    let weight = weight(column);
    rows.iter().fold(0_usize, |sum, &row| {
        sum.saturating_add(weight(row as usize))
    })
}

fn weight(array: &dyn Array) -> Weight<'_> {
    match array.data_type() {
        DataType::Utf8 => piece::<Utf8Type>(array.as_bytes()),
        DataType::LargeUtf8 => piece::<LargeUtf8Type>(array.as_bytes()),
        DataType::Binary => piece::<BinaryType>(array.as_bytes()),
        DataType::LargeBinary => piece::<LargeBinaryType>(array.as_bytes()),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            items(list.offsets(), list.values())
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            items(list.offsets(), list.values())
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let ends = ends(map.entries());
            Box::new(move |row| between(&ends, map.offsets(), row))
        }
        DataType::FixedSizeList(_, size) => {
            let list = array.as_fixed_size_list();
            let size = usize::try_from(*size).unwrap_or(0);
            let ends = ends(list.values().as_ref());
            Box::new(move |row| ends[(row + 1) * size] - ends[row * size])
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns();
            let weights: Vec<Weight<'_>> = columns.iter().map(|c| weight(c.as_ref())).collect();
            Box::new(move |row| {
                let weights = weights.iter().map(|weight| weight(row));
                weights.fold(0, usize::saturating_add)
            })
        }
        // The text of a view or of a dictionary is shared and not copied.
        DataType::Utf8View | DataType::BinaryView => Box::new(|_| 16),
        DataType::Dictionary(key, _) => {
            let width = key.primitive_width().unwrap_or(8);
            Box::new(move |_| width)
        }
        DataType::FixedSizeBinary(width) => {
            let width = usize::try_from(*width).unwrap_or(0);
            Box::new(move |_| width)
        }
        DataType::Null => Box::new(|_| 0),
        DataType::Boolean => Box::new(|_| 1),
        other => {
            // What is left is of one width, or comes to no plugin from anywhere: its rows are taken to be alike.
            let rows = array.len().max(1);
            let alike = other
                .primitive_width()
                .unwrap_or_else(|| array.get_array_memory_size().div_ceil(rows));
            Box::new(move |_| alike)
        }
    }
}

fn piece<T: ByteArrayType>(array: &GenericByteArray<T>) -> Weight<'_> {
    let offsets = array.offsets();
    let width = size_of::<T::Offset>();
    Box::new(move |row| (offsets[row + 1] - offsets[row]).as_usize() + width)
}

fn items<'a, O: OffsetSizeTrait>(offsets: &'a OffsetBuffer<O>, values: &'a ArrayRef) -> Weight<'a> {
    let ends = ends(values.as_ref());
    Box::new(move |row| between(&ends, offsets, row))
}

/// Bytes of the items of one row, and of its offset.
fn between<O: OffsetSizeTrait>(ends: &[usize], offsets: &OffsetBuffer<O>, row: usize) -> usize {
    let (first, last) = (offsets[row].as_usize(), offsets[row + 1].as_usize());
    ends[last] - ends[first] + size_of::<O>()
}

/// Where each row would end if all of them stood one after another; the first number is 0.
fn ends(array: &dyn Array) -> Vec<usize> {
    let weight = weight(array);
    let mut end = 0_usize;
    let ends = (0..array.len()).map(|row| {
        end = end.saturating_add(weight(row));
        end
    });
    std::iter::once(0).chain(ends).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        DictionaryArray, FixedSizeListArray, Int32Array, ListArray, MapBuilder, StringArray,
        StringBuilder, StringViewArray, StructArray,
    };
    use arrow::datatypes::{Field, Int32Type};

    use super::*;

    #[test]
    fn a_row_weighs_what_is_copied_of_it() {
        let texts = StringArray::from(vec![Some("four"), None, Some("a longer text")]);
        assert_eq!(bytes_of(&texts, &[0, 0, 2]), 4 + 4 + 13 + 3 * 4);
        assert_eq!(bytes_of(&texts.slice(1, 2), &[1]), 13 + 4);
        assert_eq!(bytes_of(&Int32Array::from(vec![1, 2]), &[0; 10]), 40);
        let views = StringViewArray::from(vec!["a text that is longer than a view holds"]);
        assert_eq!(bytes_of(&views, &[0, 0]), 32);
        let dictionary: DictionaryArray<Int32Type> = vec!["a long text"].into_iter().collect();
        assert_eq!(bytes_of(&dictionary, &[0, 0, 0]), 12);
    }

    #[test]
    fn a_row_weighs_with_all_that_is_nested_in_it() {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
            Some(vec![Some(1), Some(2), Some(3)]),
            None,
            Some(vec![Some(4)]),
        ]);
        assert_eq!(bytes_of(&list, &[0, 0, 2]), 12 + 12 + 4 + 3 * 4);
        assert_eq!(bytes_of(&list.slice(2, 1), &[0]), 4 + 4);
        let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
            vec![Some(vec![Some(1), Some(2)]), Some(vec![Some(3), Some(4)])],
            2,
        );
        assert_eq!(bytes_of(&fixed, &[1]), 8);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["ab", "c", ""]));
        let field = |name: &str, array: &ArrayRef| {
            Arc::new(Field::new(name, array.data_type().clone(), true))
        };
        let lists: ArrayRef = Arc::new(list);
        let both = StructArray::from(vec![
            (field("a", &texts), Arc::clone(&texts)),
            (field("b", &lists), Arc::clone(&lists)),
        ]);
        assert_eq!(bytes_of(&both, &[0]), (2 + 4) + (12 + 4));
        let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        map.keys().append_value("key");
        map.values().append_value("value");
        map.append(true).unwrap();
        assert_eq!(bytes_of(&map.finish(), &[0]), (3 + 4) + (5 + 4) + 4);
    }
}
