//! What a file's footer says, and how much of it is believed.
//!
//! - The annotations decide how bytes are read, and the parquet crate checks UTF-8 only where the annotation is UTF8. So every
//!   column of bytes that is read as text gets that annotation here, whatever its file calls it.
//! - Statistics of floats leave out NaN, which is greater than all numbers in SQL, and bloom filters hold `0.0` and `-0.0` apart.
//!   Neither is used (<https://github.com/apache/parquet-format/issues/503>).
//! - The parquet crate cuts INT96 to the unit that it is read in, and what does not fit into an annotated INT_8, INT_16, UINT_8 or UINT_16 to
//!   the bits that do; what an UNKNOWN column holds it takes for NULL. So such columns are read as the twelve bytes or the values that they
//!   are, and [`exact`](super::exact) makes of them what they are called.
//! - The file's own Arrow schema says of which columns the writer had dictionaries. The parquet crate has no reader for dictionaries of booleans,
//!   decimals, or bytes of a fixed size, and none for more values than the writer's batches had each. Every column is read as its values.

use std::sync::Arc;

use arrow::{
    datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef, Fields, Schema},
    ipc,
};
use parquet::{
    arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema, parquet_to_arrow_schema},
    basic::{ConvertedType, LogicalType, Type as Physical},
    errors::ParquetError,
    file::{
        metadata::{
            ColumnChunkMetaData, FileMetaData, KeyValue, ParquetMetaData, RowGroupMetaData,
        },
        page_index::column_index::ColumnIndexMetaData,
        statistics::Statistics,
    },
    schema::types::{ColumnDescriptor, SchemaDescPtr, SchemaDescriptor, Type},
};

use super::guard;

/// Bytes of Parquet's INTERVAL: months, days and milliseconds, 32 bits each.
pub(super) const INTERVAL_BYTES: i32 = 12;
/// Bytes of an INT96.
pub(super) const INT96_BYTES: i32 = 12;
/// Bytes of a UUID.
pub(super) const UUID_BYTES: i32 = 16;
/// Where a file's schema is the table's, metadata included, DataFusion leaves out what adapts columns, and with it the checks of
/// [`exact`](super::exact). With this key it never is.
const NOT_THE_TABLE: (&str, &str) = ("transom", "of a file");

/// The footer as it is used: with checked sizes, annotations that make the reader check text, and without statistics that mislead.
/// `text` says whether the table has text in the top-level column of that name. `bytes` is the file's size.
///
/// # Errors
/// If row groups have sizes that cannot be, or lie outside the file.
pub(super) fn trusted(
    metadata: &ParquetMetaData,
    bytes: u64,
    text: &dyn Fn(&str) -> bool,
) -> Result<ParquetMetaData, ParquetError> {
    let of_file = metadata.file_metadata();
    let mut rows = 0_i64;
    for row_group in metadata.row_groups() {
        check_sizes(row_group, bytes)?;
        rows = rows
            .checked_add(row_group.num_rows())
            .ok_or_else(|| impossible("the number of rows"))?;
    }
    if rows != of_file.num_rows() {
        return Err(ParquetError::General(format!(
            "the file says that it has {} rows, its row groups have {rows}",
            of_file.num_rows()
        )));
    }
    let mut key_values = of_file.key_value_metadata().cloned().unwrap_or_default();
    leave_out_dictionaries(&mut key_values);
    let (schema, changed) = annotated(of_file.schema_descr_ptr(), Some(&key_values), text)?;
    let (key, value) = NOT_THE_TABLE;
    key_values.push(KeyValue::new(key.to_owned(), value.to_owned()));
    let of_file = with_schema(of_file, schema, Some(key_values));
    let mut row_groups = metadata.row_groups().to_vec();
    for row_group in &mut row_groups {
        for (position, column) in row_group.columns_mut().iter_mut().enumerate() {
            if is_misleading(column) || changed.contains(&position) {
                *column = column
                    .clone()
                    .into_builder()
                    .clear_statistics()
                    .set_bloom_filter_offset(None)
                    .set_bloom_filter_length(None)
                    // Who loads the index later must not find it.
                    .set_column_index_offset(None)
                    .set_column_index_length(None)
                    .build()?;
            }
        }
    }
    let column_index = metadata.column_index().map(|index| {
        let mut index = index.clone();
        for (row_group, columns) in metadata.row_groups().iter().zip(&mut index) {
            for (position, (column, index)) in row_group.columns().iter().zip(columns).enumerate() {
                if is_misleading(column) || changed.contains(&position) {
                    *index = ColumnIndexMetaData::NONE;
                }
            }
        }
        index
    });
    Ok(ParquetMetaData::new(of_file, row_groups)
        .into_builder()
        .set_column_index(column_index)
        .set_offset_index(metadata.offset_index().cloned())
        .build())
}

