//! Parquet: rows of columns as records.
//!
//! Source: Apache Parquet, *File Format*; the column names are those of CloudFront standard
//! logging v2 (all strings) and of VPC Flow Logs (typed), where punctuation is written `_`.
//!
//! A row becomes the line that the vendor's text form of the same log has, and that format's own
//! parser reads it, so that both forms give the same events. Files with other columns become JSON
//! objects and are read as those are: by key, the rest in `attrs`. The ordinal of a record is its
//! row's number in the file.
//!
//! `raw` of a row, and the bytes of a reject, are the row as canonical JSON: one object, keys as
//! the columns are named, in byte order, nulls left out, no blanks, numbers and truth values
//! plain, times as RFC 3339 UTC, everything else as strings.
//!
//! The file is held in memory whole ([`crate::Limits::parquet_bytes_max`]), its rows are not:
//! they are decoded and handed out a block at a time. Everything the file says about sizes is
//! checked before it is used (`footer.rs`, `pages.rs`); damage ends the input with one reject.

mod cells;
mod footer;
mod pages;
mod shape;
mod thrift;

use crate::options::ParseOptions;
use crate::parser::{Choice, ParsedBatch, Parser, RawBlock};
use crate::relay::{self, Wrapped};
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Fields};
use bytes::Bytes;
use cells::Cells;
use haetae_event::{Counts, Dataset, Reason, Reject};
use pages::Group;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels, parquet_to_arrow_schema};
use parquet::file::metadata::ParquetMetaData;
use shape::Shape;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What every Parquet file begins with.
pub const MAGIC: &[u8] = b"PAR1";
const OVER_BUDGET: &str = "a row group unpacks to more than the cap";
/// Rows decoded at once.
const BATCH_ROWS: usize = 1024;
/// Rows looked at to recognise a JSON format.
const HEAD_ROWS: usize = 8;

/// Calls into the Parquet library. It is not to panic on what was checked before; if it does, the
/// file is damaged, no more.
fn guarded<T>(call: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => Err(e.to_string()),
        Err(_) => Err("the Parquet decoder gave up on it".into()),
    }
}

/// One Parquet file as batches.
pub struct Columnar {
    file: Bytes,
    metadata: Arc<ParquetMetaData>,
    levels: FieldLevels,
    options: ParseOptions,
    shape: Shape,
    parser: Option<Box<dyn Parser>>,
    /// The next row group to open.
    group: usize,
    rows: Option<ParquetRecordBatchReader>,
    /// The rows at hand, and the first that is not yet handed out.
    batch: Option<(RecordBatch, usize)>,
    /// Rows handed out.
    done: u64,
    /// Bytes of text made of them.
    made: u64,
}

impl Columnar {
    /// # Errors
    /// The reject of a file that cannot be read.
    pub fn open(file: Vec<u8>, choice: &Choice, options: &ParseOptions) -> Result<Columnar, Reject> {
        let opened = Columnar::try_open(Bytes::from(file), choice, options);
        opened.map_err(|detail| refusal(Reason::Unreadable, detail, 0))
    }

    fn try_open(file: Bytes, choice: &Choice, options: &ParseOptions) -> Result<Columnar, String> {
        let metadata = Arc::new(footer::read(&file)?);
        let schema = metadata.file_metadata().schema_descr_ptr();
        let names: Vec<&str> = schema
            .root_schema()
            .get_fields()
            .iter()
            .map(|f| f.name())
            .collect();
        let shape = Shape::of(&names, choice, options);
        let wanted = shape.needs();
        let mask = ProjectionMask::roots(&schema, wanted);
        let levels = guarded(|| {
            // Views into the pages: a long value in a dictionary is not copied for every row.
            let views = views(parquet_to_arrow_schema(&schema, None)?.fields());
            parquet_to_arrow_field_levels(&schema, mask, Some(&views))
        })?;
        let mut columnar = Columnar {
            file,
            metadata,
            levels,
            options: options.clone(),
            shape,
            parser: None,
            group: 0,
            rows: None,
            batch: None,
            done: 0,
            made: 0,
        };
        columnar.parser = columnar.shape.flat_parser(options);
        if columnar.parser.is_none() {
            columnar.recognise(choice)?;
        }
        Ok(columnar)
    }

