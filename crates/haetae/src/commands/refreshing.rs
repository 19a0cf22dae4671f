//! Databases, lists and ranges of addresses, read again when their files change.

use super::say::Say;
use crate::wiring::{CrawlerCheck, Tell};
use anyhow::Result;
use haetae_enrich::{Knowledge, Notice};
use haetae_source::StopFlag;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How often files are asked whether they are due; each has its own interval.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// A line for the operator that is no alarm.
pub fn note(say: &Say) -> Tell {
    let say = say.clone();
    Arc::new(move |line| say.note(line))
}

/// What is read from files that somebody else keeps up to date.
#[derive(Clone)]
pub struct Library {
    pub knowledge: Arc<Knowledge>,
    pub crawlers: Arc<CrawlerCheck>,
}

impl Library {
    /// Reads what is due, and says what came of it.
    pub fn refresh(&self, say: &Say) {
        for notice in self.knowledge.refresh() {
            match notice {
                Notice::Loaded { file, detail } => say.note(&format!("{}: {detail}", file.display())),
                Notice::Alarm { text } => say.trouble(&text),
            }
        }
        let ranges = self.crawlers.refresh();
        ranges.notes.iter().for_each(|line| say.note(line));
        ranges.troubles.iter().for_each(|line| say.trouble(line));
    }

    /// Does so until told to stop.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn spawn(&self, stop: StopFlag, say: Say) -> Result<JoinHandle<()>> {
        let library = self.clone();
        let thread = std::thread::Builder::new()
            .name("knowledge".to_owned())
            .spawn(move || {
                while !stop.sleep(REFRESH_EVERY) {
                    library.refresh(&say);
                }
            })?;
        Ok(thread)
    }
}
