//! A sandboxed module, fitted to the extraction seam of the parsers.

use haetae_event::Reason;
use haetae_parse::custom::FieldKind;
use haetae_parse::{Extracted, Extractor, ExtractorFactory};
use haetae_sandbox::{Batch, Failure, Kind, Outcome, Parser, Sandbox};
use std::sync::{Arc, Mutex, PoisonError};

/// Alarms of parsers that do not run any more, waiting to be told. Each parser rings once for a
/// suspension, so their number is that of the parsers.
#[derive(Clone, Debug, Default)]
pub struct AlarmBell(Arc<Mutex<Vec<String>>>);

impl AlarmBell {
    pub fn ring(&self, text: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// What rang since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A module with its quota; one sandbox an input.
#[derive(Clone)]
pub struct Sandboxed {
    pub parser: Parser,
    pub bell: AlarmBell,
}

impl std::fmt::Debug for Sandboxed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sandboxed({} {})", self.parser.id(), self.parser.version())
    }
}

impl ExtractorFactory for Sandboxed {
    fn open(&self) -> Box<dyn Extractor> {
        Box::new(Running {
            sandbox: self.parser.sandbox(),
            batch: Batch::default(),
            bell: self.bell.clone(),
        })
    }
}

struct Running {
    sandbox: Sandbox,
    /// Keeps its memory from batch to batch.
    batch: Batch,
    bell: AlarmBell,
}

impl Extractor for Running {
    fn extract(&mut self, records: &[&[u8]], out: &mut Extracted) {
        self.sandbox.run_into(records, &mut self.batch);
        for outcome in self.batch.iter() {
            match outcome {
                Outcome::Fields(fields) => {
                    for field in fields.iter() {
                        out.field(field.key, field.value, kind(field.kind));
                    }
                    out.end_record();
                }
                Outcome::Rejected(text) => out.refuse(Reason::SchemaMismatch, text),
                Outcome::Failed(failure, detail) => out.refuse(reason(failure), detail),
            }
        }
        if let Some(alarm) = self.sandbox.alarm() {
            let resume = format!("haetae parser resume {}@v{}", alarm.parser, alarm.version);
            self.bell.ring(format!(
                "{alarm}; its records go to the dead-letter queue; `{resume}` ends it"
            ));
        }
    }
}

fn kind(kind: Kind) -> FieldKind {
    match kind {
        Kind::Text => FieldKind::Text,
        Kind::Number => FieldKind::Number,
        Kind::Bool => FieldKind::Bool,
        Kind::Null => FieldKind::Null,
        Kind::Json => FieldKind::Json,
    }
}

fn reason(failure: Failure) -> Reason {
    match failure {
        Failure::TimeOut => Reason::TimeOut,
        Failure::MemoryLimit => Reason::MemoryLimit,
        Failure::Trap => Reason::Trap,
        Failure::BadOutput => Reason::SchemaMismatch,
        Failure::Suspended => Reason::ParserSuspended,
    }
}
