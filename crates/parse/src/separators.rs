//! Where the fields end: one pass over the block, 64 bytes at a time. And where a JSON string may end.
//!
//! `unsafe` here is three calls and two loads. Proof: [`masks_sse2`], [`marks_sse2`] and
//! [`signs_sse2`] are unsafe to call only because they need SSE2, which every x86-64 processor has
//! and the target always enables; the body of the first is safe code. The other two read sixteen
//! bytes through a reference to sixteen bytes with a load that needs no alignment, and are safe code
//! else.

#![allow(unsafe_code)]

/// Positions of every `separator` and newline of a block, and which of them end a line.
#[derive(Default)]
pub struct Index {
    /// Positions in the block, ascending; what lies beyond the last line end means nothing.
    pub at: Vec<u32>,
    /// Positions in use.
    used: usize,
    /// Indices into `at` of the newlines.
    pub line_ends: Vec<u32>,
}

impl Index {
    /// Rebuilds the index; the vectors keep their capacity. The end of the block counts as a
    /// newline when it does not end in one.
    pub fn build(&mut self, bytes: &[u8], separator: u8) {
        self.build_from(bytes, 0, separator);
    }

    /// As [`Index::build`], for the block from byte `from` on; positions are those in the block.
    pub fn build_from(&mut self, bytes: &[u8], from: usize, separator: u8) {
        self.used = 0;
        self.line_ends.clear();
        let mut chunks = bytes[from..].chunks_exact(64);
        let mut base = from as u32;
        for chunk in &mut chunks {
            let chunk: &[u8; 64] = chunk.try_into().expect("chunks are 64 bytes");
            let (separators, newlines) = masks(chunk, separator);
            self.push(base, separators, newlines);
            base += 64;
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            // Zero is neither separator nor newline.
            let mut last = [0u8; 64];
            last[..rest.len()].copy_from_slice(rest);
            let (separators, newlines) = masks(&last, separator);
            self.push(base, separators, newlines);
        }
        if bytes.last().is_some_and(|&byte| byte != b'\n') {
            self.line_ends.push(self.used as u32);
            self.at.truncate(self.used);
            self.at.push(bytes.len() as u32);
            self.used += 1;
        }
    }

    #[inline]
    fn push(&mut self, base: u32, separators: u64, newlines: u64) {
        let first = self.used;
        let both = separators | newlines;
        if self.at.len() < first + 64 {
            self.at.resize((first + 64).next_power_of_two(), 0);
        }
        // Positions are written eight at a time, whether there are so many or not: a branch per
        // position would be mispredicted once per line.
        let count = both.count_ones() as usize;
        let mut left = both;
        for group in self.at[first..first + 64]
            .chunks_exact_mut(8)
            .take(count.div_ceil(8))
        {
            for place in group {
                *place = base + left.trailing_zeros();
                left &= left.wrapping_sub(1);
            }
        }
        self.used = first + count;
        let mut ends = newlines;
        while ends != 0 {
            let bit = ends & ends.wrapping_neg();
            let before = (both & (bit - 1)).count_ones();
            self.line_ends.push(first as u32 + before);
            ends ^= bit;
        }
    }
}

