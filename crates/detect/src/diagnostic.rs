//! What is wrong with a rule, where, and what to do about it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One problem of one rule file. The rule it belongs to does not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Stable, e.g. `sigma-modifier`; for tests and for searching the documentation.
    pub code: String,
    pub file: String,
    /// 1-based; `None` when only the file is known.
    pub line: Option<u64>,
    /// 1-based, in characters.
    pub column: Option<u64>,
    pub message: String,
    /// What would make it load; may be empty.
    pub hint: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        write!(f, ": {} [{}]", self.message, self.code)?;
        if self.hint.is_empty() {
            Ok(())
        } else {
            write!(f, "; {}", self.hint)
        }
    }
}
