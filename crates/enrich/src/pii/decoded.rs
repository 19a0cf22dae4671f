//! Text with its percent-encoding undone, and where each decoded byte came from.

use std::ops::Range;

/// Nested encodings are followed this far.
const ROUNDS_MAX: usize = 3;

/// Longer texts are decoded up to here and looked at as they are beyond it.
const DECODED_BYTES_MAX: usize = 256 * 1024;

/// Decoded bytes beside their places in the text as written.
pub struct Decoded {
    pub bytes: Vec<u8>,
    /// Start of each decoded byte in the source; empty when nothing was encoded.
    starts: Vec<u32>,
    ends: Vec<u32>,
}

impl Decoded {
    pub fn of(text: &str) -> Decoded {
        let encoded = text.contains('%') || text.contains('+');
        let short = text.len() <= DECODED_BYTES_MAX;
        let mut decoded = Decoded {
            bytes: text.as_bytes().to_vec(),
            starts: Vec::new(),
            ends: Vec::new(),
        };
        if !encoded || !short {
            return decoded;
        }
        decoded.starts = (0..text.len() as u32).collect();
        decoded.ends = (1..=text.len() as u32).collect();
        for _ in 0..ROUNDS_MAX {
            if !decoded.round() {
                break;
            }
        }
        decoded
    }

    /// One layer off; whether there was one.
    fn round(&mut self) -> bool {
        let hex = |b: u8| char::from(b).to_digit(16);
        let (mut from, mut to, mut changed) = (0, 0, false);
        while from < self.bytes.len() {
            let code = match self.bytes.get(from..from + 3) {
                Some([b'%', high, low]) => hex(*high).zip(hex(*low)),
                _ => None,
            };
            let (byte, length) = match code {
                Some((high, low)) => ((high * 16 + low) as u8, 3),
                None => (self.bytes[from], 1),
            };
            changed |= length == 3;
            self.bytes[to] = byte;
            self.starts[to] = self.starts[from];
            self.ends[to] = self.ends[from + length - 1];
            from += length;
            to += 1;
        }
        self.bytes.truncate(to);
        self.starts.truncate(to);
        self.ends.truncate(to);
        changed
    }

    /// Where decoded bytes stand in the source.
    pub fn source(&self, span: &Range<usize>) -> Range<usize> {
        if self.starts.is_empty() {
            return span.clone();
        }
        self.starts[span.start] as usize..self.ends[span.end - 1] as usize
    }
}
