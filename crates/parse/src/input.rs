//! One whole input: unpack, frame, sniff, parse.

use crate::block::{BlockReader, Framing, ReadProblem};
use crate::cloudfront::CloudFront;
use crate::combined::Combined;
use crate::format::Format;
use crate::json::{self, Json};
use crate::lines::shown;
use crate::options::ParseOptions;
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::sniff;
use crate::vpcflow::VpcFlow;
use crate::waf::Waf;
use haetae_event::{Counts, Dataset, Reason, Reject};
use std::io::{self, Read};

/// Bytes looked at to recognise a format.
const HEAD_BYTES: usize = 64 * 1024;
/// Kept of an input that nothing recognises.
const UNKNOWN_KEPT_BYTES: usize = 1024;

/// The one list of parsers: each format's, for records framed as `framing` says.
pub fn parser_for(format: Format, head: &[u8], framing: Framing, options: &ParseOptions) -> Box<dyn Parser> {
    match format {
        Format::CloudFront => Box::new(CloudFront::new(options)),
        Format::VpcFlow => Box::new(VpcFlow::new(options)),
        Format::Waf => Box::new(Waf::new(options, framing)),
        Format::Combined => Box::new(Combined::new(options)),
        Format::JsonLines => Box::new(Json::new(options, json_dataset(head, options), framing)),
    }
}

/// Ids of all parsers, in the order of [`Format::ALL`].
pub fn parsers() -> [&'static str; 5] {
    let options = ParseOptions::default();
    Format::ALL.map(|format| parser_for(format, b"", Framing::Lines, &options).id())
}

/// Access records are [`Dataset::Web`]: one of the first objects has the keys of one.
fn json_dataset(head: &[u8], options: &ParseOptions) -> Dataset {
    if let Some(dataset @ (Dataset::Web | Dataset::App)) = options.dataset {
        return dataset;
    }
    let text = String::from_utf8_lossy(head);
    let mut at = 0;
    for _ in 0..8 {
        let Some(found) = crate::json_scan::next_object(text.as_bytes(), at) else {
            break;
        };
        if json::is_access_record(&text[found.start..], &options.limits) {
            return Dataset::Web;
        }
        match found.end {
            Some(end) => at = end,
            None => break,
        }
    }
    Dataset::App
}

/// Reads one input to its end as [`ParsedBatch`]es.
pub struct InputReader<R: Read> {
    blocks: BlockReader<R>,
    options: ParseOptions,
    forced: Option<Format>,
    format: Option<Format>,
    parser: Option<Box<dyn Parser>>,
    started: bool,
    ended: bool,
    totals: Counts,
}

impl<R: Read> InputReader<R> {
    /// `name` is for messages only. `forced` overrides what the content looks like.
    pub fn open(reader: R, name: &str, forced: Option<Format>, options: &ParseOptions) -> Self {
        let _ = name;
        InputReader {
            blocks: BlockReader::new(reader, &options.limits),
            options: options.clone(),
            forced,
            format: None,
            parser: None,
            started: false,
            ended: false,
            totals: Counts::default(),
        }
    }

    /// The next batch, or `None` at the end. Bad data never is an error: it is a reject in a batch.
    ///
    /// # Errors
    /// The reader's own, when the rest of the input cannot be read.
    pub fn next_batch(&mut self) -> io::Result<Option<ParsedBatch>> {
        if self.ended {
            return Ok(None);
        }
        if !self.started {
            self.started = true;
            if let Some(refused) = self.recognise() {
                self.ended = true;
                return Ok(Some(self.refuse(refused)));
            }
        }
        match self.blocks.next_block(self.totals.lines_in) {
            Ok(Some(block)) => {
                let batch = self.parse(&block);
                self.totals += batch.counts;
                Ok(Some(batch))
            }
            Ok(None) => {
                self.ended = true;
                Ok(None)
            }
            Err(ReadProblem::Refused(reject)) => Ok(Some(self.refuse(reject))),
            Err(ReadProblem::Io(e)) => {
                self.ended = true;
                Err(e)
            }
        }
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        match &mut self.parser {
            Some(parser) => parser.parse(block),
            // Nothing but headers, comments and blank lines so far, and no more to come.
            None => {
                let lines = block.bytes.split_inclusive(|&b| b == b'\n').count() as u64;
                let counts = Counts {
                    lines_in: lines,
                    skipped: lines,
                    ..Counts::default()
                };
                ParsedBatch {
                    counts,
                    ..ParsedBatch::default()
                }
            }
        }
    }

    fn refuse(&mut self, mut reject: Reject) -> ParsedBatch {
        reject.ordinal = self.totals.lines_in;
        let counts = Counts {
            lines_in: 1,
            rejected: 1,
            ..Counts::default()
        };
        self.totals += counts;
        ParsedBatch {
            rejects: vec![reject],
            counts,
            ..ParsedBatch::default()
        }
    }

    /// Chooses the parser; gives back the reject of an input that none fits.
    fn recognise(&mut self) -> Option<Reject> {
        if self.blocks.peek(3).starts_with(b"\xef\xbb\xbf") {
            self.blocks.drop_front(3);
        }
        let head = self.blocks.peek(HEAD_BYTES);
        let sniffed = self.forced.or_else(|| sniff::sniff(head));
        let configured = sniffed.is_none() && self.options.flow_format.is_some() && !head.contains(&0);
        let Some(format) = sniffed.or(configured.then_some(Format::VpcFlow)) else {
            return if blank(head) { None } else { self.unknown() };
        };
        let framing = match format {
            Format::Waf | Format::JsonLines => sniff::framing(head),
            _ => Framing::Lines,
        };
        self.parser = Some(parser_for(format, head, framing, &self.options));
        self.format = Some(format);
        self.blocks.set_framing(framing);
        None
    }

    fn unknown(&mut self) -> Option<Reject> {
        let head = self.blocks.peek(HEAD_BYTES);
        if head.is_empty() {
            return None;
        }
        let head = &head[..head.len().min(UNKNOWN_KEPT_BYTES)];
        let detail = format!("no parser recognises it: {:?}", shown(head));
        Some(Reject {
            ordinal: 0,
            reason: Reason::UnknownFormat,
            detail,
            bytes: head.to_vec(),
        })
    }

    /// Id of the parser in use; `unknown@v1` before the format is known or when none fits.
    pub fn parser_id(&self) -> &'static str {
        self.parser.as_ref().map_or("unknown@v1", |parser| parser.id())
    }

    /// Dataset of the batches; `None` before the first batch or when no parser fits.
    pub fn dataset(&self) -> Option<Dataset> {
        self.parser.as_ref().map(|parser| parser.dataset())
    }

    /// As forced or recognised; `None` before the first batch or when no parser fits.
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// Sum of the counts of all batches so far.
    pub fn totals(&self) -> Counts {
        self.totals
    }
}

/// Only blank lines and comments.
fn blank(head: &[u8]) -> bool {
    head.split(|&b| b == b'\n')
        .all(|line| line.trim_ascii().is_empty() || line.starts_with(b"#"))
}