fn impossible(what: &str) -> ParquetError {
    ParquetError::General(format!("{what} is impossible"))
}

/// The parquet crate asserts what is checked here.
fn check_sizes(row_group: &RowGroupMetaData, bytes: u64) -> Result<(), ParquetError> {
    if row_group.num_rows() < 0 {
        return Err(impossible("the number of rows of a row group"));
    }
    for column in row_group.columns() {
        let start = column
            .dictionary_page_offset()
            .unwrap_or_else(|| column.data_page_offset());
        let end = start.checked_add(column.compressed_size());
        let inside = start >= 0
            && column.compressed_size() >= 0
            && column.uncompressed_size() >= 0
            && column.num_values() >= 0
            && end.is_some_and(|end| end as u64 <= bytes);
        if !inside {
            return Err(ParquetError::General(format!(
                "the data of column `{}` is not within the file",
                column.column_path().string()
            )));
        }
    }
    Ok(())
}

/// Whether statistics say nothing sure about the values: NaN is left out, the order is not the values' own, an old writer compared bytes as
/// signed ones, or they do not say how many NULLs there are, which DataFusion takes for none (apache/datafusion#25239).
fn is_misleading(column: &ColumnChunkMetaData) -> bool {
    let descriptor = column.column_descr();
    let has_nulls = descriptor.max_def_level() > 0;
    let counts_none = |statistics: &Statistics| statistics.null_count_opt().is_none();
    if has_nulls && column.statistics().is_some_and(counts_none) {
        return true;
    }
    let float16 = matches!(descriptor.logical_type_ref(), Some(LogicalType::Float16));
    let deprecated = column
        .statistics()
        .is_some_and(|statistics| statistics.is_min_max_deprecated());
    match descriptor.physical_type() {
        Physical::FLOAT | Physical::DOUBLE | Physical::INT96 => true,
        Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY => deprecated || float16,
        Physical::INT32 | Physical::INT64 => deprecated && is_unsigned(descriptor),
        Physical::BOOLEAN => false,
    }
}

fn is_unsigned(descriptor: &ColumnDescriptor) -> bool {
    matches!(
        descriptor.converted_type(),
        ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64
    )
}

