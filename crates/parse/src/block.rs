//! Framing: a byte stream cut into blocks that end where records end.

use crate::envelope::Unwrapper;
use crate::inflate::{Decoder, Stop};
use crate::json_scan::{self, Braces, Wrapper};
use crate::options::Limits;
use crate::parser::RawBlock;
use crate::records;
use arrow::buffer::Buffer;
use haetae_event::reject::REJECT_BYTES_MAX;
use haetae_event::{Reason, Reject};
use std::io::{self, Read};

/// Handed-out buffers remembered for reuse.
const SPARES_MAX: usize = 4;

/// Where records end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// At each newline.
    Lines,
    /// After each top-level JSON object, whatever stands between objects.
    Objects,
    /// As `Objects`; but an object whose first member has this name and holds an array only wraps
    /// records: its elements are the records, `{"Records":[` and `]}` belong to none. Any number
    /// of wrappers and bare records may follow each other.
    Elements(&'static str),
    /// As RFC 6587 has it: after as many bytes as a frame's count says, else at a newline or NUL.
    Frames,
}

/// What comes next in a stream of objects.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// A record from here on; only its first brace has been looked at.
    Record(usize),
    /// The beginning of a wrapper, first byte and the one behind it.
    Opening(usize, usize),
}

impl Framing {
    /// The next object or wrapper at or after `from`; `None` where there is no brace any more.
    pub fn next(self, bytes: &[u8], from: usize) -> Option<Next> {
        let start = from + memchr::memchr(b'{', bytes.get(from..)?)?;
        if let Framing::Elements(key) = self
            && let Wrapper::Opens(inside) = json_scan::wrapper(bytes, start, key)
        {
            return Some(Next::Opening(start, inside));
        }
        Some(Next::Record(start))
    }

    /// Where the last complete record of a stream ends, before the first one that is too long:
    /// it is so whether the buffer shows its end or not.
    fn cut(self, bytes: &[u8], record_bytes_max: usize) -> usize {
        let mut cut = 0;
        while let Some(next) = self.next(bytes, cut) {
            match next {
                Next::Opening(_, inside) => cut = inside,
                Next::Record(start) => match json_scan::next_object(bytes, start).and_then(|o| o.end) {
                    Some(end) if end - cut <= record_bytes_max => cut = end,
                    _ => break,
                },
            }
        }
        cut
    }
}

/// Why a block could not be had.
#[derive(Debug)]
pub enum ReadProblem {
    /// Counts one in, one rejected; the reader may be asked for more. The ordinal is not set.
    Refused(Reject),
    /// The rest of the input cannot be read.
    Io(io::Error),
}

/// Unpacks and frames one input. Memory: one block and one longest record.
pub struct BlockReader<R> {
    decoder: Decoder<R>,
    /// Stands between the decoder and the buffer when the input is made of envelopes.
    unwrapper: Option<Box<Unwrapper>>,
    framing: Framing,
    /// Always initialised to its whole length; `filled` bytes are input.
    buffer: Vec<u8>,
    filled: usize,
    /// Clones of handed-out buffers: one that nobody else holds any more is used again.
    spares: Vec<Buffer>,
    /// A record longer than allowed is being skipped; its beginning.
    skipping: Option<Vec<u8>>,
    /// Of an element that is being skipped; `None` when what is skipped is no object.
    braces: Option<Braces>,
    ended: bool,
    /// Set when the data ended badly; reported after the records before it.
    stop: Option<Stop>,
    record_bytes_max: usize,
    block_bytes: usize,
}

impl<R: Read> BlockReader<R> {
    pub fn new(reader: R, limits: &Limits) -> Self {
        let block_bytes = limits.block_bytes.max(1);
        BlockReader {
            decoder: Decoder::new(reader, limits),
            unwrapper: None,
            framing: Framing::Lines,
            buffer: vec![0; block_bytes + limits.record_bytes_max + 2],
            filled: 0,
            spares: Vec::new(),
            skipping: None,
            braces: None,
            ended: false,
            stop: None,
            record_bytes_max: limits.record_bytes_max,
            block_bytes,
        }
    }

    /// The beginning of the unpacked input, at least `bytes` long unless the input ends before,
    /// without taking it. Only before the first block.
    pub fn peek(&mut self, bytes: usize) -> &[u8] {
        self.fill_to(bytes);
        &self.buffer[..self.filled]
    }

