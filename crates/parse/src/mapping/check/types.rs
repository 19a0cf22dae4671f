//! Whether what an expression gives can fit its column.

use super::{Checker, Place};
use crate::mapping::cell::{self, Cell, Home, Span, Texts};
use crate::mapping::functions::{self, Type};
use crate::mapping::syntax::{Expr, ExprKind};
use crate::mapping::target::{Column, Kind};
use crate::mapping::times::{self, Zone};

impl Checker {
    /// Whether what the expression can give may fit the column; each branch by itself.
    pub(super) fn fits(&mut self, place: Place<'_>, expr: &Expr, column: Column) {
        match &expr.kind {
            ExprKind::First(choices) => choices.iter().for_each(|choice| self.fits(place, choice, column)),
            ExprKind::Default(main, other) => {
                self.fits(place, main, column);
                self.fits(place, other, column);
            }
            ExprKind::Call { name, args, .. } if name == "if" => {
                args.iter().skip(1).for_each(|arg| self.fits(place, arg, column));
            }
            ExprKind::Call { name, args, .. } if name == "coalesce" => {
                args.iter().for_each(|arg| self.fits(place, arg, column));
            }
            _ => {
                let given = self.gives(expr);
                if !self.may_fit(&expr.kind, given, column.kind) {
                    let message = format!(
                        "the column `{}` takes {}, this is {}",
                        column.name,
                        column.kind.name(),
                        type_name(given)
                    );
                    let hint = fitting_cast(column.kind).map(str::to_owned);
                    self.error(place, expr.span.clone(), "type_mismatch", message, hint);
                }
            }
        }
    }

    fn gives(&self, expr: &Expr) -> Type {
        match &expr.kind {
            ExprKind::Int(_) => Type::Int,
            ExprKind::Float(_) => Type::Float,
            ExprKind::Text(_) => Type::Text,
            ExprKind::Bool(_) => Type::Bool,
            ExprKind::Call { name, .. } => functions::find(name).map_or(Type::Any, |f| f.gives),
            ExprKind::Name(name) => match self.mapping.position(name) {
                Some(at) => type_of(self.mapping.targets[at].column.kind),
                None => Type::Text,
            },
            ExprKind::Path(_) | ExprKind::First(_) | ExprKind::Default(..) => Type::Any,
        }
    }

    /// Literals are tried; of other values the type decides.
    fn may_fit(&self, kind: &ExprKind, given: Type, column: Kind) -> bool {
        if let ExprKind::Text(text) = kind {
            return text_fits(text, column);
        }
        match (given, column) {
            (Type::Any | Type::Text, _) | (_, Kind::Text) => true,
            (Type::Int, Kind::Bool) => !matches!(kind, ExprKind::Int(number) if !(0..=1).contains(number)),
            (Type::Int, Kind::I32) => !matches!(kind, ExprKind::Int(n) if i32::try_from(*n).is_err()),
            (Type::Int | Type::Float, Kind::I64 | Kind::I32 | Kind::F64 | Kind::Ts) => true,
            (Type::Bool, Kind::Bool) | (Type::Time, Kind::Ts) => true,
            _ => false,
        }
    }
}

fn text_fits(text: &str, column: Kind) -> bool {
    let texts = Texts {
        block: text,
        arena: "",
        literals: "",
        extracted: "",
    };
    let value = Cell::Text(Span::new(Home::Block, 0..text.len()));
    match column {
        Kind::Text => true,
        Kind::I32 => cell::int(&texts, value).is_some_and(|n| i32::try_from(n).is_ok()),
        Kind::I64 => cell::int(&texts, value).is_some(),
        Kind::F64 => cell::float(&texts, value).is_some(),
        Kind::Bool => cell::boolean(&texts, value).is_some(),
        Kind::Ip => haetae_event::net::parse_address(text).is_some(),
        Kind::Ts => times::recognise(text, haetae_event::Micros(0), &mut Zone::utc()).is_some(),
    }
}

fn type_of(kind: Kind) -> Type {
    match kind {
        Kind::Ts => Type::Time,
        Kind::Text | Kind::Ip => Type::Text,
        Kind::I32 | Kind::I64 => Type::Int,
        Kind::F64 => Type::Float,
        Kind::Bool => Type::Bool,
    }
}

fn type_name(given: Type) -> &'static str {
    match given {
        Type::Any => "a field",
        Type::Text => "text",
        Type::Int => "a whole number",
        Type::Float => "a number",
        Type::Bool => "a truth value",
        Type::Time => "a time",
    }
}

fn fitting_cast(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Ts => Some("map a time, or the number of seconds since 1970"),
        Kind::Text => None,
        Kind::Ip => Some("map an address such as 192.0.2.1"),
        Kind::I32 | Kind::I64 => Some("write int(…), or if(condition, 1, 0)"),
        Kind::F64 => Some("write float(…)"),
        Kind::Bool => Some("write bool(…), or a comparison such as equals(a, b)"),
    }
}
