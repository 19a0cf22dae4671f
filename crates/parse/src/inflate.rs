//! Streaming decompression by content, under caps.
//!
//! The inflater is zlib-rs (through `flate2`), driven directly so that it writes into the block
//! buffer without a copy between. It was chosen by measurement, on one CPU of an AMD EPYC, on the
//! sample of `examples/parse_speed.rs` (49 MB packed, 266 MB unpacked), best of several runs:
//!
//! | inflater | seconds | |
//! |---|---|---|
//! | zlib-rs, blocks of 256 KiB | 0.29 | streaming, pure Rust |
//! | zlib-rs, blocks of 64 KiB, 512 KiB, 1 MiB | 0.32, 0.30, 0.32 | |
//! | libdeflate 1.x, buffer warm / fresh | 0.22 / 0.37 | C, whole member in memory only |
//! | miniz_oxide, 256 KiB | 0.52 | streaming, pure Rust |
//! | zune-inflate | 0.58 | pure Rust, whole member in memory only |
//!
//! libdeflate loses its lead to page faults as soon as its buffer is new, and cannot stream, so
//! there is one path for every size. zlib-rs needs `flate2`'s `runtime_detection`: without it the
//! checksum alone costs a quarter of the time (0.39 s). Unpacking through [`Decoder`] takes
//! 0.29 s, unpacking and parsing sixteen columns 0.53 s (0.9 ns a byte for parsing):
//! `cargo run --release -p haetae-parse --example parse_speed`.

use crate::options::Limits;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use haetae_event::Reason;
use std::io::{self, Read};
use zstd::stream::raw::{Decoder as Zstd, InBuffer, Operation, OutBuffer};

/// Compressed bytes read at once.
const INPUT_BYTES: usize = 64 * 1024;
/// Largest zstd window accepted, as a power of two: 128 MiB, zstd's own default for decoders.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

pub const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Why no more bytes come.
#[derive(Debug)]
pub enum Stop {
    /// The reader's own error.
    Io(io::Error),
    /// The data's fault.
    Data(Reason, String),
}

impl From<io::Error> for Stop {
    fn from(e: io::Error) -> Self {
        Stop::Io(e)
    }
}

enum State {
    Start,
    Plain,
    /// Before a gzip member's header; `true` once a member has been read.
    GzipHeader(bool),
    GzipBody,
    Zstd {
        inside: bool,
    },
    End,
}

/// Unpacks gzip (any number of members) and zstd (any number of frames); passes the rest through.
pub struct Decoder<R> {
    reader: R,
    input: Vec<u8>,
    /// Unread part of `input`.
    at: usize,
    end: usize,
    state: State,
    inflate: Decompress,
    crc: Crc,
    zstd: Option<Zstd<'static>>,
    /// Found after bytes that had to be given out first.
    pending: Option<Stop>,
    bytes_in: u64,
    bytes_out: u64,
    limits: Limits,
}

impl<R: Read> Decoder<R> {
    pub fn new(reader: R, limits: &Limits) -> Self {
        Decoder {
            reader,
            input: vec![0; INPUT_BYTES],
            at: 0,
            end: 0,
            state: State::Start,
            inflate: Decompress::new(false),
            crc: Crc::new(),
            zstd: None,
            pending: None,
            bytes_in: 0,
            bytes_out: 0,
            limits: limits.clone(),
        }
    }

