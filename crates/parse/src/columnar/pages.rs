//! The pages of a row group, unpacked under a budget.
//!
//! The library's own reader believes a page's header: a gzip page may unpack to anything, and the
//! lengths of a delta-encoded page are allocated before they are read. Here every size is checked
//! first, so that the decoders only see pages that are what they say.
//!
//! Source: Apache Parquet, *File Format* (`parquet.thrift`, *Encodings*).

use super::thrift::{Compact, I32, STRUCT};
use crate::inflate::{Decoder, GZIP_MAGIC};
use crate::options::Limits;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::schema::types::ColumnDescPtr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;
/// What a value of a repeated column may take while a row is put together.
const REPEATED_VALUE_BYTES: u64 = 32;

fn bad(what: impl Into<String>) -> ParquetError {
    ParquetError::General(what.into())
}

/// One row group as the library's array readers take it.
pub struct Group {
    file: Bytes,
    metadata: Arc<ParquetMetaData>,
    group: usize,
    /// Bytes that pages of this group may still unpack to.
    budget: Arc<AtomicU64>,
}

impl Group {
    pub fn new(file: Bytes, metadata: Arc<ParquetMetaData>, group: usize, budget: u64) -> Self {
        Group {
            file,
            metadata,
            group,
            budget: Arc::new(AtomicU64::new(budget)),
        }
    }
}