    /// Chooses the JSON format by the first rows.
    fn recognise(&mut self, choice: &Choice) -> Result<(), String> {
        self.fill()?;
        let mut head = String::new();
        if let Some((batch, _)) = &self.batch {
            let row = JsonRows::new(batch, &self.shape);
            for at in 0..batch.num_rows().min(HEAD_ROWS) {
                row.push(at, self.options.limits.record_bytes_max, &mut head);
                head.push('\n');
            }
        }
        let parser = shape::json_parser(&head, choice, &self.options);
        self.parser = Some(parser.ok_or("the chosen parser does not read columns")?);
        Ok(())
    }

    pub fn id(&self) -> &str {
        self.parser.as_ref().map_or("unknown@v1", |parser| parser.id())
    }

    pub fn dataset(&self) -> Option<Dataset> {
        self.parser.as_ref().map(|parser| parser.dataset())
    }

    /// The next batch, or `None` at the end.
    ///
    /// # Errors
    /// The reject that ends a damaged file; its ordinal is not set.
    pub fn next(&mut self) -> Result<Option<ParsedBatch>, Reject> {
        self.fill().map_err(|detail| match detail.contains(OVER_BUDGET) {
            true => refusal(Reason::DecompressionCap, detail, self.done),
            false => refusal(Reason::Unreadable, detail, self.done),
        })?;
        let Some((batch, from)) = self.batch.take() else {
            return Ok(None);
        };
        let made = self.block(&batch, from);
        self.check_expansion()?;
        let (parsed, until) = made;
        self.done += (until - from) as u64;
        if until < batch.num_rows() {
            self.batch = Some((batch, until));
        }
        Ok(Some(parsed))
    }

    /// Makes sure that there are rows at hand, unless the file is at its end.
    fn fill(&mut self) -> Result<(), String> {
        while self.batch.is_none() {
            if let Some(rows) = &mut self.rows {
                let next = guarded(|| rows.next().transpose().map_err(Into::into))?;
                match next {
                    Some(batch) if batch.num_rows() > 0 => self.batch = Some((batch, 0)),
                    Some(_) => {}
                    None => self.rows = None,
                }
                continue;
            }
            if self.group == self.metadata.num_row_groups() {
                return Ok(());
            }
            let budget = self.options.limits.parquet_bytes_max;
            let group = Group::new(self.file.clone(), self.metadata.clone(), self.group, budget);
            self.group += 1;
            self.rows = Some(guarded(|| {
                ParquetRecordBatchReader::try_new_with_row_groups(&self.levels, &group, BATCH_ROWS, None)
            })?);
        }
        Ok(())
    }

    /// A few bytes can stand for billions of equal rows: what is made is held against what came.
    fn check_expansion(&self) -> Result<(), Reject> {
        let limits = &self.options.limits;
        let ratio = self.made / self.file.len().max(1) as u64;
        let much = self.made > limits.ratio_floor_bytes && ratio > limits.expansion_ratio_max;
        if self.made > limits.decompressed_bytes_max || much {
            let detail = format!(
                "{} bytes of Parquet make {} bytes of rows",
                self.file.len(),
                self.made
            );
            return Err(refusal(Reason::DecompressionCap, detail, self.done));
        }
        Ok(())
    }

    /// Parses rows from `from` on, a block's worth; gives back where it stopped.
    fn block(&mut self, batch: &RecordBatch, from: usize) -> (ParsedBatch, usize) {
        let limits = &self.options.limits;
        let json = JsonRows::new(batch, &self.shape);
        let lines = self.shape.lines(batch);
        let (mut text, mut at) = (String::new(), from);
        let mut long = None;
        while at < batch.num_rows() && text.len() < limits.block_bytes {
            let start = text.len();
            match &lines {
                Some(lines) => lines.push(at, limits.record_bytes_max, &mut text),
                None => json.push(at, limits.record_bytes_max, &mut text),
            }
            if text.len() - start > limits.record_bytes_max {
                long = Some(start);
                break;
            }
            text.push('\n');
            at += 1;
        }
        self.made += text.len() as u64 + (at - from) as u64;
        if let Some(start) = long
            && start == 0
        {
            return (self.too_long(text), at + 1);
        }
        // What is too long comes alone in the next batch.
        text.truncate(long.unwrap_or(text.len()));
        let wrapped = Rows {
            json: &json,
            first: self.done,
            from,
            most: limits.record_bytes_max,
        };
        let parser = self.parser.as_mut().expect("chosen when the file was opened");
        let parsed = match &lines {
            Some(_) => relay::parse(parser.as_mut(), text, &wrapped, self.shape.keeps_unknown()),
            None => parser.parse(&RawBlock {
                bytes: Buffer::from_vec(text.into_bytes()),
                first_ordinal: self.done,
            }),
        };
        (parsed, at)
    }

