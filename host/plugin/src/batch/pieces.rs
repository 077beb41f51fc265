//! A fast yes to what arrow's validation asks of strings and bytes.
//!
//! Arrow looks at every offset on its own, which takes about as long as copying the strings does. Whether all is well can be seen
//! of the whole column at once: offsets that begin at 0, never fall and end within the data point into it, and a text of
//! ASCII can be cut anywhere. Only a yes is given here; what is not obviously valid is left to arrow, which says what is wrong and
//! where.

use arrow::array::OffsetSizeTrait;

/// Whether `offsets` (their bytes) cut `data` from its beginning to its end into pieces, each of them UTF-8
/// if the column is of `text`.
pub(super) fn are_well<O: OffsetSizeTrait>(offsets: &[u8], data: &[u8], text: bool) -> bool {
    // SAFETY: any bits are an `i32` or an `i64`, and nothing else is an offset.
    let (before, offsets, after) = unsafe { offsets.align_to::<O>() };
    if !before.is_empty() || !after.is_empty() || !rise(offsets) {
        return false;
    }
    let ends = (
        offsets.first(),
        offsets.last().and_then(|last| last.to_usize()),
    );
    if ends != (Some(&O::default()), Some(data.len())) {
        return false;
    }
    if !text || data.is_ascii() {
        return true;
    }
    // A byte of the form 10xxxxxx goes on with a character, so no text begins with it.
    let goes_on = |byte: &u8| byte & 0xc0 == 0x80;
    let begins_well = |offset: &O| !data.get(offset.as_usize()).is_some_and(goes_on);
    std::str::from_utf8(data).is_ok() && offsets.iter().all(begins_well)
}

/// Whether no offset is less than the one before. Without a way out of the loop it is vectorised.
fn rise<O: OffsetSizeTrait>(offsets: &[O]) -> bool {
    let pairs = offsets.windows(2);
    pairs.fold(true, |rise, pair| rise & (pair[0] <= pair[1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::buffer::{Buffer, ScalarBuffer};
    use arrow::datatypes::DataType;
    use arrow_data::ArrayData;
    use proptest::prelude::*;

    fn well(offsets: &[i32], data: &[u8], text: bool) -> bool {
        let offsets: ScalarBuffer<i32> = offsets.to_vec().into();
        are_well::<i32>(offsets.inner().as_slice(), data, text)
    }

    /// What arrow says of the same column.
    fn arrow_agrees(offsets: &[i32], data: &[u8], text: bool) -> bool {
        let data_type = if text {
            DataType::Utf8
        } else {
            DataType::Binary
        };
        ArrayData::builder(data_type)
            .len(offsets.len() - 1)
            .add_buffer(Buffer::from_slice_ref(offsets))
            .add_buffer(Buffer::from(data))
            .build()
            .is_ok()
    }

    #[test]
    fn pieces_must_follow_each_other_and_cover_the_data() {
        assert!(well(&[0, 0, 1, 3], b"abc", true));
        for offsets in [
            &[0, 2, 1, 3][..],
            &[0, -1, 3],
            &[0, 4, 3],
            &[0, 2],
            &[0, 4],
            &[],
        ] {
            assert!(!well(offsets, b"abc", false), "{offsets:?}");
        }
    }

    #[test]
    fn a_text_must_not_be_cut_within_a_character() {
        assert!(well(&[0, 2, 3], "äb".as_bytes(), true));
        assert!(!well(&[0, 1, 3], "äb".as_bytes(), true));
        assert!(well(&[0, 1, 3], "äb".as_bytes(), false));
        assert!(!well(&[0, 1], b"\xff", true));
    }

    #[test]
    fn offsets_at_an_odd_address_are_left_to_arrow() {
        let bytes: ScalarBuffer<i32> = vec![0, 0].into();
        assert!(!are_well::<i32>(&bytes.inner().as_slice()[1..5], b"", true));
    }

    proptest! {
        #[test]
        fn a_yes_is_never_given_where_arrow_says_no(
            mut offsets in prop::collection::vec(-1..12_i32, 1..6),
            data in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..12),
                "[a-zäß€😀]{0,4}".prop_map(String::into_bytes),
            ],
            sorted in any::<bool>(),
            text in any::<bool>(),
        ) {
            if sorted {
                offsets.sort_unstable();
            }
            offsets.insert(0, 0);
            offsets.push(data.len() as i32);
            let agrees = arrow_agrees(&offsets, &data, text);
            prop_assert!(!well(&offsets, &data, text) || agrees);
            // Nor is a column that is well left to arrow without need.
            prop_assert!(well(&offsets, &data, text) || !agrees);
        }
    }
}
