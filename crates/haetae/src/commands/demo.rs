//! `run --demo`: mixed traffic with attacks, posted to our own ingest endpoint as it happens.

use super::simulate::post;
use anyhow::Result;
use haetae_event::time::{MINUTE_US, SECOND_US};
use haetae_event::{Clock, SystemClock};
use haetae_simulate::{Plan, Scenario, SimEvent, Traffic, generate, ndjson_line};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;

/// How much of the recent past is played at once at the start, so that there is something to see.
const HEAD_START_US: i64 = 12 * MINUTE_US;

/// Length of one plan; the next one follows with another seed.
const PLAN_S: u32 = 3_600;

/// Plays until `stop` turns true.
///
/// # Errors
/// When the service refuses the traffic: a bug, since it is our own.
pub async fn play(address: SocketAddr, seed: u64, mut stop: watch::Receiver<bool>) -> Result<()> {
    let client = reqwest::Client::new();
    let url = format!("http://{address}/v1/ingest");
    let mut start = SystemClock.now().saturating_sub(HEAD_START_US);
    for round in 0.. {
        let mut plan = Plan::new(Scenario::Mixed, seed.wrapping_add(round));
        plan.start = start;
        plan.duration_s = PLAN_S;
        let mut traffic = generate(&plan)?;
        while let Some(body) = due(&mut traffic) {
            if !body.is_empty() {
                let key = format!(
                    "demo-{}-{}",
                    plan.start.0,
                    body.len() ^ (SystemClock.now().0 as usize)
                );
                post(&client, &url, &key, body).await?;
            }
            if wait(&mut stop, Duration::from_millis(500)).await {
                return Ok(());
            }
        }
        start = plan.end();
    }
    Ok(())
}

/// Records up to now, at most about 2 MB; `None` at the end of the plan.
fn due(traffic: &mut Traffic) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let now = SystemClock.now();
    for event in traffic.by_ref() {
        let at = event.ts();
        if let SimEvent::Web(request) = event {
            ndjson_line(&request, &mut body);
        }
        if at.0 > now.0 - SECOND_US || body.len() > 2 << 20 {
            return Some(body);
        }
    }
    (!body.is_empty()).then_some(body)
}

/// Whether to stop, after at most `time`.
async fn wait(stop: &mut watch::Receiver<bool>, time: Duration) -> bool {
    tokio::select! {
        changed = stop.wait_for(|stopping| *stopping) => { let _ = changed; true }
        () = tokio::time::sleep(time) => false,
    }
}
