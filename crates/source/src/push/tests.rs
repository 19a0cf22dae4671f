use super::*;
use crate::contract::{Commit, MemoryLedger, exam, once};
use haetae_event::commit::DeliveryMark;
use haetae_event::{Micros, Reason, Reject, TenantId};
use haetae_journal::{Entry, Journal, JournalError, Position};
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

proptest! {
    #[test]
    fn an_entry_reads_back_as_it_was(body in proptest::collection::vec(any::<u8>(), 0..400), n in 0u64..9, bytes in any::<Vec<u8>>()) {
        let entry = PushEntry {
            tenant: TenantId::default(),
            dataset: (n > 3).then(|| "web".to_owned()),
            received_at: Micros(n as i64 * 1_000_003),
            mark: None,
            refused: vec![Reject { ordinal: n, reason: Reason::BadJson, detail: "x".into(), bytes }],
            duplicates: n,
            body,
        };
        prop_assert_eq!(PushEntry::decode(&entry.encode()).expect("own bytes"), entry);
    }

    #[test]
    fn any_bytes_decode_or_fail_without_panic(bytes in any::<Vec<u8>>()) {
        let _ = PushEntry::decode(&bytes);
    }
}

/// A journal in memory; one segment, offsets count entries.
#[derive(Default)]
struct MemoryJournal(Mutex<Vec<Vec<u8>>>);

impl Journal for MemoryJournal {
    fn append(&self, entry: &[u8]) -> Result<Position, JournalError> {
        let mut entries = self.0.lock().expect("no panic under the lock");
        entries.push(entry.to_vec());
        Ok(Position {
            segment: 0,
            offset: entries.len() as u64 - 1,
        })
    }

    fn read_from(&self, position: Position, bytes_max: usize) -> Result<Vec<Entry>, JournalError> {
        let entries = self.0.lock().expect("no panic under the lock");
        let mut taken = 0;
        let first = usize::try_from(position.offset).expect("small");
        let from = entries.iter().enumerate().skip(first);
        let some = from.take_while(|(_, bytes)| {
            let more = taken == 0 || taken < bytes_max;
            taken += bytes.len();
            more
        });
        let at = |offset: usize| Position {
            segment: 0,
            offset: offset as u64,
        };
        Ok(some.map(|(n, bytes)| (at(n), at(n + 1), bytes.clone())).collect())
    }

    fn end(&self) -> Position {
        Position {
            segment: 0,
            offset: self.0.lock().expect("no panic under the lock").len() as u64,
        }
    }

    fn release_before(&self, _: Position) -> Result<(), JournalError> {
        Ok(())
    }
}

fn entry(body: &str, mark: &str) -> PushEntry {
    let tenant_id = TenantId::default();
    let mark = DeliveryMark {
        tenant_id: tenant_id.clone(),
        mark: mark.to_owned(),
        body_sha256: String::new(),
        reply: "{}".to_owned(),
        accepted_at: Micros(1),
    };
    PushEntry {
        tenant: tenant_id,
        dataset: None,
        received_at: Micros(1),
        mark: Some(mark),
        refused: vec![Reject {
            ordinal: 1,
            reason: Reason::BadJson,
            detail: String::new(),
            bytes: vec![b'{'],
        }],
        duplicates: 0,
        body: body.as_bytes().to_vec(),
    }
}

fn journal() -> Arc<MemoryJournal> {
    let journal = MemoryJournal::default();
    journal
        .append(&entry("1\n2\n3\n", "key:a").encode())
        .expect("memory");
    journal
        .append(&entry("4\n5\n", "key:b").encode())
        .expect("memory");
    Arc::new(journal)
}

#[test]
fn it_passes_the_exam_of_all_sources() {
    let journal = journal();
    exam(
        &|| Box::new(JournalSource::new(journal.clone())),
        &["1", "2", "3", "4", "5"],
    );
}

#[test]
fn refused_lines_come_with_their_entry() {
    let seen = once(
        Box::new(JournalSource::new(journal())),
        &Arc::default(),
        Commit::Finished,
    );
    assert_eq!(seen.refused, 2);
}

#[test]
fn a_damaged_entry_is_reported_and_passed_over() {
    let journal = journal();
    journal.append(b"\x09nonsense").expect("memory");
    journal.append(&entry("6\n", "key:c").encode()).expect("memory");
    let seen = once(
        Box::new(JournalSource::new(journal)),
        &Arc::default(),
        Commit::Finished,
    );
    assert_eq!(seen.lines(), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(seen.problems[0].code, "journal_damaged");
}

#[test]
fn only_marks_of_uncommitted_entries_wait() {
    let journal = journal();
    let ledger: Arc<MemoryLedger> = Arc::default();
    let marks = |ledger: &MemoryLedger| -> Vec<String> {
        let marks = waiting_marks(journal.as_ref(), ledger).expect("readable");
        marks.into_iter().map(|mark| mark.mark).collect()
    };
    assert_eq!(marks(&ledger), ["key:a", "key:b"]);
    once(
        Box::new(JournalSource::new(journal.clone())),
        &ledger,
        Commit::Finished,
    );
    assert!(marks(&ledger).is_empty());
    journal.append(&entry("6\n", "key:c").encode()).expect("memory");
    assert_eq!(marks(&ledger), ["key:c"]);
}
