//! Cross-site scripting: markup that runs script, read as leniently as browsers do.
//!
//! Elements, event handlers and URL schemes are those of the HTML standard and SVG. Plain markup
//! (links, line breaks, tables) is no attack by itself: editors send it.

use super::evidence::{Evidence, Literals};
use super::verdict::{Class, Place, Verdicts};
use std::sync::LazyLock;

/// Elements that load or run something by themselves.
const ACTIVE: &str = "script iframe object embed applet base meta frameset frame xml svg math isindex bgsound \
     foreignobject animate animatetransform handler listener xss link portal noscript";

/// Elements that do so with an event handler or a URL only.
const PASSIVE: &str = "img image body video audio source input button select textarea keygen details marquee form \
     a div span style p b i h1 table td th tr html head title template plaintext layer ilayer br ul li use set picture \
     area map track dialog slot custom label fieldset";

static SCRIPT: LazyLock<Literals> = LazyLock::new(|| {
    Literals::new(&[
        (
            0.75,
            "script in a URL",
            &[
                "javascript:*",
                "vbscript:*",
                "livescript:*",
                "data:text/html*",
                "view-source:*",
                "*mocha:*",
            ],
        ),
        (
            0.75,
            "access to the document",
            &[
                "document.cookie",
                "document.domain",
                "document.write*",
                "document.location",
                "document.body",
                "window.location",
                "location.href=*",
                "*.innerhtml",
                "*.outerhtml",
                "localstorage.*",
                "string.fromcharcode*",
                "document[*",
                "window[*",
                "self[*",
                "top[*",
                "*.constructor(*",
                "xmlhttprequest",
                "eval(atob*",
                "import(*http*",
            ],
        ),
        (
            0.6,
            "call of a script function",
            &[
                "alert(*",
                "alert`*",
                "prompt(*",
                "prompt`*",
                "confirm(*",
                "confirm`*",
                "eval(*",
                "settimeout(*",
                "setinterval(*",
                "atob(*",
                "unescape(*",
                "fetch('*",
                "fetch(`*",
                "fetch(\"*",
                "function(){*",
                "expression(*",
                "*-moz-binding*",
                "@import*'*",
                "throw onerror*",
            ],
        ),
        (
            0.7,
            "markup attribute that loads",
            &[
                "srcdoc=*",
                "xlink:href*",
                "formaction=*",
                "http-equiv=*",
                "xmlns:*",
            ],
        ),
    ])
});

/// Judges a decoded text.
pub fn judge(place: Place, text: &str, verdicts: &mut Verdicts) {
    let bytes = text.as_bytes();
    if place == Place::Agent && !bytes.contains(&b'<') {
        return;
    }
    let mut evidence = Evidence::new();
    let mut marks = 0u8;
    for b in bytes {
        marks |= match b {
            b'<' => 1,
            b'(' | b':' | b'`' | b'.' => 2,
            b'=' => 4,
            _ => 0,
        };
    }
    if marks == 0 {
        return;
    }
    SCRIPT.look(text, &mut evidence);
    if marks & 1 != 0 {
        elements(bytes, &mut evidence);
    }
    if marks & 4 != 0 {
        handlers(bytes, &mut evidence);
    }
    schemes(bytes, &mut evidence);
    evidence.raise(Class::Xss, verdicts);
}

fn elements(bytes: &[u8], evidence: &mut Evidence) {
    let mut strongest = 0.0f32;
    for at in memchr::memchr_iter(b'<', bytes) {
        let rest = &bytes[at + 1..];
        let skip = rest
            .iter()
            .take(4)
            .take_while(|b| matches!(b, b'/' | 0..=b' ' | b'<'))
            .count();
        let name: Vec<u8> = rest[skip..]
            .iter()
            .take(20)
            .take_while(|b| b.is_ascii_alphanumeric())
            .map(u8::to_ascii_lowercase)
            .collect();
        if rest.starts_with(b"!--") || rest.starts_with(b"![CDATA[") {
            strongest = strongest.max(0.45);
        }
        if has(ACTIVE, &name) {
            strongest = strongest.max(if name == b"link" || name == b"noscript" {
                0.6
            } else {
                0.85
            });
        } else if has(PASSIVE, &name) {
            strongest = strongest.max(0.2);
        }
    }
    if strongest > 0.0 {
        evidence.add(strongest, "markup element");
    }
}

fn has(list: &str, name: &[u8]) -> bool {
    !name.is_empty()
        && list
            .split_ascii_whitespace()
            .any(|known| known.as_bytes() == name)
}

/// `on…=` behind white space, a quote or `/`, as attributes are.
fn handlers(bytes: &[u8], evidence: &mut Evidence) {
    for at in memchr::memchr_iter(b'=', bytes) {
        let mut end = at;
        while end > 0 && bytes[end - 1] <= b' ' && at - end < 8 {
            end -= 1;
        }
        let start = bytes[..end]
            .iter()
            .rev()
            .take(24)
            .position(|b| !b.is_ascii_alphabetic())
            .map_or_else(|| end.saturating_sub(24), |back| end - back);
        let name = bytes[start..end].to_ascii_lowercase();
        let edge = start.checked_sub(1).map(|at| bytes[at]);
        let is_attribute =
            edge.is_none_or(|b| b <= b' ' || matches!(b, b'"' | b'\'' | b'/' | b'`' | b'<' | b';' | b'>'));
        if is_attribute && is_event(&name) {
            let broken_out =
                bytes.contains(&b'<') || bytes[..start].iter().any(|b| matches!(b, b'"' | b'\''));
            return evidence.add(if broken_out { 0.85 } else { 0.6 }, "event handler");
        }
    }
}

/// Names of event handlers are `on` and the name of an event.
fn is_event(name: &[u8]) -> bool {
    const EVENTS: &str = "abort activate animation auxclick before begin blur bounce cancel canplay change click close context \
         copy cuechange cut dblclick deactivate device drag drop duration emptied end ended error finish focus formdata fullscreen \
         gotpointer hash input invalid key load lost message mouse offline online page paste pause play pointer popstate progress \
         ratechange ready repeat reset resize scroll search seek select show stalled start storage submit suspend time \
         toggle touch transition unhandled unload volume waiting webkit wheel zoom";
    let Some(event) = name.strip_prefix(b"on") else {
        return false;
    };
    event.len() >= 3
        && EVENTS
            .split_ascii_whitespace()
            .any(|known| event.starts_with(known.as_bytes()))
}

/// `java\tscript:` and the like, which browsers read without the white space.
fn schemes(bytes: &[u8], evidence: &mut Evidence) {
    for at in memchr::memchr_iter(b':', bytes) {
        let letters: Vec<u8> = bytes[..at]
            .iter()
            .rev()
            .take(40)
            .filter(|b| **b > b' ')
            .take(10)
            .map(u8::to_ascii_lowercase)
            .collect();
        let broken = bytes[..at]
            .iter()
            .rev()
            .take(10)
            .any(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0));
        if broken && (letters == b"tpircsavaj" || letters.starts_with(b"tpircsbv")) {
            return evidence.add(0.9, "script in a URL");
        }
    }
}
