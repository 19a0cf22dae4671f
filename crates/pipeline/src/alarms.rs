//! What stopped working and needs a person, as messages to every channel.

use crate::driver::DriverOptions;
use haetae_event::commit::CommitUnit;
use haetae_event::{Level, Micros};
use haetae_incident::{Message, Outgoing};

/// Adds one message for each alarm.
pub fn tell(alarms: &[String], now: Micros, options: &DriverOptions, unit: &mut CommitUnit) {
    let language = options.fold.language;
    for (number, alarm) in alarms.iter().enumerate() {
        let message = Message {
            kind: "alarm".to_owned(),
            level: Some(Level::High),
            title: language
                .pick("해태의 한 부분이 멈췄습니다", "a part of Haetae has stopped")
                .to_owned(),
            summary: alarm.clone(),
            language,
            demo: options.fold.demo,
            ..Message::default()
        };
        let outgoing = Outgoing {
            id: format!("alarm-{}-{number}", now.0),
            message,
        };
        unit.outbox.extend(outgoing.rows(&options.channels, now));
    }
}
