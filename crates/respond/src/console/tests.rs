use super::lines::render;
use super::*;
use crate::escape::for_terminal;
use haetae_event::Level;
use haetae_incident::{Language, Message};

fn hostile() -> Message {
    Message {
        kind: "incident".into(),
        incident_id: Some("inc-1".into()),
        level: Some(Level::High),
        title: "해태 \x1b[2J".into(),
        summary: "one\ntwo\r\x07".into(),
        fields: vec![("IP".into(), "\u{202e}1.2.3.4".into())],
        evidence: vec!["GET /\n[CRITICAL] forged".into()],
        actions: vec!["look".into()],
        language: Language::Ko,
        demo: true,
    }
}

#[test]
fn each_piece_stays_on_its_own_line_and_steers_nothing() {
    let text = render(&hostile(), Colours::Plain);
    assert!(text.lines().all(|line| line == for_terminal(line)), "{text:?}");
    assert!(text.starts_with("[DEMO] [HIGH] 해태 \\u{1b}[2J\n"));
    assert!(text.contains("  사건: inc-1\n"));
    assert!(!text.lines().any(|line| line.starts_with("[CRITICAL]")));
}

#[test]
fn colours_only_when_asked_for() {
    assert!(!render(&hostile(), Colours::Plain).contains('\x1b'));
    assert!(render(&hostile(), Colours::Ansi).starts_with("\x1b[31m"));
}
