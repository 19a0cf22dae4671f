//! The footer of a Parquet file, checked before the library may allocate for it.

use super::guarded;
use super::thrift::{Compact, I32, LIST, STRUCT};
use parquet::basic::{Compression, Type};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

const MAGIC: &[u8] = b"PAR1";
/// Largest footer read; a real one takes some 100 bytes a column and row group.
const FOOTER_BYTES_MAX: usize = 8 << 20;
const SCHEMA_ELEMENTS_MAX: u64 = 4096;
const ROW_GROUPS_MAX: u64 = 32_767;
const NESTING_MAX: usize = 16;
/// Longest fixed-length value: every row of a batch takes as much, null or not.
const FIXED_BYTES_MAX: i32 = 1024;

/// The metadata of `file`, every offset in it checked against the file.
///
/// # Errors
/// What is wrong with the file, for people.
pub fn read(file: &[u8]) -> Result<ParquetMetaData, String> {
    let ends = file.len() >= 12 && file.starts_with(MAGIC);
    if !ends || !file.ends_with(MAGIC) {
        return Err("the file does not end as Parquet does: cut, damaged or encrypted".into());
    }
    let tail = file.len() - 8;
    let length = file[tail..tail + 4].try_into().map(u32::from_le_bytes);
    let length = length.map_or(usize::MAX, |length| length as usize);
    if length > FOOTER_BYTES_MAX || length > tail - 4 {
        return Err(format!("a footer of {length} bytes in a file of {}", file.len()));
    }
    let footer = &file[tail - length..tail];
    check(footer).ok_or("the footer is damaged")?;
    let metadata = guarded(|| ParquetMetaDataReader::decode_metadata(footer))?;
    for group in metadata.row_groups() {
        if group.num_rows() < 0 {
            return Err("a row group with a negative number of rows".into());
        }
        for column in group.columns() {
            let start = column
                .dictionary_page_offset()
                .unwrap_or_else(|| column.data_page_offset());
            let end = start.checked_add(column.compressed_size());
            let inside = start >= 4 && end.is_some_and(|end| end >= start && end as usize <= tail - length);
            if !inside || column.num_values() < 0 || column.file_path().is_some() {
                return Err(format!("column {} is not in the file", column.column_path()));
            }
            let fixed = column.column_descr().type_length();
            if column.column_type() == Type::FIXED_LEN_BYTE_ARRAY && !(1..=FIXED_BYTES_MAX).contains(&fixed) {
                return Err(format!(
                    "column {} has values of {fixed} bytes",
                    column.column_path()
                ));
            }
            let known = matches!(
                column.compression(),
                Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) | Compression::ZSTD(_)
            );
            if !known {
                return Err(format!("compression {} is not read", column.compression()));
            }
        }
    }
    Ok(metadata)
}

/// Walks over the whole footer: bounded lists, bounded nesting, as many columns in every row
/// group as the schema has leaves.
fn check(footer: &[u8]) -> Option<()> {
    let mut cursor = Compact::new(footer, 0);
    let (mut last, mut leaves) = (0, 0);
    while let Some(field) = cursor.field(last)? {
        last = field.id;
        match (field.id, field.kind) {
            (2, LIST) => leaves = schema(&mut cursor)?,
            (4, LIST) => {
                let (kind, groups) = cursor.list()?;
                if groups > 0 && (kind != STRUCT || groups > ROW_GROUPS_MAX) {
                    return None;
                }
                for _ in 0..groups {
                    row_group(&mut cursor, leaves)?;
                }
            }
            (2 | 4, _) => return None,
            (_, kind) => cursor.skip(kind)?,
        }
    }
    Some(())
}

fn row_group(cursor: &mut Compact<'_>, leaves: u64) -> Option<()> {
    let mut last = 0;
    while let Some(field) = cursor.field(last)? {
        last = field.id;
        if (field.id, field.kind) == (1, LIST) {
            let (kind, columns) = cursor.list()?;
            if kind != STRUCT || columns != leaves {
                return None;
            }
            for _ in 0..columns {
                cursor.skip(STRUCT)?;
            }
        } else {
            cursor.skip(field.kind)?;
        }
    }
    Some(())
}

/// The number of leaves of a schema that is one tree of bounded depth.
fn schema(cursor: &mut Compact<'_>) -> Option<u64> {
    let (kind, elements) = cursor.list()?;
    if kind != STRUCT || !(2..=SCHEMA_ELEMENTS_MAX).contains(&elements) {
        return None;
    }
    let mut leaves = 0;
    // Children that are still to come, per open group.
    let mut open: Vec<u64> = Vec::new();
    for element in 0..elements {
        let mut children = 0;
        let mut last = 0;
        while let Some(field) = cursor.field(last)? {
            last = field.id;
            if (field.id, field.kind) == (5, I32) {
                children = u64::try_from(cursor.number()?).ok()?;
            } else {
                cursor.skip(field.kind)?;
            }
        }
        if element > 0 {
            *open.last_mut()? -= 1;
        }
        if children > 0 {
            open.push(children);
        } else {
            leaves += 1;
        }
        if children > elements || open.len() > NESTING_MAX || element == 0 && children == 0 {
            return None;
        }
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    open.is_empty().then_some(leaves)
}
