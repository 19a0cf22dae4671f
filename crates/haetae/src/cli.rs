//! The command line of the contract (DESIGN §4), as far as it is built.

use clap::{Args, Parser, Subcommand, ValueEnum};
use haetae_detect::tune::Budget;
use haetae_event::Level;
use haetae_parse::LocalZone;
use std::path::PathBuf;

/// Takes in logs, accounts for every line, finds attacks and says what happened.
#[derive(Parser, Debug)]
#[command(name = "haetae", version, about, max_term_width = 100)]
pub struct Cli {
    /// Configuration file [default: ./haetae.yaml if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory [default: data_dir of the configuration, ./haetae-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// The service: sources, pipeline, API
    Run(RunArgs),
    /// One report over logs: KPIs, tops, timeline, findings
    Analyze(AnalyzeArgs),
    /// Events as NDJSON: Core v1 and native fields; counts on stderr
    Parse(ParseArgs),
    /// Findings as NDJSON
    Detect(DetectArgs),
    /// SQL over the store, through the service while it runs
    Query(QueryArgs),
    /// Deterministic labelled traffic
    Simulate(SimulateArgs),
    /// Records that could not become events
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Incidents
    #[command(subcommand)]
    Incident(IncidentCommand),
    /// Segments and catalog
    #[command(subcommand)]
    Store(StoreCommand),
    /// Detection rules
    #[command(subcommand)]
    Rules(RulesCommand),
    /// What is learned of clients: train, evaluate, list, promote
    #[command(subcommand)]
    Model(ModelCommand),
    /// Log formats, and parsers of your own
    #[command(subcommand)]
    Parser(ParserCommand),
    /// Checks configuration, credentials, disk, clock and the balance of every count
    Doctor(DoctorArgs),
    /// About the configuration file
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Args, Debug)]
pub struct RunArgs {
    /// Process what is there, then exit
    #[arg(long, conflicts_with = "demo")]
    pub once: bool,
    /// Simulated traffic with attacks through the real ingest path; data in ./haetae-demo
    #[arg(long)]
    pub demo: bool,
    /// Seed of the demo traffic
    #[arg(long, default_value_t = 7, requires = "demo")]
    pub seed: u64,
}

