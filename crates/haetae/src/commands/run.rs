//! `haetae run`: the service, from its parts.

use super::observing::RunObserver;
use super::reading::client_policy;
use super::refreshing::{Library, note};
use super::reloading::{RulesFolder, first_engine, load_rules};
use super::say::Say;
use crate::cli::RunArgs;
use crate::config::{Config, KpiEvery, RetrainEvery};
use crate::models::{Models, Outcome, Retraining};
use crate::wiring::{
    CrawlerCheck, EngineRunner, InlineJudge, JournalDoor, Lookups, Meters, Shelf, SourceParts, StoreLedger,
    StoreOutbox, StoreReader, StoreSegments, clean_up, configured_sources,
};
use anyhow::{Context, Result};
use haetae_detect::inline::{Inline, InlineSettings};
use haetae_enrich::Knowledge;
use haetae_enrich::crawlers::Verifier;
use haetae_enrich::files::DiskFiles;
use haetae_enrich::pii::PiiPolicy;
use haetae_event::disk::{RealDisk, SharedDisk};
use haetae_event::identity::{InstallationKey, TenantKey};
use haetae_event::{Clock, SystemClock};
use haetae_incident::FoldOptions;
use haetae_journal::{Journal, SegmentJournal};
use haetae_parse::ParseOptions;
use haetae_pipeline::{Driver, DriverOptions, DriverParts, SharedScore};
use haetae_query::QueryEngine;
use haetae_respond::console::{Colours, Console};
use haetae_respond::slack::{Slack, SlackOptions, WebhookUrl};
use haetae_respond::{Deliverer, DelivererOptions, Notifier};
use haetae_server::{BoundServer, IngestAuth, IngestKey, Parts, ServerOptions, Token};
use haetae_source::push::{JournalSource, waiting_marks};
use haetae_source::{Ledger, Outlet, Source, SourceContext, SourceMessage, SourceProblem, StopFlag, channel};
use haetae_store::{Store, StoreOptions};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// Hot rows are cut into segments when they grow past this.
const HOT_BYTES_MAX: usize = 32 << 20;

/// How often small segments are looked for.
const COMPACT_EVERY: Duration = Duration::from_secs(60);

/// Messages of a `--once` run get this long to be delivered; the rest waits for the next run.
const LAST_MESSAGES: Duration = Duration::from_secs(20);

/// Threads of the async parts: the door, Slack.
const ASYNC_THREADS: usize = 2;

/// Everything that lives as long as the service.
struct House {
    store: Arc<Store>,
    journal: Arc<dyn Journal>,
    door: Arc<JournalDoor>,
    meters: Arc<Meters>,
    ledger: Arc<dyn Ledger>,
    parsers: Arc<Shelf>,
    inline: Arc<Inline>,
    models: Arc<Models>,
    /// SIGHUP came: rules are to be looked at.
    hung_up: Arc<AtomicBool>,
    library: Library,
    clock: Arc<dyn Clock>,
    stop: StopFlag,
    say: Say,
}

