//! One VRL program, run on one line at a time.

use bytes::Bytes;
use vrl::compiler::state::RuntimeState;
use vrl::compiler::{Context, Program, TargetValue, TimeZone};
use vrl::value::{ObjectMap, Secrets, Value};

/// A compiled program that reads the line as `.message`.
pub struct Theirs {
    program: Program,
    state: RuntimeState,
    zone: TimeZone,
}

impl Theirs {
    /// # Errors
    /// What the compiler says of the program.
    pub fn compile(source: &str) -> Result<Theirs, String> {
        let functions = vrl::stdlib::all();
        let compiled = vrl::compiler::compile(source, &functions).map_err(|diagnostics| {
            let lines: Vec<String> = diagnostics.iter().map(|d| d.message().to_owned()).collect();
            format!("{source}: {}", lines.join("; "))
        })?;
        Ok(Theirs {
            program: compiled.program,
            state: RuntimeState::default(),
            // A time without a zone is UTC for us too.
            zone: TimeZone::parse("UTC").ok_or("no zone UTC")?,
        })
    }

    /// What the program makes of the line; its values are not copied out.
    ///
    /// # Errors
    /// The program's own: the line is not of its format.
    pub fn read(&mut self, line: Bytes) -> Result<Value, String> {
        let mut target = TargetValue {
            value: Value::Object(ObjectMap::from([("message".into(), Value::Bytes(line))])),
            metadata: Value::Object(ObjectMap::new()),
            secrets: Secrets::default(),
        };
        let mut context = Context::new(&mut target, &mut self.state, &self.zone);
        self.program.resolve(&mut context).map_err(|e| e.to_string())
    }
}

/// The value at a path of keys, as text as our cells are shown: numbers in decimal, times in RFC
/// 3339, lists with spaces between; null, absent and `-` are nothing.
pub fn text(value: &Value, key: &str) -> Option<String> {
    shown(value.as_object()?.get(key)?)
}

/// See [`text`].
pub fn shown(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::String(text) => text.to_string(),
        Value::Integer(n) => n.to_string(),
        Value::Float(n) => n.into_inner().to_string(),
        Value::Boolean(b) => b.to_string(),
        Value::Timestamp(time) => haetae_event::Micros(time.timestamp_micros()).to_string(),
        Value::Array(items) => items.iter().filter_map(shown).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    (!text.is_empty() && text != "-").then_some(text)
}