/// Bit i is set where byte i is the separator, and where it is a newline.
#[cfg(target_arch = "x86_64")]
#[inline]
fn masks(chunk: &[u8; 64], separator: u8) -> (u64, u64) {
    // SAFETY: SSE2 belongs to the x86-64 baseline.
    unsafe { masks_sse2(chunk, separator) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn masks_sse2(chunk: &[u8; 64], separator: u8) -> (u64, u64) {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
    // The two halves of a word become one unaligned load.
    let separator = _mm_set1_epi8(separator as i8);
    let newline = _mm_set1_epi8(b'\n' as i8);
    let (mut separators, mut newlines) = (0u64, 0u64);
    for (i, quarter) in chunk.chunks_exact(16).enumerate() {
        let half =
            |at: usize| i64::from_le_bytes(quarter[at..at + 8].try_into().expect("eight bytes of sixteen"));
        let word = _mm_set_epi64x(half(8), half(0));
        let a = _mm_movemask_epi8(_mm_cmpeq_epi8(word, separator)) as u32;
        let b = _mm_movemask_epi8(_mm_cmpeq_epi8(word, newline)) as u32;
        separators |= u64::from(a) << (16 * i);
        newlines |= u64::from(b) << (16 * i);
    }
    (separators, newlines)
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn masks(chunk: &[u8; 64], separator: u8) -> (u64, u64) {
    let (mut separators, mut newlines) = (0u64, 0u64);
    for (i, &byte) in chunk.iter().enumerate() {
        separators |= u64::from(byte == separator) << i;
        newlines |= u64::from(byte == b'\n') << i;
    }
    (separators, newlines)
}

/// Bytes that [`marks`] looks at together.
const WIDTH: usize = 32;
/// Bytes of their marks.
const BITS: usize = WIDTH / 8;

/// Where the quotes, backslashes and control characters of a block are: a bit for each byte.
#[derive(Default)]
pub struct Marks {
    /// Eight bytes longer than needed, so that a whole word can be read at every place.
    bits: Vec<u8>,
}

impl Marks {
    pub fn new(bytes: &[u8]) -> Self {
        let chunks = bytes.chunks_exact(WIDTH);
        let mut last = [b' '; WIDTH];
        let rest = chunks.remainder();
        last[..rest.len()].copy_from_slice(rest);
        let mut bits = vec![0; chunks.len() * BITS + BITS + 8];
        let (whole, end) = bits.split_at_mut(chunks.len() * BITS);
        for (chunk, bits) in chunks.zip(whole.chunks_exact_mut(BITS)) {
            let chunk: &[u8; WIDTH] = chunk.try_into().expect("chunks have this width");
            bits.copy_from_slice(&marks(chunk).to_le_bytes());
        }
        end[..BITS].copy_from_slice(&marks(&last).to_le_bytes());
        Marks { bits }
    }

    /// The first one at or after `from`.
    #[inline]
    pub fn next(&self, from: usize) -> Option<usize> {
        let word = self.bits.get(from / 8..)?.first_chunk::<8>()?;
        let word = u64::from_le_bytes(*word) >> (from % 8);
        if word != 0 {
            return Some(from + word.trailing_zeros() as usize);
        }
        self.next_far(from / 8 + 8)
    }

    /// The first one at or after byte `8 * at`.
    #[inline(never)]
    fn next_far(&self, at: usize) -> Option<usize> {
        let rest = self.bits.get(at..)?;
        let zeros = rest.iter().position(|&bits| bits != 0)?;
        Some((at + zeros) * 8 + rest[zeros].trailing_zeros() as usize)
    }
}

/// The first quote, backslash or control character at or after `from`.
#[inline]
pub fn special(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<WIDTH>()) {
        let found = marks(chunk);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += WIDTH;
    }
    special_in_rest(bytes, at)
}

/// As [`special`], byte by byte.
#[cold]
fn special_in_rest(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let found = rest.iter().position(|&b| is_special(b))?;
    Some(from + found)
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\') || byte < 0x20
}

/// Bit i is set where byte i is a quote, a backslash or a control character.
#[cfg(target_arch = "x86_64")]
#[inline]
fn marks(chunk: &[u8; WIDTH]) -> u32 {
    // SAFETY: SSE2 belongs to the x86-64 baseline.
    unsafe { marks_sse2(chunk) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn marks_sse2(chunk: &[u8; WIDTH]) -> u32 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    let quote = _mm_set1_epi8(b'"' as i8);
    let slash = _mm_set1_epi8(b'\\' as i8);
    let control = _mm_set1_epi8(0x1f);
    let mut found = 0;
    for (i, half) in chunk.as_chunks::<16>().0.iter().enumerate() {
        // SAFETY: `half` is sixteen bytes, and the load asks for no alignment.
        let word = unsafe { _mm_loadu_si128(half.as_ptr().cast()) };
        let ends = _mm_or_si128(_mm_cmpeq_epi8(word, quote), _mm_cmpeq_epi8(word, slash));
        // What the smaller of it and 0x1f is itself is no greater.
        let controls = _mm_cmpeq_epi8(_mm_min_epu8(word, control), word);
        found |= (_mm_movemask_epi8(_mm_or_si128(ends, controls)) as u32) << (16 * i);
    }
    found
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn marks(chunk: &[u8; WIDTH]) -> u32 {
    marks_plainly(chunk)
}

/// As [`marks`], eight bytes at a time without vectors.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn marks_plainly(chunk: &[u8; WIDTH]) -> u32 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // High bit of each byte below `limit`, which is at most 128; nothing is carried between bytes.
    let below = |word: u64, limit: u64| !(((word & !HIGHS) + ONES * (128 - limit)) | word) & HIGHS;
    let mut found = 0;
    for (i, eight) in chunk.chunks_exact(8).enumerate() {
        let word = u64::from_le_bytes(eight.try_into().expect("eight bytes"));
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let slash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let marks = (quote | slash | below(word, 0x20)) >> 7;
        // Gathers the lowest bits of the eight bytes.
        let bits = marks.wrapping_mul(0x0102_0408_1020_4080) >> 56;
        found |= (bits as u32) << (8 * i);
    }
    found
}

/// Where signs that objects are told apart by stand in 64 bytes: bit i stands for byte i.
pub struct Signs {
    pub quotes: u64,
    pub slashes: u64,
    pub opens: u64,
    pub closes: u64,
}

/// The signs of 64 bytes.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn signs(chunk: &[u8; 64]) -> Signs {
    // SAFETY: SSE2 belongs to the x86-64 baseline.
    unsafe { signs_sse2(chunk) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn signs_sse2(chunk: &[u8; 64]) -> Signs {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};
    let mut found = [0u64; 4];
    for (i, quarter) in chunk.as_chunks::<16>().0.iter().enumerate() {
        // SAFETY: `quarter` is sixteen bytes, and the load asks for no alignment.
        let word = unsafe { _mm_loadu_si128(quarter.as_ptr().cast()) };
        for (sign, found) in b"\"\\{}".iter().zip(&mut found) {
            let same = _mm_cmpeq_epi8(word, _mm_set1_epi8(*sign as i8));
            *found |= u64::from(_mm_movemask_epi8(same) as u32) << (16 * i);
        }
    }
    let [quotes, slashes, opens, closes] = found;
    Signs {
        quotes,
        slashes,
        opens,
        closes,
    }
}

/// The signs of 64 bytes.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub fn signs(chunk: &[u8; 64]) -> Signs {
    signs_plainly(chunk)
}

/// As [`signs`], byte by byte.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn signs_plainly(chunk: &[u8; 64]) -> Signs {
    let of = |sign: u8| (0..64).fold(0, |found, i| found | u64::from(chunk[i] == sign) << i);
    Signs {
        quotes: of(b'"'),
        slashes: of(b'\\'),
        opens: of(b'{'),
        closes: of(b'}'),
    }
}

#[cfg(test)]
mod tests;
