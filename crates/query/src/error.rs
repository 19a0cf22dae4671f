//! What can go wrong with a query, by whose fault it is.

use crate::names;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

/// Errors of a query. The text is for people and names nothing inside the machine.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Not a single SELECT.
    #[error("only one SELECT is allowed: {0}")]
    Refused(String),
    #[error("syntax error at {line}:{column}: {message}")]
    Syntax { line: u64, column: u64, message: String },
    /// A table, column or function that does not exist.
    #[error("{message}{}", .hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    UnknownName { message: String, hint: Option<String> },
    /// The query cannot be planned or computed as written.
    #[error("{0}")]
    Invalid(String),
    #[error("the query ran longer than {seconds} s; narrow the time range")]
    TimedOut { seconds: u64 },
    #[error(
        "the query needs more than its {mib} MiB of memory; group by fewer keys or narrow the time range"
    )]
    TooMuchMemory { mib: usize },
    /// The catalog or a segment could not be read.
    #[error("the store cannot be read: {0}")]
    Store(String),
    /// Not the caller's fault.
    #[error("internal error: {0}")]
    Internal(String),
}

impl QueryError {
    /// Stable code for machines.
    pub fn code(&self) -> &'static str {
        match self {
            QueryError::Refused(_) => "query_refused",
            QueryError::Syntax { .. } => "query_syntax",
            QueryError::UnknownName { .. } => "query_unknown_name",
            QueryError::Invalid(_) => "query_invalid",
            QueryError::TimedOut { .. } => "query_timeout",
            QueryError::TooMuchMemory { .. } => "query_memory",
            QueryError::Store(_) => "query_store",
            QueryError::Internal(_) => "query_internal",
        }
    }

    /// Whether another query text would help.
    pub fn is_callers_fault(&self) -> bool {
        !matches!(self, QueryError::Store(_) | QueryError::Internal(_))
    }

    pub(crate) fn from_datafusion(error: &DataFusionError, memory_bytes_max: usize) -> QueryError {
        let root = root(error);
        match root {
            DataFusionError::SQL(parser, _) => syntax(&parser.to_string()),
            DataFusionError::SchemaError(schema, _) => from_schema(schema),
            DataFusionError::ResourcesExhausted(_) => QueryError::TooMuchMemory {
                mib: memory_bytes_max >> 20,
            },
            DataFusionError::Plan(message) => from_plan(message),
            DataFusionError::NotImplemented(message) | DataFusionError::Execution(message) => {
                QueryError::Invalid(first_line(message))
            }
            DataFusionError::ArrowError(error, _) => QueryError::Invalid(first_line(&error.to_string())),
            DataFusionError::ObjectStore(_)
            | DataFusionError::IoError(_)
            | DataFusionError::ParquetError(_) => QueryError::Store(first_line(&root.to_string())),
            DataFusionError::External(inner) => QueryError::Store(first_line(&inner.to_string())),
            other => QueryError::Internal(first_line(&other.to_string())),
        }
    }
}

/// The error under DataFusion's wrappers.
pub(crate) fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(errors) => errors.first().map_or(error, root),
        other => other,
    }
}

fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(500)
        .collect()
}

/// sqlparser writes the place as `… at Line: 1, Column: 8`.
fn syntax(text: &str) -> QueryError {
    let text = text.trim_start_matches("sql parser error: ");
    let number = |label: &str| {
        let rest = &text[text.rfind(label)? + label.len()..];
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    };
    let message = text.split(" at Line: ").next().unwrap_or(text);
    match (number("Line: "), number("Column: ")) {
        (Some(line), Some(column)) => QueryError::Syntax {
            line,
            column,
            message: first_line(message),
        },
        _ => QueryError::Invalid(first_line(text)),
    }
}

fn from_schema(error: &SchemaError) -> QueryError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => QueryError::UnknownName {
            message: format!("there is no column {:?}", field.name()),
            hint: names::column_hint(field.name(), valid_fields.iter().map(|c| c.name())),
        },
        other => QueryError::Invalid(first_line(&other.to_string())),
    }
}

fn from_plan(message: &str) -> QueryError {
    let line = first_line(message);
    let Some(table) = line
        .strip_prefix("table '")
        .and_then(|rest| rest.split('\'').next())
        .filter(|_| line.contains("not found"))
    else {
        return QueryError::Invalid(line);
    };
    let table = table.trim_start_matches("datafusion.public.");
    QueryError::UnknownName {
        message: format!("there is no table {table:?}"),
        hint: Some(names::table_hint(table)),
    }
}
