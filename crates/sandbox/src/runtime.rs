//! The engine that all parsers of a process share: what a module may contain, and the time.

use crate::parser::LoadError;
use crate::ticker::Ticker;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};
use wasmtime::{Config, Engine, Module};

/// Bytes of a module. A larger one is not compiled.
pub const MODULE_BYTES_MAX: usize = 8 << 20;

/// How long loading waits for the compiler.
const COMPILE_WAIT: Duration = Duration::from_secs(60);

/// Stack of a guest, of a thread that has 2 MiB.
const STACK_BYTES_MAX: usize = 512 << 10;

/// Time that never goes back, for budgets. Deadlines of guests do not use it: they are real time.
pub trait Clock: Send + Sync {
    /// Time since some fixed start.
    fn now(&self) -> Duration;
}

/// The system's clock.
pub struct Monotonic(Instant);

impl Default for Monotonic {
    fn default() -> Self {
        Monotonic(Instant::now())
    }
}

impl Clock for Monotonic {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Compiles and runs modules; cheap to clone. Its ticker thread ends with the last clone and parser.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    ticker: Ticker,
    clock: Arc<dyn Clock>,
}

impl Runtime {
    /// # Errors
    /// [`LoadError::Engine`]: no thread left, or a processor that the compiler does not know.
    pub fn new() -> Result<Runtime, LoadError> {
        Runtime::with_clock(Arc::new(Monotonic::default()))
    }

    /// As [`Runtime::new`], with another clock for the failure budgets.
    ///
    /// # Errors
    /// As [`Runtime::new`].
    pub fn with_clock(clock: Arc<dyn Clock>) -> Result<Runtime, LoadError> {
        let engine = Engine::new(&config()).map_err(|e| LoadError::Engine(e.to_string()))?;
        let ticker = Ticker::start(engine.clone()).map_err(|e| LoadError::Engine(e.to_string()))?;
        Ok(Runtime {
            shared: Arc::new(Shared {
                engine,
                ticker,
                clock,
            }),
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.shared.ticker
    }

    pub(crate) fn now(&self) -> Duration {
        self.shared.clock.now()
    }

    /// Compiles on a thread of its own, because the compiler cannot be interrupted: one that takes
    /// longer than we wait goes on unseen until it is done, and its work is dropped.
    pub(crate) fn compile(&self, module: &[u8]) -> Result<Module, LoadError> {
        if module.len() > MODULE_BYTES_MAX {
            return Err(LoadError::TooLarge(module.len()));
        }
        let (sender, receiver) = sync_channel(1);
        let (engine, module) = (self.engine().clone(), module.to_vec());
        std::thread::Builder::new()
            .name("sandbox-compile".into())
            .spawn(move || {
                let compiled = Module::from_binary(&engine, &module);
                // Nobody listens after the wait is over.
                let _ = sender.send(compiled);
            })
            .map_err(|e| LoadError::Engine(e.to_string()))?;
        match receiver.recv_timeout(COMPILE_WAIT) {
            Ok(compiled) => compiled.map_err(|e| LoadError::Invalid(format!("{e:#}"))),
            Err(RecvTimeoutError::Timeout) => Err(LoadError::CompileTime(COMPILE_WAIT)),
            Err(RecvTimeoutError::Disconnected) => Err(LoadError::Invalid("the compiler panicked".into())),
        }
    }
}

/// Deterministic (one bit pattern for NaN, no relaxed SIMD, no threads: the crate's feature is off),
/// one memory of 32 bits, epochs instead of fuel.
fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(false)
        .max_wasm_stack(STACK_BYTES_MAX)
        .cranelift_nan_canonicalization(true)
        .wasm_simd(true)
        .wasm_relaxed_simd(false)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_tail_call(false);
    config
}
