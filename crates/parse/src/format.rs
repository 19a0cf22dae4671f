//! The formats, their names on the command line, and the one list of them.

use crate::block::Framing;
use crate::json_scan::{self, Wrapper};
use crate::options::ParseOptions;
use crate::parser::Parser;
use crate::{
    alb, cef, cloudfront, cloudfront_json, cloudfront_realtime, cloudtrail, combined, elb, error_log, gelf,
    iis, json, leef, logfmt, nlb, route53, s3access, sniff, syslog, vpcflow, vpcflow_message, waf,
};
use haetae_event::Dataset;
use std::fmt;
use std::str::FromStr;

/// What one format is: how it is named, recognised and read.
pub struct FormatSpec {
    /// The name `--format` takes.
    pub name: &'static str,
    /// Other names people use, lower case.
    pub aliases: &'static [&'static str],
    /// Name and version of its parser: `alb@v1`.
    pub parser_id: &'static str,
    /// What it reads, for people.
    pub about: &'static str,
    pub recognise: Recognise,
    pub open: fn(&Opening<'_>) -> Box<dyn Parser>,
}

/// By what the beginning of an input shows the format.
pub enum Recognise {
    /// Each line votes; the line comes without its end and is neither empty nor JSON. Lines that
    /// begin with `#` are shown too.
    Line(fn(&[u8]) -> bool),
    /// The input begins with `{` or `[{`; given the head from there. The first format in the list
    /// that says yes is taken, so the general ones stand last.
    Object(fn(&[u8]) -> bool),
    /// As [`Recognise::Object`]; and the records may be the elements of the array that an object
    /// holds under this name, as in `{"Records":[…]}`.
    Wrapped(&'static str, fn(&[u8]) -> bool),
    /// The whole head, before anything else is looked at (binary formats).
    Head(fn(&[u8]) -> bool),
    /// Only when it is named.
    Never,
}

/// What a parser is opened with.
pub struct Opening<'a> {
    /// The beginning of the input.
    pub head: &'a [u8],
    /// How its records are told apart.
    pub framing: Framing,
    pub options: &'a ParseOptions,
}

/// The one list of formats. Of equal votes the first wins.
static FORMATS: &[&FormatSpec] = &[
    &cloudfront::SPEC,
    &cloudfront_json::SPEC,
    &cloudfront_realtime::SPEC,
    &iis::SPEC,
    &vpcflow::SPEC,
    &vpcflow_message::SPEC,
    &waf::SPEC,
    &alb::SPEC,
    &nlb::SPEC,
    &elb::SPEC,
    &s3access::SPEC,
    &cloudtrail::SPEC,
    &route53::SPEC,
    &route53::ZONE,
    &gelf::SPEC,
    &cef::SPEC,
    &leef::SPEC,
    &error_log::SPEC,
    &syslog::SPEC,
    &combined::SPEC,
    &logfmt::SPEC,
    &json::SPEC,
];

/// A log format this crate can read.
#[derive(Clone, Copy)]
pub struct Format(&'static FormatSpec);

impl Format {
    /// Every format, in the order of the list.
    pub fn all() -> impl Iterator<Item = Format> {
        FORMATS.iter().map(|spec| Format(spec))
    }

    /// The name `--format` takes.
    pub fn as_str(self) -> &'static str {
        self.0.name
    }

    pub fn spec(self) -> &'static FormatSpec {
        self.0
    }

    /// Where its events go; what of `json` is no access record goes to `app`.
    pub fn dataset(self) -> Dataset {
        let options = ParseOptions::default();
        let opening = Opening {
            head: &[],
            framing: Framing::Lines,
            options: &options,
        };
        (self.0.open)(&opening).dataset()
    }

    /// All names, for messages: `cloudfront, vpcflow, …`.
    pub fn names() -> String {
        FORMATS
            .iter()
            .map(|spec| spec.name)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The format that a configured field list is one of; VPC Flow Logs when no other is.
    pub(crate) fn of_fields(options: &ParseOptions) -> Format {
        let spec = match cloudfront::configured(options) {
            Some(names) if names.contains(&"timestamp") => &cloudfront_realtime::SPEC,
            Some(names) if iis::names_its_own(names.join(" ").as_bytes()) == Some(true) => &iis::SPEC,
            Some(_) => &cloudfront::SPEC,
            None => &vpcflow::SPEC,
        };
        Format(spec)
    }

    /// Whether the format's records are JSON objects, which need not end with their line.
    pub fn is_json(self) -> bool {
        matches!(self.0.recognise, Recognise::Object(_) | Recognise::Wrapped(..))
    }

    /// How the records of an input that begins with `head` are told apart.
    pub fn framing(self, head: &[u8]) -> Framing {
        if let Recognise::Wrapped(key, _) = self.0.recognise
            && let Some(start) = head.iter().position(|b| !b.is_ascii_whitespace())
            && let Wrapper::Opens(_) = json_scan::wrapper(head, start, key)
        {
            return Framing::Elements(key);
        }
        if self.is_json() {
            sniff::framing(head)
        } else {
            sniff::line_framing(self, head)
        }
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Format) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Format {}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

/// The text names no format.
#[derive(Debug, thiserror::Error)]
#[error("unknown format {0:?}; one of {known}", known = Format::names())]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let name = text.to_ascii_lowercase();
        FORMATS
            .iter()
            .find(|spec| spec.name == name || spec.aliases.contains(&name.as_str()))
            .map(|spec| Format(spec))
            .ok_or_else(|| UnknownFormat(text.chars().take(40).collect()))
    }
}
