//! Exceptions: what rules find and nobody wants to hear of, for a time and in somebody's name.
//!
//! `exceptions.yml` in the rules folder. An exception ends with the day it names: what began
//! later is told again. Episodes it covers are counted, not told.

use crate::diagnostic::Diagnostic;
use haetae_event::net::{Cidr, parse_address};
use haetae_event::time::DAY_US;
use haetae_event::{Episode, Micros};
use serde::Deserialize;

/// Exceptions of one folder; more are a sign that the rule is wrong.
const EXCEPTIONS_MAX: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    exceptions: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Id or name of a rule; `*` for every rule.
    rule: String,
    #[serde(default)]
    tenant: Option<String>,
    /// Value of the entity, or a block of addresses; absent: whoever it is.
    #[serde(default)]
    entity: Option<String>,
    /// Last day, `2026-12-31`, UTC.
    until: String,
    owner: String,
    reason: String,
}

/// One exception.
#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    /// `None`: every rule.
    rule: Option<String>,
    tenant: Option<String>,
    entity: Option<String>,
    block: Option<Cidr>,
    /// First µs after its last day.
    end_us: i64,
    pub owner: String,
    pub reason: String,
}

impl Exception {
    /// Whether the episode is of its rule and entity and began before its end.
    pub fn covers(&self, episode: &Episode) -> bool {
        let rule = self.rule.as_ref().is_none_or(|rule| *rule == episode.rule_id);
        let tenant = self
            .tenant
            .as_ref()
            .is_none_or(|tenant| tenant == episode.tenant_id.as_str());
        rule && tenant && episode.window.start.0 < self.end_us && self.names(&episode.entity.value)
    }

    fn names(&self, value: &str) -> bool {
        if self.entity.as_ref().is_none_or(|entity| entity == value) {
            return true;
        }
        match (&self.block, parse_address(value)) {
            (Some(block), Some(address)) => block.contains(address),
            _ => false,
        }
    }

    /// The rule, `every rule` where none is named, and the entity.
    pub fn shown(&self) -> String {
        let rule = self.rule.as_deref().unwrap_or("every rule");
        match &self.entity {
            Some(entity) => format!("{rule} and {entity}"),
            None => rule.to_owned(),
        }
    }

    /// Whether its last day lies before `now`.
    pub fn expired(&self, now: Micros) -> bool {
        self.end_us <= now.0
    }
}

/// Reads `exceptions.yml`. `known` gives the id of the rule of that id or name, else the one that may be
/// meant (empty: none).
///
/// # Errors
/// Everything that is wrong with it: none of it is applied then, since an exception that means
/// something else than its author thought hides an attack.
pub fn parse(
    file: &str,
    text: &str,
    known: impl Fn(&str) -> Result<String, String>,
) -> Result<Vec<Exception>, Vec<Diagnostic>> {
    let entries = serde_saphyr::from_str::<File>(text).map_err(|error| {
        let location = error.location();
        vec![Diagnostic {
            code: "exception-yaml".into(),
            file: file.into(),
            line: location.map(|l| l.line()),
            column: location.map(|l| l.column()),
            message: error.to_string().lines().next().unwrap_or_default().to_owned(),
            hint:
                "exceptions: [{rule: ID, entity: 192.0.2.0/24, until: 2026-12-31, owner: NAME, reason: WHY}]"
                    .into(),
        }]
    })?;
    let mut read = Vec::new();
    let mut problems = Vec::new();
    if entries.exceptions.len() > EXCEPTIONS_MAX {
        let message = format!("more than {EXCEPTIONS_MAX} exceptions");
        problems.push(problem(
            file,
            None,
            message,
            "change the rules' thresholds instead",
        ));
    }
    let mut line = 0;
    for entry in &entries.exceptions {
        line = next_entry(text, line);
        match checked(entry, &known) {
            Ok(exception) => read.push(exception),
            Err((message, hint)) => problems.push(problem(file, Some(line), message, &hint)),
        }
    }
    if problems.is_empty() {
        Ok(read)
    } else {
        Err(problems)
    }
}

