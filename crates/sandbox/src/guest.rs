//! One instance of a module, and one call into it.

use crate::abi;
use crate::batch::{Batch, Failure};
use crate::parser::{LoadError, Parser};
use crate::quota::Quota;
use crate::runtime::Runtime;
use crate::ticker::Ticker;
use std::time::Duration;
use wasmtime::{
    Error, ExternType, InstancePre, Linker, Memory, Module, ResourceLimiter, Store, Trap, TypedFunc, ValType,
};

/// Elements of each table: function pointers of a large guest are a few thousand.
const TABLE_ELEMENTS_MAX: usize = 1 << 16;

const TABLES_MAX: usize = 4;

/// A call that failed as a whole.
#[derive(Debug)]
pub(crate) struct Broken {
    pub failure: Failure,
    pub detail: String,
}

impl Broken {
    fn bad_output(detail: &str) -> Broken {
        Broken {
            failure: Failure::BadOutput,
            detail: detail.to_owned(),
        }
    }

    fn memory(detail: String) -> Broken {
        Broken {
            failure: Failure::MemoryLimit,
            detail,
        }
    }

    fn from_wasmtime(error: &Error) -> Broken {
        if let Some(limit) = error.downcast_ref::<OverLimit>() {
            return Broken::memory(limit.to_string());
        }
        let (failure, detail) = match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => (Failure::TimeOut, "ran past its deadline".to_owned()),
            Some(trap) => (Failure::Trap, trap.to_string()),
            None => (Failure::Trap, format!("{error:#}")),
        };
        Broken { failure, detail }
    }
}

/// Refuses, and by refusing ends the call: a guest that could go on with a failed `memory.grow` would
/// give results that depend on what else is in its batch.
pub(crate) struct Cap {
    memory_bytes_max: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("asked for {asked} {unit}, {allowed} allowed")]
struct OverLimit {
    asked: usize,
    allowed: usize,
    unit: &'static str,
}

impl ResourceLimiter for Cap {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, Error> {
        within(desired, self.memory_bytes_max, "bytes of memory")
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, Error> {
        within(desired, TABLE_ELEMENTS_MAX, "table elements")
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        1
    }
}

fn within(asked: usize, allowed: usize, unit: &'static str) -> Result<bool, Error> {
    if asked <= allowed {
        return Ok(true);
    }
    Err(OverLimit { asked, allowed, unit }.into())
}

/// AssemblyScript's way to give up.
#[derive(Debug, thiserror::Error)]
#[error("abort called at {line}:{column}")]
struct Aborted {
    line: u32,
    column: u32,
}

/// Checks the imports and links what is left of them.
pub(crate) fn link(runtime: &Runtime, module: &Module) -> Result<InstancePre<Cap>, LoadError> {
    if let Some(import) = module.imports().find(|import| {
        let is_abort = import.module() == "env" && import.name() == "abort";
        !(is_abort && is_abort_type(&import.ty()))
    }) {
        return Err(LoadError::Import {
            module: import.module().to_owned(),
            name: import.name().to_owned(),
        });
    }
    let invalid = |error: Error| LoadError::Invalid(format!("{error:#}"));
    let mut linker = Linker::new(runtime.engine());
    linker
        .func_wrap(
            "env",
            "abort",
            |_: u32, _: u32, line: u32, column: u32| -> Result<(), Error> {
                Err(Aborted { line, column }.into())
            },
        )
        .map_err(invalid)?;
    linker.instantiate_pre(module).map_err(invalid)
}

fn is_abort_type(ty: &ExternType) -> bool {
    let ExternType::Func(ty) = ty else { return false };
    ty.results().len() == 0 && ty.params().len() == 4 && ty.params().all(|ty| matches!(ty, ValType::I32))
}

pub(crate) struct Guest {
    store: Store<Cap>,
    memory: Memory,
    alloc: TypedFunc<u32, u32>,
    parse: TypedFunc<(u32, u32), u64>,
}

impl Guest {
    /// A fresh instance; its start function has `wall` time.
    pub(crate) fn start(parser: &Parser, wall: Duration) -> Result<Guest, Broken> {
        let runtime = parser.runtime();
        let cap = Cap {
            memory_bytes_max: parser.quota().memory_bytes_max,
        };
        let mut store = Store::new(runtime.engine(), cap);
        store.limiter(|cap| cap);
        store.set_epoch_deadline(Ticker::epochs(wall));
        let running = runtime.ticker().running();
        let instance = parser.linked().instantiate(&mut store);
        drop(running);
        let instance = instance.map_err(|error| Broken::from_wasmtime(&error))?;
        // Loading has seen these exports; an instance of the same module has them too.
        let missing = |_| Broken::bad_output("an export is missing");
        let alloc = instance
            .get_typed_func(&mut store, "haetae_alloc")
            .map_err(missing)?;
        let parse = instance
            .get_typed_func(&mut store, "haetae_parse")
            .map_err(missing)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or(Broken::bad_output("no memory"))?;
        Ok(Guest {
            store,
            memory,
            alloc,
            parse,
        })
    }

