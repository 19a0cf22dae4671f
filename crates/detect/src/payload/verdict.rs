//! What a request is taken for.

use std::borrow::Cow;

/// From this score on a text counts as an attack. Chosen on the curve that
/// `examples/payload_curve.rs` prints: below it, Korean searches begin to be flagged.
pub const FLAGGED: f32 = 0.5;

/// Kinds of attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// SQL and NoSQL injection.
    Sqli,
    /// Cross-site scripting.
    Xss,
    /// Path traversal, files of the system, files that are nobody's business.
    Lfi,
    /// Commands, code and templates.
    Rce,
    /// User agents and headers of scanners.
    Scanner,
}

/// All kinds, in the order of [`Verdicts::all`].
pub const CLASSES: [Class; 5] = [Class::Sqli, Class::Xss, Class::Lfi, Class::Rce, Class::Scanner];

impl Class {
    /// Short name, as fields and reports have it.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Sqli => "sqli",
            Class::Xss => "xss",
            Class::Lfi => "lfi",
            Class::Rce => "rce",
            Class::Scanner => "scanner",
        }
    }
}

/// Where in a request a piece stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    Path,
    /// A parameter's or cookie's name.
    Name,
    /// A parameter's or cookie's value.
    Value,
    /// The user agent.
    Agent,
    /// Any other header's value.
    Header,
    /// The name of a header.
    HeaderName,
    /// The name of an uploaded file.
    FileName,
}

/// One kind of attack, how sure, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub class: Class,
    /// 0 to 1; a probability on the data it was fitted on.
    pub score: f32,
    /// What spoke for it most. Names syntax, never quotes the request.
    pub reason: Cow<'static, str>,
}

/// The worst score of each kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdicts {
    found: [Option<Verdict>; CLASSES.len()],
}

impl Verdicts {
    pub(super) fn raise(&mut self, class: Class, score: f32, reason: impl FnOnce() -> Cow<'static, str>) {
        let slot = &mut self.found[class as usize];
        // Scores that say nothing are not worth a reason.
        if score >= 0.01 && slot.as_ref().is_none_or(|known| score > known.score) {
            *slot = Some(Verdict {
                class,
                score,
                reason: reason(),
            });
        }
    }

    /// The verdicts there are, one for each kind at most.
    pub fn all(&self) -> impl Iterator<Item = &Verdict> {
        self.found.iter().flatten()
    }

    /// The score of a kind; 0 when nothing spoke for it.
    pub fn score(&self, class: Class) -> f32 {
        self.found[class as usize]
            .as_ref()
            .map_or(0.0, |verdict| verdict.score)
    }

    /// The verdict with the highest score.
    pub fn worst(&self) -> Option<&Verdict> {
        self.all().max_by(|a, b| a.score.total_cmp(&b.score))
    }

    /// Whether any kind reaches `threshold`.
    pub fn reaches(&self, threshold: f32) -> bool {
        self.all().any(|verdict| verdict.score >= threshold)
    }
}
