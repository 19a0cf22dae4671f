//! What log the columns of a file are, and how a row of it reads as text.

use super::cells::Cells;
use crate::block::Framing;
use crate::cloudfront::CloudFront;
use crate::format::{Format, Opening, Recognise};
use crate::options::ParseOptions;
use crate::parser::{Choice, Parser};
use crate::vpcflow::{self, VpcFlow};
use crate::{parser, sniff};
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use haetae_event::Dataset;
use haetae_event::dataset::NativeType;

/// How one field is written.
#[derive(Clone, Copy, PartialEq)]
enum Write {
    Plain,
    /// A time as this many units a second; numbers are that already.
    Epoch(i64),
}

/// A field of the text form.
struct Column {
    /// The column's name in the file.
    name: String,
    /// The field's name in a header.
    header: String,
    write: Write,
}

#[derive(Clone, Copy, PartialEq)]
enum Log {
    CloudFront,
    VpcFlow,
    Json,
}

/// The log and its columns.
pub struct Shape {
    log: Log,
    /// Fields of the text form; none for JSON.
    columns: Vec<Column>,
    /// Columns that the text form has no field for, and that are wanted as attributes.
    unknown: Vec<String>,
    /// Top-level columns that are read, by place.
    needs: Vec<usize>,
    /// Whether unknown columns are attributes that the parser does not make itself.
    keeps_unknown: bool,
}

/// Fields that more than one column is made of.
const CLOUDFRONT_DERIVES: [&str; 13] = [
    "date",
    "time",
    "timestamp(ms)",
    "c-ip",
    "x-forwarded-for",
    "cs-method",
    "cs-uri-stem",
    "cs-uri-query",
    "sc-status",
    "x-host-header",
    "cs(Host)",
    "x-edge-result-type",
    "x-edge-detailed-result-type",
];
const FLOW_DERIVES: [&str; 10] = [
    "start",
    "end",
    "srcaddr",
    "dstaddr",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "bytes",
    "action",
    "flow-direction",
    "log-status",
];

impl Shape {
    pub fn of(names: &[&str], choice: &Choice, options: &ParseOptions) -> Shape {
        let log = match choice {
            Choice::Format(format) => match format.as_str() {
                "cloudfront" => Log::CloudFront,
                "vpcflow" => Log::VpcFlow,
                _ => Log::Json,
            },
            Choice::Blueprint(_) => Log::Json,
            Choice::Detect => told(names),
        };
        let mut shape = Shape {
            log,
            columns: Vec::new(),
            unknown: Vec::new(),
            needs: Vec::new(),
            keeps_unknown: log == Log::CloudFront && options.columns.wants("attrs"),
        };
        let raw = options.columns.wants("raw");
        let attrs = options.columns.wants("attrs");
        for (at, name) in names.iter().enumerate() {
            let field = shape.field(name);
            let used = match (&field, log) {
                (_, Log::Json) => true,
                (None, _) => attrs,
                (Some((_, wanted)), _) => wanted(options),
            };
            if used || raw {
                shape.needs.push(at);
            }
            match field {
                Some((column, _)) if used => shape.columns.push(column),
                None if log == Log::VpcFlow && attrs => shape.columns.push(Column {
                    name: (*name).to_owned(),
                    header: (*name).to_owned(),
                    write: Write::Plain,
                }),
                None if log == Log::CloudFront => shape.unknown.push((*name).to_owned()),
                _ => {}
            }
        }
        if shape.needs.is_empty() {
            shape.needs = (0..names.len()).collect();
        }
        // A date comes first, so that no row looks like a comment.
        shape.columns.sort_by_key(|column| column.header != "date");
        shape
    }

    /// The field a column is, and whether what is made of it is wanted.
    fn field(&self, name: &str) -> Option<(Column, impl Fn(&ParseOptions) -> bool + use<>)> {
        let (dataset, derives) = match self.log {
            Log::CloudFront => (Dataset::CloudFront, &CLOUDFRONT_DERIVES[..]),
            Log::VpcFlow => (Dataset::VpcFlow, &FLOW_DERIVES[..]),
            Log::Json => return None,
        };
        let place = match self.log {
            Log::VpcFlow => vpcflow::place(name),
            _ => dataset
                .native_fields()
                .iter()
                .position(|f| alike(f.vendor, name) || f.aliases.iter().any(|alias| alike(alias, name))),
        }?;
        let field = &dataset.native_fields()[place];
        // A second column of the same name is not the field.
        if self.columns.iter().any(|column| column.header == field.vendor) {
            return None;
        }
        let column = Column {
            name: name.to_owned(),
            header: field.vendor.to_owned(),
            write: match field.vendor {
                "start" | "end" => Write::Epoch(1),
                "timestamp(ms)" => Write::Epoch(1000),
                _ => Write::Plain,
            },
        };
        let derives = derives.contains(&field.vendor);
        let stored = match field.kind {
            NativeType::Core(core) => core,
            _ => field.column,
        };
        Some((column, move |options: &ParseOptions| {
            derives || options.columns.wants(stored)
        }))
    }

    /// Top-level columns that have to be read.
    pub fn needs(&self) -> impl IntoIterator<Item = usize> + use<> {
        self.needs.clone()
    }

