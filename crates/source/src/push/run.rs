//! The journal as one more pull source.

use super::entry::PushEntry;
use crate::position::{DeliveryPosition, JOURNAL_KEY, JournalPosition};
use crate::seam::{
    Delivery, Ledger, LedgerError, Source, SourceContext, SourceError, SourceMessage, SourceProblem,
};
use haetae_event::Dataset;
use haetae_event::commit::DeliveryMark;
use haetae_journal::{Journal, JournalError, Position};
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

/// Id of the push source: positions and counts of pushed input are kept under it.
pub const JOURNAL_SOURCE: &str = "ingest";

/// Bytes of entries read from the journal at once.
const READ_BYTES: usize = 8 << 20;

/// Pause when there is nothing to read. Fresh rows are promised within 2 s.
const IDLE: Duration = Duration::from_millis(50);

/// Reads accepted entries from where the last commit left off.
pub struct JournalSource {
    journal: Arc<dyn Journal>,
}

impl JournalSource {
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        JournalSource { journal }
    }

    fn deliver(
        &self,
        cx: &SourceContext,
        (start, next): (Position, Position),
        bytes: &[u8],
        skip_records: u64,
    ) -> Result<bool, SourceError> {
        let entry = match PushEntry::decode(bytes) {
            Ok(entry) => entry,
            Err(error) => {
                let problem = damaged(&format!("entry at {start}: {error}"));
                return Ok(cx.out.send(SourceMessage::Problem(problem)).is_ok());
            }
        };
        let dataset = entry.dataset.as_deref().and_then(Dataset::parse);
        let delivery = Delivery {
            source: JOURNAL_SOURCE.to_owned(),
            tenant: entry.tenant,
            origin: JOURNAL_SOURCE.to_owned(),
            forced_format: Some(
                if dataset == Some(Dataset::Waf) {
                    "waf"
                } else {
                    "json"
                }
                .to_owned(),
            ),
            dataset,
            flow_format: None,
            time_zone: None,
            body: Box::new(Cursor::new(entry.body)),
            position: DeliveryPosition::Journal { start, next },
            skip_records,
            received_at: Some(entry.received_at),
            refused: entry.refused,
            duplicates: entry.duplicates,
            mark: entry.mark,
            cleanup: None,
        };
        Ok(cx.out.send(SourceMessage::Delivery(delivery)).is_ok())
    }
}

impl Source for JournalSource {
    fn id(&self) -> &str {
        JOURNAL_SOURCE
    }

    fn run(&mut self, cx: &SourceContext) -> Result<(), SourceError> {
        let mut at = committed_position(cx.ledger.as_ref())?;
        while !cx.stop.is_set() {
            let entries = match self.journal.read_from(at.next, READ_BYTES) {
                Ok(entries) => entries,
                Err(JournalError::Damaged { path, offset, resume }) => {
                    let text = format!(
                        "{} is damaged at byte {offset}; reading resumes at {resume}",
                        path.display()
                    );
                    if cx.out.send(SourceMessage::Problem(damaged(&text))).is_err() {
                        return Ok(());
                    }
                    at = JournalPosition {
                        next: resume,
                        records_done: 0,
                    };
                    continue;
                }
                Err(error) => {
                    if cx
                        .out
                        .send(SourceMessage::Problem(damaged(&error.to_string())))
                        .is_err()
                    {
                        return Ok(());
                    }
                    cx.stop.sleep(Duration::from_secs(5));
                    continue;
                }
            };
            if entries.is_empty() {
                if cx.once {
                    return Ok(());
                }
                cx.stop.sleep(IDLE);
            }
            for (start, next, bytes) in entries {
                let skip = if start == at.next { at.records_done } else { 0 };
                if !self.deliver(cx, (start, next), &bytes, skip)? {
                    return Ok(());
                }
                at = JournalPosition {
                    next,
                    records_done: 0,
                };
            }
        }
        Ok(())
    }
}

fn damaged(text: &str) -> SourceProblem {
    SourceProblem {
        source: JOURNAL_SOURCE.to_owned(),
        code: "journal_damaged",
        message: text.to_owned(),
        hint: "run `haetae doctor`; check the disk".to_owned(),
        iam_action: None,
        retry_in: None,
    }
}

/// Up to where the journal is committed.
///
/// # Errors
/// When the ledger cannot be read or holds something else.
pub fn committed_position(ledger: &dyn Ledger) -> Result<JournalPosition, LedgerError> {
    let stored = ledger.positions(JOURNAL_SOURCE, &[JOURNAL_KEY.to_owned()])?;
    match stored.into_iter().next().flatten() {
        None => Ok(JournalPosition::default()),
        Some(text) => serde_json::from_str(&text).map_err(|error| LedgerError(format!("{text:?}: {error}"))),
    }
}

/// Marks of entries that are accepted but not committed, for the door to know its retries.
///
/// # Errors
/// When the ledger cannot be read. Damaged entries are passed over here; the source reports them.
pub fn waiting_marks(journal: &dyn Journal, ledger: &dyn Ledger) -> Result<Vec<DeliveryMark>, LedgerError> {
    let mut at = committed_position(ledger)?.next;
    let mut marks = Vec::new();
    loop {
        match journal.read_from(at, READ_BYTES) {
            Ok(entries) if entries.is_empty() => return Ok(marks),
            Ok(entries) => {
                for (_, next, bytes) in entries {
                    marks.extend(PushEntry::decode(&bytes).ok().and_then(|entry| entry.mark));
                    at = next;
                }
            }
            Err(JournalError::Damaged { resume, .. }) => at = resume,
            Err(error) => return Err(LedgerError(error.to_string())),
        }
    }
}
