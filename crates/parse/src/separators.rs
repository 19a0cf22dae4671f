//! Where the fields end: one pass over the block, 64 bytes at a time.
//!
//! `unsafe` here is one call. Proof: [`masks_sse2`] is unsafe to call only because it needs SSE2,
//! which every x86-64 processor has and the target always enables; its body is safe code.

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
