//! Threads that answer the questions of a [`Verification`].

use haetae_enrich::crawlers::{Resolver, Verification};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How soon a thread notices that it should end.
const STEP: Duration = Duration::from_millis(200);

/// Ends the threads when it is dropped, each after the look-up it is at. It does not wait for them.
#[derive(Debug)]
pub struct Working {
    stop: Arc<AtomicBool>,
}

impl Drop for Working {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Starts `threads` that ask `resolver`. One slow zone holds up one of them.
///
/// # Errors
/// When no thread can be started.
pub fn start(
    verification: &Arc<Verification>,
    resolver: &Arc<dyn Resolver>,
    threads: usize,
) -> std::io::Result<Working> {
    let working = Working { stop: Arc::default() };
    for _ in 0..threads.max(1) {
        let (verification, resolver, stop) = (verification.clone(), resolver.clone(), working.stop.clone());
        std::thread::Builder::new()
            .name("names".to_owned())
            .spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    verification.work(resolver.as_ref(), STEP);
                }
            })?;
    }
    Ok(working)
}
