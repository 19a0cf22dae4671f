//! Slack, through an incoming webhook.
//!
//! The URL is the credential: it is never logged, never part of an error, and its `Debug` is
//! empty. Source of statuses and limits: Slack API documentation, *Sending messages using
//! incoming webhooks*, *Rate limits*, *Block Kit reference*.

mod blocks;
pub mod retry_after;

#[cfg(test)]
mod tests;

use crate::message::message_of;
use crate::notifier::{Delivery, Notifier};
use futures::future::{BoxFuture, FutureExt};
use haetae_event::Clock;
use haetae_event::commit::OutboxRow;
use reqwest::{Client, StatusCode, Url, redirect};
use std::sync::Arc;
use std::time::Duration;

pub use blocks::payload;

/// Bytes of a refusal that are read for the operator.
const REFUSAL_BYTES_MAX: usize = 300;

/// An incoming-webhook URL. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// # Errors
    /// When `text` is not an http(s) URL with a host. The message does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, SlackSetupError> {
        let url = Url::parse(text.trim()).map_err(|_| SlackSetupError::BadUrl)?;
        let fits = matches!(url.scheme(), "https" | "http") && url.has_host();
        if fits {
            Ok(WebhookUrl(url))
        } else {
            Err(SlackSetupError::BadUrl)
        }
    }
}

impl std::fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookUrl(…)")
    }
}

/// Slack cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum SlackSetupError {
    #[error("notify.slack.webhook_url is not an http or https URL")]
    BadUrl,
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// Time limits and pace; the defaults are meant for production.
#[derive(Clone, Copy, Debug)]
pub struct SlackOptions {
    pub connect_timeout: Duration,
    /// From the first byte out to the last byte in.
    pub total_timeout: Duration,
    /// Slack allows one message a second and channel.
    pub pace: Duration,
}

impl Default for SlackOptions {
    fn default() -> Self {
        SlackOptions {
            connect_timeout: Duration::from_secs(3),
            total_timeout: Duration::from_secs(10),
            pace: Duration::from_secs(1),
        }
    }
}

/// The channel `slack`.
pub struct Slack {
    client: Client,
    url: WebhookUrl,
    pace: Duration,
    clock: Arc<dyn Clock>,
}

impl Slack {
    /// Uses the process's default rustls crypto provider, which the binary installs.
    ///
    /// # Errors
    /// When no HTTP client can be made (no provider, no root certificates).
    pub fn new(
        url: WebhookUrl,
        options: SlackOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SlackSetupError> {
        let client = Client::builder()
            .connect_timeout(options.connect_timeout)
            .timeout(options.total_timeout)
            .redirect(redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("haetae/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SlackSetupError::Client(error.without_url().to_string()))?;
        Ok(Slack {
            client,
            url,
            pace: options.pace,
            clock,
        })
    }

    async fn post(&self, row: &OutboxRow) -> Delivery {
        let message = match message_of(row) {
            Ok(message) => message,
            Err(why) => return Delivery::Dead { why },
        };
        if message.demo {
            return Delivery::Dead {
                why: "demo messages never leave the machine".into(),
            };
        }
        let body = payload(&message, &row.id).to_string();
        let sent = self
            .client
            .post(self.url.0.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await;
        match sent {
            Ok(response) => self.judge(response).await,
            Err(error) => Delivery::Retry {
                after: None,
                why: trouble(&error),
            },
        }
    }

    async fn judge(&self, response: reqwest::Response) -> Delivery {
        let status = response.status();
        if status.is_success() {
            return Delivery::Delivered;
        }
        let after = response
            .headers()
            .get(reqwest::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| retry_after::parse(value, self.clock.now()));
        let why = format!("HTTP {}{}", status.as_u16(), refusal(response).await);
        if may_pass(status) {
            Delivery::Retry { after, why }
        } else {
            Delivery::Dead { why }
        }
    }
}

impl Notifier for Slack {
    fn channel(&self) -> &str {
        "slack"
    }

    fn pace(&self) -> Duration {
        self.pace
    }

    fn deliver<'a>(&'a self, row: &'a OutboxRow) -> BoxFuture<'a, Delivery> {
        self.post(row).boxed()
    }
}

/// Statuses after which a later try may succeed.
fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error()
}

/// The beginning of what the receiver said, e.g. `: no_service`.
async fn refusal(mut response: reqwest::Response) -> String {
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        text.extend_from_slice(&chunk[..chunk.len().min(REFUSAL_BYTES_MAX - text.len())]);
        if text.len() >= REFUSAL_BYTES_MAX {
            break;
        }
    }
    let shown = crate::escape::for_terminal(String::from_utf8_lossy(&text).trim());
    if shown.is_empty() {
        shown
    } else {
        format!(": {shown}")
    }
}

/// The kind of a transport error. reqwest's own text may carry the URL, and its sources the
/// host; neither is used.
fn trouble(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "connection failed"
    };
    what.to_owned()
}