/// The schema with the annotations that the reader shall see, and the columns (leaves) that have others now.
fn annotated(
    descriptors: SchemaDescPtr,
    key_values: Option<&Vec<KeyValue>>,
    text: &dyn Fn(&str) -> bool,
) -> Result<(SchemaDescPtr, Vec<usize>), ParquetError> {
    let arrow = parquet_to_arrow_schema(&descriptors, key_values)?;
    let mut types = Vec::new();
    arrow
        .fields()
        .iter()
        .for_each(|field| leaves(field.data_type(), &mut types));
    if types.len() != descriptors.num_columns() {
        return Err(ParquetError::General(
            "the types of the schema do not belong to its columns".to_owned(),
        ));
    }
    let annotation = |leaf: usize| {
        let descriptor = descriptors.column(leaf);
        match descriptor.physical_type() {
            _ if is_unknown(&descriptor) => Some(Annotation::Plain),
            Physical::INT32 if is_cut(&types[leaf]) => Some(Annotation::Plain),
            Physical::BYTE_ARRAY if descriptor.converted_type() != ConvertedType::UTF8 => {
                let root = descriptors.get_column_root(leaf);
                let is_text = is_text(&types[leaf])
                    || is_enum(&descriptor)
                    || (root.is_primitive()
                        && types[leaf] == DataType::Binary
                        && text(root.name()));
                is_text.then_some(Annotation::Text)
            }
            Physical::FIXED_LEN_BYTE_ARRAY if is_interval(&descriptor) => Some(Annotation::Plain),
            // Encoded as bytes of that size are, with a dictionary or without.
            Physical::INT96 => Some(Annotation::Plain),
            _ => None,
        }
    };
    let annotations: Vec<_> = (0..types.len()).map(annotation).collect();
    let changed: Vec<usize> = (0..types.len())
        .filter(|leaf| annotations[*leaf].is_some())
        .collect();
    if changed.is_empty() {
        return Ok((descriptors, changed));
    }
    let root = rewritten(&descriptors.root_schema_ptr(), &annotations, &mut 0)?;
    Ok((Arc::new(SchemaDescriptor::new(root)), changed))
}

/// The footer with all text as the bytes that it is.
pub(super) fn as_bytes(metadata: &ParquetMetaData) -> Result<ParquetMetaData, ParquetError> {
    let of_file = metadata.file_metadata();
    let descriptors = of_file.schema_descr();
    let annotations: Vec<_> = descriptors
        .columns()
        .iter()
        .map(|descriptor| {
            let bytes = descriptor.physical_type() == Physical::BYTE_ARRAY
                && descriptor.converted_type() != ConvertedType::DECIMAL;
            let bytes =
                bytes || is_interval(descriptor) || descriptor.physical_type() == Physical::INT96;
            bytes.then_some(Annotation::Plain)
        })
        .collect();
    let root = rewritten(&descriptors.root_schema_ptr(), &annotations, &mut 0)?;
    let key_values = of_file.key_value_metadata().cloned();
    let of_file = with_schema(of_file, Arc::new(SchemaDescriptor::new(root)), key_values);
    Ok(ParquetMetaData::new(
        of_file,
        metadata.row_groups().to_vec(),
    ))
}

fn with_schema(
    of_file: &FileMetaData,
    schema: SchemaDescPtr,
    key_values: Option<Vec<KeyValue>>,
) -> FileMetaData {
    FileMetaData::new(
        of_file.version(),
        of_file.num_rows(),
        of_file.created_by().map(str::to_owned),
        key_values,
        schema,
        of_file.column_orders().cloned(),
    )
}

#[derive(Debug, Clone, Copy)]
enum Annotation {
    /// UTF-8, checked by the reader.
    Text,
    /// None: values as they are stored.
    Plain,
}

fn rewritten(
    node: &Arc<Type>,
    annotations: &[Option<Annotation>],
    leaf: &mut usize,
) -> Result<Arc<Type>, ParquetError> {
    let info = node.get_basic_info();
    let id = info.has_id().then(|| info.id());
    if node.is_group() {
        let fields = node
            .get_fields()
            .iter()
            .map(|field| rewritten(field, annotations, leaf))
            .collect::<Result<Vec<_>, _>>()?;
        let mut builder = Type::group_type_builder(node.name())
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_id(id)
            .with_fields(fields);
        if info.has_repetition() {
            builder = builder.with_repetition(info.repetition());
        }
        return Ok(Arc::new(builder.build()?));
    }
    let annotation = annotations[*leaf];
    *leaf += 1;
    let Some(annotation) = annotation else {
        return Ok(Arc::clone(node));
    };
    let physical_type = match node.get_physical_type() {
        Physical::INT96 => Physical::FIXED_LEN_BYTE_ARRAY,
        other => other,
    };
    let builder = Type::primitive_type_builder(node.name(), physical_type)
        .with_repetition(info.repetition())
        .with_id(id);
    let builder = match annotation {
        Annotation::Text => builder
            .with_converted_type(ConvertedType::UTF8)
            .with_logical_type(Some(LogicalType::String)),
        Annotation::Plain => match node.as_ref() {
            _ if node.get_physical_type() == Physical::INT96 => builder.with_length(INT96_BYTES),
            Type::PrimitiveType { type_length, .. } => builder.with_length(*type_length),
            Type::GroupType { .. } => builder,
        },
    };
    Ok(Arc::new(builder.build()?))
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Whether the parquet crate reads such values from wider ones without a look at what it leaves out.
fn is_cut(data_type: &DataType) -> bool {
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => true,
        DataType::Dictionary(_, values) => is_cut(values),
        _ => false,
    }
}

