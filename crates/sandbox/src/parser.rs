//! A module, compiled and checked, with its quota and its account.

use crate::account::{Account, Alarm};
use crate::guest::{Cap, Guest, link};
use crate::quota::Quota;
use crate::run::Sandbox;
use crate::runtime::{MODULE_BYTES_MAX, Runtime};
use crate::{Failure, abi};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wasmtime::{ExternType, FuncType, InstancePre, Module, ValType};

/// Why a module does not become a parser.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the sandbox cannot start: {0}")]
    Engine(String),
    #[error("the module has {0} bytes, {MODULE_BYTES_MAX} are allowed")]
    TooLarge(usize),
    #[error("not a module that the sandbox runs: {0}")]
    Invalid(String),
    #[error("the module is not compiled after {} s", .0.as_secs())]
    CompileTime(Duration),
    #[error(
        "the module imports {module}.{name}; a parser may import nothing (but AssemblyScript's env.abort)"
    )]
    Import { module: String, name: String },
    #[error("the module does not export {0}")]
    Export(&'static str),
    #[error("the module is for version {0} of the ABI, this is version {version}", version = abi::VERSION)]
    AbiVersion(i32),
    #[error("the module does not start: {failure}, {detail}")]
    Start { failure: Failure, detail: String },
}

/// A parser that can run; cheap to clone. All clones and sandboxes share one failure budget.
#[derive(Clone)]
pub struct Parser {
    shared: Arc<Shared>,
}

struct Shared {
    runtime: Runtime,
    id: String,
    version: String,
    quota: Quota,
    linked: InstancePre<Cap>,
    account: Mutex<Account>,
}

impl Parser {
    /// Compiles `module` (the binary format; text is refused), checks its imports and exports, and asks
    /// it for its version of the ABI. Takes about a second per MiB. Does not check signatures: that is
    /// [`verify`](crate::verify), and comes first.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(
        runtime: &Runtime,
        id: &str,
        version: &str,
        module: &[u8],
        quota: Quota,
    ) -> Result<Parser, LoadError> {
        let module = runtime.compile(module)?;
        let linked = link(runtime, &module)?;
        check_exports(&module)?;
        let wall = quota.record_deadline;
        let parser = Parser {
            shared: Arc::new(Shared {
                runtime: runtime.clone(),
                id: id.to_owned(),
                version: version.to_owned(),
                quota,
                linked,
                account: Mutex::default(),
            }),
        };
        match Guest::abi_version(&parser, wall) {
            Ok(Some(abi::VERSION)) => Ok(parser),
            Ok(Some(other)) => Err(LoadError::AbiVersion(other)),
            Ok(None) => Err(LoadError::Export("haetae_abi_version() -> i32")),
            Err(broken) => Err(LoadError::Start {
                failure: broken.failure,
                detail: broken.detail,
            }),
        }
    }

    pub fn id(&self) -> &str {
        &self.shared.id
    }

    pub fn version(&self) -> &str {
        &self.shared.version
    }

    pub fn quota(&self) -> &Quota {
        &self.shared.quota
    }

    /// A place to run it in; one for each thread.
    pub fn sandbox(&self) -> Sandbox {
        Sandbox::new(self.clone())
    }

    /// Whether the failure budget is used up.
    pub fn is_suspended(&self) -> bool {
        self.account().suspended()
    }

    /// The alarm of the last suspension, once.
    pub fn take_alarm(&self) -> Option<Alarm> {
        self.account().take_alarm()
    }

    /// Ends a suspension and forgets what failures have cost. Nothing else does: a parser that came
    /// back by itself would fail, alarm and come back for ever.
    pub fn resume(&self) {
        *self.account() = Account::default();
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.shared.runtime
    }

    pub(crate) fn linked(&self) -> &InstancePre<Cap> {
        &self.shared.linked
    }

    pub(crate) fn account(&self) -> MutexGuard<'_, Account> {
        // Sums and counts: sound even if a thread died while it held the lock.
        self.shared.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_exports(module: &Module) -> Result<(), LoadError> {
    let is_function = |name: &str, params: &[ValType], result: ValType| {
        let wanted = FuncType::new(module.engine(), params.iter().cloned(), [result]);
        matches!(module.get_export(name), Some(ExternType::Func(ty)) if FuncType::eq(&ty, &wanted))
    };
    let i32 = ValType::I32;
    if !matches!(module.get_export("memory"), Some(ExternType::Memory(_))) {
        return Err(LoadError::Export("its memory as \"memory\""));
    }
    if !is_function("haetae_abi_version", &[], i32.clone()) {
        return Err(LoadError::Export("haetae_abi_version() -> i32"));
    }
    if !is_function("haetae_alloc", std::slice::from_ref(&i32), i32.clone()) {
        return Err(LoadError::Export("haetae_alloc(size: i32) -> i32"));
    }
    if !is_function("haetae_parse", &[i32.clone(), i32], ValType::I64) {
        return Err(LoadError::Export(
            "haetae_parse(pointer: i32, length: i32) -> i64",
        ));
    }
    Ok(())
}