    /// Fills the beginning of `out`; 0 at the end of the input.
    ///
    /// # Errors
    /// [`Stop::Data`] when the compressed data is cut, damaged or unpacks to too much; everything
    /// before that has been given out.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<usize, Stop> {
        if out.is_empty() {
            return Ok(0);
        }
        if let Some(stop) = self.pending.take() {
            return Err(stop);
        }
        loop {
            let made = match self.state {
                State::End => return Ok(0),
                State::Start => {
                    self.start()?;
                    continue;
                }
                State::Plain => {
                    let made = self.plain(out)?;
                    if made == 0 {
                        self.state = State::End;
                    }
                    made
                }
                State::GzipHeader(after) => {
                    self.gzip_header(after)?;
                    continue;
                }
                State::GzipBody => self.gzip_body(out)?,
                State::Zstd { inside } => self.zstd_frames(out, inside)?,
            };
            if made > 0 {
                self.bytes_out += made as u64;
                self.check_caps()?;
                return Ok(made);
            }
        }
    }

    fn check_caps(&mut self) -> Result<(), Stop> {
        let (out, into) = (self.bytes_out, self.bytes_in.max(1));
        let packed = !matches!(self.state, State::Plain);
        let detail = if out > self.limits.decompressed_bytes_max {
            format!(
                "unpacks to more than {} bytes",
                self.limits.decompressed_bytes_max
            )
        } else if packed
            && out > self.limits.ratio_floor_bytes
            && out / into > self.limits.expansion_ratio_max
        {
            format!(
                "{out} bytes out of {into}: more than {} to 1",
                self.limits.expansion_ratio_max
            )
        } else {
            return Ok(());
        };
        self.state = State::End;
        Err(Stop::Data(Reason::DecompressionCap, detail))
    }

    /// Reads more input behind what is unread; `false` at the reader's end.
    fn more(&mut self) -> Result<bool, Stop> {
        if self.at > 0 {
            self.input.copy_within(self.at..self.end, 0);
            (self.at, self.end) = (0, self.end - self.at);
        }
        if self.end == self.input.len() {
            return Ok(true);
        }
        loop {
            match self.reader.read(&mut self.input[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(got) => {
                    self.end += got;
                    self.bytes_in += got as u64;
                    return Ok(true);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn unread(&self) -> &[u8] {
        &self.input[self.at..self.end]
    }

    /// Makes `count` bytes available, or as many as there are.
    fn want(&mut self, count: usize) -> Result<bool, Stop> {
        while self.end - self.at < count {
            if !self.more()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn start(&mut self) -> Result<(), Stop> {
        self.want(4)?;
        self.state = if self.unread().starts_with(&GZIP_MAGIC) {
            State::GzipHeader(false)
        } else if self.unread().starts_with(&ZSTD_MAGIC) {
            let mut zstd = Zstd::new().map_err(Stop::Io)?;
            zstd.set_parameter(zstd::stream::raw::DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))
                .map_err(Stop::Io)?;
            self.zstd = Some(zstd);
            State::Zstd { inside: false }
        } else {
            State::Plain
        };
        Ok(())
    }

    fn plain(&mut self, out: &mut [u8]) -> Result<usize, Stop> {
        if self.at < self.end {
            let count = out.len().min(self.end - self.at);
            out[..count].copy_from_slice(&self.input[self.at..self.at + count]);
            self.at += count;
            return Ok(count);
        }
        loop {
            match self.reader.read(out) {
                Ok(got) => {
                    self.bytes_in += got as u64;
                    return Ok(got);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn fail<T>(&mut self, reason: Reason, detail: &str) -> Result<T, Stop> {
        self.state = State::End;
        Err(Stop::Data(reason, detail.to_owned()))
    }

    /// RFC 1952, 2.3. Zero bytes after a member are padding.
    fn gzip_header(&mut self, after: bool) -> Result<(), Stop> {
        if after {
            loop {
                while self.at < self.end && self.input[self.at] == 0 {
                    self.at += 1;
                }
                if self.at < self.end {
                    break;
                }
                if !self.more()? {
                    self.state = State::End;
                    return Ok(());
                }
            }
        }
        if !self.want(10)? {
            return self.fail(Reason::CutTail, "the gzip header is cut");
        }
        let head: [u8; 10] = self.input[self.at..self.at + 10]
            .try_into()
            .expect("ten bytes are there");
        if head[..2] != GZIP_MAGIC || head[2] != 8 || head[3] & 0xe0 != 0 {
            return self.fail(Reason::BadCompression, "not a gzip member");
        }
        self.at += 10;
        let flags = head[3];
        if flags & 4 != 0 {
            if !self.want(2)? {
                return self.fail(Reason::CutTail, "the gzip header is cut");
            }
            let length = usize::from(u16::from_le_bytes([self.input[self.at], self.input[self.at + 1]]));
            self.skip(2 + length)?;
        }
        for flag in [8, 16] {
            if flags & flag != 0 {
                self.skip_text()?;
            }
        }
        if flags & 2 != 0 {
            self.skip(2)?;
        }
        self.inflate.reset(false);
        self.crc.reset();
        self.state = State::GzipBody;
        Ok(())
    }

    fn skip(&mut self, mut count: usize) -> Result<(), Stop> {
        loop {
            let here = count.min(self.end - self.at);
            self.at += here;
            count -= here;
            if count == 0 {
                return Ok(());
            }
            if !self.more()? {
                return self.fail(Reason::CutTail, "the gzip header is cut");
            }
        }
    }

    fn skip_text(&mut self) -> Result<(), Stop> {
        loop {
            if let Some(found) = memchr::memchr(0, self.unread()) {
                self.at += found + 1;
                return Ok(());
            }
            self.at = self.end;
            if !self.more()? {
                return self.fail(Reason::CutTail, "the gzip header is cut");
            }
        }
    }

    fn gzip_body(&mut self, out: &mut [u8]) -> Result<usize, Stop> {
        let at_end = self.at == self.end && !self.more()?;
        let (read, made) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(&self.input[self.at..self.end], out, FlushDecompress::None);
        let read = (self.inflate.total_in() - read) as usize;
        let made = (self.inflate.total_out() - made) as usize;
        self.at += read;
        self.crc.update(&out[..made]);
        match status {
            Ok(Status::StreamEnd) => {
                // What was made is given out even when the trailer is wrong; the next call says so.
                self.state = State::GzipHeader(true);
                match self.gzip_trailer() {
                    Err(stop) if made > 0 => {
                        self.pending = Some(stop);
                        Ok(made)
                    }
                    Err(stop) => Err(stop),
                    Ok(()) => Ok(made),
                }
            }
            Ok(_) if made == 0 && read == 0 && at_end => self.fail(Reason::CutTail, "the gzip member is cut"),
            Ok(_) => Ok(made),
            Err(e) => self.fail(Reason::BadCompression, &format!("damaged gzip data: {e}")),
        }
    }

    fn gzip_trailer(&mut self) -> Result<(), Stop> {
        if !self.want(8)? {
            return self.fail(Reason::CutTail, "the gzip trailer is cut");
        }
        let trailer = &self.input[self.at..self.at + 8];
        let crc = u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]);
        let size = u32::from_le_bytes([trailer[4], trailer[5], trailer[6], trailer[7]]);
        self.at += 8;
        if crc != self.crc.sum() || size != self.crc.amount() {
            return self.fail(Reason::BadCompression, "the gzip checksum does not match");
        }
        Ok(())
    }

    fn zstd_frames(&mut self, out: &mut [u8], inside: bool) -> Result<usize, Stop> {
        let at_end = self.at == self.end && !self.more()?;
        if at_end && !inside {
            self.state = State::End;
            return Ok(0);
        }
        let mut input = InBuffer::around(&self.input[self.at..self.end]);
        let mut output = OutBuffer::around(out);
        let zstd = self.zstd.as_mut().expect("set together with the state");
        let result = zstd.run(&mut input, &mut output);
        let (read, made) = (input.pos(), output.pos());
        self.at += read;
        match result {
            // The decoder may hold output that did not fit before; only nothing left is a cut.
            Ok(_) if at_end && made == 0 => self.fail(Reason::CutTail, "the zstd frame is cut"),
            // 0: a frame is complete; whatever follows starts the next one.
            Ok(left) => {
                self.state = State::Zstd { inside: left != 0 };
                Ok(made)
            }
            Err(e) => self.fail(Reason::BadCompression, &format!("damaged zstd data: {e}")),
        }
    }
}
