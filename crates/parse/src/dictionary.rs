//! The keys of a format with a published dictionary, and their columns: CEF and LEEF.

use crate::known::{ATTRIBUTES_BYTES, put_text};
use crate::pairs::{Pair, Said, keep_last};
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::sheet::Sheet;
use ahash::AHashMap;
use haetae_event::dataset::NativeType;
use haetae_event::{Dataset, schema};
use std::borrow::Cow;
use std::ops::Range;

/// Number of a key in its dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(usize);

impl Key {
    /// Place in a [`Dictionary::table`].
    pub fn place(self) -> usize {
        self.0
    }
}

struct Entry {
    name: &'static str,
    slot: Slot,
    kind: NativeType,
    /// A key of the dictionary that has no column.
    attribute: bool,
    value: Option<Range<usize>>,
}

/// The keys of the dictionary, and their values in the record at hand.
pub struct Dictionary {
    entries: Vec<Entry>,
    map: AHashMap<&'static str, usize>,
    touched: Vec<usize>,
    /// Key and value of what the dictionary does not know.
    others: Vec<(Range<usize>, Range<usize>)>,
    others_max: usize,
    attrs: Slot,
    decode: fn(&str) -> Cow<'_, str>,
}

impl Dictionary {
    /// The native fields of `dataset`, and `more` keys without a column. The fields named `aside`
    /// come from elsewhere: a record's key of that name is an unknown one. `decode` undoes the
    /// escapes of a value; `others_max` bounds the unknown keys that one record may have.
    pub fn new(
        dataset: Dataset,
        plan: &Plan,
        aside: &[&str],
        more: &[&'static str],
        others_max: usize,
        decode: fn(&str) -> Cow<'_, str>,
    ) -> Self {
        let core = schema::core_fields();
        let mut entries: Vec<Entry> = dataset
            .native_fields()
            .iter()
            .map(|field| {
                let (column, kind) = match field.kind {
                    NativeType::Core(name) => {
                        let whole = core
                            .iter()
                            .any(|f| f.name() == name && *f.data_type() == arrow::datatypes::DataType::Int64);
                        (
                            name,
                            if whole {
                                NativeType::Int64
                            } else {
                                NativeType::Utf8
                            },
                        )
                    }
                    kind => (field.column, kind),
                };
                Entry {
                    name: field.vendor,
                    slot: plan.slot(column),
                    kind,
                    attribute: false,
                    value: None,
                }
            })
            .collect();
        entries.extend(more.iter().map(|name| Entry {
            name,
            slot: Slot::NONE,
            kind: NativeType::Utf8,
            attribute: true,
            value: None,
        }));
        let named = entries.iter().enumerate().map(|(at, entry)| (entry.name, at));
        let map = named.filter(|(name, _)| !aside.contains(name)).collect();
        Dictionary {
            entries,
            map,
            touched: Vec::new(),
            others: Vec::new(),
            others_max,
            attrs: plan.slot("attrs"),
            decode,
        }
    }

    /// Number of a key that is in the dictionary.
    pub fn key(&self, name: &str) -> Key {
        let place = self.entries.iter().position(|entry| entry.name == name);
        Key(place.expect("the key is in the dictionary"))
    }

    pub fn find(&self, name: &str) -> Option<Key> {
        self.map.get(name).copied().map(Key)
    }

    /// Keys of the dictionary that the record has, in the order they came first.
    pub fn noted(&self) -> impl Iterator<Item = Key> + '_ {
        self.touched.iter().copied().map(Key)
    }

    /// A table with one place for each key.
    pub fn table<T: Copy>(&self, absent: T) -> Vec<T> {
        vec![absent; self.entries.len()]
    }

    pub fn wants_attributes(&self) -> bool {
        self.attrs.wanted()
    }

    /// Forgets the last record.
    pub fn clear(&mut self) {
        for at in self.touched.drain(..) {
            self.entries[at].value = None;
        }
        self.others.clear();
    }

    /// Notes a pair; of equal keys the last wins. `false` when there are too many unknown ones.
    pub fn note(&mut self, text: &str, name: Range<usize>, value: Range<usize>) -> bool {
        self.note_as(self.find(&text[name.clone()]), name, value)
    }

    /// As [`Dictionary::note`], for a key already looked for.
    pub fn note_as(&mut self, key: Option<Key>, name: Range<usize>, value: Range<usize>) -> bool {
        match key {
            Some(key) => self.set(key, value),
            None if self.others.len() == self.others_max => return false,
            None => self.others.push((name, value)),
        }
        true
    }

    /// Notes the value of a known key.
    pub fn set(&mut self, key: Key, value: Range<usize>) {
        if self.entries[key.0].value.replace(value).is_none() {
            self.touched.push(key.0);
        }
    }

    /// Where the value stands; `None` also for nothing and `-`.
    pub fn span(&self, text: &str, key: Key) -> Option<Range<usize>> {
        let span = self.entries[key.0].value.clone()?;
        (!matches!(&text[span.clone()], "" | "-")).then_some(span)
    }

