//! One whole input: unpack, frame, sniff, parse.

use crate::block::{BlockReader, Framing, ReadProblem};
use crate::columnar::{self, Columnar};
use crate::envelope;
use crate::format::{Format, Opening};
use crate::lines::shown;
use crate::options::ParseOptions;
use crate::parser::{Blueprint, Choice, ParsedBatch, Parser, RawBlock};
use crate::shadow::Comparison;
use crate::sniff;
use haetae_event::{Counts, Dataset, Reason, Reject};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes looked at to recognise a format.
const HEAD_BYTES: usize = 64 * 1024;
/// Kept of an input that nothing recognises.
const UNKNOWN_KEPT_BYTES: usize = 1024;

/// A candidate's parser, and what is counted of it.
type Beside = (Box<dyn Parser>, Arc<Mutex<Comparison>>);

/// Reads one input to its end as [`ParsedBatch`]es.
pub struct InputReader<R: Read> {
    blocks: BlockReader<R>,
    options: ParseOptions,
    choice: Choice,
    parser: Option<Box<dyn Parser>>,
    /// Reads the same blocks beside the parser; its rows only go into the comparison.
    candidate: Option<Beside>,
    /// Reads in place of blocks and parser when the input is Parquet.
    columnar: Option<Box<Columnar>>,
    started: bool,
    ended: bool,
    totals: Counts,
}

impl<R: Read> InputReader<R> {
    /// `choice` may override what the content looks like.
    pub fn open(reader: R, choice: impl Into<Choice>, options: &ParseOptions) -> Self {
        InputReader {
            blocks: BlockReader::new(reader, &options.limits),
            options: options.clone(),
            choice: choice.into(),
            parser: None,
            candidate: None,
            columnar: None,
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
            if self
                .blocks
                .peek(columnar::MAGIC.len())
                .starts_with(columnar::MAGIC)
            {
                return self.open_columnar();
            }
            if let Some(refused) = self.recognise() {
                self.ended = true;
                return Ok(Some(self.refuse(refused)));
            }
        }
        if self.columnar.is_some() {
            return Ok(self.next_columnar());
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

    /// Reads the whole input, which is Parquet; its first batch.
    fn open_columnar(&mut self) -> io::Result<Option<ParsedBatch>> {
        let file = match self.blocks.take_rest(self.options.limits.parquet_bytes_max) {
            Ok(file) => Columnar::open(file, &self.choice, &self.options),
            Err(ReadProblem::Refused(reject)) => Err(reject),
            Err(ReadProblem::Io(e)) => {
                self.ended = true;
                return Err(e);
            }
        };
        match file {
            Ok(columnar) => {
                self.columnar = Some(Box::new(columnar));
                Ok(self.next_columnar())
            }
            Err(reject) => {
                self.ended = true;
                Ok(Some(self.refuse(reject)))
            }
        }
    }

    fn next_columnar(&mut self) -> Option<ParsedBatch> {
        match self.columnar.as_mut()?.next() {
            Ok(Some(batch)) => {
                self.totals += batch.counts;
                Some(batch)
            }
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(reject) => {
                self.ended = true;
                Some(self.refuse(reject))
            }
        }
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        match (&mut self.parser, &mut self.candidate) {
            (Some(parser), None) => parser.parse(block),
            (Some(parser), Some((candidate, comparison))) => {
                let (batch, took) = timed(parser.as_mut(), block);
                let other = timed(candidate.as_mut(), block);
                // Counts and examples: sound even if a thread died while it held the lock.
                let mut comparison = comparison.lock().unwrap_or_else(PoisonError::into_inner);
                comparison.feed(block, (&batch, took), (&other.0, other.1));
                batch
            }
            // Nothing but headers, comments and blank lines so far, and no more to come.
            (None, _) => {
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
        if envelope::recognises(self.blocks.peek(HEAD_BYTES)) {
            self.blocks.unwrap_envelopes();
        }
        let head = self.blocks.peek(HEAD_BYTES);
        let Some(chosen) = chosen(&self.choice, head, &self.options) else {
            return if blank(head) { None } else { self.unknown() };
        };
        let framing = match &chosen {
            Chosen::Format(format) => format.framing(head),
            Chosen::Blueprint(blueprint) if blueprint.is_json() => sniff::framing(head),
            Chosen::Blueprint(_) => Framing::Lines,
        };
        let opening = Opening {
            head,
            framing,
            options: &self.options,
        };
        let parser = match chosen {
            Chosen::Format(format) => (format.spec().open)(&opening),
            Chosen::Blueprint(blueprint) => blueprint.open(&opening),
        };
        let candidates = self.options.candidates.as_ref();
        self.candidate = candidates
            .and_then(|all| all.beside(parser.id()))
            .map(|one| (one.blueprint.open(&opening), one.comparison));
        self.parser = Some(parser);
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
    pub fn parser_id(&self) -> &str {
        match &self.columnar {
            Some(columnar) => columnar.id(),
            None => self.parser.as_ref().map_or("unknown@v1", |parser| parser.id()),
        }
    }

    /// Dataset of the batches; `None` before the first batch or when no parser fits.
    pub fn dataset(&self) -> Option<Dataset> {
        match &self.columnar {
            Some(columnar) => columnar.dataset(),
            None => self.parser.as_ref().map(|parser| parser.dataset()),
        }
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

fn timed(parser: &mut dyn Parser, block: &RawBlock) -> (ParsedBatch, Duration) {
    let started = Instant::now();
    let batch = parser.parse(block);
    (batch, started.elapsed())
}

enum Chosen {
    Format(Format),
    Blueprint(Arc<dyn Blueprint>),
}

/// What reads an input that begins with `head`; `None` when nothing recognises it.
fn chosen(choice: &Choice, head: &[u8], options: &ParseOptions) -> Option<Chosen> {
    match choice {
        Choice::Format(format) => return Some(Chosen::Format(*format)),
        Choice::Blueprint(blueprint) => return Some(Chosen::Blueprint(blueprint.clone())),
        Choice::Detect => {}
    }
    let own = options.blueprints.iter().find(|b| b.recognises(head)).cloned();
    if let Some(blueprint) = own {
        return Some(Chosen::Blueprint(blueprint));
    }
    let configured = || {
        let text = options.flow_format.is_some() && !head.contains(&0);
        text.then(|| Format::of_fields(options))
    };
    sniff::sniff(head).or_else(configured).map(Chosen::Format)
}
