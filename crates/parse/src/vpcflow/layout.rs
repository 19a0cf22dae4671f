//! Where the fields of a flow record stand: by header, by configured format, by their number.

use super::EXTRA_FIELDS;
use crate::lines::Row;
use crate::separators::Index;
use haetae_event::Dataset;
use std::ops::Range;

/// Field counts of "everything up to version N": 2, 3, 4, 5, 7, 8, 9, 10, 11.
const EVERYTHING: [u32; 9] = [14, 21, 25, 29, 39, 40, 41, 42, MOST_FIELDS];
const DEFAULT_FIELDS: u32 = 14;
/// Fields of the longest "everything" format.
pub const MOST_FIELDS: u32 = 54;
/// No such field in this layout.
pub const ABSENT: u32 = u32::MAX;
/// Words of a header looked at.
const NAMES_MAX: usize = 256;
/// Longest name of a field.
const NAME_BYTES_MAX: usize = 64;

/// Position of each field of the native table; [`ABSENT`] where the format lacks it.
#[derive(Clone, PartialEq)]
pub struct Layout {
    position: Vec<u32>,
    /// Names without a column and where they stand: their values become attributes.
    pub others: Vec<(String, u32)>,
    /// Positions of the tag fields, ascending: only their values may hold spaces.
    tags: Vec<u32>,
    pub fields: u32,
}

impl Layout {
    /// The layout that `names` give; `None` when no flow log has any of them.
    pub fn named(names: &[&str]) -> Option<Layout> {
        let table = Dataset::VpcFlow.native_fields();
        let mut layout = Layout {
            position: vec![ABSENT; table.len()],
            others: Vec::new(),
            tags: Vec::new(),
            fields: names.len() as u32,
        };
        let mut known = false;
        for (at, name) in names.iter().enumerate() {
            let name = bare(name);
            match place(name) {
                // The first of two equal names has the column, the other one is kept aside.
                Some(place) if layout.position[place] == ABSENT => layout.position[place] = at as u32,
                _ => layout.others.push((name.to_owned(), at as u32)),
            }
            known |= is_known(name);
            if is_tag(name) {
                layout.tags.push(at as u32);
            }
        }
        known.then_some(layout)
    }

    /// The layout a header line announces; `None` when the line is none.
    ///
    /// Names that are new to us may stand in a header, but not outnumber the known ones, and one
    /// of the known must be a name that only flow logs have.
    pub fn header(line: &str) -> Option<Layout> {
        let separator = separator_of(line.as_bytes()) as char;
        let mut words = line
            .split(separator)
            .map(str::trim)
            .filter(|word| !word.is_empty());
        // Decides about nearly every line that is no header.
        if !is_known(bare(words.clone().next()?)) {
            return None;
        }
        let names: Vec<&str> = words.by_ref().take(NAMES_MAX).collect();
        let known = names.iter().filter(|name| is_known(bare(name))).count();
        let all = known == names.len() && known > 1;
        let distinct = names.iter().any(|name| is_distinct(bare(name)));
        let shaped = names.iter().all(|name| is_name(bare(name)));
        (words.next().is_none() && shaped && (all || distinct && known * 2 >= names.len()))
            .then(|| Layout::named(&names))
            .flatten()
    }

    /// The first `fields` of the native table, in its order: an "everything" format.
    fn leading(fields: u32) -> Layout {
        let table = Dataset::VpcFlow.native_fields();
        let tag = |at: &u32| is_tag(table[*at as usize].vendor);
        Layout {
            position: (0..table.len() as u32)
                .map(|at| if at < fields { at } else { ABSENT })
                .collect(),
            others: Vec::new(),
            tags: (0..fields).filter(tag).collect(),
            fields,
        }
    }

    /// The layout of rows with `fields` fields when nothing names them.
    pub fn by_count(fields: u32) -> Result<Layout, String> {
        match fields {
            _ if EVERYTHING.contains(&fields) => Ok(Layout::leading(fields)),
            // Longer than any: tags with spaces in them.
            _ if fields > MOST_FIELDS => Ok(Layout::leading(MOST_FIELDS)),
            _ if fields > DEFAULT_FIELDS => Ok(Layout::leading(DEFAULT_FIELDS)),
            _ => Err(format!("{fields} fields, {DEFAULT_FIELDS} in the default format")),
        }
    }

    pub fn has_tags(&self) -> bool {
        !self.tags.is_empty()
    }

    /// Position of the field at `place` in the native table.
    #[inline]
    pub fn position(&self, place: usize) -> u32 {
        self.position[place]
    }

    pub fn at(&self, vendor: &str) -> u32 {
        let table = Dataset::VpcFlow.native_fields();
        table
            .iter()
            .position(|f| f.vendor == vendor)
            .map_or(ABSENT, |place| self.position[place])
    }

    /// The tag field of a row with too many words that holds them, and whether that is certain:
    /// fields are told from the left up to the first tag with a value, from the right behind it.
    pub fn wide_tag(&self, row: &Row, index: &Index, bytes: &[u8]) -> (u32, bool) {
        let (Some(&first), Some(&last)) = (self.tags.first(), self.tags.last()) else {
            return (ABSENT, true);
        };
        let excess = row.fields - self.fields;
        let word = |at: u32| row.value(index, bytes, at).is_some();
        let chosen = self.tags.iter().copied().find(|&at| word(at));
        let values = (first..=last + excess).filter(|&at| word(at)).count() as u32;
        let between = last - first + 1 - self.tags.len() as u32;
        // All the words there are belong to one tag.
        let certain = self.tags.len() == 1 || between == 0 && values == excess + 1;
        (chosen.unwrap_or(first), certain)
    }
}

