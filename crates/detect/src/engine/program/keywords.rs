//! Keywords: which rows hold one, without putting the texts of each together.
//!
//! Nearly every record holds none of the literals. So the raw records of a batch, which lie one behind
//! the other in the block they were parsed from, are first sought through together ([`Scan`]); only
//! rows with a literal, and those that could hide one, are looked at by themselves.

use super::Program;
use super::truth::Mask;
use crate::engine::column::ColumnProgram;
use crate::engine::record::Record;
use crate::engine::scan::{Scan, Stretch};
use crate::engine::value::Value;

/// Fewer rows are looked at one by one.
const ROWS_MIN: usize = 16;

/// How keywords are found.
pub(super) struct Keywords {
    /// The column that stands for the whole record.
    pub column: usize,
    /// Items true where a literal of a keyword is in what a client sent encoded.
    in_requests: Vec<u32>,
    scan: Option<Scan>,
    /// A literal holds a backslash, so that each escape of a JSON record has to be a known one.
    careful: bool,
    /// A keyword is a number.
    numeric: bool,
    /// Scratch: a record without escapes.
    plain: String,
}

impl Keywords {
    /// `literals`, in lower case, are those of the items of `column` that wake rules.
    pub fn new(
        column: usize,
        program: &ColumnProgram,
        literals: &[String],
        in_requests: Vec<u32>,
    ) -> Keywords {
        // Rows that are not ASCII are looked at by themselves.
        let ascii = literals.iter().filter(|literal| literal.is_ascii());
        let spellings: Vec<String> = ascii
            .flat_map(|literal| [literal.clone(), escaped(literal)])
            .collect();
        let scan = program.always.is_empty().then(|| {
            let mut spellings = spellings;
            spellings.sort();
            spellings.dedup();
            Scan::new(&spellings)
        });
        Keywords {
            column,
            in_requests,
            scan: scan.flatten(),
            careful: literals.iter().any(|literal| literal.contains('\\')),
            numeric: program.has_numbers(),
            plain: String::new(),
        }
    }
}

/// As JSON spells it, with the short escapes and slashes as they are.
fn escaped(literal: &str) -> String {
    let mut out = String::with_capacity(literal.len());
    for c in literal.chars() {
        let letter = match c {
            '"' | '\\' => c,
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\u{8}' => 'b',
            '\u{c}' => 'f',
            _ => {
                out.push(c);
                continue;
            }
        };
        out.extend(['\\', letter]);
    }
    out
}

impl Program {
    /// Of these rows those whose record may hold a keyword that is not in a request; `None` where it
    /// cannot be told of all rows together.
    pub(super) fn sift_records(&mut self, record: &Record<'_>, start: usize, rows: &Mask) -> Option<Mask> {
        let keywords = self.keywords.as_ref()?;
        let scan = keywords.scan.as_ref().filter(|_| rows.count() >= ROWS_MIN)?;
        let mut found = Mask::NONE;
        let stretch = Stretch::of(record.raws()?, start, rows, &mut found)?;
        let strange = |text: &[u8]| !text.is_ascii();
        let maybe_number = |text: &[u8]| !matches!(text.first(), Some(b'{' | b'[' | b'<'));
        for piece in stretch.pieces() {
            scan.find(piece.bytes, &mut self.scratch, |place| {
                piece.mark(place, &mut found)
            });
            // A percent sign or an entity may stand for any letter.
            piece.mark_each(&mut found, |rest| memchr::memchr2(b'%', b'&', rest));
            piece.mark_escapes(keywords.careful, &mut found);
            if strange(piece.bytes) {
                piece.mark_rows(&mut found, strange);
            }
            if keywords.numeric {
                piece.mark_rows(&mut found, maybe_number);
            }
        }
        Some(found)
    }

    /// Marks the keywords that are in these rows; `sifted`: see [`Program::sift_records`].
    pub(super) fn look_at_records(
        &mut self,
        record: &Record<'_>,
        start: usize,
        rows: &Mask,
        sifted: Option<Mask>,
    ) {
        let mut doubtful = *rows;
        if let (Some(mut found), Some(keywords)) = (sifted, &self.keywords) {
            let requests = keywords.in_requests.iter();
            requests.for_each(|item| found.or(self.truth.of(*item)));
            doubtful = rows.and(&found);
        }
        for row in doubtful.rows() {
            self.look_at_record(record, start, row);
        }
    }

    /// Marks the keywords that are in the row. Records hardly repeat: nothing is remembered.
    fn look_at_record(&mut self, record: &Record<'_>, start: usize, row: usize) {
        if self.holds_no_keyword(record, start, row) {
            return;
        }
        let Some(keywords) = &self.keywords else { return };
        let texts = record.texts(start + row);
        let values: Vec<Value<'_>> = texts.iter().map(|text| Value::Text(text)).collect();
        let column = &mut self.columns[keywords.column];
        column.judge(&values, !values.is_empty(), &self.items);
        for item in column.held() {
            self.truth.set(*item, row);
        }
    }

    /// Whether no literal of a keyword is in the row, without putting its texts together.
    fn holds_no_keyword(&mut self, record: &Record<'_>, start: usize, row: usize) -> bool {
        let Some(keywords) = &mut self.keywords else {
            return true;
        };
        let mut in_requests = keywords.in_requests.iter();
        if in_requests.any(|item| self.truth.word(*item, row / 64) >> (row % 64) & 1 == 1) {
            return false;
        }
        let Some((raw, plain)) = record.at_first_sight(start + row, &mut keywords.plain) else {
            return false;
        };
        let column = &mut self.columns[keywords.column];
        column.is_silent(raw) && plain.is_none_or(|plain| column.is_silent(plain))
    }
}
