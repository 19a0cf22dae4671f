//! A cursor over Thrift's compact protocol that takes nothing on trust.
//!
//! Source: Apache Thrift, *Thrift Compact protocol encoding*. Every list is held against the
//! bytes that are left, nesting is bounded, and time is linear in the input.

/// Wire types.
pub const I32: u8 = 5;
pub const LIST: u8 = 9;
pub const STRUCT: u8 = 12;

const DEPTH_MAX: u32 = 24;
/// Most elements of one list.
const LIST_MAX: u64 = 1 << 20;

pub struct Compact<'a> {
    bytes: &'a [u8],
    pub at: usize,
}

/// A field of a struct.
pub struct Field {
    pub id: i16,
    pub kind: u8,
}

impl<'a> Compact<'a> {
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Compact { bytes, at }
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// An unsigned LEB128 number.
    pub fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A signed number, zigzag.
    pub fn number(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The next field of a struct after field `last`; `Some(None)` at its end.
    pub fn field(&mut self, last: i16) -> Option<Option<Field>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        let id = match byte >> 4 {
            0 => i16::try_from(self.number()?).ok()?,
            delta => last.checked_add(i16::from(delta))?,
        };
        Some(Some(Field { id, kind: byte & 15 }))
    }

    /// The element type and length of a list.
    pub fn list(&mut self) -> Option<(u8, u64)> {
        let byte = self.byte()?;
        let size = match byte >> 4 {
            15 => self.varint()?,
            size => u64::from(size),
        };
        let left = (self.bytes.len() - self.at) as u64;
        (size <= left && size <= LIST_MAX).then_some((byte & 15, size))
    }

    /// Steps over a value. Lists of truth values are refused: readers do not agree how many bytes
    /// they take.
    pub fn skip(&mut self, kind: u8) -> Option<()> {
        self.skip_at(kind, DEPTH_MAX)
    }

    fn skip_at(&mut self, kind: u8, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1 | 2 => {}
            3 => self.forward(1)?,
            4..=6 => drop(self.varint()?),
            7 => self.forward(8)?,
            8 => {
                let length = self.varint()?;
                self.forward(usize::try_from(length).ok()?)?;
            }
            9 | 10 => {
                let (kind, size) = self.list()?;
                if size > 0 && kind < 3 {
                    return None;
                }
                for _ in 0..size {
                    self.skip_at(kind, depth)?;
                }
            }
            11 => {
                let size = self.varint()?;
                if size > 0 {
                    let kinds = self.byte()?;
                    let (key, value) = (kinds >> 4, kinds & 15);
                    if key < 3 || value < 3 {
                        return None;
                    }
                    for _ in 0..size {
                        self.skip_at(key, depth)?;
                        self.skip_at(value, depth)?;
                    }
                }
            }
            12 => {
                let mut last = 0;
                while let Some(field) = self.field(last)? {
                    last = field.id;
                    self.skip_at(field.kind, depth)?;
                }
            }
            13 => self.forward(16)?,
            _ => return None,
        }
        Some(())
    }

    fn forward(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|&at| at <= self.bytes.len())?;
        Some(())
    }
}
