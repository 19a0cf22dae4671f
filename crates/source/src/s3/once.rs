//! Objects as inputs of one-shot commands.

use super::config::S3Config;
use super::connect::{Access, Connection};
use super::fault::{Action, classify, full_text, problem};
use super::fetch::{Wanted, fetch};
use super::run::{list_page, skippable};
use super::runtime::IoRuntime;
use crate::seam::{SourceProblem, StopFlag};
use object_store::ObjectMeta;
use std::io::{self, Read};
use std::sync::Arc;

/// One listed object that can be read.
pub struct ObjectStream {
    bucket: Arc<str>,
    meta: ObjectMeta,
    access: Access,
    runtime: Arc<IoRuntime>,
}

impl ObjectStream {
    /// `s3://bucket/key`.
    pub fn name(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.meta.location)
    }

    /// Bytes as stored.
    pub fn size(&self) -> u64 {
        self.meta.size
    }

    /// Opens the version that was listed.
    ///
    /// # Errors
    /// The store's, after bounded retries, also in the middle of reading.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let stop = StopFlag::default();
        let wanted = Wanted {
            objects: self.access.objects.clone(),
            meta: self.meta.clone(),
        };
        let fetch = fetch(&self.runtime, &stop, wanted);
        match fetch.opened(&stop) {
            Some(Ok(())) => Ok(Box::new(fetch.body)),
            Some(Err(error)) => Err(io::Error::other(error.detail)),
            None => Err(io::Error::other("stopped")),
        }
    }
}

/// Every object with content under the configuration's bucket and prefix, by key. Holds all
/// keys, as a command that reads them all may.
///
/// # Errors
/// When the bucket cannot be listed, or nothing is there.
#[expect(clippy::result_large_err, reason = "asked once per command")]
pub fn list_blocking(config: &S3Config) -> Result<Vec<ObjectStream>, SourceProblem> {
    let connection = Connection::new(config.clone());
    let setup = |code: &'static str, message: String, hint: &str| SourceProblem {
        source: config.id(),
        code,
        message,
        hint: hint.to_owned(),
        iam_action: None,
        retry_in: None,
    };
    config
        .validate()
        .map_err(|why| setup("bad_url", why, "write s3://BUCKET/PREFIX"))?;
    let runtime = connection
        .runtime()
        .map_err(|error| setup("no_threads", error.to_string(), "check the system's limits"))?;
    let access = connection.access().map_err(|problem| *problem)?;
    let bucket: Arc<str> = config.bucket.as_str().into();
    let mut streams = Vec::new();
    let mut token = None;
    loop {
        let task = list_page(access.clone(), config.prefix.clone(), token);
        let page = match runtime.ask(&StopFlag::default(), task) {
            Some(Ok(page)) => page,
            Some(Err(error)) => {
                return Err(problem(
                    config,
                    classify(&error),
                    Action::List,
                    &full_text(&error),
                    None,
                ));
            }
            None => {
                return Err(setup(
                    "store_error",
                    "listing ended early".to_owned(),
                    "try again",
                ));
            }
        };
        streams.extend(
            page.result
                .objects
                .into_iter()
                .filter(|meta| !skippable(config, meta))
                .map(|meta| ObjectStream {
                    bucket: bucket.clone(),
                    meta,
                    access: access.clone(),
                    runtime: runtime.clone(),
                }),
        );
        token = page.page_token;
        if token.is_none() {
            break;
        }
    }
    if streams.is_empty() {
        let message = format!("s3://{}/{}: no objects", config.bucket, config.prefix);
        return Err(setup("no_objects", message, "check the prefix"));
    }
    Ok(streams)
}

/// Whether the first page of the bucket and prefix can be listed.
///
/// # Errors
/// What stands in the way, with the missing permission where that is it.
#[expect(clippy::result_large_err, reason = "asked once per command")]
pub fn probe_blocking(config: &S3Config) -> Result<(), SourceProblem> {
    let connection = Connection::new(config.clone());
    let failed = |code: &'static str, message: String| SourceProblem {
        source: config.id(),
        code,
        message,
        hint: "try again".to_owned(),
        iam_action: None,
        retry_in: None,
    };
    let runtime = connection
        .runtime()
        .map_err(|error| failed("no_threads", error.to_string()))?;
    let access = connection.access().map_err(|problem| *problem)?;
    match runtime.ask(
        &StopFlag::default(),
        list_page(access, config.prefix.clone(), None),
    ) {
        Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(problem(
            config,
            classify(&error),
            Action::List,
            &full_text(&error),
            None,
        )),
        None => Err(failed("store_error", "listing ended early".to_owned())),
    }
}