pub fn run(args: &RunArgs, mut config: Config, config_file: Option<&Path>) -> Result<()> {
    if args.demo {
        prepare_demo(&mut config);
    }
    let say = Say::new(&config, args.demo);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(ASYNC_THREADS)
        .enable_all()
        .build()?;
    let house = open_house(&config, say.clone())?;
    let (stop_async, stopped) = watch::channel(false);
    let server = if args.once {
        None
    } else {
        Some(bind(&runtime, &config, &house)?)
    };
    house.library.refresh(&house.say);
    let address = server.as_ref().map(BoundServer::address);
    house
        .store
        .set_holder(&address.map(|a| a.to_string()).unwrap_or_default())?;
    let mut parts = configured_sources(&config)?;
    parts.add(Box::new(JournalSource::new(house.journal.clone())));
    say.start(address, config_file, &config, args.once);

    let deliverer = deliverer(&config, &house)?;
    let waker = deliverer.waker();
    let deliver = runtime.spawn(deliverer.run(stopped.clone()));
    let lookups = remote_lookups(&config, args, &house)?;
    let remote = lookups.as_ref().map(Lookups::score);
    let driver = driver(&config, args, &house, &parts, remote, waker)?;
    let asking = lookups
        .map(|lookups| lookups.spawn(runtime.handle().clone(), house.stop.clone()))
        .transpose()?;
    let training = spawn_retraining(args, &config, &house)?;
    let serving = server
        .map(|server| serve(&runtime, server, &house, stopped.clone()))
        .transpose()?;
    watch_signals(&runtime, &house);
    let playing = match (args.demo, address) {
        (true, Some(address)) => Some(play(&runtime, address, args.seed, stopped.clone(), &house)),
        _ => None,
    };

    let ended = work(args, &house, parts, driver);
    house.stop.set();
    for thread in [training, asking].into_iter().flatten() {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
    if args.once {
        runtime.block_on(flush_messages(&house));
    }
    stop_async.send(true).ok();
    runtime.block_on(async {
        deliver.await.ok();
        if let Some(serving) = serving {
            serving.await.ok();
        }
        if let Some(playing) = playing {
            playing.await.ok();
        }
    });
    let end = ended?;
    say.end(&end);
    Ok(())
}

/// Nothing goes outside, and its clients are made up.
fn prepare_demo(config: &mut Config) {
    config.sources.clear();
    config.notify.slack = None;
    config.crawlers.verify = false;
}

fn open_house(config: &Config, say: Say) -> Result<House> {
    let disk: SharedDisk = Arc::new(RealDisk);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut options = StoreOptions {
        dlq_bytes_max: config.dlq_size_max.0,
        ..StoreOptions::default()
    };
    if let Some(days) = config.retention_days {
        options.retention_days = haetae_event::Dataset::ALL
            .into_iter()
            .map(|dataset| (dataset, days))
            .collect();
    }
    let store = Store::open(&config.data_dir, options, disk.clone(), clock.clone())
        .with_context(|| format!("cannot open the data directory {}", config.data_dir.display()))?;
    let store = Arc::new(store);
    let journal = SegmentJournal::open(
        disk,
        &config.data_dir.join("journal"),
        haetae_journal::JournalOptions::default(),
    )?;
    let journal: Arc<dyn Journal> = Arc::new(journal);
    let stop = StopFlag::default();
    let door = Arc::new(JournalDoor::new(journal.clone(), stop.clone()));
    let crawlers = Arc::new(CrawlerCheck::new(config, clock.clone(), note(&say))?);
    let meters = Arc::new(Meters::new(store.clone(), door.clone(), crawlers.verification()));
    let ledger: Arc<dyn Ledger> = Arc::new(StoreLedger(store.clone()));
    let keys = config.parsers.keys().map_err(anyhow::Error::msg)?;
    let parsers = Arc::new(Shelf::open(
        store.clone(),
        keys,
        config.parsers.quota(),
        shadow_privacy(config, &store)?,
        clock.clone(),
    )?);
    let knowledge = Arc::new(Knowledge::new(
        &config.enrich,
        Arc::new(DiskFiles),
        clock.clone(),
    )?);
    Ok(House {
        store,
        journal,
        door,
        meters,
        ledger,
        parsers,
        inline: Arc::new(Inline::new(InlineSettings::default(), None)),
        models: Arc::new(Models::new(&config.data_dir, &config.models.name)),
        hung_up: Arc::default(),
        library: Library { knowledge, crawlers },
        clock,
        stop,
        say,
    })
}

/// Comparisons mix the rows of all tenants.
fn shadow_privacy(config: &Config, store: &Store) -> Result<(PiiPolicy, TenantKey)> {
    let key = InstallationKey::new(haetae_store::secrets::installation_key(store.dir())?);
    let key = key.tenant_key(&haetae_event::TenantId::default());
    Ok((config.pii.policies().strictest(), key))
}

fn bind(runtime: &tokio::runtime::Runtime, config: &Config, house: &House) -> Result<BoundServer> {
    let listen: SocketAddr = config.listen.parse().context("listen")?;
    let token = |text: &str| Token::new(text).context("a token is empty");
    let local = token(&haetae_store::secrets::local_token(house.store.dir())?)?;
    let ingest = match &config.ingest_token_file {
        None => IngestAuth::OpenOnLoopback,
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read ingest_token_file {}", path.display()))?;
            let key = IngestKey {
                tenant: haetae_event::TenantId::default(),
                token: token(text.trim())?,
            };
            IngestAuth::Keys(vec![key])
        }
    };
    let mut options = ServerOptions::new(listen, local, ingest);
    options.hosts.clone_from(&config.allowed_hosts);
    Ok(runtime.block_on(haetae_server::bind(options))?)
}