    pub fn is_unknown(&self, name: &str) -> bool {
        self.unknown.iter().any(|unknown| unknown == name)
    }

    pub fn keeps_unknown(&self) -> bool {
        self.keeps_unknown
    }

    /// The parser of the text form, told the layout; `None` for JSON.
    pub fn flat_parser(&self, options: &ParseOptions) -> Option<Box<dyn Parser>> {
        let names: Vec<&str> = self.columns.iter().map(|column| column.header.as_str()).collect();
        match self.log {
            Log::CloudFront => {
                let mut parser = CloudFront::new(options, crate::cloudfront::Kind::Standard);
                let header = format!("#Fields: {}\n", names.join(" "));
                parser.parse(&parser::RawBlock {
                    bytes: Buffer::from_vec(header.into_bytes()),
                    first_ordinal: 0,
                });
                Some(Box::new(parser))
            }
            Log::VpcFlow => Some(Box::new(VpcFlow::tabular(options, &names))),
            Log::Json => None,
        }
    }

    /// The writer of rows of `batch` as lines; `None` for JSON.
    pub fn lines<'a>(&self, batch: &'a RecordBatch) -> Option<Lines<'a>> {
        if self.log == Log::Json {
            return None;
        }
        let columns = self.columns.iter().filter_map(|column| {
            let cells = Cells::of(batch.column_by_name(&column.name)?);
            Some((cells, column.write))
        });
        Some(Lines {
            columns: columns.collect(),
            encoded: self.log == Log::CloudFront,
        })
    }
}

/// Rows as lines, fields separated by tabs.
pub struct Lines<'a> {
    columns: Vec<(Cells<'a>, Write)>,
    /// Control characters percent-encoded, as CloudFront does; else they become blanks: no honest
    /// flow log has them.
    encoded: bool,
}

impl Lines<'_> {
    /// Appends row `row`; not much more than `most` bytes of it.
    pub fn push(&self, row: usize, most: usize, out: &mut String) {
        let line = out.len();
        for (at, (cells, write)) in self.columns.iter().enumerate() {
            if out.len() - line > most {
                return;
            }
            if at > 0 {
                out.push('\t');
            }
            if cells.is_null(row) {
                out.push('-');
                continue;
            }
            let start = out.len();
            match write {
                Write::Epoch(units) => cells.push_epoch(row, *units, most, out),
                Write::Plain => cells.push_text(row, most, out),
            }
            let comment = at == 0 && self.encoded && out[start..].starts_with('#');
            if comment || out.as_bytes()[start..].iter().any(|&b| b < 0x20) {
                let value = out.split_off(start);
                self.push_clean(&value, comment, out);
            }
        }
    }

    fn push_clean(&self, value: &str, comment: bool, out: &mut String) {
        for (at, character) in value.chars().enumerate() {
            let control = character < ' ' || comment && at == 0;
            match character {
                _ if control && self.encoded => out.push_str(&format!("%{:02X}", character as u32)),
                _ if control => out.push(' '),
                _ => out.push(character),
            }
        }
    }
}

/// Equal but for case and punctuation.
fn alike(vendor: &str, name: &str) -> bool {
    let plain = |text: &str| -> Vec<u8> {
        text.bytes()
            .filter(u8::is_ascii_alphanumeric)
            .map(|b| b.to_ascii_lowercase())
            .collect()
    };
    name.len() <= 64 && plain(vendor) == plain(name)
}

fn told(names: &[&str]) -> Log {
    let has = |vendor: &str| names.iter().any(|name| alike(vendor, name));
    let edge = has("x-edge-request-id") || has("x-edge-location") || has("x-edge-result-type");
    // Other W3C logs have a server address where CloudFront has an edge.
    if edge || has("cs-uri-stem") && !has("s-ip") {
        return Log::CloudFront;
    }
    let flow = ["srcaddr", "dstaddr", "interface-id"];
    if flow.iter().filter(|name| has(name)).count() >= 2 {
        return Log::VpcFlow;
    }
    Log::Json
}

/// The parser of rows that begin with `head`; `None` when the chosen one reads no JSON.
pub fn json_parser(head: &str, choice: &Choice, options: &ParseOptions) -> Option<Box<dyn Parser>> {
    let opening = Opening {
        head: head.as_bytes(),
        framing: Framing::Lines,
        options,
    };
    let open = |format: Format| (format.spec().open)(&opening);
    match choice {
        Choice::Format(format) => {
            matches!(format.spec().recognise, Recognise::Object(_)).then(|| open(*format))
        }
        Choice::Blueprint(blueprint) => blueprint.is_json().then(|| blueprint.open(&opening)),
        Choice::Detect => {
            let own = options.blueprints.iter();
            let own = own
                .filter(|b| b.is_json())
                .find(|b| b.recognises(head.as_bytes()));
            Some(match own {
                Some(blueprint) => blueprint.open(&opening),
                None => {
                    let json = || "json".parse().expect("json is a format");
                    open(
                        sniff::sniff(head.as_bytes())
                            .filter(|f| f.is_json())
                            .unwrap_or_else(json),
                    )
                }
            })
        }
    }
}
