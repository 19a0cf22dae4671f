//! The door: text to one SELECT, and nothing else.

use crate::error::QueryError;
use datafusion::error::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, ExplainStatement, Statement};
use datafusion::sql::sqlparser::ast::{self, Expr, Ident, SetExpr};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use std::ops::ControlFlow;

/// Longest query text.
pub(crate) const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Most tokens that are not a literal or a comma: each may deepen the expression tree, and tree
/// walks are recursive. A long list of values costs nothing here.
const DEEPENING_TOKENS_MAX: usize = 1_000;

/// Parses `text` into one SELECT, or EXPLAIN of one.
pub(crate) fn parse(text: &str) -> Result<Statement, QueryError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(QueryError::Refused(format!(
            "the text is longer than {TEXT_BYTES_MAX} bytes"
        )));
    }
    let parse_error = |error: &DataFusionError| QueryError::from_datafusion(error, 0);
    check_size(text)?;
    let mut statements = DFParserBuilder::new(text)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| parse_error(&error))?;
    let statement = match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => statement,
        (None, _) => return Err(QueryError::Refused("the text is empty".into())),
        (Some(_), more) => {
            return Err(QueryError::Refused(format!(
                "the text holds {} statements",
                more + 1
            )));
        }
    };
    check_select(&statement)?;
    Ok(statement)
}

fn check_size(text: &str) -> Result<(), QueryError> {
    // A text that cannot be cut into tokens is reported by the parser, with its place.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, text).tokenize() else {
        return Ok(());
    };
    let deepening = tokens
        .iter()
        .filter(|token| {
            !matches!(
                token,
                Token::Whitespace(_) | Token::Comma | Token::Number(..) | Token::SingleQuotedString(_)
            )
        })
        .count();
    if deepening > DEEPENING_TOKENS_MAX {
        return Err(QueryError::Refused(format!(
            "the query has more than {DEEPENING_TOKENS_MAX} words and signs"
        )));
    }
    Ok(())
}

fn check_select(statement: &Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(inner) => check_query(inner),
        Statement::Explain(ExplainStatement { statement, .. }) => check_select(statement),
        Statement::CopyTo(_) => refuse("COPY writes files"),
        Statement::CreateExternalTable(_) => refuse("tables cannot be created"),
        Statement::Reset(_) => refuse("settings cannot be changed"),
    }
}

fn refuse(why: &str) -> Result<(), QueryError> {
    Err(QueryError::Refused(why.into()))
}

fn check_query(statement: &ast::Statement) -> Result<(), QueryError> {
    let ast::Statement::Query(query) = statement else {
        let text = statement.to_string();
        let verb = text.split_whitespace().next().unwrap_or_default();
        return refuse(&format!("{verb} is not a SELECT"));
    };
    check_body(&query.body)
}

fn check_body(body: &SetExpr) -> Result<(), QueryError> {
    match body {
        SetExpr::Select(select) if select.into.is_some() => refuse("SELECT INTO creates a table"),
        SetExpr::Select(_) | SetExpr::Values(_) => Ok(()),
        SetExpr::Query(query) => check_body(&query.body),
        SetExpr::SetOperation { left, right, .. } => check_body(left).and_then(|()| check_body(right)),
        other => {
            let text = other.to_string();
            refuse(&format!(
                "{} is not a SELECT",
                text.split_whitespace().next().unwrap_or_default()
            ))
        }
    }
}

/// Replaces column `name` (with `qualifier`, as the planner reported them) by `vendor`, quoted.
/// Returns how many places changed.
pub(crate) fn rename_column(
    statement: &mut Statement,
    qualifier: Option<&str>,
    name: &str,
    vendor: &str,
) -> usize {
    let mut changed = 0;
    let Some(inner) = inner_mut(statement) else {
        return 0;
    };
    let flat = qualifier.map(|qualifier| format!("{qualifier}.{name}"));
    let _ = ast::visit_expressions_mut(inner, |expr| {
        match expr {
            Expr::Identifier(ident) if normalised(ident) == name => {
                *ident = Ident::with_quote('"', vendor);
                changed += 1;
            }
            Expr::CompoundIdentifier(parts) => {
                let joined = parts.iter().map(normalised).collect::<Vec<_>>().join(".");
                // `httpRequest.clientIp` without quotes: the dot is part of the vendor's name.
                let dotted = vendor.contains('.') && vendor.eq_ignore_ascii_case(&joined);
                if dotted {
                    *expr = Expr::Identifier(Ident::with_quote('"', vendor));
                    changed += 1;
                } else if parts.last().is_some_and(|last| normalised(last) == name)
                    && flat.as_ref().is_none_or(|flat| *flat == joined)
                    && let Some(last) = parts.last_mut()
                {
                    *last = Ident::with_quote('"', vendor);
                    changed += 1;
                }
            }
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    changed
}

fn inner_mut(statement: &mut Statement) -> Option<&mut ast::Statement> {
    match statement {
        Statement::Statement(inner) => Some(inner),
        Statement::Explain(explain) => inner_mut(&mut explain.statement),
        _ => None,
    }
}

/// As the planner normalises it: lower case unless quoted.
fn normalised(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}
