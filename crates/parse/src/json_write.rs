//! JSON text out of strings.

/// Appends `text` as a JSON string. Only what RFC 8259 demands is escaped.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => {
                out.push_str("\\u00");
                for digit in [control >> 4, control & 15] {
                    out.push(char::from_digit(u32::from(digit), 16).expect("a nibble is a hex digit"));
                }
            }
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// Begins the next member of an object; the first one opens it.
pub fn push_key(out: &mut String, key: &str) {
    out.push(if out.is_empty() { '{' } else { ',' });
    push_string(out, key);
    out.push(':');
}
