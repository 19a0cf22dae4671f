//! From configuration and environment to a store that can be asked.

use super::config::S3Config;
use super::credentials::{Environment, Origin};
use super::fault::{Action, Fault, full_text, problem};
use super::runtime::IoRuntime;
use crate::seam::SourceProblem;
use object_store::aws::AmazonS3Builder;
use object_store::list::PaginatedListStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A dead address is known after this long; the operator hears of it within 3 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest single request. A large object is read on by range after it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);

/// The two faces of one store.
#[derive(Clone)]
pub(super) struct Access {
    pub objects: Arc<dyn ObjectStore>,
    pub pages: Arc<dyn PaginatedListStore>,
}

/// Makes the store when it is first needed, and anew after [`Connection::forget`].
pub(super) struct Connection {
    config: S3Config,
    /// `None`: the process's own, read when it is needed.
    environment: Option<Environment>,
    access: Mutex<Option<Access>>,
    runtime: Mutex<Option<Arc<IoRuntime>>>,
}

impl Connection {
    pub(super) fn new(config: S3Config) -> Self {
        Connection {
            config,
            environment: None,
            access: Mutex::new(None),
            runtime: Mutex::new(None),
        }
    }

    /// A connection in a made-up environment.
    #[cfg(test)]
    pub(super) fn within(config: S3Config, environment: Environment) -> Self {
        Connection {
            environment: Some(environment),
            ..Connection::new(config)
        }
    }

    pub(super) fn config(&self) -> &S3Config {
        &self.config
    }

    /// # Errors
    /// When the operating system gives no threads.
    pub(super) fn runtime(&self) -> std::io::Result<Arc<IoRuntime>> {
        let mut slot = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*slot {
            return Ok(runtime.clone());
        }
        let runtime = Arc::new(IoRuntime::start()?);
        *slot = Some(runtime.clone());
        Ok(runtime)
    }

    /// # Errors
    /// No credentials, or values the store does not take. Takes up to 0.8 s the first time.
    pub(super) fn access(&self) -> Result<Access, Box<SourceProblem>> {
        let mut slot = self.access.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(access) = &*slot {
            return Ok(access.clone());
        }
        let environment = self.environment.clone().unwrap_or_else(Environment::of_process);
        let access = connect(&self.config, &environment)?;
        *slot = Some(access.clone());
        Ok(access)
    }

    /// Reads credentials and settings again next time: they may have been renewed.
    pub(super) fn forget(&self) {
        *self.access.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Few tries inside one request: the poll itself is tried again.
fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 2,
        retry_timeout: Duration::from_secs(10),
    }
}

fn connect(config: &S3Config, environment: &Environment) -> Result<Access, Box<SourceProblem>> {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in environment.aws() {
        if let Ok(key) = name.parse() {
            builder = builder.with_config(key, value);
        }
    }
    match environment.origin() {
        Origin::Environment | Origin::Metadata => {}
        Origin::Profile(profile) => {
            builder = builder
                .with_access_key_id(profile.key_id.unwrap_or_default())
                .with_secret_access_key(profile.secret.unwrap_or_default());
            if let Some(token) = profile.token {
                builder = builder.with_token(token);
            }
        }
        Origin::Nowhere(looked) => {
            return Err(Box::new(problem(
                config,
                Fault::NoCredentials,
                Action::List,
                &looked,
                None,
            )));
        }
    }
    let region = (config.region.clone())
        .or_else(|| environment.get("AWS_REGION").map(str::to_owned))
        .or_else(|| environment.get("AWS_DEFAULT_REGION").map(str::to_owned))
        .or_else(|| environment.profile().region)
        .unwrap_or_else(|| "us-east-1".to_owned());
    let endpoint = (config.endpoint.as_deref())
        .or_else(|| environment.get("AWS_ENDPOINT_URL_S3"))
        .or_else(|| environment.get("AWS_ENDPOINT_URL"));
    // An endpoint of our configuration holds neither bucket nor zone: always path style.
    builder = builder
        .with_bucket_name(&config.bucket)
        .with_region(region)
        .with_virtual_hosted_style_request(false);
    let mut client = ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
        client = client.with_allow_http(endpoint.starts_with("http://"));
    }
    match builder.with_client_options(client).with_retry(retry()).build() {
        Ok(store) => {
            let store = Arc::new(store);
            Ok(Access {
                objects: store.clone(),
                pages: store,
            })
        }
        Err(error) => {
            let fault = super::fault::classify(&error);
            Err(Box::new(problem(
                config,
                fault,
                Action::List,
                &full_text(&error),
                None,
            )))
        }
    }
}
