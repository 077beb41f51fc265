//! Lists and structs on their way into a SUPER. COPY looks at how large they are when the load is decided already.

use arrow::array::{Array, ArrowPrimitiveType, AsArray, GenericListArray, OffsetSizeTrait};
use arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
};

use super::types::MOST_VARCHAR;

/// Bytes of a text within a SUPER at most.
const MOST_TEXT: usize = MOST_VARCHAR as usize;
/// Bytes of a SUPER at most. The guide says 16 MB, and not whether a megabyte is a power of ten or of two: this is the smaller one.
const MOST_SUPER: usize = 16_000_000;
const NULL: Size = Size { whole: 4, text: 0 };

/// How large a value is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    /// All of it, written as JSON without escapes.
    whole: usize,
    /// Its longest text.
    text: usize,
}

impl Size {
    fn of_word(bytes: usize) -> Self {
        Self {
            whole: bytes,
            text: 0,
        }
    }

    fn of_text(bytes: usize) -> Self {
        Self {
            whole: bytes + "\"\"".len(),
            text: bytes,
        }
    }

    /// Of brackets with so many values between them.
    fn of_brackets(values: usize) -> Self {
        Self::of_word("[]".len() + values.saturating_sub(1))
    }

    fn with(self, value: Self) -> Self {
        Self {
            whole: self.whole + value.whole,
            text: self.text.max(value.text),
        }
    }
}

/// The first value that no SUPER holds: its row, and why.
pub(super) fn misfit(array: &dyn Array) -> Option<(usize, String)> {
    let unfit = |(row, size): (usize, Size)| {
        let Size { whole, text } = size;
        let why = if text > MOST_TEXT {
            let part = place_of_text(array, row);
            format!("its `{part}` has {text} bytes, and a text in a SUPER has {MOST_TEXT} at most")
        } else if whole > MOST_SUPER {
            format!("it has {whole} bytes as JSON, and a SUPER has {MOST_SUPER} at most")
        } else {
            return None;
        };
        Some((row, why))
    };
    sizes(array).into_iter().enumerate().find_map(unfit)
}

fn sizes(array: &dyn Array) -> Vec<Size> {
    let mut sizes = match array.data_type() {
        DataType::Utf8 => texts(array.as_string::<i32>().offsets()),
        DataType::LargeUtf8 => texts(array.as_string::<i64>().offsets()),
        DataType::Int8 => numbers::<Int8Type>(array),
        DataType::Int16 => numbers::<Int16Type>(array),
        DataType::Int32 => numbers::<Int32Type>(array),
        DataType::Int64 => numbers::<Int64Type>(array),
        DataType::UInt8 => numbers::<UInt8Type>(array),
        DataType::UInt16 => numbers::<UInt16Type>(array),
        DataType::UInt32 => numbers::<UInt32Type>(array),
        DataType::List(_) => lists(array.as_list::<i32>()),
        DataType::LargeList(_) => lists(array.as_list::<i64>()),
        DataType::FixedSizeList(..) => {
            let lists = array.as_fixed_size_list();
            let length = usize::try_from(lists.value_length()).unwrap_or_default();
            let items = sizes(lists.values());
            let each = (0..lists.len()).map(|at| all(&items[at * length..(at + 1) * length]));
            each.collect()
        }
        DataType::Struct(fields) => {
            let mut structs = vec![Size::of_brackets(fields.len()); array.len()];
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                let name = Size::of_word(field.name().len() + "\"\":".len());
                for (size, value) in structs.iter_mut().zip(sizes(column)) {
                    *size = size.with(name).with(value);
                }
            }
            structs
        }
        // Truth values: others have no place in a SUPER.
        _ => vec![Size::of_word("false".len()); array.len()],
    };
    if let Some(nulls) = array.nulls() {
        for (size, is_valid) in sizes.iter_mut().zip(nulls) {
            if !is_valid {
                *size = NULL;
            }
        }
    }
    sizes
}

fn texts<O: OffsetSizeTrait>(offsets: &[O]) -> Vec<Size> {
    let lengths = offsets
        .windows(2)
        .map(|pair| pair[1].as_usize() - pair[0].as_usize());
    lengths.map(Size::of_text).collect()
}

fn numbers<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &dyn Array) -> Vec<Size> {
    let digits = |number: i64| {
        let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
        Size::of_word(digits + usize::from(number < 0))
    };
    let numbers = array.as_primitive::<T>().values().iter();
    numbers.map(|number| digits((*number).into())).collect()
}

fn lists<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> Vec<Size> {
    let offsets = lists.value_offsets();
    // A part of an array has the items of all of it.
    let first = offsets[0].as_usize();
    let items = lists
        .values()
        .slice(first, offsets[lists.len()].as_usize() - first);
    let items = sizes(&items);
    let each = offsets
        .windows(2)
        .map(|pair| all(&items[pair[0].as_usize() - first..pair[1].as_usize() - first]));
    each.collect()
}

