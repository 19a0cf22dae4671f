//! What load balancers log of a request: `address:port`, the request line, its URL.
//!
//! Clients write much of it, so nothing here is refused: what does not come apart stays whole.

use crate::quoted::{CoreSlots, Spans};
use crate::sheet::Sheet;
use std::ops::Range;

/// Puts `address:port` at two places.
pub fn put_endpoint(bytes: &[u8], spans: &mut Spans, (ip, port): (usize, usize), span: Range<usize>) {
    let (address, number) = endpoint(bytes, span);
    spans.set(bytes, ip, address);
    if let Some(number) = number {
        spans.set(bytes, port, number);
    }
}

/// Puts verb, URL and protocol at `verb` and the two places behind it.
pub fn put_request(bytes: &[u8], spans: &mut Spans, verb: usize, request: Range<usize>) {
    for (at, part) in request_parts(bytes, request).into_iter().enumerate() {
        spans.set(bytes, verb + at, part);
    }
}

/// Puts `uri`, and `dst_host`: `named`, else the URL's host.
pub fn put_url(
    sheet: &mut Sheet<'_>,
    row: usize,
    core: &CoreSlots,
    named: Option<Range<usize>>,
    url: Option<Range<usize>>,
) {
    let bytes = sheet.text().as_bytes();
    let (host, uri) = url.map(|url| url_parts(bytes, url)).unzip();
    if let Some(uri) = uri.filter(|uri| !uri.is_empty()) {
        sheet.put_span(core.uri, row, uri);
    }
    if let Some(host) = named.or(host.flatten()) {
        sheet.put_span(core.dst_host, row, host);
    }
}

/// `address:port` at the last colon, the address without brackets; no port where it is `-` or not
/// a number.
fn endpoint(bytes: &[u8], span: Range<usize>) -> (Range<usize>, Option<Range<usize>>) {
    let text = &bytes[span.clone()];
    let bare = |address: Range<usize>| match &bytes[address.clone()] {
        [b'[', .., b']'] => address.start + 1..address.end - 1,
        _ => address,
    };
    let Some(colon) = memchr::memrchr(b':', text) else {
        return (bare(span), None);
    };
    let (address, port) = (&text[..colon], &text[colon + 1..]);
    // `2001:db8::1` has no port: what is left of its last colon would be no address.
    let cut = address.ends_with(b":") && memchr::memchr(b'.', address).is_none();
    let number = !port.is_empty() && port.len() <= 5 && port.iter().all(u8::is_ascii_digit);
    if cut || !(number || matches!(port, b"" | b"-")) {
        return (bare(span), None);
    }
    let at = span.start + colon;
    (bare(span.start..at), number.then_some(at + 1..span.end))
}

/// The three parts of a request line, any of them possibly nothing: first word, what is between,
/// last word when it is a version.
///
/// A line whose first word cannot be a method is all URL. `- http://host:80- ` and `- - - ` are
/// what load balancers write when there was no request.
pub fn request_parts(bytes: &[u8], span: Range<usize>) -> [Range<usize>; 3] {
    let nothing = span.end..span.end;
    let method_end = memchr::memchr(b' ', &bytes[span.clone()]).map(|found| span.start + found);
    let Some(method_end) = method_end.filter(|&end| is_method(&bytes[span.start..end])) else {
        return [nothing.clone(), span, nothing];
    };
    let method = span.start..method_end;
    let mut url = method_end + 1..span.end;
    let mut version = nothing;
    if let Some(space) = memchr::memrchr(b' ', &bytes[method_end..span.end]) {
        let last = method_end + space + 1..span.end;
        if last.is_empty() || bytes[last.clone()].starts_with(b"HTTP/") {
            url.end = (last.start - 1).max(url.start);
            version = last;
        }
    }
    if bytes[url.clone()].ends_with(b" -") {
        url.end -= 2;
    }
    [method, url, version]
}

/// A word of the characters RFC 9110 allows in a method.
pub fn is_method(word: &[u8]) -> bool {
    (1..=32).contains(&word.len())
        && word
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Host without its port, and path with query, of an absolute URL; of any other all is path.
fn url_parts(bytes: &[u8], span: Range<usize>) -> (Option<Range<usize>>, Range<usize>) {
    let text = &bytes[span.clone()];
    let scheme = text
        .iter()
        .take(12)
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    if scheme == 0 || !text[scheme..].starts_with(b"://") {
        return (None, span);
    }
    let start = span.start + scheme + 3;
    let authority = &bytes[start..span.end];
    let length = authority
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'#'))
        .unwrap_or(authority.len());
    let host = without_port(bytes, start..start + length);
    ((!host.is_empty()).then_some(host), start + length..span.end)
}

/// The host without `:port`; load balancers write `:80-` when there was no path.
pub fn without_port(bytes: &[u8], host: Range<usize>) -> Range<usize> {
    let text = &bytes[host.clone()];
    let Some(colon) = memchr::memrchr(b':', text) else {
        return host;
    };
    let (name, port) = (&text[..colon], &text[colon + 1..]);
    // An IPv6 address without brackets has no port.
    if !name.ends_with(b"]") && memchr::memchr(b':', name).is_some() {
        return host;
    }
    let digits = port.strip_suffix(b"-").unwrap_or(port);
    if digits.iter().all(u8::is_ascii_digit) {
        return host.start..host.start + colon;
    }
    host
}