/// A layout fitted to rows of one length: field `wide` spans `by` words more than one.
pub struct Placed {
    pub layout: Layout,
    /// Positions of `start` and `end`.
    pub interval: (u32, u32),
    wide: u32,
    by: u32,
}

impl Placed {
    fn new(layout: Layout, wide: u32, by: u32) -> Placed {
        Placed {
            interval: (layout.at("start"), layout.at("end")),
            layout,
            wide,
            by,
        }
    }

    /// For rows that have exactly the layout's fields.
    pub fn exact(layout: Layout) -> Placed {
        Placed::new(layout, ABSENT, 0)
    }

    /// For rows with `excess` fields more, all of them words of the tag at `tag`.
    pub fn widened(mut layout: Layout, tag: u32, excess: u32) -> Placed {
        let shifted = |at: u32| {
            if at != ABSENT && at > tag { at + excess } else { at }
        };
        for at in &mut layout.position {
            *at = shifted(*at);
        }
        for (_, at) in &mut layout.others {
            *at = shifted(*at);
        }
        Placed::new(layout, tag, excess)
    }

    /// For rows with `excess` unnamed fields behind the known ones: one attribute holds them.
    pub fn overlong(mut layout: Layout, excess: u32) -> Placed {
        let first = layout.fields;
        layout.others.push((EXTRA_FIELDS.to_owned(), first));
        Placed::new(layout, first, excess - 1)
    }

    /// The value at `position`, without the quotes that a CSV export may put around it.
    #[inline(always)]
    pub fn value(
        &self,
        row: &Row,
        index: &Index,
        bytes: &[u8],
        position: u32,
        quoted: bool,
    ) -> Option<Range<usize>> {
        if self.wide == ABSENT && !quoted {
            return row.value(index, bytes, position);
        }
        self.unusual(row, index, bytes, position, quoted)
    }

    #[inline(never)]
    fn unusual(
        &self,
        row: &Row,
        index: &Index,
        bytes: &[u8],
        position: u32,
        quoted: bool,
    ) -> Option<Range<usize>> {
        let mut span = row.field(index, position)?;
        if position == self.wide {
            span.end = row.field(index, position + self.by)?.end;
        }
        if quoted && span.len() >= 2 && bytes[span.start] == b'"' && bytes[span.end - 1] == b'"' {
            span = span.start + 1..span.end - 1;
        }
        match span.len() {
            0 => None,
            1 if bytes[span.start] == b'-' => None,
            _ => Some(span),
        }
    }
}

/// The separator of a line: what it has most of.
pub fn separator_of(line: &[u8]) -> u8 {
    let count = |separator| memchr::memchr_iter(separator, line).count();
    let (commas, spaces, tabs) = (count(b','), count(b' '), count(b'\t'));
    if tabs > commas && tabs > spaces {
        b'\t'
    } else if commas > spaces {
        b','
    } else {
        b' '
    }
}

/// The name in `${name}` or `"name"`.
fn bare(name: &str) -> &str {
    name.trim_matches('"')
        .trim_start_matches("${")
        .trim_end_matches('}')
}

/// Place in the native table of a field under any spelling: `az-id`, `az_id`, `azId`.
pub fn place(name: &str) -> Option<usize> {
    let table = Dataset::VpcFlow.native_fields();
    table.iter().position(|field| {
        alike(field.vendor, name) || field.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    })
}

/// Equal but for case, `-` and `_`.
fn alike(vendor: &str, name: &str) -> bool {
    let plain = |b: &u8| !matches!(b, b'-' | b'_');
    name.len() <= NAME_BYTES_MAX
        && vendor
            .bytes()
            .filter(plain)
            .eq(name.bytes().filter(plain).map(|b| b.to_ascii_lowercase()))
}

/// A field of VPC or transit gateway flow logs. Those of the latter have no columns.
fn is_known(name: &str) -> bool {
    place(name).is_some() || is_gateway(name)
}

fn is_gateway(name: &str) -> bool {
    ["tgw-", "tgw_", "packets-lost-", "packets_lost_"]
        .iter()
        .any(|start| name.starts_with(start))
        || matches!(name, "resource-type" | "resource_type")
}

/// A name that says by itself what log it is.
fn is_distinct(name: &str) -> bool {
    const DISTINCT: [&str; 7] = [
        "srcaddr",
        "dstaddr",
        "interface-id",
        "log-status",
        "pkt-srcaddr",
        "pkt-dstaddr",
        "flow-direction",
    ];
    DISTINCT.iter().any(|vendor| alike(vendor, name)) || name.starts_with("tgw")
}

fn is_tag(name: &str) -> bool {
    const TAGS: [&str; 6] = [
        "instance-tag",
        "instance-tag-2",
        "interface-tag",
        "interface-tag-2",
        "asg-tag",
        "asg-tag-2",
    ];
    TAGS.iter().any(|vendor| alike(vendor, name))
}

fn is_name(word: &str) -> bool {
    word.len() <= NAME_BYTES_MAX
        && word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
