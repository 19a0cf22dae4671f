//! A definition on disk, with its module.

use crate::wiring::{AlarmBell, Sandboxed};
use anyhow::{Context, Result, bail};
use haetae_parse::custom::Kind;
use haetae_parse::{Blueprint, ExtractorFactory, ParserDefinition};
use haetae_sandbox::{MODULE_BYTES_MAX, Parser, Quota, Runtime};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest definition file that is read.
const DEFINITION_BYTES_MAX: u64 = 1 << 20;

/// A version that may not be in the catalog yet.
pub struct Draft {
    pub definition: ParserDefinition,
    /// The file as it is.
    pub text: String,
    /// Empty but for kind `custom`.
    pub module: Vec<u8>,
}

impl Draft {
    /// Reads the definition, and the module it names (beside it) or `module`.
    ///
    /// # Errors
    /// Every mistake of the definition, with its place.
    pub fn read(path: &Path, module: Option<&Path>) -> Result<Draft> {
        let cannot = || format!("cannot read {}", path.display());
        if std::fs::metadata(path).with_context(cannot)?.len() > DEFINITION_BYTES_MAX {
            bail!("{} is too long for a definition", path.display());
        }
        let text = std::fs::read_to_string(path).with_context(cannot)?;
        let name = path.display().to_string();
        let definition = ParserDefinition::parse(&name, &text).map_err(|found| {
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", lines.join("\n"))
        })?;
        let module = match (definition.kind(), module) {
            (Kind::Custom, given) => read_module(&module_path(path, &definition, given)?)?,
            (_, Some(_)) => bail!("--module belongs to kind: custom"),
            (_, None) => Vec::new(),
        };
        Ok(Draft {
            definition,
            text,
            module,
        })
    }

    /// The module as an extractor; `None` for the other kinds.
    ///
    /// # Errors
    /// When the module does not load.
    pub fn extractor(&self) -> Result<Option<Arc<dyn ExtractorFactory>>> {
        if self.definition.kind() != Kind::Custom {
            return Ok(None);
        }
        let runtime = Runtime::new()?;
        let version = self.definition.version().to_string();
        let quota = Quota::default();
        let parser = Parser::load(&runtime, self.definition.id(), &version, &self.module, quota)?;
        let bell = AlarmBell::default();
        Ok(Some(Arc::new(Sandboxed { parser, bell })))
    }

    /// # Errors
    /// As [`Draft::extractor`].
    pub fn blueprint(&self) -> Result<Arc<dyn Blueprint>> {
        let blueprint = self.definition.blueprint(self.extractor()?);
        blueprint.map_err(|found| {
            anyhow::anyhow!("{}", found.first().map(ToString::to_string).unwrap_or_default())
        })
    }
}

fn module_path(path: &Path, definition: &ParserDefinition, given: Option<&Path>) -> Result<PathBuf> {
    if let Some(given) = given {
        return Ok(given.to_path_buf());
    }
    let name = definition
        .module()
        .context("kind: custom needs `module: FILE.wasm`")?;
    Ok(path.parent().unwrap_or(Path::new(".")).join(name))
}

fn read_module(path: &Path) -> Result<Vec<u8>> {
    let cannot = || format!("cannot read the module {}", path.display());
    let length = std::fs::metadata(path).with_context(cannot)?.len();
    if length > MODULE_BYTES_MAX as u64 {
        bail!(
            "{} has {length} bytes, {MODULE_BYTES_MAX} are allowed",
            path.display()
        );
    }
    std::fs::read(path).with_context(cannot)
}