    fn too_long(&self, text: String) -> ParsedBatch {
        let most = self.options.limits.record_bytes_max;
        let mut reject = refusal(
            Reason::RecordTooLong,
            format!("longer than {most} bytes"),
            self.done,
        );
        reject.bytes = text.into_bytes();
        reject.bytes.truncate(haetae_event::reject::REJECT_BYTES_MAX);
        ParsedBatch {
            rejects: vec![reject],
            counts: Counts {
                lines_in: 1,
                rejected: 1,
                ..Counts::default()
            },
            ..ParsedBatch::default()
        }
    }
}

fn refusal(reason: Reason, detail: String, ordinal: u64) -> Reject {
    Reject {
        ordinal,
        reason,
        detail: format!("Parquet: {detail}"),
        bytes: Vec::new(),
    }
}

/// The fields with views for strings and bytes, nested ones too.
fn views(fields: &Fields) -> Fields {
    fn view(field: &Field) -> Field {
        let inner = |field: &Arc<Field>| Arc::new(view(field));
        let kind = match field.data_type() {
            DataType::Utf8 => DataType::Utf8View,
            DataType::Binary => DataType::BinaryView,
            DataType::Struct(fields) => DataType::Struct(views(fields)),
            DataType::List(item) => DataType::List(inner(item)),
            DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
            other => other.clone(),
        };
        field.clone().with_data_type(kind)
    }
    fields.iter().map(|field| Arc::new(view(field))).collect()
}

/// Rows as canonical JSON.
struct JsonRows<'a> {
    /// Name and cells, in byte order of the names.
    columns: Vec<(&'a str, Cells<'a>)>,
    /// Those whose columns have no place in the text form.
    unknown: Vec<usize>,
}

impl<'a> JsonRows<'a> {
    fn new(batch: &'a RecordBatch, shape: &Shape) -> Self {
        let fields = batch.schema_ref().fields();
        let mut columns: Vec<(&str, Cells<'_>)> = fields
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| (field.name().as_str(), Cells::of(column)))
            .collect();
        columns.sort_by_key(|(name, _)| *name);
        let unknown = (0..columns.len())
            .filter(|&at| shape.is_unknown(columns[at].0))
            .collect();
        JsonRows { columns, unknown }
    }

    fn push(&self, row: usize, most: usize, out: &mut String) {
        self.push_some(self.columns.iter(), row, most, out);
        if out.is_empty() || out.ends_with('\n') {
            out.push_str("{}");
        }
    }

    fn push_some<'c>(
        &self,
        columns: impl Iterator<Item = &'c (&'a str, Cells<'a>)>,
        row: usize,
        most: usize,
        out: &mut String,
    ) where
        'a: 'c,
    {
        let mut object = String::new();
        for (name, cells) in columns {
            if !cells.is_null(row) && object.len() <= most {
                crate::json_write::push_key(&mut object, name);
                cells.push_json(row, most, &mut object);
            }
        }
        if !object.is_empty() {
            out.push_str(&object);
            out.push('}');
        }
    }
}

/// The rows of a block as they came.
struct Rows<'a> {
    json: &'a JsonRows<'a>,
    /// Ordinal of the first.
    first: u64,
    from: usize,
    most: usize,
}

impl Wrapped for Rows<'_> {
    fn ordinal(&self, record: usize) -> u64 {
        self.first + record as u64
    }

    fn raw(&self, record: usize, out: &mut String) {
        self.json.push(self.from + record, self.most * 4, out);
    }

    fn is_damaged(&self, record: usize) -> bool {
        let row = self.from + record;
        self.json.columns.iter().any(|(_, cells)| cells.is_damaged(row))
    }

    fn attrs(&self, record: usize, out: &mut String) {
        let unknown = self.json.unknown.iter().map(|&at| &self.json.columns[at]);
        self.json.push_some(unknown, self.from + record, self.most, out);
    }
}