/// How inputs are read by the one-shot commands.
#[derive(Args, Debug)]
pub struct InputArgs {
    /// Files, folders, globs, `-`, s3://bucket/prefix; gzip and zstd are seen by content. Without any,
    /// what is piped in
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// Format instead of detection by content: a name of `haetae parser list`, or a definition file
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Field list of custom VPC flow logs without a header: '${version} ${srcaddr} …'
    #[arg(long, value_name = "FIELDS")]
    pub format_string: Option<String>,
    /// Zone of times that name none, as in syslog: Asia/Seoul, +09:00; else they are UTC
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    pub time_zone: Option<LocalZone>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportOutput {
    Text,
    Json,
    Html,
}

#[derive(Args, Debug)]
pub struct AnalyzeArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// Figures only
    #[arg(long)]
    pub no_detect: bool,
    /// Further Sigma rules
    #[arg(long, value_name = "DIR")]
    pub rules: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    pub output: ReportOutput,
    /// Write the report here instead of stdout (.html and .json choose the output)
    #[arg(long, short = 'o', value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct ParseArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// Write refused records here, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct DetectArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// Further Sigma rules
    #[arg(long, value_name = "DIR")]
    pub rules: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowOutput {
    Text,
    Json,
    Ndjson,
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum QueryLanguage {
    Sql,
}

#[derive(Args, Debug)]
pub struct QueryArgs {
    /// The query's text
    pub text: String,
    #[arg(long, value_enum, default_value = "sql")]
    pub lang: QueryLanguage,
    /// Earliest event time, RFC 3339
    #[arg(long)]
    pub start: Option<String>,
    /// Latest event time, RFC 3339
    #[arg(long)]
    pub end: Option<String>,
    #[arg(long, value_enum, default_value = "text")]
    pub output: RowOutput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SimulateFormat {
    /// CloudFront .gz objects, and VPC flow .gz for flows
    Logs,
    /// Web requests as NDJSON on one stream
    Ndjson,
}

#[derive(Args, Debug)]
pub struct SimulateArgs {
    /// normal, sqli, scan, flood, macro, bots, edos, portscan, ddos, exfil, stuffing, payment, fakebot,
    /// mixed or calm-week
    pub scenario: String,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Folder (logs) or file (ndjson, `-` for stdout); labels.json is written beside it [default: the
    /// folder haetae-simulated, or NDJSON where stdout is a pipe]
    #[arg(long, value_name = "F", conflicts_with = "target")]
    pub out: Option<PathBuf>,
    /// File for the labels, where they have no place beside the traffic or another is wanted
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Send NDJSON to a running service, e.g. http://127.0.0.1:8480/v1/ingest
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Event time of the first event, RFC 3339 [default: so that it ends now]
    #[arg(long)]
    pub start: Option<String>,
    /// Length of the traffic: 30m, 2h [default: 30m; calm-week 7d]
    #[arg(long)]
    pub duration: Option<String>,
    /// Ordinary visitors alone, without crowds, carrier gateways, partners and sales
    #[arg(long)]
    pub plain: bool,
    /// Ordinary requests a minute
    #[arg(long, value_name = "N")]
    pub requests_per_minute: Option<u32>,
    #[arg(long, value_enum, default_value = "logs")]
    pub format: SimulateFormat,
}

#[derive(Subcommand, Debug)]
pub enum DlqCommand {
    /// Newest first
    List {
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Only this reason code
        #[arg(long)]
        reason: Option<String>,
        #[arg(long, value_enum, default_value = "text")]
        output: RowOutput,
    },
    /// One record, escaped for the terminal
    Show { id: i64 },
}

#[derive(Subcommand, Debug)]
pub enum IncidentCommand {
    /// Newest first
    List {
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[arg(long, value_enum, default_value = "text")]
        output: RowOutput,
    },
    /// One incident with its timeline and playbook
    Show { id: String },
}

#[derive(Subcommand, Debug)]
pub enum StoreCommand {
    /// Segments, rows and bytes by dataset
    Stat,
    /// Every segment is there and agrees with the catalog
    Verify,
}

#[derive(Subcommand, Debug)]
pub enum ModelCommand {
    /// Learns a new version from windows of clients; it is not in use yet
    Train(ModelTrainArgs),
    /// AUROC of a forest on a labelled table, or of a model on simulated traffic
    Eval(ModelEvalArgs),
    /// Models, versions, and which is in use
    List {
        #[arg(long, value_enum, default_value = "text")]
        output: TextOrJson,
    },
    /// Puts a version in use if it holds on the labelled set and within the alert budget
    Promote(ModelPromoteArgs),
}

/// Where windows come from.
#[derive(Args, Clone, Debug)]
pub struct WindowSourceArgs {
    /// How far back from the newest stored event
    #[arg(long, default_value = "14d", value_parser = crate::config::parse_duration)]
    pub last: std::time::Duration,
    /// These files instead of what is stored
    #[arg(long, value_name = "INPUT", num_args = 1..)]
    pub from: Vec<String>,
    /// Length of a client's window; default: that of the model, for a new one a minute
    #[arg(long, value_parser = crate::config::parse_duration)]
    pub window: Option<std::time::Duration>,
}

#[derive(Args, Debug)]
pub struct ModelTrainArgs {
    /// Lower case letters, digits, `-` and `_`
    pub name: String,
    #[command(flatten)]
    pub source: WindowSourceArgs,
    #[arg(long, default_value_t = 100)]
    pub trees: usize,
    /// Windows each tree sees
    #[arg(long, default_value_t = 256)]
    pub sample: usize,
    /// Share of the windows that may be called unusual
    #[arg(long, default_value_t = 0.001)]
    pub contamination: f64,
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

#[derive(Args, Debug)]
pub struct ModelEvalArgs {
    /// NAME@VERSION, or NAME for the newest, with --labels
    pub model: Option<String>,
    /// A labelled CSV with a head line, gzip or not: forests of several seeds are fitted on it
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub table: Option<PathBuf>,
    /// Its label column: 0 normal, 1 anomaly
    #[arg(long, default_value = "label")]
    pub label: String,
    #[arg(long, default_value_t = 10)]
    pub seeds: u64,
    /// labels.json of the simulated traffic that --from names
    #[arg(long, value_name = "FILE", requires = "from")]
    pub labels: Option<PathBuf>,
    #[command(flatten)]
    pub source: WindowSourceArgs,
    #[arg(long, value_enum, default_value = "text")]
    pub output: TextOrJson,
}

#[derive(Args, Debug)]
pub struct ModelPromoteArgs {
    /// NAME@VERSION, or NAME for the newest
    pub model: String,
    #[command(flatten)]
    pub source: WindowSourceArgs,
    /// labels.json of simulated traffic
    #[arg(long, value_name = "FILE", requires = "labelled")]
    pub labels: Option<PathBuf>,
    /// The traffic those labels are of
    #[arg(long, value_name = "INPUT", num_args = 1..)]
    pub labelled: Vec<String>,
    /// Clients a day that may be told about
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    pub budget_per_day: f64,
    /// Days of events the two must have been compared on
    #[arg(long, value_name = "DAYS", default_value_t = 7.0)]
    pub days_min: f64,
    /// Without any trial
    #[arg(long)]
    pub force: bool,
}

#[derive(Subcommand, Debug)]
pub enum RulesCommand {
    /// Loads the built-in rules and those of DIR, and says what is wrong with them
    Lint { dir: Option<PathBuf> },
    /// Every rule in use: level, name, title; as JSON and Markdown with why and false positives
    List {
        /// A folder or file of further rules; default: rules_dir
        path: Option<PathBuf>,
        #[arg(long, value_enum, default_value = "text")]
        output: RuleListOutput,
    },
    /// Runs the tests beside rules: files named NAME.test.yml
    Test {
        /// A folder, or one rule file; default: rules_dir
        path: Option<PathBuf>,
    },
    /// Findings against the labels of simulated traffic: precision, recall, delay, cost prevented
    Eval(EvalArgs),
    /// What rules would have told over the stored days: alerts by day and entity, examples, cost
    Backtest(BacktestArgs),
    /// Thresholds that fit a budget of notifications, from the stored days, and the next week's alerts
    Tune(TuneArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuleListOutput {
    Text,
    Json,
    Markdown,
}

#[derive(Args, Debug)]
pub struct EvalArgs {
    /// labels.json of `haetae simulate`
    #[arg(long, value_name = "FILE")]
    pub labels: PathBuf,
    /// Findings of `haetae detect`, or `-`
    #[arg(default_value = "-", conflicts_with = "from")]
    pub findings: String,
    /// Detect in these files as the service would, telling after each ten seconds of event time
    #[arg(long, value_name = "INPUT", num_args = 1..)]
    pub from: Vec<String>,
    /// Further Sigma rules, with --from
    #[arg(long, value_name = "DIR", requires = "from")]
    pub rules: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    pub output: TextOrJson,
}

#[derive(Args, Debug)]
pub struct BacktestArgs {
    /// A folder or file of rules; only these are reported. Default: all rules in use
    pub path: Option<PathBuf>,
    /// How far back from the newest stored event
    #[arg(long, default_value = "30d", value_parser = crate::config::parse_duration)]
    pub last: std::time::Duration,
    /// These files instead of what is stored
    #[arg(long, value_name = "INPUT", num_args = 1..)]
    pub from: Vec<String>,
    /// Their format, instead of detection by content
    #[arg(long, value_name = "FORMAT", requires = "from")]
    pub format: Option<String>,
    #[arg(long, value_enum, default_value = "text")]
    pub output: TextOrJson,
}

#[derive(Args, Debug)]
pub struct TuneArgs {
    /// How far back from the newest stored event
    #[arg(long, default_value = "30d", value_parser = crate::config::parse_duration)]
    pub last: std::time::Duration,
    /// Notifications wanted of all tuned rules together: 2/day, 10/week
    #[arg(long, value_name = "N/day", default_value = "2/day", value_parser = str::parse::<Budget>)]
    pub budget: Budget,
    /// Only this rule, by id or name, whatever its level; may be given again
    #[arg(long, value_name = "ID")]
    pub rule: Vec<String>,
    /// Alerts from this level on notify; default: notify.min_level
    #[arg(long, value_parser = str::parse::<Level>)]
    pub level: Option<Level>,
    /// Further Sigma rules; default: rules_dir
    #[arg(long, value_name = "DIR")]
    pub rules: Option<PathBuf>,
    /// These files instead of what is stored
    #[arg(long, value_name = "INPUT", num_args = 1..)]
    pub from: Vec<String>,
    /// Their format, instead of detection by content
    #[arg(long, value_name = "FORMAT", requires = "from")]
    pub format: Option<String>,
    /// Writes the proposal; as thresholds.yml in rules_dir it is in use
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    pub output: TextOrJson,
}

#[derive(Subcommand, Debug)]
pub enum ParserCommand {
    /// Built-in formats and your parsers, with version, channel and state
    List {
        #[arg(long, value_enum, default_value = "text")]
        output: RowOutput,
    },
    /// One version: definition, signer, comparison under way
    Show {
        /// NAME or NAME@vN
        id: String,
    },
    /// Every function of the mapping language, with an example
    Functions,
    /// Tests of a definition and hostile payloads through it; without TARGET those of the built-in formats
    Test(ParserTestArgs),
    /// What a new version would change: over INPUT, or beside the stable one on live data
    Shadow(ShadowArgs),
    /// Signs a definition and its module for upload; makes keys
    Sign(SignArgs),
    /// Adds a signed version in channel alpha: only sources that name it use it
    Upload(UploadArgs),
    /// Makes a version the stable one: used by name and by content
    Promote {
        /// NAME@vN, or NAME for the newest version
        id: String,
    },
    /// Back to the version that was stable before
    Rollback { name: String },
    /// Lets a suspended version run again
    Resume { id: String },
}

#[derive(Args, Debug)]
pub struct ParserTestArgs {
    /// A definition file, or NAME[@vN] of an uploaded parser
    pub target: Option<String>,
    /// Show what each line of FILE becomes; `-`: lines pasted here, again after each change of the definition
    #[arg(long = "try", value_name = "FILE", num_args = 0..=1, default_missing_value = "-", requires = "target")]
    pub try_input: Option<String>,
    /// Once more whenever the definition or FILE changes, until Ctrl-C
    #[arg(long, requires = "target")]
    pub watch: bool,
    #[arg(long, value_enum, default_value = "text")]
    pub output: TextOrJson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    Text,
    Json,
}

#[derive(Args, Debug)]
pub struct ShadowArgs {
    /// The new version: a definition file, or NAME[@vN] of an uploaded parser
    pub candidate: String,
    /// Logs to compare on; without them the running service compares on what arrives
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// The other side: a format, a definition file or NAME[@vN] [default: the stable version]
    #[arg(long, value_name = "ID", requires = "inputs")]
    pub against: Option<String>,
    /// End the comparison on live data
    #[arg(long, conflicts_with = "inputs")]
    pub stop: bool,
    #[arg(long, value_enum, default_value = "text")]
    pub output: TextOrJson,
}

#[derive(Args, Debug)]
pub struct SignArgs {
    /// Definition; its signature is written beside it as FILE.sig
    #[arg(required_unless_present = "new_key")]
    pub definition: Option<PathBuf>,
    /// Private key, PEM (PKCS#8, ed25519)
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Make the key first; prints the public one for parsers.trusted_keys
    #[arg(long)]
    pub new_key: bool,
    /// WebAssembly module instead of the one the definition names
    #[arg(long, value_name = "FILE", requires = "definition")]
    pub module: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct UploadArgs {
    pub definition: PathBuf,
    /// WebAssembly module instead of the one the definition names
    #[arg(long, value_name = "FILE")]
    pub module: Option<PathBuf>,
    /// [default: DEFINITION.sig]
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct DoctorArgs {
    #[arg(long, value_enum, default_value = "text")]
    pub output: RowOutput,
}

#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// JSON Schema of haetae.yaml
    Schema,
}
