//! Modifiers of a detection item: the complete list of Sigma 2.1, which go together, and in which
//! order.
//!
//! Source: Sigma specification 2.1.0, *Sigma Rules*, appendix *Modifiers*. Where it is silent about
//! order, pySigma decides: encodings come before what opens a value at its ends, `re` and `cidr`
//! stand first, `exists` stands alone.

use super::item::{ItemProblem, Order};
use super::moment::Part;

/// How a value is written before it is sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf16Le,
    Utf16Be,
    /// Little-endian behind a byte order mark.
    Utf16,
    Base64,
    Base64Offset,
}

/// The modifiers of one item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Modifiers {
    pub contains: bool,
    pub starts: bool,
    pub ends: bool,
    pub all: bool,
    pub cased: bool,
    pub exists: bool,
    pub negated: bool,
    pub windash: bool,
    pub expand: bool,
    pub field: bool,
    pub cidr: bool,
    pub regex: bool,
    pub ignore_case: bool,
    pub multi_line: bool,
    pub dot_all: bool,
    pub order: Option<Order>,
    pub part: Option<Part>,
    /// In the order they are applied.
    pub encodings: Vec<Encoding>,
}

pub const KNOWN: &str = "contains, startswith, endswith, all, cased, exists, neq, windash, re (i, m, s), base64, \
     base64offset, utf16le, wide, utf16be, utf16, lt, lte, gt, gte, minute, hour, day, week, month, year, \
     cidr, expand, fieldref";

fn problem<T>(message: String, hint: &'static str) -> Result<T, ItemProblem> {
    Err(ItemProblem {
        code: "sigma-modifier",
        message,
        hint,
    })
}

impl Modifiers {
    /// Reads the names behind a field's first `|`.
    ///
    /// # Errors
    /// A name that is not in the list, and modifiers that exclude each other or stand in an order
    /// that has no meaning.
    pub fn read<'a>(names: impl Iterator<Item = &'a str>) -> Result<Modifiers, ItemProblem> {
        let mut m = Modifiers::default();
        let mut count = 0;
        for (at, name) in names.enumerate() {
            count += 1;
            m.take(name, at)?;
        }
        if m.exists && count > 1 {
            return problem("`exists` goes with no other modifier".into(), "");
        }
        m.check()?;
        Ok(m)
    }

    fn take(&mut self, name: &str, at: usize) -> Result<(), ItemProblem> {
        match name {
            "contains" => self.contains = true,
            "startswith" => self.starts = true,
            "endswith" => self.ends = true,
            "all" => self.all = true,
            "cased" => self.cased = true,
            "exists" => self.exists = true,
            "neq" => self.negated = true,
            "windash" => self.windash = true,
            "expand" => self.expand = true,
            "fieldref" if self.opens() => {
                return problem(format!("`fieldref` must stand before `{}`", self.opening()), "");
            }
            "fieldref" => self.field = true,
            "re" | "cidr" if at > 0 => {
                return problem(format!("`{name}` must be the first modifier"), "");
            }
            "cidr" => self.cidr = true,
            "re" => self.regex = true,
            "i" | "ignorecase" if self.regex => self.ignore_case = true,
            "m" | "multiline" if self.regex => self.multi_line = true,
            "s" | "dotall" if self.regex => self.dot_all = true,
            "i" | "ignorecase" | "m" | "multiline" | "s" | "dotall" => {
                return problem(format!("`{name}` belongs behind `re`"), "write `field|re|i`");
            }
            "lt" | "lte" | "gt" | "gte" => return self.compare(name),
            "base64" | "base64offset" | "utf16le" | "wide" | "utf16be" | "utf16" => {
                return self.encode(name);
            }
            other => match Part::named(other) {
                Some(_) if self.part.is_some() => {
                    return problem(format!("`{other}` is a second part of the time"), "one is enough");
                }
                Some(part) => self.part = Some(part),
                None => return problem(format!("the modifier `{other}` is not known"), KNOWN),
            },
        }
        Ok(())
    }

    fn compare(&mut self, name: &str) -> Result<(), ItemProblem> {
        let order = match name {
            "lt" => Order::Less,
            "lte" => Order::LessEqual,
            "gt" => Order::Greater,
            _ => Order::GreaterEqual,
        };
        match self.order.replace(order) {
            None => Ok(()),
            Some(_) => problem(
                format!("`{name}` is a second comparison"),
                "write two items for a range",
            ),
        }
    }

    fn encode(&mut self, name: &str) -> Result<(), ItemProblem> {
        if self.opens() {
            return problem(
                format!("`{name}` must stand before `{}`", self.opening()),
                "an open end cannot be encoded: write `field|base64offset|contains`",
            );
        }
        let encoding = match name {
            "base64" => Encoding::Base64,
            "base64offset" => Encoding::Base64Offset,
            "utf16le" | "wide" => Encoding::Utf16Le,
            "utf16be" => Encoding::Utf16Be,
            _ => Encoding::Utf16,
        };
        let fits = match (self.encodings.as_slice(), encoding) {
            ([], _) => true,
            ([Encoding::Utf16Le | Encoding::Utf16Be | Encoding::Utf16], to) => {
                matches!(to, Encoding::Base64 | Encoding::Base64Offset)
            }
            _ => false,
        };
        if !fits {
            return problem(
                format!("`{name}` cannot follow the encoding before it"),
                "one of utf16le, utf16be, utf16, then one of base64, base64offset",
            );
        }
        self.encodings.push(encoding);
        Ok(())
    }

    /// Whether the value may have something around it.
    pub fn opens(&self) -> bool {
        self.contains || self.starts || self.ends
    }

    fn opening(&self) -> &'static str {
        match (self.contains, self.starts) {
            (true, _) => "contains",
            (_, true) => "startswith",
            _ => "endswith",
        }
    }

    fn check(&self) -> Result<(), ItemProblem> {
        let opened = [self.contains, self.starts, self.ends];
        if opened.into_iter().filter(|on| *on).count() > 1 {
            return problem(
                "contains, startswith and endswith exclude each other".into(),
                "`contains` includes the others",
            );
        }
        let kinds = [
            self.exists,
            self.cidr,
            self.regex,
            self.field,
            self.order.is_some() || self.part.is_some(),
            self.windash || self.expand || !self.encodings.is_empty(),
        ];
        let many = kinds.into_iter().filter(|on| *on).count() > 1;
        let ends = self.opens() && (self.cidr || self.order.is_some() || self.part.is_some());
        if many || ends {
            return problem(
                "these modifiers exclude each other".into(),
                "use one of: texts (contains, startswith, endswith, windash, expand, encodings), re, cidr, \
                 exists, fieldref, or a comparison (lt, lte, gt, gte, parts of a time)",
            );
        }
        Ok(())
    }
}