    /// Asks for the version of the ABI; `None` where the export is missing or of another type.
    pub(crate) fn abi_version(parser: &Parser, wall: Duration) -> Result<Option<i32>, Broken> {
        let runtime = parser.runtime();
        let cap = Cap {
            memory_bytes_max: parser.quota().memory_bytes_max,
        };
        let mut store = Store::new(runtime.engine(), cap);
        store.limiter(|cap| cap);
        store.set_epoch_deadline(Ticker::epochs(wall));
        let _running = runtime.ticker().running();
        let broken = |error| Broken::from_wasmtime(&error);
        let instance = parser.linked().instantiate(&mut store).map_err(broken)?;
        let Ok(version) = instance.get_typed_func::<(), i32>(&mut store, "haetae_abi_version") else {
            return Ok(None);
        };
        version.call(&mut store, ()).map(Some).map_err(broken)
    }

    /// Appends the outcomes of `records` to `out`, all or none.
    pub(crate) fn call(
        &mut self,
        parser: &Parser,
        records: &[&[u8]],
        wall: Duration,
        out: &mut Batch,
    ) -> Result<(), Broken> {
        let quota = parser.quota();
        let size = abi::request_len(records)
            .filter(|size| *size as usize <= quota.memory_bytes_max)
            .ok_or_else(|| Broken::memory("the request is larger than the guest's memory".into()))?;
        let (at, len) = {
            self.store.set_epoch_deadline(Ticker::epochs(wall));
            let _running = parser.runtime().ticker().running();
            self.exchange(records, size)?
        };
        self.read(at, len, records.len(), quota, out)
    }

    /// Hands the request over; gives the place of the result.
    fn exchange(&mut self, records: &[&[u8]], size: u32) -> Result<(usize, usize), Broken> {
        let broken = |error| Broken::from_wasmtime(&error);
        let at = self.alloc.call(&mut self.store, size).map_err(broken)?;
        if at == 0 {
            return Err(Broken::memory(format!("haetae_alloc({size}) gave 0")));
        }
        let request = part_mut(self.memory.data_mut(&mut self.store), at as usize, size as usize)
            .ok_or_else(|| Broken::bad_output("haetae_alloc gave a place outside the memory"))?;
        abi::write_request(records, request);
        let packed = self.parse.call(&mut self.store, (at, size)).map_err(broken)?;
        Ok(((packed >> 32) as usize, (packed & 0xffff_ffff) as usize))
    }

    fn read(
        &self,
        at: usize,
        len: usize,
        count: usize,
        quota: &Quota,
        out: &mut Batch,
    ) -> Result<(), Broken> {
        if len > quota.output_bytes_max {
            return Err(Broken::bad_output("the result is too long"));
        }
        let memory = self.memory.data(&self.store);
        let end = at.checked_add(len);
        let result = end
            .and_then(|end| memory.get(at..end))
            .ok_or_else(|| Broken::bad_output("the result lies outside the memory"))?;
        abi::read_result(result, count, quota, out).map_err(Broken::bad_output)
    }
}

fn part_mut(memory: &mut [u8], at: usize, len: usize) -> Option<&mut [u8]> {
    memory.get_mut(at..at.checked_add(len)?)
}
