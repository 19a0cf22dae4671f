//! Error logs of nginx and Apache, as they write them to files.
//!
//! nginx: `2026/03/01 12:00:00 [error] PID#TID: *N TEXT, client: ADDRESS, …`
//! Apache: `[Sun Mar 01 12:00:00.123456 2026] [core:error] [pid 1:tid 2] [client ADDRESS:PORT] TEXT`
//! LiteSpeed: `2026-03-01 12:00:00.123456 [NOTICE] [PID] [ADDRESS:PORT:…] TEXT`
//!
//! Both servers can send the same text to syslog; its rows are the same but for the header, so
//! these are rows of [`Dataset::Syslog`] with the server as `appname`. What the texts say is
//! [`crate::syslog_programs`]'s. Times are in the input's zone, UTC unless it was given another.
//!
//! Source: nginx `src/core/ngx_log.c`; Apache httpd documentation, *ErrorLogFormat*.

use crate::block::Framing;
use crate::client::ClientColumns;
use crate::combined::CORE;
use crate::format::{FormatSpec, Recognise};
use crate::json_records::Refusal;
use crate::lines::shown;
use crate::options::ParseOptions;
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::records::{self, MakeLine};
use crate::scalar;
use crate::sheet::Sheet;
use crate::stamp::{self, Calendar};
use crate::syslog_events::EventSlots;
use crate::syslog_programs::{self, web_errors};
use haetae_event::time::SECOND_US;
use haetae_event::{Dataset, Micros, Reason};
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "errorlog",
    aliases: &["error_log", "nginx-error", "apache-error"],
    parser_id: "errorlog@v1",
    about: "error logs of nginx, Apache and LiteSpeed",
    recognise: Recognise::Line(|line| read(line, 0, &Calendar::new(Micros(0), None)).is_some()),
    open: |opening| Box::new(ErrorLog::new(opening.options, opening.framing)),
};

/// Names of the levels, and the code of syslog's severity each is.
const LEVELS: [(&str, usize); 11] = [
    ("emerg", 0),
    ("alert", 1),
    ("crit", 2),
    ("error", 3),
    ("warn", 4),
    ("warning", 4),
    ("notice", 5),
    ("info", 6),
    ("debug", 7),
    ("trace", 7),
    ("stderr", 5),
];

/// Where the parts of a line lie, and what they say.
struct Parts {
    ts: i64,
    server: &'static str,
    severity: usize,
    pid: Option<Range<usize>>,
    /// Of the whole message.
    message: Range<usize>,
}

/// Reads the line, which begins at `base` of its text.
fn read(line: &[u8], base: usize, calendar: &Calendar) -> Option<Parts> {
    let mut parts = match line.first()? {
        b'[' => apache(line, calendar),
        b'0'..=b'9' => nginx(line, calendar).or_else(|| litespeed(line, calendar)),
        _ => None,
    }?;
    parts.message = parts.message.start + base..parts.message.end + base;
    parts.pid = parts.pid.map(|span| span.start + base..span.end + base);
    Some(parts)
}

/// The text between `[` at `at` and its `]`.
fn bracket(line: &[u8], at: usize) -> Option<Range<usize>> {
    if line.get(at) != Some(&b'[') {
        return None;
    }
    let end = memchr::memchr(b']', &line[at..])? + at;
    Some(at + 1..end)
}

/// The severity that a level's name, perhaps behind `module:`, stands for.
fn severity(name: &[u8]) -> Option<usize> {
    let name = name.rsplit(|&b| b == b':').next()?;
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    LEVELS
        .iter()
        .find(|(level, _)| *level == name || name.starts_with("trace") && *level == "trace")
        .map(|(_, code)| *code)
}

