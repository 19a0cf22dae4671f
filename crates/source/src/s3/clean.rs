//! Deletes or archives objects after their commit.

use super::config::{AfterCommit, S3Config};
use super::connect::{Access, Connection};
use super::fault::{Action, Fault, classify, full_text, problem};
use super::in_flight::InFlight;
use crate::seam::{CleanError, Cleaned, Cleaner, SourceProblem, StopFlag};
use haetae_event::commit::CleanupRow;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// When a failed clean-up should be tried again.
const RETRY_IN: Duration = Duration::from_secs(60);

/// What a [`CleanupRow`]'s action says; it outlives restarts and changes of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CleanAction {
    etag: String,
    /// Where a copy goes first; absent: delete.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    archive_to: Option<String>,
}

/// What is to be done with a delivered object, if anything.
pub(super) fn cleanup_row(config: &S3Config, key: &str, etag: &str) -> Option<CleanupRow> {
    let archive_to = match config.after_commit {
        AfterCommit::Keep => return None,
        AfterCommit::Delete => None,
        AfterCommit::Archive => Some(format!(
            "{}{key}",
            config.archive_prefix.as_deref().unwrap_or_default()
        )),
    };
    let action = CleanAction {
        etag: etag.to_owned(),
        archive_to,
    };
    let action = serde_json::to_string(&action).expect("plain structs serialise");
    Some(CleanupRow {
        source: config.id(),
        key: key.to_owned(),
        action,
    })
}

/// Carries out the clean-ups of one source.
///
/// An object goes only while its ETag is the one that was read: asked immediately before, since
/// S3 has no conditional copy-and-delete. A repeated row finds the object gone and is done.
pub struct S3Cleaner {
    connection: Arc<Connection>,
    in_flight: InFlight,
}

impl S3Cleaner {
    pub(super) fn new(connection: Arc<Connection>, in_flight: InFlight) -> Self {
        S3Cleaner {
            connection,
            in_flight,
        }
    }

    fn problem(&self, (action, error): &(Action, Error)) -> SourceProblem {
        let fault = classify(error);
        if matches!(fault, Fault::BadCredentials | Fault::NoCredentials) {
            self.connection.forget();
        }
        problem(
            self.connection.config(),
            fault,
            *action,
            &full_text(error),
            Some(RETRY_IN),
        )
    }

    fn setup(&self, code: &'static str, message: String) -> CleanError {
        let problem = SourceProblem {
            source: self.connection.config().id(),
            code,
            message,
            hint: "run `haetae doctor`".to_owned(),
            iam_action: None,
            retry_in: Some(RETRY_IN),
        };
        CleanError { problem }
    }
}

impl Cleaner for S3Cleaner {
    fn clean(&self, row: &CleanupRow) -> Result<Cleaned, CleanError> {
        let action: CleanAction = serde_json::from_str(&row.action)
            .map_err(|error| self.setup("bad_cleanup", format!("clean-up of {}: {error}", row.key)))?;
        let runtime = self
            .connection
            .runtime()
            .map_err(|error| self.setup("no_threads", error.to_string()))?;
        let access = self
            .connection
            .access()
            .map_err(|problem| CleanError { problem: *problem })?;
        let etag = action.etag.clone();
        self.in_flight.cleaning(&row.key, &etag);
        let task = carry_out(access, row.key.clone(), action);
        let end = runtime.ask(&StopFlag::default(), task);
        let failed = match end {
            Some(Ok(Cleaned::Done)) => return Ok(Cleaned::Done),
            Some(Ok(Cleaned::Changed)) => Ok(Cleaned::Changed),
            Some(Err(error)) => Err(CleanError {
                problem: self.problem(&error),
            }),
            None => Err(self.setup("clean_up_failed", format!("clean-up of {} ended early", row.key))),
        };
        self.in_flight.not_cleaned(&row.key, &etag);
        failed
    }
}

async fn carry_out(access: Access, key: String, action: CleanAction) -> Result<Cleaned, (Action, Error)> {
    let from = Path::parse(&key).map_err(|error| (Action::Get, error.into()))?;
    match access.objects.head(&from).await {
        Ok(meta) if super::run::etag_of(&meta) != action.etag => return Ok(Cleaned::Changed),
        Ok(_) => {}
        // HEAD has no body: a missing bucket looks the same, and leaves nothing to do either.
        Err(Error::NotFound { .. }) => return Ok(Cleaned::Done),
        Err(error) => return Err((Action::Get, error)),
    }
    if let Some(target) = &action.archive_to {
        let to = Path::parse(target).map_err(|error| (Action::Put, error.into()))?;
        access
            .objects
            .copy(&from, &to)
            .await
            .map_err(|error| (Action::Put, error))?;
    }
    match access.objects.delete(&from).await {
        Ok(()) | Err(Error::NotFound { .. }) => Ok(Cleaned::Done),
        Err(error) => Err((Action::Delete, error)),
    }
}