    /// The value with its escapes undone; `None` also for nothing and `-`.
    pub fn value<'t>(&self, text: &'t str, key: Key) -> Option<Cow<'t, str>> {
        self.span(text, key).map(|span| (self.decode)(&text[span]))
    }

    /// Puts every noted value into its column; numbers that are none become attributes. Then
    /// `resolved` and the unknown keys, as attributes.
    pub fn put(&self, sheet: &mut Sheet<'_>, resolved: &[(&str, Cow<'_, str>)]) {
        let (text, row) = (sheet.text(), sheet.row());
        let attrs = self.attrs.wanted();
        let mut pairs: Vec<Pair<'_>> = Vec::with_capacity(self.others.len() + resolved.len());
        for &at in &self.touched {
            let entry = &self.entries[at];
            let Some(span) = entry.value.clone() else { continue };
            let lost = entry.attribute
                || (entry.slot.wanted() || attrs) && !put(sheet, row, entry, span.clone(), self.decode);
            if lost && attrs {
                pairs.push(self.pair(entry.name, &text[span]));
            }
        }
        if !attrs {
            return;
        }
        for (name, value) in &self.others {
            pairs.push(self.pair(&text[name.clone()], &text[value.clone()]));
        }
        for (label, value) in resolved {
            pairs.push(Pair::text_of(label, value.clone()));
        }
        if pairs.is_empty() {
            return;
        }
        keep_last(&mut pairs);
        let mut object = String::with_capacity(ATTRIBUTES_BYTES);
        object.push('{');
        for pair in pairs.iter().filter(|pair| !pair.done) {
            pair.write_member(&mut object);
        }
        object.push('}');
        sheet.put_str(self.attrs, row, &object);
    }

    fn pair<'t>(&self, name: &'t str, value: &'t str) -> Pair<'t> {
        Pair {
            key: name,
            said: Said::Text((self.decode)(value)),
            done: false,
        }
    }
}

/// Puts a value; `false` when it does not fit its column.
fn put(
    sheet: &mut Sheet<'_>,
    row: usize,
    entry: &Entry,
    span: Range<usize>,
    decode: fn(&str) -> Cow<'_, str>,
) -> bool {
    let text = &sheet.text()[span];
    if text.is_empty() || text == "-" {
        return true;
    }
    match entry.kind {
        NativeType::Int32 => match scalar::integer(text.as_bytes()).and_then(|n| i32::try_from(n).ok()) {
            Some(number) => sheet.put_i32(entry.slot, row, number),
            None => return false,
        },
        NativeType::Int64 => match scalar::integer(text.as_bytes()) {
            Some(number) => sheet.put_i64(entry.slot, row, number),
            None => return false,
        },
        NativeType::Float64 => match scalar::decimal(text.as_bytes()) {
            Some(number) => sheet.put_f64(entry.slot, row, number),
            None => return false,
        },
        NativeType::Utf8 | NativeType::Boolean | NativeType::Core(_) => {
            put_text(sheet, entry.slot, row, &decode(text));
        }
    }
    true
}

/// Words of `act` and `action` that mean the request was stopped, lower case.
const BLOCKING: &[&str] = &[
    "deny",
    "denied",
    "deny_all",
    "block",
    "blocked",
    "drop",
    "dropped",
    "reject",
    "rejected",
    "reset",
    "reset-both",
    "reset-client",
    "reset-server",
    "prevent",
    "prevented",
    "quarantine",
    "quarantined",
    "terminate",
    "terminated",
    "refuse",
    "refused",
    "discard",
    "discarded",
    "kill",
    "killed",
    "req_blocked",
    "req_blocked_session",
    "req_blocked_ip",
    "req_blocked_visitor",
    "client-rst",
    "server-rst",
];
/// Words that mean it went through, lower case.
const PASSING: &[&str] = &[
    "allow",
    "allowed",
    "accept",
    "accepted",
    "permit",
    "permitted",
    "pass",
    "passed",
    "alert",
    "alerted",
    "detect",
    "detected",
    "monitor",
    "monitored",
    "log",
    "logged",
    "not blocked",
    "req_passed",
    "forward",
    "forwarded",
    "none",
];

/// Whether an action stopped the request; `None` for words that are not known.
pub fn is_blocking(action: &str) -> Option<bool> {
    let action = action.trim();
    let among = |words: &[&str]| words.iter().any(|word| action.eq_ignore_ascii_case(word));
    if among(BLOCKING) {
        return Some(true);
    }
    among(PASSING).then_some(false)
}

/// Path and query of a URL, which may be absolute, and its host.
pub fn url_parts(url: &str) -> (Option<Range<usize>>, Option<Range<usize>>) {
    let Some(scheme) = url
        .find("://")
        .filter(|&at| at < 16 && url[..at].bytes().all(|b| b.is_ascii_alphanumeric()))
    else {
        return (Some(0..url.len()), None);
    };
    let start = scheme + 3;
    let end = url[start..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| start + at);
    let fragment = url[end..].find('#').map_or(url.len(), |at| end + at);
    let authority = &url[start..end];
    let name = start + authority.rfind('@').map_or(0, |at| at + 1);
    let port = url[name..end]
        .rfind(':')
        .filter(|&at| url[name + at + 1..end].bytes().all(|b| b.is_ascii_digit()));
    let host = name..port.map_or(end, |at| name + at);
    (
        (end < fragment).then_some(end..fragment),
        (!host.is_empty()).then_some(host),
    )
}
