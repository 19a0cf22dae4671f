//! What is said about each rule family. Tables, no model.

mod en;
mod ko;

use crate::family::Family;
use crate::figures::{cut, grouped};
use crate::josa::{Josa, with_particle};
use crate::message::Language;
use haetae_event::finding::RULE_SAYS;
use haetae_event::{Entity, Finding};

/// The sentences of one family in one language.
pub(crate) struct Words {
    /// Headline without the entity.
    pub title: &'static str,
    /// One sentence. `{who}` is the entity, in Korean with a particle (`{who는}`, `{who가}`);
    /// `{n}` the finding's count.
    pub what: &'static str,
    pub cause: &'static str,
    /// What to do now, the most useful first.
    pub actions: &'static [&'static str],
    /// Stopping it; goes on from `actions` in the playbook.
    pub contain: &'static [&'static str],
    /// Removing the cause and coming back.
    pub recover: &'static [&'static str],
}

/// Steps that close every playbook.
pub(crate) fn review(language: Language) -> &'static [&'static str] {
    match language {
        Language::Ko => ko::REVIEW,
        Language::En => en::REVIEW,
    }
}

pub(crate) fn words(family: Family, language: Language) -> &'static Words {
    match language {
        Language::Ko => ko::words(family),
        Language::En => en::words(family),
    }
}

/// What happened, why, and what to do, for one finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    pub family: Family,
    /// Headline without the entity.
    pub title: &'static str,
    /// Holds the entity's value as logged: escape at exit.
    pub what: String,
    /// What a rule says of itself, where no sentence of ours fits: escape at exit.
    pub cause: String,
    pub actions: &'static [&'static str],
}

/// The texts for a finding, by its family.
pub fn advice(finding: &Finding, language: Language) -> Advice {
    let family = Family::of(finding);
    let words = words(family, language);
    let says = finding.facts.iter().find(|(name, _)| name == RULE_SAYS);
    let says = says
        .map(|(_, says)| says.as_str())
        .filter(|says| !says.is_empty());
    Advice {
        family,
        title: words.title,
        what: what(family, language, &finding.entity, finding.count, &finding.title),
        cause: cut(says.unwrap_or(words.cause), 400),
        actions: words.actions,
    }
}

/// Headline of a family, without an entity.
pub fn family_title(family: Family, language: Language) -> &'static str {
    words(family, language).title
}

/// The sentence of what happened. Rules without a family say their own title.
pub(crate) fn what(
    family: Family,
    language: Language,
    entity: &Entity,
    count: u64,
    rule_title: &str,
) -> String {
    let sentence = filled(words(family, language).what, &who(entity, language), count);
    if family == Family::Generic {
        return sentence.replace("{rule}", &cut(rule_title, 160));
    }
    sentence
}

/// The entity as it stands in a sentence; bounded, not escaped.
pub(crate) fn who(entity: &Entity, language: Language) -> String {
    let value = if entity.value.is_empty() {
        "?"
    } else {
        entity.value.as_str()
    };
    let value = cut(value, 120);
    match entity.kind.as_str() {
        "ip" | "src_ip" | "srcaddr" | "peer_ip" => value,
        "dataset" => match language {
            Language::Ko => format!("{value} 로그"),
            Language::En => format!("the {value} logs"),
        },
        "" => value,
        kind => format!("{} {value}", cut(kind, 40)),
    }
}

/// One pass, so that a value that looks like a place holder stays what it is.
fn filled(sentence: &str, who: &str, count: u64) -> String {
    let mut out = String::with_capacity(sentence.len() + who.len());
    let mut rest = sentence;
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}') else {
            break;
        };
        out.push_str(&rest[..open]);
        match &rest[open + 1..open + close] {
            "who" => out.push_str(who),
            "who는" => out.push_str(&with_particle(who, Josa::Topic)),
            "who가" => out.push_str(&with_particle(who, Josa::Subject)),
            "n" => out.push_str(&grouped(count)),
            other => {
                out.push('{');
                out.push_str(other);
                out.push('}');
            }
        }
        rest = &rest[open + close + 1..];
    }
    out.push_str(rest);
    out
}
