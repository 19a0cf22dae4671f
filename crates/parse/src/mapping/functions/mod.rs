//! The functions of expressions: one table, from which the reference is generated.

mod address;
mod body;
pub mod casts;
mod logic;
mod text;
mod url;

pub use body::json_cell;

use super::cell::{Cell, Texts};
use super::syntax::Step;
use super::times::{DIRECTIVES, Format, Zone};
use haetae_event::Micros;
use regex::Regex;
use std::fmt::Write;

/// What an expression gives, as far as it is known before there is a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A field of a record.
    Any,
    Text,
    Int,
    Float,
    Bool,
    Time,
}

/// Text in the making, bounded.
pub struct Out {
    pub text: String,
    /// Most bytes of `text`.
    pub limit: usize,
}

impl Out {
    /// `None` when the text would grow beyond its limit.
    pub fn push(&mut self, part: &str) -> Option<()> {
        if self.text.len() + part.len() > self.limit {
            return None;
        }
        self.text.push_str(part);
        Some(())
    }
}

/// What a call gave.
pub enum Made {
    Cell(Cell),
    /// The text in [`Out`].
    Text,
    /// The value cannot be made into what was asked for.
    Failed,
    /// The text would be longer than a record's share.
    TooLong,
}

impl Made {
    const MISSING: Made = Made::Cell(Cell::Missing);

    /// The text in `out` after it was pushed.
    fn pushed(done: Option<()>) -> Made {
        done.map_or(Made::TooLong, |()| Made::Text)
    }
}

/// What is made of literal arguments once, when the expression is compiled.
#[derive(Clone, Debug)]
pub enum Prepared {
    Nothing,
    Regex(Regex),
    Path(Vec<Step>),
    /// `None` recognises the time by its shape; the zone's place in the mapping's list.
    Time(Option<Format>, usize),
}

/// What a function sees of one record.
pub struct Row<'a> {
    pub texts: Texts<'a>,
    pub out: &'a mut Out,
    pub prepared: &'a Prepared,
    pub arrival: Micros,
    pub zones: &'a mut [Zone],
}

pub type RowFn = fn(&mut Row<'_>, &[Cell]) -> Made;

/// How a function is run.
#[derive(Clone, Copy)]
pub enum Run {
    /// On each record, all arguments known.
    Row(RowFn),
    /// Only the branch that is chosen is looked at.
    If,
    /// The first argument that is there.
    First,
}

/// Which literal arguments are prepared, and into what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepare {
    Nothing,
    /// The second argument.
    Regex,
    /// The second argument.
    Path,
    /// The second and third arguments.
    Time,
}

/// One function.
#[derive(Clone, Copy)]
pub struct Function {
    pub name: &'static str,
    pub signature: &'static str,
    pub doc: &'static str,
    /// An expression without paths.
    pub example: &'static str,
    /// What the example gives; `∅` when that is nothing.
    pub result: &'static str,
    pub args_min: usize,
    pub args_max: usize,
    pub gives: Type,
    pub prepare: Prepare,
    /// Places of arguments that must be whole numbers written out.
    pub numbers: &'static [usize],
    pub run: Run,
}

/// Most arguments of a call.
pub const ARGUMENTS_MAX: usize = 16;

const fn function(
    signature: &'static str,
    doc: &'static str,
    example: (&'static str, &'static str),
    args: (usize, usize),
    gives: Type,
    run: Run,
) -> Function {
    // The name is what stands before the parenthesis.
    let bytes = signature.as_bytes();
    let mut length = 0;
    while bytes[length] != b'(' {
        length += 1;
    }
    Function {
        name: signature.split_at(length).0,
        signature,
        doc,
        example: example.0,
        result: example.1,
        args_min: args.0,
        args_max: args.1,
        gives,
        prepare: Prepare::Nothing,
        numbers: &[],
        run,
    }
}

const fn prepared(prepare: Prepare, function: Function) -> Function {
    Function { prepare, ..function }
}

const fn numbered(numbers: &'static [usize], function: Function) -> Function {
    Function { numbers, ..function }
}

