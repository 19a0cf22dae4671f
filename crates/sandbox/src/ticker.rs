//! The thread that makes deadlines come: it moves the engine's epoch on while any guest runs, and
//! sleeps while none does.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use wasmtime::Engine;

/// How far apart two epochs are, at least.
const TICK: Duration = Duration::from_millis(5);

/// Stops and joins its thread when dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Guests that run now.
    running: usize,
    stop: bool,
}

/// While it lives, the epoch moves.
pub(crate) struct Running<'a>(&'a Shared);

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; a count is sound in any case.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticker {
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(engine: Engine) -> std::io::Result<Ticker> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("sandbox-ticker".into())
            .spawn(move || tick(&theirs, &engine))?;
        Ok(Ticker {
            shared,
            thread: Some(thread),
        })
    }

    pub(crate) fn running(&self) -> Running<'_> {
        let mut state = self.shared.state();
        state.running += 1;
        if state.running == 1 {
            self.shared.changed.notify_one();
        }
        Running(&self.shared)
    }

    /// Epochs that pass in no less than `wall`. The first may be about to end when a guest starts.
    pub(crate) fn epochs(wall: Duration) -> u64 {
        let epochs = wall.as_micros().div_ceil(TICK.as_micros()) + 1;
        // Far from the end of u64, so that the engine's own sum does not overflow.
        u64::try_from(epochs).unwrap_or(u64::MAX).min(u64::MAX / 4)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.state().running -= 1;
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.state().stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It panics nowhere, and there is nothing to do if it did.
            let _ = thread.join();
        }
    }
}

fn tick(shared: &Shared, engine: &Engine) {
    let mut state = shared.state();
    while !state.stop {
        if state.running == 0 {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let waited = shared
            .changed
            .wait_timeout_while(state, TICK, |state| !state.stop);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        engine.increment_epoch();
    }
}
