//! Users' parsers: read from the catalog, compiled once, handed to the driver and the API.

use super::extractor::{AlarmBell, Sandboxed};
use haetae_enrich::pii::{PiiPolicy, stored_value};
use haetae_event::identity::TenantKey;
use haetae_event::{Clock, Micros};
use haetae_parse::custom::Kind;
use haetae_parse::shadow::Comparison;
use haetae_parse::{
    Blueprint, Candidate, Candidates, ExtractorFactory, Format, ParseOptions, ParserDefinition,
};
use haetae_pipeline::{Offered, ParserShelf};
use haetae_sandbox::{Parser, PublicKey, Quota, Runtime, Signature, Subject};
use haetae_server::{ParserAdmin, ParserError, ParserRequest, ParserUpload};
use haetae_store::{Added, Channel, ParserRow, ParserUse, ShadowRow, Store, StoreError};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Comparisons go to the catalog this often.
const SHADOW_SAVED_EVERY: Duration = Duration::from_secs(5);

/// Who asked, in the audit of the catalog.
const ACTOR: &str = "operator";

/// One version, ready to open inputs.
#[derive(Clone)]
struct Compiled {
    blueprint: Arc<dyn Blueprint>,
    module: Option<Parser>,
}

/// Every version of every user's parser, and which of them are in use.
pub struct Shelf {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    trusted: Vec<PublicKey>,
    quota: Quota,
    /// What may be kept of the records of all tenants, and the key it is kept under.
    privacy: (PiiPolicy, TenantKey),
    runtime: OnceLock<Runtime>,
    bell: AlarmBell,
    state: Mutex<State>,
    /// Held while the catalog is read anew: the last change is the one that stays.
    refreshing: Mutex<()>,
}

#[derive(Default)]
struct State {
    versions: BTreeMap<(String, u32), Compiled>,
    uses: Vec<ParserUse>,
    stable: Vec<Arc<dyn Blueprint>>,
    shadows: Arc<Shadows>,
    saved: Option<Instant>,
}

/// Candidates by the id of the parser they run beside.
#[derive(Debug, Default)]
struct Shadows(HashMap<String, (ShadowRow, Candidate)>);

impl Candidates for Shadows {
    fn beside(&self, parser_id: &str) -> Option<Candidate> {
        self.0.get(parser_id).map(|(_, candidate)| candidate.clone())
    }
}

/// `shop@v2` → (`shop`, 2); `shop` → (`shop`, none).
pub fn split_id(id: &str) -> (&str, Option<u32>) {
    match id.split_once("@v") {
        Some((name, version)) => match version.parse() {
            Ok(version) => (name, Some(version)),
            Err(_) => (id, None),
        },
        None => (id, None),
    }
}

/// What a signature of a parser covers.
pub fn signed_subject<'a>(
    definition: &'a ParserDefinition,
    version: &'a str,
    text: &'a str,
    module: &'a [u8],
) -> Subject<'a> {
    Subject {
        id: definition.id(),
        version,
        definition: text.as_bytes(),
        module,
    }
}

fn internal(error: impl std::fmt::Display) -> ParserError {
    ParserError::Internal(error.to_string())
}

fn refused(code: &'static str, message: impl Into<String>) -> ParserError {
    let message = message.into();
    ParserError::Refused { code, message }
}

fn bad_definition(found: &[haetae_parse::Diagnostic]) -> ParserError {
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    refused("bad_definition", lines.join("\n"))
}

fn read(definition: &str) -> Result<ParserDefinition, ParserError> {
    ParserDefinition::parse("definition", definition).map_err(|found| bad_definition(&found))
}

