//! Every text in a JSON value.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Calls `each` with every text in a JSON value, keys aside; numbers and truths as text too.
/// `escaped_only` leaves out those that stand in the JSON text as they are.
pub fn leaves(json: &str, escaped_only: bool, each: &mut dyn FnMut(&str)) {
    let mut read = serde_json::Deserializer::from_str(json);
    // What breaks off has the texts before the break.
    let _ = Leaves { escaped_only, each }.deserialize(&mut read);
}

struct Leaves<'e> {
    escaped_only: bool,
    each: &'e mut dyn FnMut(&str),
}

impl<'b> DeserializeSeed<'b> for Leaves<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl Leaves<'_> {
    fn plain(self, text: &str) {
        if !self.escaped_only {
            (self.each)(text);
        }
    }
}

impl<'b> Visitor<'b> for Leaves<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<(), E> {
        self.plain(if truth { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<(), E> {
        self.plain(&n.to_string());
        Ok(())
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<(), E> {
        self.plain(&n.to_string());
        Ok(())
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<(), E> {
        self.plain(&n.to_string());
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(self, text: &'b str) -> Result<(), E> {
        self.plain(text);
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        (self.each)(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut elements: A) -> Result<(), A::Error> {
        let Leaves { escaped_only, each } = self;
        while elements
            .next_element_seed(Leaves {
                escaped_only,
                each: &mut *each,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'b>>(self, mut members: A) -> Result<(), A::Error> {
        let Leaves { escaped_only, each } = self;
        while members.next_key::<IgnoredAny>()?.is_some() {
            members.next_value_seed(Leaves {
                escaped_only,
                each: &mut *each,
            })?;
        }
        Ok(())
    }
}
