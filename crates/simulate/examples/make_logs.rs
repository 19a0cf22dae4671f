//! Writes simulated logs into a folder: `make_logs SCENARIO FOLDER [SEED] [DURATION_S] [RPM]`,
//! or one large CloudFront file: `make_logs bulk FILE [SEED] [RAW_MB]`.

use haetae_simulate::{ObjectOptions, Plan, Scenario, write_all, write_cloudfront_bulk};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scenario, target, rest @ ..] = arguments.as_slice() else {
        return Err("usage: make_logs SCENARIO FOLDER [SEED] [DURATION_S] [RPM] | make_logs bulk FILE [SEED] [RAW_MB]".into());
    };
    let number = |index: usize, default: u32| rest.get(index).map_or(Ok(default), |text| text.parse::<u32>());
    let seed = u64::from(number(0, 1)?);
    if scenario == "bulk" {
        let plan = Plan {
            requests_per_minute: 20_000,
            ..Plan::new(Scenario::Mixed, seed)
        };
        let file = std::io::BufWriter::new(std::fs::File::create(target)?);
        let (lines, raw) = write_cloudfront_bulk(&plan, u64::from(number(1, 230)?) * 1_000_000, file)?;
        eprintln!("{lines} lines, {raw} bytes uncompressed");
        return Ok(());
    }
    let mut plan = Plan::new(Scenario::parse(scenario)?, seed);
    plan.duration_s = number(1, plan.duration_s)?;
    plan.requests_per_minute = number(2, plan.requests_per_minute)?;
    let folder = Path::new(target);
    let mut sink = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(path, bytes)
    };
    let written = write_all(&plan, &ObjectOptions::default(), &mut sink)?;
    let totals = &written.labels.totals;
    eprintln!(
        "{} web requests in {} objects, {} flows in {} objects, {} attacking clients",
        totals.web.events,
        written.cloudfront_objects,
        totals.vpcflow.events,
        written.vpcflow_objects,
        written.labels.attacks.len()
    );
    Ok(())
}