fn serve(
    runtime: &tokio::runtime::Runtime,
    server: BoundServer,
    house: &House,
    stopped: watch::Receiver<bool>,
) -> Result<tokio::task::JoinHandle<()>> {
    let day_ago = house.clock.now().saturating_sub(haetae_server::KEY_WINDOW_US);
    let mut marks = house.store.marks_since(day_ago)?;
    marks.extend(waiting_marks(house.journal.as_ref(), house.ledger.as_ref())?);
    let parts = Parts {
        door: house.door.clone(),
        query: Arc::new(EngineRunner(QueryEngine::new(Arc::new(StoreSegments(
            house.store.clone(),
        )))?)),
        metrics: house.meters.clone(),
        reader: Arc::new(StoreReader(house.store.clone())),
        parsers: house.parsers.clone(),
        judge: Arc::new(InlineJudge(house.inline.clone())),
        clock: house.clock.clone(),
        marks,
    };
    Ok(runtime.spawn(server.run(parts, stopped)))
}

fn notifiers(config: &Config, house: &House) -> Result<Vec<Arc<dyn Notifier>>> {
    let colours = if house.say.colours() {
        Colours::Ansi
    } else {
        Colours::Plain
    };
    let mut notifiers: Vec<Arc<dyn Notifier>> = vec![Arc::new(Console::stderr(colours))];
    if let Some(slack) = &config.notify.slack {
        let url = slack.url().map_err(anyhow::Error::msg)?;
        let url = WebhookUrl::parse(&url).context("notify.slack.webhook_url")?;
        notifiers.push(Arc::new(Slack::new(
            url,
            SlackOptions::default(),
            house.clock.clone(),
        )?));
    }
    Ok(notifiers)
}

fn deliverer(config: &Config, house: &House) -> Result<Deliverer> {
    let outbox = Arc::new(StoreOutbox(house.store.clone()));
    let notifiers = notifiers(config, house)?;
    // Only spreads retries: the clock's low digits are random enough.
    let seed = house.clock.now().0.unsigned_abs();
    let say = house.say.clone();
    let operator: haetae_respond::OperatorLine = Arc::new(move |line| say.trouble(line));
    let options = DelivererOptions {
        seed,
        operator,
        ..DelivererOptions::default()
    };
    Ok(Deliverer::new(outbox, notifiers, house.clock.clone(), options))
}

/// Only the service asks: neither one-shot runs nor the demo send addresses out.
fn remote_lookups(config: &Config, args: &RunArgs, house: &House) -> Result<Option<Lookups>> {
    let asked = config.enrich.remote.as_ref();
    let Some(service) = asked.filter(|_| !args.once && !args.demo) else {
        return Ok(None);
    };
    let say = house.say.clone();
    let operator: haetae_respond::OperatorLine = Arc::new(move |line| say.trouble(line));
    let lookups = Lookups::new(service, house.clock.clone(), operator)?;
    house
        .say
        .note(&Lookups::announcement(service, house.say.language()));
    Ok(Some(lookups))
}

/// A service never waits for names; a run that ends by itself has the time.
fn verifier(args: &RunArgs, house: &House) -> Arc<dyn Verifier> {
    match args.once {
        true => Arc::new(house.library.crawlers.patient(note(&house.say))),
        false => house.library.crawlers.verification(),
    }
}

