//! Base64 (RFC 4648, both alphabets) that hides text.

/// Shorter runs are read as Base64 by chance too often.
const ENCODED_BYTES_MIN: usize = 16;

/// The ASCII text that `raw` encodes; `None` when it is no Base64 or encodes something else.
pub fn text(raw: &str) -> Option<String> {
    let bytes = raw.trim_end_matches('=').as_bytes();
    if bytes.len() < ENCODED_BYTES_MIN || bytes.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    for group in bytes.chunks(4) {
        let mut bits = 0u32;
        for b in group {
            bits = (bits << 6) | sextet(*b)?;
        }
        bits <<= 6 * (4 - group.len());
        let whole = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
        let kept = &whole[..group.len() - 1];
        // Random bytes are given up on soon: few are printable four times in a row.
        if !kept
            .iter()
            .all(|b| matches!(b, b' '..=b'~' | b'\t' | b'\n' | b'\r'))
        {
            return None;
        }
        out.extend_from_slice(kept);
    }
    String::from_utf8(out).ok()
}

fn sextet(b: u8) -> Option<u32> {
    Some(match b {
        b'A'..=b'Z' => u32::from(b - b'A'),
        b'a'..=b'z' => u32::from(b - b'a') + 26,
        b'0'..=b'9' => u32::from(b - b'0') + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}