impl Shelf {
    /// Compiles every version the catalog holds; `privacy` is for what comparisons keep of records. A
    /// version that no longer compiles is left out and rings the bell.
    ///
    /// # Errors
    /// The catalog's.
    pub fn open(
        store: Arc<Store>,
        trusted: Vec<PublicKey>,
        quota: Quota,
        privacy: (PiiPolicy, TenantKey),
        clock: Arc<dyn Clock>,
    ) -> Result<Shelf, StoreError> {
        let shelf = Shelf {
            store,
            clock,
            trusted,
            quota,
            privacy,
            runtime: OnceLock::new(),
            bell: AlarmBell::default(),
            state: Mutex::default(),
            refreshing: Mutex::default(),
        };
        shelf.refresh()?;
        Ok(shelf)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change replaces whole fields: sound even if a thread died while it held the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the catalog again after a change; versions that are compiled stay as they are.
    fn refresh(&self) -> Result<(), StoreError> {
        let _alone = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = self.store.parsers()?;
        let uses = self.store.parser_uses()?;
        let shadows = self.store.shadows()?;
        let known = self.state().versions.clone();
        let mut versions = BTreeMap::new();
        for row in rows {
            let key = (row.name.clone(), row.version);
            let compiled = match known.get(&key) {
                Some(compiled) => Ok(compiled.clone()),
                None => read(&row.definition).and_then(|definition| self.compile(&definition, &row.module)),
            };
            match compiled {
                Ok(compiled) => {
                    versions.insert(key, compiled);
                }
                Err(error) => {
                    let id = format!("{}@v{}", row.name, row.version);
                    self.bell.ring(format!(
                        "the parser {id} does not compile any more and is left out: {error}"
                    ));
                }
            }
        }
        let stable = uses
            .iter()
            .filter(|one| one.channel == Channel::Stable)
            .filter_map(|one| versions.get(&(one.name.clone(), one.version)))
            .map(|compiled| compiled.blueprint.clone())
            .collect();
        let mut state = self.state();
        state.shadows = Arc::new(beside(&shadows, &versions, &state.shadows, self.clock.now()));
        (state.versions, state.uses, state.stable) = (versions, uses, stable);
        Ok(())
    }

    fn runtime(&self) -> Result<&Runtime, ParserError> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = Runtime::new().map_err(internal)?;
        Ok(self.runtime.get_or_init(|| runtime))
    }

    /// Loads the module of a definition.
    fn compile(&self, definition: &ParserDefinition, module: &[u8]) -> Result<Compiled, ParserError> {
        let module = match definition.kind() {
            Kind::Custom => {
                let version = definition.version().to_string();
                let loaded = Parser::load(
                    self.runtime()?,
                    definition.id(),
                    &version,
                    module,
                    self.quota.clone(),
                );
                Some(loaded.map_err(|error| refused("bad_module", error.to_string()))?)
            }
            _ => None,
        };
        let blueprint = definition
            .blueprint(self.extractor(module.as_ref()))
            .map_err(|found| bad_definition(&found))?;
        Ok(Compiled { blueprint, module })
    }

    fn extractor(&self, module: Option<&Parser>) -> Option<Arc<dyn ExtractorFactory>> {
        let parser = module?.clone();
        let bell = self.bell.clone();
        Some(Arc::new(Sandboxed { parser, bell }))
    }

    fn upload(&self, upload: &ParserUpload) -> Result<Value, ParserError> {
        let definition = read(&upload.definition)?;
        let version = definition.version().to_string();
        let subject = signed_subject(&definition, &version, &upload.definition, &upload.module);
        let signature: Signature = upload
            .signature
            .parse()
            .map_err(|error: haetae_sandbox::SignatureError| refused("bad_signature", error.to_string()))?;
        let key = haetae_sandbox::verify(&subject, &signature, &self.trusted)
            .map_err(|error| refused("bad_signature", error.to_string()))?;
        // Nothing of a module is looked at before a trusted key has vouched for it.
        let compiled = self.compile(&definition, &upload.module)?;
        let outcomes = definition
            .run_tests(self.extractor(compiled.module.as_ref()), &ParseOptions::default())
            .map_err(|_| refused("bad_definition", "the tests cannot be run"))?;
        let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
        if failed > 0 {
            let message = format!(
                "{failed} of its {} tests fail; see `haetae parser test`",
                outcomes.len()
            );
            return Err(refused("tests_failed", message));
        }
        let row = ParserRow {
            name: definition.id().to_owned(),
            version: definition.version(),
            kind: definition.kind().as_str().to_owned(),
            dataset: definition.dataset().as_str().to_owned(),
            definition: upload.definition.clone(),
            module: upload.module.clone(),
            signed_by: key.to_string(),
            signature: upload.signature.clone(),
            added_at: self.clock.now(),
        };
        let id = definition.parser_id();
        match self.store.add_parser(&row, ACTOR).map_err(internal)? {
            Added::Differs => Err(ParserError::Conflict(format!(
                "{id} exists with other content, and versions never change: raise `version`"
            ))),
            Added::Unchanged => Ok(json!({"id": id, "state": "unchanged"})),
            Added::New => {
                self.refresh().map_err(internal)?;
                Ok(json!({"id": id, "state": "added", "channel": "alpha", "tests": outcomes.len()}))
            }
        }
    }

