//! The check of crawlers, from the configuration: who is asked, which ranges are known.

use crate::config::{Config, CrawlersConfig};
use anyhow::Result;
use haetae_detect::behaviours::crawlers::CLAIMED;
use haetae_detect::{Engine, Evaluation};
use haetae_enrich::crawlers::{
    Patient, RangesFolder, RangesNews, Resolver, Table, Verification, VerificationConfig,
};
use haetae_enrich::files::DiskFiles;
use haetae_event::{Clock, SystemClock};
use haetae_pipeline::Claims;
use haetae_resolve::{Dns, DnsSettings, Working, start};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Threads that ask: one slow zone holds up one of them.
const THREADS: usize = 4;

/// How long a command, or a run that ends by itself, waits for names, all in all.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A line for the operator.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// Checks claims while it lives.
pub struct CrawlerCheck {
    verification: Arc<Verification>,
    ranges: Option<Mutex<RangesFolder>>,
    /// `None`: nobody is asked.
    _working: Option<Working>,
}

impl CrawlerCheck {
    /// Asks and reads nothing yet. A machine without a resolver is told of and goes without.
    ///
    /// # Errors
    /// When no thread can be started, or `crawlers.resolver` is none; the loader has checked that
    /// already.
    pub fn new(config: &Config, clock: Arc<dyn Clock>, tell: Tell) -> Result<CrawlerCheck> {
        let settings = &config.crawlers;
        let table = Table::builtin();
        let ranges = settings.ranges_dir.clone().map(|dir| {
            let interval_s = config.enrich.reload_interval_s;
            let files = Arc::new(DiskFiles);
            Mutex::new(RangesFolder::new(
                dir,
                table.clone(),
                interval_s,
                files,
                clock.clone(),
            ))
        });
        let Some(resolver) = resolver(settings, &tell)? else {
            return Ok(CrawlerCheck {
                verification: Arc::new(Verification::offline(table, clock)),
                ranges,
                _working: None,
            });
        };
        let verification = Arc::new(Verification::new(table, clock, VerificationConfig::default()));
        let working = start(&verification, &resolver, THREADS)?;
        Ok(CrawlerCheck {
            verification,
            ranges,
            _working: Some(working),
        })
    }

    /// What answers at once or not at all.
    pub fn verification(&self) -> Arc<Verification> {
        self.verification.clone()
    }

    /// What waits for answers, [`PATIENCE`] at most; `tell` hears how many claims it waits for.
    pub fn patient(&self, tell: Tell) -> Patient {
        let seconds = PATIENCE.as_secs();
        let say = move |open: usize| {
            tell(&format!(
                "crawlers: {open} claims are looked up by reverse DNS, for {seconds} s at most"
            ));
        };
        Patient::new(self.verification.clone(), PATIENCE, Box::new(say))
    }

    /// Reads ranges that changed.
    pub fn refresh(&self) -> RangesNews {
        let Some(ranges) = &self.ranges else {
            return RangesNews::default();
        };
        let mut news = ranges.lock().unwrap_or_else(PoisonError::into_inner).refresh();
        if let Some(table) = news.table.take() {
            self.verification.replace(table);
        }
        news
    }
}

fn resolver(settings: &CrawlersConfig, tell: &Tell) -> Result<Option<Arc<dyn Resolver>>> {
    if !settings.verify {
        return Ok(None);
    }
    let asked = DnsSettings {
        server: settings.resolver.parse()?,
        ..DnsSettings::default()
    };
    let hears = tell.clone();
    match Dns::new(&asked, Box::new(move |line| hears(line))) {
        Ok(dns) => Ok(Some(Arc::new(dns))),
        Err(error) => {
            tell(&format!("crawlers: {error}; claims of crawlers stay unverified"));
            Ok(None)
        }
    }
}

/// What a one-shot command tells of crawlers: claims are checked, and waited for.
///
/// # Errors
/// As [`CrawlerCheck::new`].
pub fn judged(evaluation: Evaluation, engine: &mut Engine, config: &Config) -> Result<Evaluation> {
    if !evaluation
        .episodes
        .iter()
        .any(|episode| episode.detector == CLAIMED)
    {
        return Ok(evaluation);
    }
    let tell: Tell = Arc::new(|line| eprintln!("{line}"));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let check = CrawlerCheck::new(config, clock.clone(), tell.clone())?;
    for trouble in check.refresh().troubles {
        tell(&format!("problem: {trouble}"));
    }
    let patient = Arc::new(check.patient(tell));
    let mut evaluation = Claims::new(patient, clock).judge(evaluation);
    engine.leave_out_excepted(&mut evaluation);
    Ok(evaluation)
}
