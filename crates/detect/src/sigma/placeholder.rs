//! `%name%` in values with the modifier `expand`.

use super::item::ItemProblem;
use std::collections::BTreeMap;

/// Name → the values it stands for. They come from the pipeline file.
pub type Placeholders = BTreeMap<String, Vec<String>>;

/// Values that one written value may become.
const VALUES_MAX: usize = 10_000;

/// Every text that `text` stands for; `\%` is a percent sign.
///
/// # Errors
/// A name without values: such a rule would silently never match.
pub fn expand(text: &str, known: &Placeholders) -> Result<Vec<String>, ItemProblem> {
    let mut texts = vec![String::new()];
    let append = |texts: &mut Vec<String>, part: &str| texts.iter_mut().for_each(|t| t.push_str(part));
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        if let Some(before) = before.strip_suffix('\\') {
            append(&mut texts, before);
            append(&mut texts, "%");
            rest = after;
            continue;
        }
        append(&mut texts, before);
        let name = after
            .split_once('%')
            .map(|(name, _)| name)
            .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_'));
        let Some(name) = name else {
            append(&mut texts, "%");
            rest = after;
            continue;
        };
        let values = match known.get(name) {
            Some(values) if !values.is_empty() => values,
            _ => return Err(unknown(name)),
        };
        if texts.len().saturating_mul(values.len()) > VALUES_MAX {
            return Err(ItemProblem {
                code: "sigma-placeholder",
                message: format!("`{text}` stands for more than {VALUES_MAX} values"),
                hint: "",
            });
        }
        texts = texts
            .iter()
            .flat_map(|text| values.iter().map(move |value| format!("{text}{value}")))
            .collect();
        rest = &after[name.len() + 1..];
    }
    append(&mut texts, rest);
    Ok(texts)
}

fn unknown(name: &str) -> ItemProblem {
    ItemProblem {
        code: "sigma-placeholder",
        message: format!("nothing is known of the placeholder `%{name}%`"),
        hint: "give its values under `placeholders` in a pipeline.yml beside the rules",
    }
}
