//! Hashes: `FNV_HASH`, `CRC32` and `SHA1`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::{Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use datafusion::logical_expr::ScalarUDF;
use sha1::{Digest, Sha1};

use super::scalar::{Arguments, by_row, by_text, scalar};
use crate::error::{Error, Result};
use crate::types::{MAX_VARCHAR, Type};

const TEXT: Type = Type::Varchar(MAX_VARCHAR);

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        scalar("redshift_fnv_hash", fnv_types, fnv_hash),
        scalar(
            "redshift_crc32",
            |_| Ok((vec![TEXT], Type::Varchar(8))),
            |columns, _, _| {
                by_text::<_, StringArray>(columns, |values| {
                    Ok(Some(format!("{:08x}", crc32c(values[0].as_bytes()))))
                })
            },
        ),
        scalar(
            "redshift_sha1",
            |_| Ok((vec![TEXT], Type::Varchar(40))),
            |columns, _, _| {
                by_text::<_, StringArray>(columns, |values| {
                    let digest = Sha1::digest(values[0].as_bytes());
                    let digits = digest.iter().map(|byte| format!("{byte:02x}"));
                    Ok(Some(digits.collect::<String>()))
                })
            },
        ),
    ]
}

/// FNV-1a begins with it, unless a seed is given.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn fnv_1a(bytes: &[u8], seed: u64) -> u64 {
    bytes.iter().fold(seed, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME)
    })
}

/// Values whose bytes are known: how Redshift holds decimals and dates is not, nor how many blanks of a CHAR it takes.
fn fnv_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let value = match arguments.types[0] {
        Type::Unknown => TEXT,
        known @ (Type::Bool
        | Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Float4
        | Type::Float8
        | Type::Varchar(_)
        | Type::Varbyte(_)) => known,
        other => {
            let what = format!("FNV_HASH of the type {}", other.base_name());
            return Err(Error::not_yet(what).hint("cast to VARCHAR"));
        }
    };
    let mut types = vec![value];
    types.extend(arguments.types.get(1).map(|_| Type::Int8));
    Ok((types, Type::Int8))
}

fn fnv_hash(columns: &[ArrayRef], types: &[Type], _: Type) -> Result<ArrayRef> {
    let values = &columns[0];
    let seeds = columns
        .get(1)
        .map(|seeds| seeds.as_primitive::<Int64Type>());
    let hashes = by_row::<_, Int64Array>(columns, |row| {
        let seed = seeds.map_or(FNV_START, |seeds| seeds.value(row).cast_unsigned());
        let hash = |bytes: &[u8]| fnv_1a(bytes, seed);
        let hash = match types[0] {
            Type::Bool => hash(&[u8::from(values.as_boolean().value(row))]),
            Type::Int2 => hash(&values.as_primitive::<Int16Type>().value(row).to_le_bytes()),
            Type::Int4 => hash(&values.as_primitive::<Int32Type>().value(row).to_le_bytes()),
            Type::Int8 => hash(&values.as_primitive::<Int64Type>().value(row).to_le_bytes()),
            Type::Float4 => hash(
                &values
                    .as_primitive::<Float32Type>()
                    .value(row)
                    .to_le_bytes(),
            ),
            Type::Float8 => hash(
                &values
                    .as_primitive::<Float64Type>()
                    .value(row)
                    .to_le_bytes(),
            ),
            Type::Varbyte(_) => hash(values.as_binary::<i32>().value(row)),
            _ => hash(values.as_string::<i32>().value(row).as_bytes()),
        };
        Ok(Some(hash.cast_signed()))
    })?;
    Ok(Arc::new(hashes))
}

/// The checksum by the polynomial of Castagnoli, its bits from the lowest on.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let rest = bytes.iter().fold(u32::MAX, |rest, byte| {
        (0..8).fold(rest ^ u32::from(*byte), |rest, _| match rest & 1 {
            0 => rest >> 1,
            _ => (rest >> 1) ^ POLYNOMIAL,
        })
    });
    !rest
}
