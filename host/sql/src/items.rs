//! `array_remove` and `array_replace` as PostgreSQL has them: every item that is equal, NULL among them. DataFusion's change the first one
//! alone, and `array_remove_all` of NULL is NULL.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, GenericListArray, OffsetSizeTrait};
use arrow::buffer::OffsetBuffer;
use arrow::compute::kernels::zip::zip;
use arrow::compute::{filter, is_not_null, is_null};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::functions_nested::remove::array_remove_all_udf;
use datafusion::functions_nested::replace::array_replace_all_udf;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

pub(crate) fn functions() -> [Arc<ScalarUDF>; 2] {
    let remove = ScalarUDF::from(Remove {
        all: array_remove_all_udf(),
    });
    let replace = ScalarUDF::clone(&array_replace_all_udf());
    [
        Arc::new(remove.with_aliases(["array_remove", "list_remove"])),
        Arc::new(replace.with_aliases(["array_replace", "list_replace"])),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Remove {
    /// DataFusion's function, for items that are not NULL.
    all: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Remove {
    fn name(&self) -> &str {
        self.all.name()
    }

    fn aliases(&self) -> &[String] {
        self.all.aliases()
    }

    fn signature(&self) -> &Signature {
        self.all.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.all.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.all.return_field_from_args(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let [lists, items] = arguments.args.as_slice() else {
            return internal_err!("`{}` takes a list and an item", self.name());
        };
        let items = items.to_array(rows)?;
        if items.null_count() == 0 {
            return self.all.invoke_with_args(arguments);
        }
        let lists = lists.to_array(rows)?;
        let present = match lists.data_type() {
            DataType::List(_) => without_nulls(lists.as_list::<i32>())?,
            DataType::LargeList(_) => without_nulls(lists.as_list::<i64>())?,
            _ => return self.all.invoke_with_args(arguments),
        };
        let others = self.all.invoke_with_args(arguments)?.into_array(rows)?;
        Ok(ColumnarValue::Array(zip(
            &is_null(&items)?,
            &present,
            &others,
        )?))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.all.documentation()
    }
}

/// The lists with the items that are not NULL.
fn without_nulls<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> Result<ArrayRef> {
    let (field, offsets, values, nulls) = lists.clone().into_parts();
    let is_kept: BooleanArray = is_not_null(&values)?;
    let kept_in = |begin: O, end: O| {
        let (begin, end) = (begin.as_usize(), end.as_usize());
        is_kept.values().slice(begin, end - begin).count_set_bits()
    };
    let first = offsets[0].as_usize();
    let length = offsets[offsets.len() - 1].as_usize() - first;
    let values = filter(&values.slice(first, length), &is_kept.slice(first, length))?;
    let lengths = offsets.windows(2).map(|pair| kept_in(pair[0], pair[1]));
    let offsets = OffsetBuffer::<O>::from_lengths(lengths);
    let lists = GenericListArray::<O>::try_new(field, offsets, values, nulls)?;
    Ok(Arc::new(lists))
}