/// 1-based line of the next `rule:` key after `line`: the key every entry has.
pub(crate) fn next_entry(text: &str, line: u64) -> u64 {
    let named = |text: &str| {
        let text = text.trim_start_matches([' ', '-', '{']);
        text.starts_with("rule:")
    };
    let found = (1u64..)
        .zip(text.lines())
        .find(|(number, text)| *number > line && named(text));
    found.map_or(line, |(number, _)| number)
}

fn problem(file: &str, line: Option<u64>, message: String, hint: &str) -> Diagnostic {
    Diagnostic {
        code: "exception".into(),
        file: file.into(),
        line,
        column: None,
        message,
        hint: hint.into(),
    }
}

/// The most similar of `ids`, if it is similar enough to be a slip of the pen.
pub fn nearest<'a>(id: &str, ids: &'a [String]) -> Option<&'a str> {
    /// Longer ids are compared by nobody.
    const BYTES_MAX: usize = 64;
    if id.len() > BYTES_MAX {
        return None;
    }
    let close = ids.iter().filter(|known| known.len() <= BYTES_MAX);
    let by_distance = close.map(|known| (distance(id.as_bytes(), known.as_bytes()), known.as_str()));
    let (distance, known) = by_distance.min()?;
    (distance <= 3 && distance * 2 < id.len()).then_some(known)
}

/// Letters to insert, delete, replace or swap with their neighbour (Damerau 1964, Levenshtein 1966;
/// no letter twice).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut rows: [Vec<usize>; 3] = [Vec::new(), (0..=b.len()).collect(), Vec::new()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[0][j - 2] + 1);
            }
            row.push(least);
        }
        rows.rotate_left(1);
        rows[1] = row;
    }
    rows[1][b.len()]
}

/// An address with something behind a slash.
fn looks_like_a_block(entity: &str) -> bool {
    entity
        .split_once('/')
        .is_some_and(|(address, _)| parse_address(address.trim()).is_some())
}

fn checked(
    entry: &Entry,
    known: &impl Fn(&str) -> Result<String, String>,
) -> Result<Exception, (String, String)> {
    let Some(last_day) = Micros::parse_rfc3339(&format!("{}T00:00:00Z", entry.until.trim())) else {
        let message = format!("`until` is {:?}, not a day", entry.until);
        return Err((message, "write it as 2026-12-31".to_owned()));
    };
    if entry.owner.trim().is_empty() || entry.reason.trim().is_empty() {
        let message = "an exception needs an `owner` and a `reason`".to_owned();
        return Err((message, "say who answers for it and why it is made".to_owned()));
    }
    let mut rule = (entry.rule != "*").then(|| entry.rule.clone());
    if rule.is_none() && entry.entity.is_none() {
        let message = "an exception for every rule and every entity would switch detection off".to_owned();
        return Err((message, "name a rule or an entity".to_owned()));
    }
    if let Some(rule) = &mut rule {
        match known(rule) {
            Ok(id) => *rule = id,
            Err(meant) => {
                let message = format!("no rule has the id or name {rule:?}");
                let hint = match meant.as_str() {
                    "" => "`haetae rules list --output json` lists them; a detector's findings name theirs"
                        .to_owned(),
                    meant => format!("did you mean {meant:?}?"),
                };
                return Err((message, hint));
            }
        }
    }
    let block: Option<Cidr> = entry.entity.as_ref().and_then(|entity| entity.parse().ok());
    if let Some(entity) = &entry.entity
        && block.is_none()
        && looks_like_a_block(entity)
    {
        let message = format!("{entity:?} is no block of addresses, so it would fit nobody");
        return Err((message, "write it as 192.0.2.0/24 or 2001:db8::/32".to_owned()));
    }
    if rule.is_none()
        && entry
            .entity
            .as_ref()
            .is_some_and(|entity| entity.trim().ends_with("/0"))
    {
        let message = "an exception for every rule and every address would switch detection off".to_owned();
        return Err((message, "name a rule or a narrower block".to_owned()));
    }
    Ok(Exception {
        rule,
        tenant: entry.tenant.clone(),
        entity: entry.entity.clone(),
        block,
        end_us: last_day.0.saturating_add(DAY_US),
        owner: entry.owner.clone(),
        reason: entry.reason.clone(),
    })
}