fn driver(
    config: &Config,
    args: &RunArgs,
    house: &House,
    parts: &SourceParts,
    remote: Option<SharedScore>,
    waker: haetae_respond::Waker,
) -> Result<(Driver, Outlet)> {
    let (outlet, inbox) = channel(house.stop.clone());
    let rules = load_rules(config.rules_dir.as_deref(), &config.cost)?;
    let shelf = RulesFolder::new(
        config.rules_dir.as_deref(),
        &rules,
        (house.models.clone(), house.inline.clone()),
        config.cost.clone(),
        house.hung_up.clone(),
        house.say.clone(),
    );
    let engine = first_engine(rules, &house.models, &house.inline, &house.say);
    let language = house.say.language();
    let mut channels = vec!["console".to_owned()];
    if config.notify.slack.is_some() {
        channels.push("slack".to_owned());
    }
    let options = DriverOptions {
        flush_interval: config.flush_interval.0,
        hot_bytes_max: HOT_BYTES_MAX,
        parse: ParseOptions {
            client_ip: client_policy(config)?,
            ..ParseOptions::default()
        },
        fold: FoldOptions {
            min_level: config.notify.min_level,
            language,
            tz: config.timezone(),
            demo: args.demo,
            ..FoldOptions::default()
        },
        kpi_every: match config.notify.kpi_every {
            KpiEvery::Every(every) if !args.demo => Some(every),
            _ => None,
        },
        channels,
        once: args.once,
    };
    let observer = RunObserver {
        say: house.say.clone(),
        meters: house.meters.clone(),
        door: house.door.clone(),
        ledger: house.ledger.clone(),
        waker,
    };
    let parts_of_driver = DriverParts {
        store: house.store.clone(),
        engine,
        inbox,
        clock: house.clock.clone(),
        policies: config.pii.policies(),
        enrichers: house.library.knowledge.enrichers(),
        remote,
        verifier: Some(verifier(args, house)),
        parsers: house.parsers.clone(),
        inline: house.inline.clone(),
        rules: Box::new(shelf),
        key: InstallationKey::new(haetae_store::secrets::installation_key(house.store.dir())?),
        observer: Box::new(observer),
    };
    let ids = parts.sources.iter().map(|source| source.id().to_owned());
    Ok((Driver::new(parts_of_driver, options, ids), outlet))
}