/// Every function, by subject.
#[rustfmt::skip]
pub static FUNCTIONS: &[Function] = &[
    function("int(value)", "A whole number: from a number, its text, or a truth value.", ("int('42')", "42"), (1, 1), Type::Int, Run::Row(casts::int)),
    function("float(value)", "A number.", ("float('0.25')", "0.25"), (1, 1), Type::Float, Run::Row(casts::float)),
    function("bool(value)", "A truth value: true/false, yes/no, on/off, y/n, t/f, 1/0.", ("bool('yes')", "true"), (1, 1), Type::Bool, Run::Row(casts::boolean)),
    function("text(value)", "The value as text.", ("text(42)", "42"), (1, 1), Type::Text, Run::Row(casts::text)),
    function("ip(value)", "An address in its canonical form, without port or brackets.", ("ip('[2001:DB8::1]:443')", "2001:db8::1"), (1, 1), Type::Text, Run::Row(casts::ip)),
    prepared(Prepare::Time, function("time(value, 'format', 'zone')", "A time. Without a format it is recognised by its shape: RFC 3339, Unix time in s, ms, µs or ns, common log format, RFC 3164. The format takes the directives of strptime. The zone is that of times without an offset; without it the definition's.", ("time('02.01.2026 03:04:05', '%d.%m.%Y %H:%M:%S', 'Asia/Seoul')", "2026-01-01T18:04:05Z"), (1, 3), Type::Time, Run::Row(casts::time))),
    function("lower(text)", "The text in lower case.", ("lower('GeT')", "get"), (1, 1), Type::Text, Run::Row(text::lower)),
    function("upper(text)", "The text in upper case.", ("upper('get')", "GET"), (1, 1), Type::Text, Run::Row(text::upper)),
    function("trim(text)", "The text without white space at its ends.", ("trim('  a b ')", "a b"), (1, 1), Type::Text, Run::Row(text::trim)),
    function("concat(value, …)", "The values' texts one behind the other; nothing when one of them is missing.", ("concat('/a', '?', 'x=1')", "/a?x=1"), (1, ARGUMENTS_MAX), Type::Text, Run::Row(text::concat)),
    function("replace(text, from, to)", "The text with every `from` replaced.", ("replace('a-b-c', '-', '/')", "a/b/c"), (3, 3), Type::Text, Run::Row(text::replace)),
    numbered(&[2], function("split_part(text, separator, n)", "The n-th part, counted from 1; from the end when n is negative.", ("split_part('a,b,c', ',', -1)", "c"), (3, 3), Type::Text, Run::Row(text::split_part))),
    numbered(&[1, 2], function("substring(text, start, length)", "Characters from `start`, counted from 0, to the end or `length` of them.", ("substring('abcdef', 2, 3)", "cde"), (2, 3), Type::Text, Run::Row(text::substring))),
    function("before(text, separator)", "What stands before the first separator; nothing without one.", ("before('host:443', ':')", "host"), (2, 2), Type::Text, Run::Row(text::before)),
    function("after(text, separator)", "What stands behind the first separator; nothing without one.", ("after('Bearer abc', ' ')", "abc"), (2, 2), Type::Text, Run::Row(text::after)),
    prepared(Prepare::Regex, function("extract(text, 'pattern')", "The pattern's first group, or the whole match when it has none.", ("extract('id=17;', 'id=([0-9]+)')", "17"), (2, 2), Type::Text, Run::Row(text::extract))),
    function("len(text)", "Number of characters.", ("len('한글')", "2"), (1, 1), Type::Int, Run::Row(text::len)),
    function("url_path(url)", "The path of a URL or of a request's target.", ("url_path('https://h.example/a/b?x=1#f')", "/a/b"), (1, 1), Type::Text, Run::Row(url::path)),
    function("url_query(url)", "What stands behind the question mark.", ("url_query('/a/b?x=1&y=2#f')", "x=1&y=2"), (1, 1), Type::Text, Run::Row(url::query)),
    function("url_host(url)", "The host of an absolute URL, without user and port.", ("url_host('https://u@h.example:8443/a')", "h.example"), (1, 1), Type::Text, Run::Row(url::host)),
    function("url_decode(text)", "The text with every %XX undone once.", ("url_decode('a%20b%2520c')", "a b%20c"), (1, 1), Type::Text, Run::Row(url::decode)),
    prepared(Prepare::Path, function("json_get(text, 'path')", "A value inside a text that is JSON.", (r#"json_get('{"a":{"b":[7,8]}}', 'a.b[1]')"#, "8"), (2, 2), Type::Any, Run::Row(body::json_get))),
    numbered(&[1, 2], function("truncate(ip, bits, bits6)", "The network of an address: `bits` of a v4 address, `bits6` of a v6 one, 48 when left out.", ("truncate('192.0.2.77', 24)", "192.0.2.0/24"), (2, 3), Type::Text, Run::Row(address::truncate))),
    function("sig(text)", "The signature of parameters: their names and the classes of their values.", ("sig('q=kim&page=3')", "page:int&q:word"), (1, 1), Type::Text, Run::Row(body::sig)),
    function("entropy(text)", "Shannon entropy in bits a byte.", ("entropy('abab')", "1"), (1, 1), Type::Float, Run::Row(body::entropy)),
    function("sha256(text)", "SHA-256 in hexadecimal digits.", ("substring(sha256('abc'), 0, 16)", "ba7816bf8f01cfea"), (1, 1), Type::Text, Run::Row(body::sha256)),
    function("mime(text)", "The media type a body looks like, also when it is Base64.", ("mime('%PDF-1.7')", "application/pdf"), (1, 1), Type::Text, Run::Row(body::mime)),
    function("summary(body)", "A body as it is when it is text; of a binary or multipart one its media type, its length in bytes and the beginning of its SHA-256.", ("summary('%PDF-1.7')", "application/pdf 8 sha256:86edbaa24831badf"), (1, 1), Type::Text, Run::Row(body::summary)),
    function("if(condition, value, other)", "`value` where the condition is true, else `other`, or nothing.", ("if(equals('BLOCK', 'BLOCK'), 1, 0)", "1"), (2, 3), Type::Any, Run::If),
    function("equals(a, b)", "Whether both values have the same text.", ("equals(200, '200')", "true"), (2, 2), Type::Bool, Run::Row(logic::equals)),
    function("contains(text, part)", "Whether the text holds the part.", ("contains('/admin/x', 'admin')", "true"), (2, 2), Type::Bool, Run::Row(logic::contains)),
    function("starts_with(text, part)", "Whether the text begins with the part.", ("starts_with('/admin/x', '/admin')", "true"), (2, 2), Type::Bool, Run::Row(logic::starts_with)),
    function("ends_with(text, part)", "Whether the text ends with the part.", ("ends_with('a.php', '.php')", "true"), (2, 2), Type::Bool, Run::Row(logic::ends_with)),
    prepared(Prepare::Regex, function("matches(text, 'pattern')", "Whether the pattern is found in the text.", ("matches('curl/8.1', '^(curl|wget)/')", "true"), (2, 2), Type::Bool, Run::Row(logic::matches))),
    function("greater(a, b)", "Whether the first number is greater.", ("greater('81', 80)", "true"), (2, 2), Type::Bool, Run::Row(logic::greater)),
    function("less(a, b)", "Whether the first number is less.", ("less(1.5, 2)", "true"), (2, 2), Type::Bool, Run::Row(logic::less)),
    function("not(condition)", "The opposite.", ("not(false)", "true"), (1, 1), Type::Bool, Run::Row(logic::not)),
    function("any(condition, …)", "Whether one of the conditions is true.", ("any(false, true)", "true"), (1, ARGUMENTS_MAX), Type::Bool, Run::Row(logic::any)),
    function("all(condition, …)", "Whether all conditions are true.", ("all(true, false)", "false"), (1, ARGUMENTS_MAX), Type::Bool, Run::Row(logic::all)),
    function("coalesce(value, …)", "The first value that is there, as `||` does.", ("coalesce(substring('', 0), 'b')", "b"), (1, ARGUMENTS_MAX), Type::Any, Run::First),
];

/// The function of that name.
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The tables as Markdown: each function's signature, what it does, an example and what that
/// gives; then the directives of time formats.
pub fn functions_reference() -> String {
    let mut out = String::from("| function | gives | example | result |\n|---|---|---|---|\n");
    let cell = |text: &str| text.replace('|', "\\|");
    for function in FUNCTIONS {
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "| `{}` | {} | `{}` | `{}` |",
            cell(function.signature),
            cell(function.doc),
            cell(function.example),
            cell(function.result)
        );
    }
    out.push_str("\n| directive of `time` | reads |\n|---|---|\n");
    for (directive, reads) in DIRECTIVES {
        let _ = writeln!(out, "| `%{directive}` | {reads} |");
    }
    out
}