impl parquet::arrow::arrow_reader::RowGroups for Group {
    fn num_rows(&self) -> usize {
        self.metadata.row_group(self.group).num_rows() as usize
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.metadata.row_group(self.group).column(column);
        // Both were checked with the footer.
        let (start, length) = chunk.byte_range();
        Ok(Box::new(OneChunk(Some(Pages {
            file: self.file.slice(..(start + length) as usize),
            at: start as usize,
            values_left: chunk.num_values() as u64,
            column: chunk.column_descr_ptr(),
            compression: chunk.compression(),
            budget: self.budget.clone(),
            before_data: true,
        }))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.metadata.row_group(self.group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The pages of one column, once.
struct OneChunk(Option<Pages>);

impl Iterator for OneChunk {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0
            .take()
            .map(|pages| Ok(Box::new(pages) as Box<dyn PageReader>))
    }
}

impl PageIterator for OneChunk {}

/// What a page's header says; fields that its kind lacks are 0.
#[derive(Default)]
struct Header {
    kind: i64,
    unpacked: usize,
    packed: usize,
    values: u64,
    encoding: i64,
    levels: [i64; 2],
    nulls: u32,
    rows: u32,
    definition_bytes: usize,
    repetition_bytes: usize,
    plain: bool,
    /// Where the page's bytes begin.
    body: usize,
}

struct Pages {
    /// The file up to the end of the chunk.
    file: Bytes,
    at: usize,
    values_left: u64,
    column: ColumnDescPtr,
    compression: Compression,
    budget: Arc<AtomicU64>,
    before_data: bool,
}

impl Pages {
    fn header(&self) -> Result<Option<Header>> {
        if self.at >= self.file.len() || self.values_left == 0 {
            return Ok(None);
        }
        let header = header(&self.file, self.at).ok_or_else(|| bad("a page header is damaged"))?;
        let left = self.file.len() - header.body;
        if header.packed > left {
            return Err(bad("a page is longer than its column"));
        }
        Ok(Some(header))
    }

    fn spend(&self, bytes: u64) -> Result<()> {
        let left = self.budget.load(Ordering::Relaxed);
        let left = left.checked_sub(bytes).ok_or_else(|| bad(super::OVER_BUDGET))?;
        self.budget.store(left, Ordering::Relaxed);
        Ok(())
    }

    /// The unpacked bytes of a page; levels of a v2 page come first and are never packed.
    fn unpack(&self, header: &Header) -> Result<Bytes> {
        let body = self.file.slice(header.body..header.body + header.packed);
        if header.plain || self.compression == Compression::UNCOMPRESSED {
            return match body.len() == header.unpacked {
                true => Ok(body),
                false => Err(bad("a page is not as long as it says")),
            };
        }
        self.spend(header.unpacked as u64)?;
        let levels = header.definition_bytes + header.repetition_bytes;
        if levels > body.len() || levels > header.unpacked {
            return Err(bad("levels are longer than their page"));
        }
        let rest = header.unpacked - levels;
        let unpacked = match rest {
            0 => Vec::new(),
            _ => unpack(self.compression, &body[levels..], rest)?,
        };
        if unpacked.len() != rest {
            return Err(bad("a page does not unpack to what it says"));
        }
        Ok(match levels {
            0 => Bytes::from(unpacked),
            _ => Bytes::from([&body[..levels], &unpacked].concat()),
        })
    }

    /// Where the values of a data page begin behind its levels.
    fn values_at(&self, header: &Header, page: &[u8]) -> Result<usize> {
        let mut at = header.definition_bytes + header.repetition_bytes;
        for level in [self.column.max_rep_level(), self.column.max_def_level()] {
            if level > 0 && header.kind == DATA {
                let length = page.get(at..at + 4).and_then(|four| four.try_into().ok());
                let length = u32::from_le_bytes(length.ok_or_else(|| bad("levels are cut"))?) as usize;
                at += 4 + length;
            }
        }
        if at > page.len() {
            return Err(bad("levels are longer than their page"));
        }
        Ok(at)
    }

    /// Refuses what the decoders would allocate for, or panic on, without looking.
    fn check_values(&self, header: &Header, page: &[u8]) -> Result<()> {
        let values = &page[self.values_at(header, page)?..];
        let fits = |count: Option<u64>| count.is_some_and(|count| count <= header.values);
        let sound = match header.encoding {
            // The width of dictionary keys.
            2 | 8 => values.first().is_none_or(|width| *width <= 32),
            5 | 6 if !values.is_empty() => fits(delta(values).map(|(count, _)| count)),
            7 if !values.is_empty() => delta(values).is_some_and(|(count, end)| {
                fits(Some(count)) && delta(&values[end..]).is_some_and(|(suffixes, _)| suffixes == count)
            }),
            _ => true,
        };
        if sound {
            Ok(())
        } else {
            Err(bad("a page's values are damaged"))
        }
    }

    fn data(&mut self, header: &Header, buf: Bytes) -> Result<Page> {
        self.before_data = false;
        if header.values > self.values_left {
            return Err(bad("more values than the column has"));
        }
        self.values_left -= header.values;
        if self.column.max_rep_level() > 0 {
            self.spend(header.values * REPEATED_VALUE_BYTES)?;
        }
        self.check_values(header, &buf)?;
        let num_values = header.values as u32;
        let encoding = encoding(header.encoding)?;
        if header.kind == DATA_V2 {
            return Ok(Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls: header.nulls,
                num_rows: header.rows,
                def_levels_byte_len: header.definition_bytes as u32,
                rep_levels_byte_len: header.repetition_bytes as u32,
                is_compressed: false,
                statistics: None,
            });
        }
        let used = [self.column.max_def_level(), self.column.max_rep_level()];
        for (level, max) in header.levels.iter().zip(used) {
            if max > 0 && encoding_of_levels(*level).is_none() {
                return Err(bad("levels are in an encoding that is not read"));
            }
        }
        Ok(Page::DataPage {
            buf,
            num_values,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        while let Some(header) = self.header()? {
            self.at = header.body + header.packed;
            match header.kind {
                DATA | DATA_V2 => {
                    let buf = self.unpack(&header)?;
                    return self.data(&header, buf).map(Some);
                }
                DICTIONARY if self.before_data => {
                    self.before_data = false;
                    let buf = self.unpack(&header)?;
                    let least = match self.column.physical_type() {
                        Type::INT64 | Type::DOUBLE => 8,
                        Type::BOOLEAN | Type::FIXED_LEN_BYTE_ARRAY => 1,
                        _ => 4,
                    };
                    if header.values.saturating_mul(least) > buf.len() as u64 {
                        return Err(bad("more dictionary values than bytes for them"));
                    }
                    return Ok(Some(Page::DictionaryPage {
                        buf,
                        num_values: header.values as u32,
                        encoding: encoding(header.encoding)?,
                        is_sorted: false,
                    }));
                }
                DICTIONARY => return Err(bad("a second dictionary in one column")),
                // Index pages and what may come hold no rows.
                _ => {}
            }
        }
        Ok(None)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Ok(self.header()?.map(|header| PageMetadata {
            num_rows: (header.kind == DATA_V2).then_some(header.rows as usize),
            num_levels: (header.kind != DICTIONARY).then_some(header.values as usize),
            is_dict: header.kind == DICTIONARY,
        }))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.get_next_page().map(drop)
    }
}

fn encoding_of_levels(encoding: i64) -> Option<()> {
    (encoding == 3).then_some(())
}

fn encoding(number: i64) -> Result<Encoding> {
    Ok(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return Err(bad(format!("encoding {number} is not read"))),
    })
}

/// The header of the page at byte `at`.
fn header(file: &[u8], at: usize) -> Option<Header> {
    let mut cursor = Compact::new(file, at);
    let mut header = Header::default();
    let mut last = 0;
    while let Some(field) = cursor.field(last)? {
        last = field.id;
        match (field.id, field.kind) {
            (1, I32) => header.kind = cursor.number()?,
            (2, I32) => header.unpacked = size(cursor.number()?)?,
            (3, I32) => header.packed = size(cursor.number()?)?,
            (5 | 7 | 8, STRUCT) => inner(&mut cursor, field.id, &mut header)?,
            (_, kind) => cursor.skip(kind)?,
        }
    }
    header.body = cursor.at;
    Some(header)
}

fn size(number: i64) -> Option<usize> {
    i32::try_from(number).ok().and_then(|n| usize::try_from(n).ok())
}

/// `DataPageHeader` (5), `DictionaryPageHeader` (7) or `DataPageHeaderV2` (8).
fn inner(cursor: &mut Compact<'_>, which: i16, header: &mut Header) -> Option<()> {
    let mut last = 0;
    while let Some(field) = cursor.field(last)? {
        last = field.id;
        if which == 8 && field.id == 7 && field.kind <= 2 {
            header.plain = field.kind == 2;
            continue;
        }
        if field.kind != I32 {
            cursor.skip(field.kind)?;
            continue;
        }
        let number = cursor.number()?;
        match (which, field.id) {
            (_, 1) => header.values = size(number)? as u64,
            (5 | 7, 2) | (8, 4) => header.encoding = number,
            (5, 3) => header.levels[0] = number,
            (5, 4) => header.levels[1] = number,
            (8, 2) => header.nulls = size(number)? as u32,
            (8, 3) => header.rows = size(number)? as u32,
            (8, 5) => header.definition_bytes = size(number)?,
            (8, 6) => header.repetition_bytes = size(number)?,
            _ => {}
        }
    }
    Some(())
}

/// Unpacks to at most `size` bytes; more is an error.
fn unpack(compression: Compression, packed: &[u8], size: usize) -> Result<Vec<u8>> {
    let failed = |e: &dyn std::fmt::Display| bad(format!("a page does not unpack: {e}"));
    match compression {
        Compression::SNAPPY => {
            let length = snap::raw::decompress_len(packed).map_err(|e| failed(&e))?;
            if length != size {
                return Err(bad("a page does not unpack to what it says"));
            }
            let mut out = vec![0; size];
            snap::raw::Decoder::new()
                .decompress(packed, &mut out)
                .map_err(|e| failed(&e))?;
            Ok(out)
        }
        Compression::GZIP(_) => {
            let mut decoder = Decoder::new(packed, &Limits::default());
            let mut out = vec![0; size];
            let mut at = 0;
            while at < size {
                match decoder.fill(&mut out[at..]) {
                    Ok(0) => break,
                    Ok(made) => at += made,
                    Err(_) => return Err(bad("a page does not unpack")),
                }
            }
            // The end of the member carries the checksum; nothing may come before it.
            if !packed.starts_with(&GZIP_MAGIC) || !matches!(decoder.fill(&mut [0]), Ok(0)) {
                return Err(bad("a page does not unpack to what it says"));
            }
            out.truncate(at);
            Ok(out)
        }
        Compression::ZSTD(_) => {
            let mut out = vec![0; size];
            let length = zstd::bulk::decompress_to_buffer(packed, &mut out).map_err(|e| failed(&e))?;
            out.truncate(length);
            Ok(out)
        }
        other => Err(bad(format!("compression {other} is not read"))),
    }
}

/// The number of values of a delta-packed run of integers, and where it ends.
fn delta(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut cursor = Compact::new(bytes, 0);
    let block = cursor.varint()?;
    let minis = cursor.varint()?;
    let count = cursor.varint()?;
    cursor.varint()?;
    if minis == 0 || block == 0 || block % 128 != 0 || block % minis != 0 || block > 1 << 20 {
        return None;
    }
    let in_mini = block / minis;
    if in_mini % 32 != 0 {
        return None;
    }
    let mut left = count.saturating_sub(1);
    while left > 0 {
        cursor.varint()?;
        let widths = bytes.get(cursor.at..cursor.at.checked_add(minis as usize)?)?;
        cursor.at += widths.len();
        for &width in widths {
            // Miniblocks behind the last value have no bytes.
            if left == 0 {
                break;
            }
            if width > 64 {
                return None;
            }
            cursor.at += (in_mini * u64::from(width) / 8) as usize;
            left = left.saturating_sub(in_mini);
        }
        if cursor.at > bytes.len() {
            // The last miniblock may be cut short where nothing follows.
            return (left == 0).then_some((count, bytes.len()));
        }
    }
    Some((count, cursor.at))
}