fn is_unknown(descriptor: &ColumnDescriptor) -> bool {
    matches!(descriptor.logical_type_ref(), Some(LogicalType::Unknown))
}

fn is_enum(descriptor: &ColumnDescriptor) -> bool {
    matches!(descriptor.logical_type_ref(), Some(LogicalType::Enum))
        || descriptor.converted_type() == ConvertedType::ENUM
}

fn is_interval(descriptor: &ColumnDescriptor) -> bool {
    descriptor.converted_type() == ConvertedType::INTERVAL
        && descriptor.type_length() == INTERVAL_BYTES
}

/// The types of the columns (leaves) below a type, in the order in which Parquet counts them.
fn leaves(data_type: &DataType, found: &mut Vec<DataType>) {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => leaves(item.data_type(), found),
        DataType::Struct(fields) => fields
            .iter()
            .for_each(|field| leaves(field.data_type(), found)),
        leaf => found.push(leaf.clone()),
    }
}

/// The columns of a file as they are offered to the table: UUIDs as text, intervals with their months, INT96 in microseconds, list views
/// as lists.
///
/// # Errors
/// If Arrow has no type for one.
pub(super) fn columns(metadata: &ParquetMetaData) -> Result<Schema, ParquetError> {
    let of_file = metadata.file_metadata();
    let descriptors = of_file.schema_descr();
    let schema = parquet_to_arrow_schema(descriptors, of_file.key_value_metadata())?;
    let mut leaf = 0;
    let fields: Vec<FieldRef> = schema
        .fields()
        .iter()
        .map(|field| offered(field, descriptors, &mut leaf))
        .collect();
    Ok(Schema::new(fields))
}

/// The first column, or field of one, to which the file's own Arrow schema gives a type that the arrow crate does not have, and that type
/// or what the crate says of it.
pub(super) fn foreign_type(metadata: &ParquetMetaData) -> Option<(String, String)> {
    let mut key_values = metadata.file_metadata().key_value_metadata()?.iter();
    let message = arrow_message(key_values.find(|pair| pair.key == ARROW_SCHEMA_META_KEY)?)?;
    let schema = ipc::root_as_message(&message).ok()?.header_as_schema()?;
    schema.fields()?.iter().find_map(foreign_field)
}

/// The message in which a file has its own Arrow schema.
fn arrow_message(pair: &KeyValue) -> Option<Vec<u8>> {
    let mut bytes = base64_simd::STANDARD
        .decode_to_vec(pair.value.as_deref()?)
        .ok()?;
    // Behind a mark and the length, of four bytes each, which old writers leave out.
    if bytes.starts_with(&[255; 4]) {
        bytes = bytes.get(8..)?.to_vec();
    }
    Some(bytes)
}

/// Changes the file's own Arrow schema, if it can be read, to one whose columns have their values' types.
fn leave_out_dictionaries(key_values: &mut [KeyValue]) {
    for pair in key_values {
        if pair.key != ARROW_SCHEMA_META_KEY {
            continue;
        }
        let Some(message) = arrow_message(pair) else {
            continue;
        };
        let Some(schema) = ipc::root_as_message(&message)
            .ok()
            .and_then(|message| message.header_as_schema())
        else {
            continue;
        };
        let schema = ipc::convert::fb_to_schema(schema);
        let fields: Fields = schema.fields().iter().map(without_dictionaries).collect();
        if &fields != schema.fields() {
            let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
            pair.value = Some(encode_arrow_schema(&schema));
        }
    }
}