    /// Drops the first `count` peeked bytes, e.g. a byte order mark.
    pub fn drop_front(&mut self, count: usize) {
        let count = count.min(self.filled);
        self.buffer.copy_within(count..self.filled, 0);
        self.filled -= count;
    }

    /// From here on the input is envelopes, and the lines in them are what is framed. Only before
    /// the first block; what was peeked counts as not read yet.
    pub(crate) fn unwrap_envelopes(&mut self) {
        let mut unwrapper = Box::new(Unwrapper::default());
        unwrapper.push(&self.buffer[..self.filled]);
        self.filled = 0;
        self.unwrapper = Some(unwrapper);
        if self.ended {
            self.end_unwrapping();
        }
    }

    fn end_unwrapping(&mut self) {
        let cut = self.unwrapper.as_mut().is_some_and(|unwrapper| unwrapper.end());
        if cut && self.stop.is_none() {
            let detail = "the input ends inside an envelope".to_owned();
            self.stop = Some(Stop::Data(Reason::CutTail, detail));
        }
    }

    pub fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// The next block, or `None` at the end. `first_ordinal` is that of its first record.
    ///
    /// # Errors
    /// See [`ReadProblem`]; after `Refused` the call may be repeated.
    pub fn next_block(&mut self, first_ordinal: u64) -> Result<Option<RawBlock>, ReadProblem> {
        loop {
            if self.skipping.is_some() {
                return self.skip_record();
            }
            // Once a block's worth has no boundary, room for one whole record is needed.
            self.fill_to(self.block_bytes.max(1));
            let mut cut = self.boundary();
            if cut.is_none() {
                self.fill_to(self.buffer.len());
                cut = self.boundary();
            }
            if let Some(cut) = cut {
                return Ok(Some(self.take(cut, first_ordinal)));
            }
            if self.filled > self.record_bytes_max {
                self.begin_skipping();
                continue;
            }
            return match self.stop.take() {
                Some(Stop::Io(e)) => Err(ReadProblem::Io(e)),
                Some(Stop::Data(reason, detail)) => {
                    let bytes = self.buffer[..self.filled].to_vec();
                    self.filled = 0;
                    Err(ReadProblem::Refused(Reject {
                        ordinal: 0,
                        reason,
                        detail,
                        bytes,
                    }))
                }
                None if self.filled > 0 => Ok(Some(self.take(self.filled, first_ordinal))),
                None => Ok(None),
            };
        }
    }

    /// The rest of the unpacked input at once, for formats that are not read from front to back.
    ///
    /// # Errors
    /// See [`ReadProblem`]; `Refused` also when there are more than `bytes_max` bytes.
    pub fn take_rest(&mut self, bytes_max: u64) -> Result<Vec<u8>, ReadProblem> {
        let refused = |reason, detail| {
            Err(ReadProblem::Refused(Reject {
                ordinal: 0,
                reason,
                detail,
                bytes: Vec::new(),
            }))
        };
        let mut rest = Vec::new();
        loop {
            self.fill_to(self.buffer.len());
            rest.extend_from_slice(&self.buffer[..self.filled]);
            self.filled = 0;
            if rest.len() as u64 > bytes_max {
                return refused(Reason::DecompressionCap, format!("larger than {bytes_max} bytes"));
            }
            if self.ended {
                return match self.stop.take() {
                    Some(Stop::Io(e)) => Err(ReadProblem::Io(e)),
                    Some(Stop::Data(reason, detail)) => refused(reason, detail),
                    None => Ok(rest),
                };
            }
        }
    }

    fn fill_to(&mut self, bytes: usize) {
        let bytes = bytes.min(self.buffer.len());
        if self.unwrapper.is_some() {
            return self.fill_unwrapped(bytes);
        }
        while self.filled < bytes && !self.ended {
            match self.decoder.fill(&mut self.buffer[self.filled..bytes]) {
                Ok(0) => self.ended = true,
                Ok(got) => self.filled += got,
                Err(stop) => {
                    self.ended = true;
                    self.stop = Some(stop);
                }
            }
        }
    }