fn digits(line: &[u8], at: usize) -> Range<usize> {
    let count = line[at.min(line.len())..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    at..at + count
}

/// `2026/03/01 12:00:00 [error] 31#31: *7 TEXT`
fn nginx(line: &[u8], calendar: &Calendar) -> Option<Parts> {
    let head = line.get(..19)?;
    if head[4] != b'/' || head[7] != b'/' || head[10] != b' ' {
        return None;
    }
    let level = bracket(line, 20)?;
    let pid = digits(line, level.end + 2);
    (!pid.is_empty() && line.get(pid.end) == Some(&b'#')).then_some(())?;
    let mut iso = head.to_vec();
    (iso[4], iso[7]) = (b'-', b'-');
    let ts = calendar.at(stamp::iso(&iso)?)?;
    Some(Parts {
        ts,
        server: "nginx",
        severity: severity(&line[level])?,
        pid: Some(pid.clone()),
        message: pid.start..line.trim_ascii_end().len(),
    })
}

/// `[Sun Mar 01 12:00:00.123456 2026] [core:error] [pid 1:tid 2] TEXT`; older ones without pid.
fn apache(line: &[u8], calendar: &Calendar) -> Option<Parts> {
    let time = bracket(line, 0)?;
    let level = bracket(line, time.end + 2)?;
    let ts = apache_time(&line[time], calendar)?;
    let severity = severity(&line[level.clone()])?;
    let mut message = level.end + 2;
    let mut pid = None;
    if let Some(inner) = bracket(line, message)
        && line[inner.clone()].starts_with(b"pid ")
    {
        pid = Some(digits(line, inner.start + "pid ".len()));
        message = inner.end + 2;
    }
    let end = line.trim_ascii_end().len();
    Some(Parts {
        ts,
        server: "apache",
        severity,
        pid: pid.filter(|span| !span.is_empty()),
        message: message.min(end)..end,
    })
}

/// `Sun Mar 01 12:00:00.123456 2026`
fn apache_time(text: &[u8], calendar: &Calendar) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.split_ascii_whitespace();
    let (_, month, day, time, year) = (
        words.next()?,
        words.next()?,
        words.next()?,
        words.next()?,
        words.next()?,
    );
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let stamp = format!(
        "{:04}-{:02}-{:02}T{clock}",
        year.parse::<u16>().ok()?,
        stamp::month(month.as_bytes())?,
        day.parse::<u8>().ok()?,
    );
    let us = calendar.at(stamp::iso(stamp.as_bytes())?)?;
    let micros = format!("{fraction:0<6}").get(..6)?.parse::<i64>().ok()?;
    us.checked_add(micros.clamp(0, SECOND_US - 1))
}

/// `2026-03-01 12:00:00.123456 [NOTICE] [1226033] [ADDRESS:PORT:…] TEXT`
fn litespeed(line: &[u8], calendar: &Calendar) -> Option<Parts> {
    let stamp = stamp::iso(line)?;
    let level = bracket(line, stamp.len + 1)?;
    let pid = bracket(line, level.end + 2)?;
    let inner = digits(line, pid.start);
    (inner == pid && !pid.is_empty()).then_some(())?;
    let end = line.trim_ascii_end().len();
    Some(Parts {
        ts: calendar.at(stamp)?,
        server: "litespeed",
        severity: severity(&line[level])?,
        message: (pid.end + 2).min(end)..end,
        pid: Some(pid),
    })
}

/// Parser of error logs.
pub struct ErrorLog {
    plan: Plan,
    framing: Framing,
    record_bytes_max: usize,
    rows: Rows,
}

struct Rows {
    calendar: Calendar,
    client: ClientColumns,
    events: EventSlots,
    severity: Slot,
    severity_code: Slot,
    appname: Slot,
    procid: Slot,
    message: Slot,
    raw: Slot,
}

impl ErrorLog {
    pub fn new(options: &ParseOptions, framing: Framing) -> Self {
        let plan = Plan::new(Dataset::Syslog, CORE, &options.columns);
        let rows = Rows {
            calendar: Calendar::new(options.arrival, options.time_zone.as_ref()),
            client: ClientColumns::new(&plan, &options.client_ip),
            events: EventSlots::new(&plan),
            severity: plan.slot("severity"),
            severity_code: plan.slot("severity_code"),
            appname: plan.slot("appname"),
            procid: plan.slot("procid"),
            message: plan.slot("message"),
            raw: plan.slot("raw"),
        };
        ErrorLog {
            plan,
            framing,
            record_bytes_max: options.limits.record_bytes_max,
            rows,
        }
    }
}

impl Parser for ErrorLog {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::Syslog
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        records::parse(
            block,
            &self.plan,
            self.framing,
            self.record_bytes_max,
            &mut self.rows,
        )
    }
}

impl MakeLine for Rows {
    fn row(&mut self, sheet: &mut Sheet<'_>, span: Range<usize>) -> Result<i64, Refusal> {
        let text = sheet.text();
        let line = &text.as_bytes()[span.clone()];
        let Some(parts) = read(line, span.start, &self.calendar) else {
            return Err((
                Reason::BadField,
                format!("no line of an error log: {:?}", shown(line)),
            ));
        };
        let row = sheet.row();
        sheet.put_span(self.raw, row, span);
        sheet.put_str(self.appname, row, parts.server);
        sheet.put_str(self.severity, row, crate::syslog::SEVERITIES[parts.severity]);
        sheet.put_i32(self.severity_code, row, parts.severity as i32);
        if let Some(pid) = parts.pid {
            sheet.put_span(self.procid, row, pid);
        }
        let Some(message) = text.get(parts.message.clone()).filter(|m| !m.is_empty()) else {
            return Ok(parts.ts);
        };
        sheet.put_span(self.message, row, parts.message.clone());
        if self.events.wanted() {
            let said = match parts.server {
                "litespeed" => web_errors::litespeed(message),
                server => syslog_programs::read(server, message),
            };
            if let Some(said) = said {
                self.events.put(sheet, &said, parts.message.start);
                if let Some(address) = &said.address {
                    let address = parts.message.start + address.start..parts.message.start + address.end;
                    if scalar::address(&text[address.clone()]).is_some() {
                        self.client.put(sheet, row, address, None);
                    }
                }
            }
        }
        Ok(parts.ts)
    }
}