/// Where in a value a text is that is too long: `.name[3]`.
fn place_of_text(array: &dyn Array, row: usize) -> String {
    let is_long = |size: &Size| size.text > MOST_TEXT;
    if let Some(structs) = array.as_struct_opt() {
        let mut parts = structs.fields().iter().zip(structs.columns());
        let part = parts.find(|(_, column)| sizes(&column.slice(row, 1)).iter().any(is_long));
        return part.map_or_else(String::new, |(field, column)| {
            format!(".{}{}", field.name(), place_of_text(column, row))
        });
    }
    let items = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value(row),
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        DataType::FixedSizeList(..) => array.as_fixed_size_list().value(row),
        _ => return String::new(),
    };
    let at = sizes(&items).iter().position(is_long).unwrap_or_default();
    format!("[{at}]{}", place_of_text(&items, at))
}

fn all(items: &[Size]) -> Size {
    let brackets = Size::of_brackets(items.len());
    items.iter().fold(brackets, |size, item| size.with(*item))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, FixedSizeListArray, Int32Array, Int64Array, LargeStringArray,
        ListArray, StringArray, StructArray,
    };
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::Field;

    use super::*;

    fn wholes(array: &dyn Array) -> Vec<usize> {
        sizes(array).into_iter().map(|size| size.whole).collect()
    }

    #[test]
    fn values_are_as_large_as_their_json() {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), None, Some(-300)]),
            None,
            Some(vec![]),
        ]);
        assert_eq!(
            wholes(&lists),
            ["[1,null,-300]".len(), "null".len(), "[]".len()]
        );
        let (name, is, at) = (
            StringArray::from(vec![Some("ann"), None]),
            BooleanArray::from(vec![false, false]),
            Int64Array::from(vec![i64::MIN, 0]),
        );
        let columns: [(&str, ArrayRef, DataType); 3] = [
            ("name", Arc::new(name), DataType::Utf8),
            ("is", Arc::new(is), DataType::Boolean),
            ("at", Arc::new(at), DataType::Int64),
        ];
        let columns = columns
            .map(|(name, array, data_type)| (Arc::new(Field::new(name, data_type, true)), array));
        let structs = StructArray::from(columns.to_vec());
        assert_eq!(
            wholes(&structs),
            [
                r#"{"name":"ann","is":false,"at":-9223372036854775808}"#.len(),
                r#"{"name":null,"is":false,"at":0}"#.len()
            ]
        );
        let items: ArrayRef = Arc::new(Int32Array::from(vec![1, 22, 333, 4444]));
        let item = Arc::new(Field::new("item", DataType::Int32, true));
        let pairs = FixedSizeListArray::new(item, 2, items, None);
        assert_eq!(wholes(&pairs), ["[1,22]".len(), "[333,4444]".len()]);
    }

    #[test]
    fn a_part_of_an_array_has_its_own_values() {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1); 1_000]),
            Some(vec![Some(1)]),
            None,
            Some(vec![Some(22), Some(333)]),
        ]);
        assert_eq!(wholes(&lists.slice(1, 3)), [3, 4, "[22,333]".len()]);
        assert!(wholes(&lists.slice(2, 0)).is_empty());
    }

    #[test]
    fn the_first_value_that_is_too_large_is_found() {
        let texts = |lengths: &[usize]| {
            let texts = lengths.iter().map(|length| Some("a".repeat(*length)));
            let texts: ArrayRef = Arc::new(texts.collect::<LargeStringArray>());
            let field = Field::new("text", DataType::LargeUtf8, true);
            StructArray::from(vec![(Arc::new(field), texts)])
        };
        assert_eq!(misfit(&texts(&[MOST_TEXT, 1])), None);
        let (row, why) = misfit(&texts(&[1, MOST_TEXT + 1, MOST_TEXT + 2])).unwrap();
        assert_eq!(row, 1);
        assert_eq!(
            why,
            "its `.text` has 65536 bytes, and a text in a SUPER has 65535 at most"
        );
        let item = Arc::new(Field::new("item", texts(&[]).data_type().clone(), true));
        let offsets = OffsetBuffer::from_lengths([1, 2]);
        let lists = ListArray::new(item, offsets, Arc::new(texts(&[1, 1, 70_000])), None);
        let (row, why) = misfit(&lists).unwrap();
        assert_eq!(row, 1);
        assert!(why.starts_with("its `[1].text` has 70000 bytes"), "{why}");
        let numbers = |count: usize| {
            let numbers = vec![Some(1_234_567); count];
            ListArray::from_iter_primitive::<Int32Type, _, _>([Some(numbers)])
        };
        assert_eq!(misfit(&numbers(MOST_SUPER / 8 - 1)), None);
        let (row, why) = misfit(&numbers(MOST_SUPER / 8)).unwrap();
        assert_eq!(row, 0);
        assert_eq!(
            why,
            "it has 16000001 bytes as JSON, and a SUPER has 16000000 at most"
        );
    }
}
