//! The async end of this crate: two worker threads that talk to the object store.

use crate::seam::StopFlag;
use std::future::Future;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How often a waiting thread looks at the stop flag.
pub(super) const STOP_CHECK: Duration = Duration::from_millis(50);

/// Owns the workers; the last holder lets go of them without waiting, wherever it is dropped.
pub(super) struct IoRuntime(Option<tokio::runtime::Runtime>);

impl IoRuntime {
    /// # Errors
    /// When the operating system gives no threads.
    pub(super) fn start() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("haetae-s3")
            .enable_all()
            .build()?;
        Ok(IoRuntime(Some(runtime)))
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.as_ref().expect("present until dropped").spawn(task);
    }

    /// Runs a task on the workers and waits for it on this thread, whatever kind of thread that
    /// is. `None` when told to stop meanwhile, or when the task panicked.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        stop: &StopFlag,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.ask_patiently(stop, Duration::MAX, task, || {})
    }

    /// As [`IoRuntime::ask`]; calls `impatient` once when there is no answer after `patience`.
    pub(super) fn ask_patiently<T: Send + 'static>(
        &self,
        stop: &StopFlag,
        patience: Duration,
        task: impl Future<Output = T> + Send + 'static,
        impatient: impl FnOnce(),
    ) -> Option<T> {
        let (sender, receiver) = sync_channel(1);
        self.spawn(async move {
            // A receiver that is gone has been told to stop.
            sender.try_send(task.await).ok();
        });
        let asked = std::time::Instant::now();
        let mut impatient = Some(impatient);
        loop {
            match receiver.recv_timeout(STOP_CHECK) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if stop.is_set() => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if asked.elapsed() >= patience
                && let Some(say) = impatient.take()
            {
                say();
            }
        }
    }
}

impl Drop for IoRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
