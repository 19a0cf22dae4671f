//! The message inside an outbox row.

use haetae_event::commit::OutboxRow;
use haetae_incident::Message;

/// Reads the message inside a row.
///
/// # Errors
/// With a text for the operator, when the payload is not a message (a row of a newer version);
/// no retry can help.
pub(crate) fn message_of(row: &OutboxRow) -> Result<Message, String> {
    // serde also reads a struct from an array; a message is an object.
    if !row.payload.trim_start().starts_with('{') {
        return Err("payload is not a message".to_owned());
    }
    serde_json::from_str(&row.payload).map_err(|error| format!("payload is not a message: {error}"))
}
