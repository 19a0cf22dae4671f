//! Values in the encodings that hide them: UTF-16 and Base64.
//!
//! Source: Sigma specification 2.1.0, appendix *Modifiers*; the three stable stretches of
//! `base64offset` are cut as pySigma cuts them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// UTF-16 code units of `text`, in the byte order that `bytes` gives.
fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

pub fn utf16le(text: &str) -> Vec<u8> {
    utf16(text, u16::to_le_bytes)
}

pub fn utf16be(text: &str) -> Vec<u8> {
    utf16(text, u16::to_be_bytes)
}

/// UTF-16 little-endian behind its byte order mark.
pub fn utf16_marked(text: &str) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xFE];
    bytes.extend(utf16le(text));
    bytes
}

pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What of the Base64 text of anything that holds `bytes` is the same whatever surrounds them: one
/// text for each place in a group of three. Stretches of nothing are left out.
pub fn base64_offsets(bytes: &[u8]) -> Vec<String> {
    const START: [usize; 3] = [0, 2, 3];
    const CUT: [usize; 3] = [0, 3, 2];
    (0..3)
        .filter_map(|offset| {
            let mut shifted = vec![b' '; offset];
            shifted.extend_from_slice(bytes);
            let text = base64(&shifted);
            let end = text.len().saturating_sub(CUT[shifted.len() % 3]);
            text.get(START[offset]..end)
                .filter(|stretch| !stretch.is_empty())
                .map(str::to_owned)
        })
        .collect()
}
