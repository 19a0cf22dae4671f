//! A message as Block Kit.
//!
//! Limits (Block Kit reference): 50 blocks a message; header 150 characters; section text
//! 3,000; ten fields a section of 2,000 each; context text 2,000 here. All counted in
//! characters after escaping. `text` is kept to 3,000 of the 4,000 recommended.

use crate::escape::steers;
use haetae_event::Level;
use haetae_incident::Message;
use serde_json::{Value, json};

const HEADER_CHARS_MAX: usize = 150;
/// Title in the notification line; escapes may make it five times as long.
const TITLE_CHARS_MAX: usize = 400;
const TEXT_CHARS_MAX: usize = 3_000;
const FIELD_CHARS_MAX: usize = 2_000;
const FIELDS_MAX: usize = 10;
/// Field name inside a field; the rest is for its value.
const FIELD_NAME_CHARS_MAX: usize = 100;
const EVIDENCE_MAX: usize = 10;
const EVIDENCE_CHARS_MAX: usize = 280;
const ACTIONS_MAX: usize = 10;
const ACTION_CHARS_MAX: usize = 280;

/// The webhook's body. `row_id` stands in where the message has no incident, so that a message
/// that comes twice can be told by its text.
///
/// Values come from logs: `&`, `<` and `>` are escaped (so that no mention, link or channel
/// ping can be written), format characters in our own text lose their meaning by standing in
/// code spans, back-ticks are replaced inside those.
pub fn payload(message: &Message, row_id: &str) -> Value {
    let id = message.incident_id.as_deref().unwrap_or(row_id);
    let title = format!("{}{}", level_tag(message.level), message.title);
    // The id last and the title cut, so that no title pushes the id out.
    let fallback = format!(
        "{} ({})",
        cut(&one_line(&title), TITLE_CHARS_MAX),
        cut(&one_line(id), 200)
    );
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": cut(&one_line(&title), HEADER_CHARS_MAX), "emoji": false},
    })];
    if !message.summary.trim().is_empty() {
        blocks.push(section(&escaped(&message.summary, TEXT_CHARS_MAX)));
    }
    if !message.fields.is_empty() {
        blocks.push(json!({"type": "section", "fields": fields(&message.fields)}));
    }
    if let Some(text) = list(&message.evidence, EVIDENCE_MAX, |line| {
        code(line, EVIDENCE_CHARS_MAX)
    }) {
        blocks.push(section(&format!(
            "*{}*\n{text}",
            message.language.pick("근거", "Evidence")
        )));
    }
    if let Some(text) = list(&message.actions, ACTIONS_MAX, |line| {
        format!("• {}", escaped(&one_line(line), ACTION_CHARS_MAX))
    }) {
        blocks.push(section(&format!(
            "*{}*\n{text}",
            message.language.pick("할 일", "Next steps")
        )));
    }
    let name = match message.incident_id {
        Some(_) => message.language.pick("사건", "incident"),
        None => message.language.pick("메시지", "message"),
    };
    blocks.push(json!({
        "type": "context",
        "elements": [{"type": "mrkdwn", "verbatim": true, "text": format!("Haetae · {name} {}", code(id, 200))}],
    }));
    json!({"text": escaped(&fallback, TEXT_CHARS_MAX), "blocks": blocks, "unfurl_links": false, "unfurl_media": false})
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "verbatim": true, "text": text}})
}

fn fields(fields: &[(String, String)]) -> Vec<Value> {
    let one = |(name, value): &(String, String)| {
        let name = plain(&one_line(name), FIELD_NAME_CHARS_MAX);
        let room = FIELD_CHARS_MAX - FIELD_NAME_CHARS_MAX - 8;
        json!({"type": "mrkdwn", "verbatim": true, "text": format!("*{name}*\n{}", code(value, room))})
    };
    fields.iter().take(FIELDS_MAX).map(one).collect()
}

/// Lines of a list, or `None` for an empty one; says how many were left out.
fn list(lines: &[String], most: usize, one: impl Fn(&str) -> String) -> Option<String> {
    if lines.is_empty() {
        return None;
    }
    let mut shown: Vec<String> = lines.iter().take(most).map(|line| one(line)).collect();
    if lines.len() > most {
        shown.push(format!("+{}", lines.len() - most));
    }
    Some(shown.join("\n"))
}

/// A code span: nothing inside has a meaning, except `&`, `<`, `>`, which are escaped.
fn code(text: &str, chars_max: usize) -> String {
    let tame: String = one_line(text).replace('`', "ˋ");
    let tame = if tame.trim().is_empty() {
        "-".to_owned()
    } else {
        tame
    };
    format!("`{}`", escaped(&tame, chars_max - 2))
}

/// Escaped text without mrkdwn's format characters.
fn plain(text: &str, chars_max: usize) -> String {
    escaped(&text.replace(['*', '_', '~', '`'], " "), chars_max)
}

/// Escapes `&`, `<`, `>` and never cuts inside an escape.
fn escaped(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    let mut room = chars_max;
    for c in text.chars() {
        let mut single = [0; 4];
        let piece: &str = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '\n' => "\n",
            c if steers(c) => "\u{FFFD}",
            c => c.encode_utf8(&mut single),
        };
        let length = piece.chars().count();
        // One place stays for the mark that something is missing.
        if length >= room {
            out.push('…');
            break;
        }
        room -= length;
        out.push_str(piece);
    }
    out
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars_max - 1).chain(['…']).collect(),
    }
}

fn level_tag(level: Option<Level>) -> String {
    level
        .map(|level| format!("[{}] ", level.as_str().to_uppercase()))
        .unwrap_or_default()
}
