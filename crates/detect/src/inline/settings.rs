//! `rules/inline.yml`: the seed rules of `POST /detect`.

use serde::Deserialize;

/// The settings compiled into the program.
pub const BUILTIN: &str = include_str!("../../../../rules/inline.yml");

/// The seed rules. A request is judged by each; the one with the highest score is told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InlineSettings {
    /// Length of all windows, seconds.
    pub window_s: u32,
    /// Memory of all counters, MiB.
    pub memory_mib: usize,
    /// A score from here on is an anomaly, 0..1.
    pub score_min: f64,
    pub ip_rate: Rate,
    pub sensitive_uri: Sensitive,
    pub static_repeat: Rate,
    pub user_agent: Agents,
    pub accept: Accept,
}

/// So many requests in the window.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    pub requests_min: u64,
    pub score: f64,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// Requests of one client for paths that cost or guard something.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sensitive {
    pub requests_min: u64,
    /// Whole path segments, lower case; `login` is in `/api/Login` and not in `/blogging`.
    pub segments: Vec<String>,
    pub score: f64,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// Programs no visitor uses.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agents {
    /// Parts of a User-Agent, lower case.
    pub contains: Vec<String>,
    pub score: f64,
    /// Score of a request without a User-Agent.
    pub empty_score: f64,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// An `Accept` header that the claimed browser does not send.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    pub score: f64,
    pub why: String,
    pub falsepositives: Vec<String>,
}

impl InlineSettings {
    /// # Errors
    /// What is wrong with the text, with its line.
    pub fn parse(text: &str) -> Result<InlineSettings, String> {
        let settings: InlineSettings = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        settings.checked()
    }

    fn checked(self) -> Result<InlineSettings, String> {
        if !(1..=3_600).contains(&self.window_s) {
            return Err(format!("`window_s` is {}: 1 to 3600 seconds", self.window_s));
        }
        if !(1..=4_096).contains(&self.memory_mib) {
            return Err(format!("`memory_mib` is {}: 1 to 4096 MiB", self.memory_mib));
        }
        let scores = [
            ("score_min", self.score_min),
            ("ip_rate.score", self.ip_rate.score),
            ("sensitive_uri.score", self.sensitive_uri.score),
            ("static_repeat.score", self.static_repeat.score),
            ("user_agent.score", self.user_agent.score),
            ("user_agent.empty_score", self.user_agent.empty_score),
            ("accept.score", self.accept.score),
        ];
        if let Some((name, score)) = scores.iter().find(|(_, score)| !(0.0..=1.0).contains(score)) {
            return Err(format!("`{name}` is {score}: scores lie between 0 and 1"));
        }
        if self.user_agent.contains.iter().any(String::is_empty) {
            return Err("an empty name in `user_agent.contains` is in every user agent".to_owned());
        }
        Ok(self)
    }
}

impl Default for InlineSettings {
    /// The built-in settings.
    fn default() -> Self {
        InlineSettings::parse(BUILTIN).expect("rules/inline.yml is tested")
    }
}