    /// The version an id means: the named one, else the newest.
    fn version_of<'i>(&self, id: &'i str) -> Result<(&'i str, u32), ParserError> {
        let (name, version) = split_id(id);
        let state = self.state();
        let mut versions = state
            .versions
            .keys()
            .filter(|(other, _)| other == name)
            .map(|(_, v)| *v);
        let found = match version {
            Some(wanted) => versions.find(|v| *v == wanted),
            None => versions.max(),
        };
        found
            .map(|version| (name, version))
            .ok_or_else(|| ParserError::NotFound(id.to_owned()))
    }

    fn stable_version(&self, name: &str) -> Option<u32> {
        let state = self.state();
        let stable = state
            .uses
            .iter()
            .find(|one| one.name == name && one.channel == Channel::Stable);
        stable.map(|one| one.version)
    }

    fn shadow(&self, id: &str) -> Result<Value, ParserError> {
        let (name, candidate) = self.version_of(id)?;
        let against = self.stable_version(name).ok_or_else(|| {
            refused(
                "no_stable_version",
                format!("no version of {name} is promoted: nothing to compare with"),
            )
        })?;
        if against == candidate {
            return Err(refused(
                "same_version",
                format!("{name}@v{candidate} is the stable version itself"),
            ));
        }
        let now = self.clock.now();
        let row = ShadowRow {
            name: name.to_owned(),
            candidate,
            against,
            started_at: now,
            updated_at: now,
            report: "{}".to_owned(),
        };
        self.store.put_shadow(&row).map_err(internal)?;
        self.refresh().map_err(internal)?;
        Ok(json!({"candidate": format!("{name}@v{candidate}"), "against": format!("{name}@v{against}")}))
    }

    fn listed(&self) -> Result<Value, ParserError> {
        let mut list = built_in();
        let state = self.state();
        for row in self.store.parsers().map_err(internal)? {
            let channels: Vec<&str> = state
                .uses
                .iter()
                .filter(|one| one.name == row.name && one.version == row.version)
                .map(|one| one.channel.as_str())
                .collect();
            let compiled = state.versions.get(&(row.name.clone(), row.version));
            let suspended = compiled
                .and_then(|c| c.module.as_ref())
                .is_some_and(Parser::is_suspended);
            list.push(json!({
                "id": format!("{}@v{}", row.name, row.version), "kind": row.kind, "dataset": row.dataset,
                "channel": channels.join(" "), "signed_by": row.signed_by, "added_at": row.added_at,
                "state": match (compiled.is_some(), suspended) {
                    (false, _) => "does not compile",
                    (true, true) => "suspended",
                    (true, false) => "ready",
                },
            }));
        }
        Ok(Value::Array(list))
    }

    fn shown(&self, id: &str) -> Result<Value, ParserError> {
        let (name, version) = self.version_of(id)?;
        let row = self.store.parser(name, version).map_err(internal)?;
        let row = row.ok_or_else(|| ParserError::NotFound(id.to_owned()))?;
        let shadows = self.store.shadows().map_err(internal)?;
        let shadow = shadows
            .iter()
            .find(|s| s.name == name && s.candidate == version)
            .map(|s| {
                json!({
                    "against": format!("{name}@v{}", s.against), "started_at": s.started_at,
                    "updated_at": s.updated_at,
                    "report": serde_json::from_str::<Value>(&s.report).unwrap_or(Value::Null),
                })
            });
        Ok(json!({
            "id": format!("{name}@v{version}"), "kind": row.kind, "dataset": row.dataset,
            "definition": row.definition, "module_bytes": row.module.len(),
            "signed_by": row.signed_by, "added_at": row.added_at, "shadow": shadow,
        }))
    }

    /// What rang since the last call.
    pub fn take_alarms(&self) -> Vec<String> {
        self.bell.take()
    }

    /// Puts comparisons into the catalog when it is time.
    fn save_shadows(&self, now: Micros) {
        let shadows = {
            let mut state = self.state();
            if state.shadows.0.is_empty() || state.saved.is_some_and(|at| at.elapsed() < SHADOW_SAVED_EVERY) {
                return;
            }
            state.saved = Some(Instant::now());
            state.shadows.clone()
        };
        for (row, candidate) in shadows.0.values() {
            let mut report = candidate
                .comparison
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .report();
            let (policy, key) = &self.privacy;
            if report.new.counts.lines_in == 0 {
                // What an earlier run of the service found is worth more than nothing.
                continue;
            }
            report.redact(|column, text| stored_value(policy, key, column, text).map(Cow::into_owned));
            let row = ShadowRow {
                updated_at: now,
                report: serde_json::to_string(&report).unwrap_or_else(|_| "{}".to_owned()),
                ..row.clone()
            };
            if let Err(error) = self.store.put_shadow(&row) {
                let id = format!("{}@v{}", row.name, row.candidate);
                self.bell
                    .ring(format!("the comparison of {id} is kept in memory only: {error}"));
            }
        }
    }
}

