//! YAML of rules as values, plain scalars as their author means them.
//!
//! A rule's values are sought in logs, where their spelling counts. Digits behind a zero
//! (`00000429`, a keyboard layout) are a text: YAML 1.1 reads an octal number or a text there, YAML
//! 1.2 a number without its zeros, which no log has. `yes`, `no`, `on` and `off` are texts, as in
//! the core schema of YAML 1.2; `true` and `false` are not.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;
use std::fmt;

/// The documents of a file; empty ones are left out.
///
/// # Errors
/// When the text is no YAML.
pub fn documents(text: &str) -> Result<Vec<Value>, serde_saphyr::Error> {
    let options = serde_saphyr::options! { strict_booleans: true };
    let nodes: Vec<Spanned<Node>> = serde_saphyr::from_multiple_with_options(text, options)?;
    Ok(nodes.into_iter().map(|node| value(node, text)).collect())
}

/// A value whose parts know where they stand.
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(String, Spanned<Node>)>),
}

fn value(node: Spanned<Node>, text: &str) -> Value {
    let span = node.defined.span();
    match node.value {
        Node::Scalar(Value::Number(number)) => {
            let from = span.byte_offset().and_then(|at| usize::try_from(at).ok());
            let length = span.byte_len().and_then(|length| usize::try_from(length).ok());
            let spelled = from
                .zip(length)
                .and_then(|(from, length)| text.get(from..from.checked_add(length)?));
            match spelled.map(str::trim).filter(|spelled| has_leading_zero(spelled)) {
                Some(spelled) => Value::String(spelled.to_owned()),
                None => Value::Number(number),
            }
        }
        Node::Scalar(scalar) => scalar,
        Node::List(nodes) => nodes.into_iter().map(|node| value(node, text)).collect(),
        Node::Map(nodes) => {
            let members = nodes.into_iter().map(|(key, node)| (key, value(node, text)));
            Value::Object(members.collect::<Map<String, Value>>())
        }
    }
}

fn has_leading_zero(spelled: &str) -> bool {
    let digits = spelled.strip_prefix(['+', '-']).unwrap_or(spelled);
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(Nodes)
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Node, E> {
        Ok(Node::Scalar(truth.into()))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Node, E> {
        Ok(Node::Scalar(n.into()))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Node, E> {
        Ok(Node::Scalar(n.into()))
    }

    fn visit_f64<E>(self, n: f64) -> Result<Node, E> {
        Ok(Node::Scalar(n.into()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Scalar(text.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(member) = members.next_entry()? {
            map.push(member);
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_what_its_author_wrote() {
        let text = "# 한글: before\na: [00000429, -007, 0, 10, -3, 0.5, 1.5, 0x1F, '012']\nb: {c: yes, d: true, e: ~, f: No}\n---\n---\n\
                    g: &x 0042\nh: *x\ni:\n  - 00012 # so many\n  - 12:30:45\n";
        assert_eq!(
            documents(text).expect("YAML"),
            [
                json!({"a": ["00000429", "-007", 0, 10, -3, 0.5, 1.5, 31, "012"],
                       "b": {"c": "yes", "d": true, "e": null, "f": "No"}}),
                json!({"g": "0042", "h": "0042", "i": ["00012", "12:30:45"]}),
            ]
        );
        assert!(documents("a: [").is_err());
    }
}
