//! A message as lines for a terminal.

use super::Colours;
use crate::escape::for_terminal;
use haetae_event::Level;
use haetae_incident::Message;
use std::fmt::Write;

/// Characters of one value that are shown.
const VALUE_CHARS_MAX: usize = 500;

/// Lines ending in `\n`; every piece of the message is escaped for a terminal.
pub(super) fn render(message: &Message, colours: Colours) -> String {
    let mut out = String::new();
    let (on, off) = match colours {
        Colours::Ansi => (colour(message.level), "\x1b[0m"),
        Colours::Plain => ("", ""),
    };
    let demo = if message.demo { "[DEMO] " } else { "" };
    let level = message
        .level
        .map(|l| format!("[{}] ", l.as_str().to_uppercase()))
        .unwrap_or_default();
    let mut push = |indent: &str, text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{indent}{text}");
    };
    push("", &format!("{on}{demo}{level}{}{off}", shown(&message.title)));
    if !message.summary.is_empty() {
        // The summary is ours and may have lines; each is escaped by itself.
        message.summary.lines().for_each(|line| push("  ", &shown(line)));
    }
    if let Some(id) = &message.incident_id {
        push(
            "  ",
            &format!("{}: {}", message.language.pick("사건", "incident"), shown(id)),
        );
    }
    for (name, value) in &message.fields {
        push("  ", &format!("{}: {}", shown(name), shown(value)));
    }
    for line in &message.evidence {
        push("  | ", &shown(line));
    }
    for line in &message.actions {
        push("  → ", &shown(line));
    }
    out
}

fn shown(text: &str) -> String {
    let cut: String = text.chars().take(VALUE_CHARS_MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    for_terminal(&cut) + more
}

fn colour(level: Option<Level>) -> &'static str {
    match level {
        Some(Level::Critical) => "\x1b[1;31m",
        Some(Level::High) => "\x1b[31m",
        Some(Level::Medium) => "\x1b[33m",
        _ => "\x1b[1m",
    }
}