/// The built-in formats, as the list of parsers shows them.
pub fn built_in() -> Vec<Value> {
    let shown = |format: Format| {
        let spec = format.spec();
        json!({
            "id": spec.parser_id, "kind": "built-in", "dataset": format.dataset().as_str(),
            "channel": "stable", "state": "ready", "about": spec.about,
        })
    };
    Format::all().map(shown).collect()
}

/// The candidates that can run. A comparison under way goes on; one of an earlier run of the service
/// begins again.
fn beside(
    rows: &[ShadowRow],
    versions: &BTreeMap<(String, u32), Compiled>,
    before: &Shadows,
    now: Micros,
) -> Shadows {
    let mut shadows = HashMap::new();
    for row in rows {
        let Some(compiled) = versions.get(&(row.name.clone(), row.candidate)) else {
            continue;
        };
        let (old, new) = (
            format!("{}@v{}", row.name, row.against),
            format!("{}@v{}", row.name, row.candidate),
        );
        let going_on = before
            .0
            .get(&old)
            .filter(|(was, _)| was.candidate == row.candidate && was.started_at >= row.started_at);
        let (started_at, comparison) = match going_on {
            Some((was, candidate)) => (was.started_at, candidate.comparison.clone()),
            None => (now, Arc::new(Mutex::new(Comparison::new(&old, &new)))),
        };
        let candidate = Candidate {
            blueprint: compiled.blueprint.clone(),
            comparison,
        };
        let row = ShadowRow {
            started_at,
            ..row.clone()
        };
        shadows.insert(old, (row, candidate));
    }
    Shadows(shadows)
}

impl ParserShelf for Shelf {
    fn named(&self, name: &str) -> Option<Arc<dyn Blueprint>> {
        let (bare, version) = split_id(name);
        let version = match version.or_else(|| self.stable_version(bare)) {
            Some(version) => version,
            None => self.version_of(name).ok()?.1,
        };
        let state = self.state();
        let compiled = state.versions.get(&(bare.to_owned(), version))?;
        Some(compiled.blueprint.clone())
    }

    fn offered(&self) -> Offered {
        self.save_shadows(self.clock.now());
        let state = self.state();
        let candidates: Option<Arc<dyn Candidates>> = match state.shadows.0.is_empty() {
            true => None,
            false => Some(state.shadows.clone()),
        };
        Offered {
            blueprints: state.stable.clone().into(),
            candidates,
        }
    }

    fn alarms(&self) -> Vec<String> {
        self.save_shadows(self.clock.now());
        self.take_alarms()
    }
}

impl ParserAdmin for Shelf {
    fn handle(&self, request: ParserRequest) -> Result<Value, ParserError> {
        match request {
            ParserRequest::List => self.listed(),
            ParserRequest::Show { id } => self.shown(&id),
            ParserRequest::Upload(upload) => self.upload(&upload),
            ParserRequest::Promote { id } => {
                let (name, version) = self.version_of(&id)?;
                self.store
                    .promote_parser(name, version, self.clock.now(), ACTOR)
                    .map_err(internal)?;
                self.refresh().map_err(internal)?;
                Ok(json!({"id": format!("{name}@v{version}"), "channel": "stable"}))
            }
            ParserRequest::RollBack { name } => {
                let (bare, _) = split_id(&name);
                let before = self.store.roll_back_parser(bare, self.clock.now(), ACTOR);
                let Some(version) = before.map_err(internal)? else {
                    let message = format!("no other version of {bare} was stable before");
                    return Err(refused("nothing_before", message));
                };
                self.refresh().map_err(internal)?;
                Ok(json!({"id": format!("{bare}@v{version}"), "channel": "stable"}))
            }
            ParserRequest::Shadow { id } => self.shadow(&id),
            ParserRequest::Unshadow { id } => {
                let (name, candidate) = self.version_of(&id)?;
                let ended = self.store.end_shadow(name, candidate).map_err(internal)?;
                self.refresh().map_err(internal)?;
                Ok(json!({"id": format!("{name}@v{candidate}"), "ended": ended}))
            }
            ParserRequest::Resume { id } => {
                let (name, version) = self.version_of(&id)?;
                let state = self.state();
                let compiled = state.versions.get(&(name.to_owned(), version));
                let module = compiled.and_then(|compiled| compiled.module.as_ref());
                let suspended = module.filter(|module| module.is_suspended());
                suspended.inspect(|module| module.resume());
                Ok(json!({"id": format!("{name}@v{version}"), "resumed": suspended.is_some()}))
            }
        }
    }
}
