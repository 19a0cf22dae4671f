//! What `run` prints for people, on stderr, in their language.

use super::listing::lines;
use crate::config::{Config, Language as ConfigLanguage};
use haetae_event::{Finding, Level};
use haetae_incident::Language;
use haetae_pipeline::RunEnd;
use haetae_respond::for_terminal;
use haetae_source::SourceProblem;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;

/// A voice: language, colours, and whether this is the demo.
#[derive(Clone)]
pub struct Say {
    language: Language,
    colours: bool,
    demo: bool,
    timezone: jiff::tz::TimeZone,
}

impl Say {
    pub fn new(config: &Config, demo: bool) -> Self {
        let language = match config.language() {
            ConfigLanguage::Ko => Language::Ko,
            ConfigLanguage::En => Language::En,
        };
        let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Say {
            language,
            colours,
            demo,
            timezone: config.timezone(),
        }
    }

    pub fn language(&self) -> Language {
        self.language
    }

    pub fn colours(&self) -> bool {
        self.colours
    }

    fn pick<'a>(&self, ko: &'a str, en: &'a str) -> &'a str {
        self.language.pick(ko, en)
    }

    /// Where it listens and what to do next: at most six lines.
    pub fn start(&self, address: Option<SocketAddr>, file: Option<&Path>, config: &Config, once: bool) {
        if self.demo {
            eprintln!(
                "{}",
                self.pick(
                    "[데모] 모의 트래픽입니다. 바깥으로 알리거나 차단하지 않습니다.",
                    "[demo] simulated traffic; nothing is told or blocked outside."
                )
            );
        }
        if once {
            return;
        }
        if let Some(address) = address {
            let data = config.data_dir.display();
            let ready = self.pick("해태가 듣고 있습니다", "haetae listens on");
            eprintln!(
                "{ready} http://{address}  ({} {data})",
                self.pick("데이터:", "data:")
            );
        }
        match file {
            Some(file) => eprintln!(
                "{} {}, {} {}",
                self.pick("설정:", "configuration:"),
                file.display(),
                config.sources.len(),
                self.pick("개 소스", "sources")
            ),
            None if !self.demo => {
                let steps = self.pick(
                    "다음: ① 로그 보내기 curl -H 'content-type: application/x-ndjson' --data-binary @f http://…/v1/ingest\n\
                     \x20     ② haetae.yaml에 sources 쓰기(README 참고)  ③ haetae query \"SELECT count(*) FROM events\"",
                    "next: 1. send logs: curl -H 'content-type: application/x-ndjson' --data-binary @f http://…/v1/ingest\n\
                     \x20     2. write sources into haetae.yaml (see README)  3. haetae query \"SELECT count(*) FROM events\"",
                );
                eprintln!("{steps}");
            }
            None => {}
        }
        if config.notify.slack.is_none() && !self.demo {
            let line = self.pick(
                "Slack이 설정되지 않아(no Slack) 알림은 이 콘솔에 나옵니다.",
                "no Slack configured: notifications appear on this console.",
            );
            eprintln!("{line}");
        }
    }

    /// Findings that were not known before, of one commit.
    pub fn findings<'a>(&self, findings: impl IntoIterator<Item = &'a Finding>) {
        let least = if self.demo { Level::Low } else { Level::Medium };
        for line in lines(findings, least, self.language, &self.timezone) {
            let colour = match line.level {
                Level::Critical | Level::High => "\x1b[31m",
                Level::Medium => "\x1b[33m",
                _ => "\x1b[2m",
            };
            if self.colours {
                eprintln!("{colour}{}\x1b[0m", line.text);
            } else {
                eprintln!("{}", line.text);
            }
        }
    }

    pub fn problem(&self, problem: &SourceProblem) {
        eprintln!(
            "{} {}",
            self.pick("문제:", "problem:"),
            for_terminal_lines(&problem.to_string())
        );
    }

    pub fn trouble(&self, text: &str) {
        eprintln!("{} {}", self.pick("문제:", "problem:"), for_terminal(text));
    }

    pub fn note(&self, text: &str) {
        eprintln!("{}", for_terminal(text));
    }

    pub fn end(&self, end: &RunEnd) {
        let c = end.counts;
        eprintln!(
            "{} lines_in {} = events {} + rejected {} + duplicates {} + sampled_out {} + skipped {}",
            self.pick("멈췄습니다.", "stopped."),
            c.lines_in,
            c.events,
            c.rejected,
            c.duplicates,
            c.sampled_out,
            c.skipped
        );
    }
}

/// Escapes each line by itself, so that our own line ends stay.
pub fn for_terminal_lines(text: &str) -> String {
    text.lines()
        .map(|line| for_terminal(line).to_string())
        .collect::<Vec<_>>()
        .join("\n")
}
