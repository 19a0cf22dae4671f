//! Human lines on stderr, or wherever the binary points it.

mod lines;

#[cfg(test)]
mod tests;

use crate::message::message_of;
use crate::notifier::{Delivery, Notifier};
use futures::future::{BoxFuture, FutureExt, ready};
use haetae_event::commit::OutboxRow;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// Whether lines carry ANSI colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    Plain,
    Ansi,
}

/// The channel `console`.
pub struct Console {
    out: Mutex<Box<dyn Write + Send>>,
    colours: Colours,
}

impl Console {
    pub fn new(out: Box<dyn Write + Send>, colours: Colours) -> Self {
        Console {
            out: Mutex::new(out),
            colours,
        }
    }

    pub fn stderr(colours: Colours) -> Self {
        Console::new(Box::new(io::stderr()), colours)
    }

    fn print(&self, row: &OutboxRow) -> Delivery {
        let message = match message_of(row) {
            Ok(message) => message,
            Err(why) => return Delivery::Dead { why },
        };
        let text = lines::render(&message, self.colours);
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Delivery::Delivered,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Delivery::Dead {
                why: "nobody reads the console any more".into(),
            },
            Err(error) => Delivery::Retry {
                after: None,
                why: format!("console: {error}"),
            },
        }
    }
}

impl Notifier for Console {
    fn channel(&self) -> &str {
        "console"
    }

    fn deliver<'a>(&'a self, row: &'a OutboxRow) -> BoxFuture<'a, Delivery> {
        ready(self.print(row)).boxed()
    }
}