/// Runs sources, driver, clean-up and compaction until told to stop (or, once, until done).
fn work(
    args: &RunArgs,
    house: &House,
    parts: SourceParts,
    (mut driver, outlet): (Driver, Outlet),
) -> Result<haetae_pipeline::RunEnd> {
    let SourceParts { sources, cleaners } = parts;
    let threads: Vec<JoinHandle<()>> = sources
        .into_iter()
        .map(|source| spawn_source(source, args.once, house, &outlet))
        .collect::<Result<_>>()?;
    drop(outlet);
    let compaction = (!args.once).then(|| spawn_compaction(house)).transpose()?;
    let knowing = (!args.once)
        .then(|| house.library.spawn(house.stop.clone(), house.say.clone()))
        .transpose()?;
    let say = house.say.clone();
    let mut told = std::collections::HashSet::new();
    let mut report = move |problem: &SourceProblem| {
        if told.insert((problem.source.clone(), problem.code)) {
            say.problem(problem);
        }
    };
    let end = std::thread::scope(|scope| {
        let cleaning = (!args.once && !cleaners.is_empty()).then(|| {
            scope.spawn(|| {
                clean_up(
                    &house.store,
                    &cleaners,
                    house.clock.as_ref(),
                    &house.stop,
                    false,
                    &mut report,
                )
            })
        });
        let end = driver.run();
        house.stop.set();
        if let Some(cleaning) = cleaning {
            match cleaning.join() {
                Ok(result) => result?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        anyhow::Ok(end?)
    })?;
    for thread in threads.into_iter().chain(compaction).chain(knowing) {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
    if args.once {
        clean_up(
            &house.store,
            &cleaners,
            house.clock.as_ref(),
            &house.stop,
            true,
            &mut |problem| {
                house.say.problem(problem);
            },
        )?;
        house.store.compact()?;
    }
    Ok(end)
}

fn spawn_source(
    mut source: Box<dyn Source>,
    once: bool,
    house: &House,
    outlet: &Outlet,
) -> Result<JoinHandle<()>> {
    let cx = SourceContext {
        out: outlet.clone(),
        stop: house.stop.clone(),
        ledger: house.ledger.clone(),
        clock: house.clock.clone(),
        once,
    };
    let thread = std::thread::Builder::new()
        .name("source".to_owned())
        .spawn(move || {
            let id = source.id().to_owned();
            if let Err(error) = source.run(&cx) {
                let problem = SourceProblem {
                    source: id.clone(),
                    code: "source_ended",
                    message: error.to_string(),
                    hint: "run `haetae doctor`".to_owned(),
                    iam_action: None,
                    retry_in: None,
                };
                cx.out.send(SourceMessage::Problem(problem)).ok();
            }
            cx.out.send(SourceMessage::Finished { source: id }).ok();
        })?;
    Ok(thread)
}

fn spawn_compaction(house: &House) -> Result<JoinHandle<()>> {
    let (store, stop, say) = (house.store.clone(), house.stop.clone(), house.say.clone());
    let thread = std::thread::Builder::new()
        .name("compaction".to_owned())
        .spawn(move || {
            while !stop.sleep(COMPACT_EVERY) {
                if let Err(error) = store.compact() {
                    say.trouble(&format!("compaction: {error}; tried again in a minute"));
                }
            }
        })?;
    Ok(thread)
}

/// A candidate model every so often, from what is stored.
fn spawn_retraining(args: &RunArgs, config: &Config, house: &House) -> Result<Option<JoinHandle<()>>> {
    let every = match config.models.retrain_every {
        RetrainEvery::Every(every) if !args.once && !args.demo => every,
        _ => return Ok(None),
    };
    let retraining = Retraining {
        store: house.store.clone(),
        models: house.models.store(),
        settings: config.models.clone(),
        clock: house.clock.clone(),
        seed: house.models.seed(),
        stop: house.stop.clone(),
    };
    let say = house.say.clone();
    let thread = retraining.spawn(every, move |outcome| match outcome {
        Ok(Outcome::Nothing) => {}
        Ok(outcome) => say.note(&outcome.to_string()),
        Err(error) => say.trouble(&format!("training a model: {error:#}")),
    })?;
    Ok(Some(thread))
}

fn watch_signals(runtime: &tokio::runtime::Runtime, house: &House) {
    let (stop, say, hung_up) = (house.stop.clone(), house.say.clone(), house.hung_up.clone());
    runtime.spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut terminate), Ok(mut hang_up)) =
            (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
        else {
            return;
        };
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => break,
                _ = terminate.recv() => break,
                _ = hang_up.recv() => {
                    hung_up.store(true, Ordering::Relaxed);
                    say.note("SIGHUP: rules are read anew; restart for other settings");
                }
            }
        }
        stop.set();
    });
}

fn play(
    runtime: &tokio::runtime::Runtime,
    address: SocketAddr,
    seed: u64,
    stopped: watch::Receiver<bool>,
    house: &House,
) -> tokio::task::JoinHandle<()> {
    let (say, stop) = (house.say.clone(), house.stop.clone());
    runtime.spawn(async move {
        if let Err(error) = super::demo::play(address, seed, stopped).await
            && !stop.is_set()
        {
            say.trouble(&format!("demo traffic: {error:#}"));
        }
    })
}

/// Gives the deliverer time to empty the outbox.
async fn flush_messages(house: &House) {
    let end = tokio::time::Instant::now() + LAST_MESSAGES;
    while tokio::time::Instant::now() < end {
        let store = house.store.clone();
        let owed = tokio::task::spawn_blocking(move || store.outbox_counts()).await;
        match owed {
            Ok(Ok(counts)) if counts.pending + counts.sending > 0 => {}
            _ => return,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