    fn fill_unwrapped(&mut self, bytes: usize) {
        let mut piece = Vec::new();
        while self.filled < bytes
            && let Some(unwrapper) = &mut self.unwrapper
        {
            let got = unwrapper.take(&mut self.buffer[self.filled..bytes]);
            self.filled += got;
            if got > 0 {
                continue;
            }
            if self.ended {
                break;
            }
            piece.resize(self.block_bytes, 0);
            match self.decoder.fill(&mut piece) {
                Ok(0) => self.ended = true,
                Ok(got) => unwrapper.push(&piece[..got]),
                Err(stop) => {
                    self.ended = true;
                    self.stop = Some(stop);
                }
            }
            if self.ended {
                self.end_unwrapping();
            }
        }
    }

    /// Where the last complete record ends; at a clean end of the input, the last one needs no
    /// newline.
    fn boundary(&self) -> Option<usize> {
        let filled = &self.buffer[..self.filled];
        match self.framing {
            Framing::Lines => memchr::memrchr(b'\n', filled).map(|at| at + 1),
            Framing::Frames => {
                let clean_end = self.ended && self.stop.is_none();
                records::boundary(filled, self.record_bytes_max, clean_end)
            }
            framing => Some(framing.cut(filled, self.record_bytes_max)).filter(|&cut| cut > 0),
        }
    }

    /// Hands out the first `cut` bytes and carries the rest over.
    fn take(&mut self, cut: usize, first_ordinal: u64) -> RawBlock {
        let mut next = self.fresh();
        let rest = self.filled - cut;
        next[..rest].copy_from_slice(&self.buffer[cut..self.filled]);
        let full = Buffer::from_vec(std::mem::replace(&mut self.buffer, next));
        self.filled = rest;
        let bytes = full.slice_with_length(0, cut);
        if self.spares.len() == SPARES_MAX {
            self.spares.remove(0);
        }
        self.spares.push(full);
        RawBlock { bytes, first_ordinal }
    }

    fn fresh(&mut self) -> Vec<u8> {
        let length = self.buffer.len();
        // The latest first: it is the one still in the cache.
        for at in (0..self.spares.len()).rev() {
            match self.spares.remove(at).into_vec::<u8>() {
                Ok(vec) if vec.len() == length => return vec,
                Ok(_) => {}
                Err(still_held) => self.spares.insert(at, still_held),
            }
        }
        vec![0; length]
    }

    fn begin_skipping(&mut self) {
        let next = self.framing.next(&self.buffer[..self.filled], 0);
        self.braces = None;
        if let (Framing::Elements(_), Some(Next::Record(start))) = (self.framing, next) {
            self.drop_front(start);
            self.braces = Some(Braces::default());
        }
        let kept = self.filled.min(REJECT_BYTES_MAX);
        self.skipping = Some(self.buffer[..kept].to_vec());
        if self.framing == Framing::Objects {
            // The line on which the object itself begins is not the next one's.
            let opened = memchr::memchr(b'{', &self.buffer[..self.filled]).map_or(0, |at| at + 1);
            self.drop_front(opened);
        }
    }

    /// Drops bytes up to the end of the record that is too long.
    fn skip_record(&mut self) -> Result<Option<RawBlock>, ReadProblem> {
        loop {
            let filled = &self.buffer[..self.filled];
            let end = match self.framing {
                Framing::Lines => memchr::memchr(b'\n', filled).map(|at| at + 1),
                Framing::Frames => memchr::memchr2(b'\n', 0, filled).map(|at| at + 1),
                Framing::Objects => memchr::memmem::find(filled, b"\n{")
                    .into_iter()
                    .chain(memchr::memmem::find(filled, b"}{"))
                    .min()
                    .map(|at| at + 1),
                Framing::Elements(_) => match &mut self.braces {
                    Some(braces) => braces.end(filled),
                    None => memchr::memchr(b'{', filled),
                },
            };
            let keep = usize::from(self.framing == Framing::Objects);
            if let Some(end) = end {
                self.drop_front(end);
                break;
            }
            let gone = self.filled.saturating_sub(keep);
            self.drop_front(gone);
            let before = self.filled;
            self.fill_to(self.block_bytes.max(2));
            if self.filled == before {
                self.filled = 0;
                break;
            }
        }
        let bytes = self.skipping.take().unwrap_or_default();
        let detail = format!("longer than {} bytes", self.record_bytes_max);
        Err(ReadProblem::Refused(Reject {
            ordinal: 0,
            reason: Reason::RecordTooLong,
            detail,
            bytes,
        }))
    }
}