fn without_dictionaries(field: &FieldRef) -> FieldRef {
    fn values_of(data_type: &DataType) -> DataType {
        match data_type {
            DataType::Dictionary(_, values) => values_of(values),
            DataType::List(item) => DataType::List(without_dictionaries(item)),
            DataType::LargeList(item) => DataType::LargeList(without_dictionaries(item)),
            DataType::ListView(item) => DataType::ListView(without_dictionaries(item)),
            DataType::LargeListView(item) => DataType::LargeListView(without_dictionaries(item)),
            DataType::FixedSizeList(item, size) => {
                DataType::FixedSizeList(without_dictionaries(item), *size)
            }
            DataType::Map(entries, sorted) => DataType::Map(without_dictionaries(entries), *sorted),
            DataType::Struct(fields) => {
                DataType::Struct(fields.iter().map(without_dictionaries).collect())
            }
            other => other.clone(),
        }
    }
    let data_type = values_of(field.data_type());
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

fn foreign_field(field: ipc::Field<'_>) -> Option<(String, String)> {
    let name = field.name().unwrap_or_default();
    let mut below = field.children().into_iter().flatten();
    if let Some((child, found)) = below.find_map(foreign_field) {
        return Some((format!("{name}.{child}"), found));
    }
    // It panics where it has no type.
    let panic = guard::catch(|| Field::from(field)).err()?;
    let found = match field.type_as_int() {
        Some(int) if int.is_signed() => format!("int{}", int.bitWidth()),
        Some(int) => format!("uint{}", int.bitWidth()),
        None => guard::said(panic.as_ref()),
    };
    Some((name.to_owned(), found))
}

fn offered(field: &FieldRef, descriptors: &SchemaDescriptor, leaf: &mut usize) -> FieldRef {
    let below = |item: &FieldRef, leaf: &mut usize| offered(item, descriptors, leaf);
    let data_type = match field.data_type() {
        // What crosses to plugins has no views.
        DataType::List(item) | DataType::ListView(item) => DataType::List(below(item, leaf)),
        DataType::LargeList(item) | DataType::LargeListView(item) => {
            DataType::LargeList(below(item, leaf))
        }
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(below(item, leaf), *size),
        DataType::Map(item, sorted) => DataType::Map(below(item, leaf), *sorted),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| below(field, leaf)).collect())
        }
        of_leaf => {
            let offered = (*leaf < descriptors.num_columns())
                .then(|| of_leaf_column(&descriptors.column(*leaf), of_leaf));
            *leaf += 1;
            offered.unwrap_or_else(|| of_leaf.clone())
        }
    };
    // Metadata of fields is the writer's business.
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
}

fn of_leaf_column(descriptor: &ColumnDescriptor, data_type: &DataType) -> DataType {
    use arrow::datatypes::{IntervalUnit, TimeUnit};
    match data_type {
        DataType::FixedSizeBinary(UUID_BYTES)
            if matches!(descriptor.logical_type_ref(), Some(LogicalType::Uuid)) =>
        {
            DataType::Utf8
        }
        DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Timestamp(TimeUnit::Nanosecond, zone)
            if descriptor.physical_type() == Physical::INT96 =>
        {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        DataType::Binary if is_enum(descriptor) => DataType::Utf8,
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        // How a file stores values is no matter of the table: another file may not repeat them, or need more digits.
        DataType::Dictionary(_, values) => of_leaf_column(descriptor, values),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Decimal256(precision, scale) if *precision <= DECIMAL128_MAX_PRECISION => {
            DataType::Decimal128(*precision, *scale)
        }
        other => other.clone(),
    }
}
