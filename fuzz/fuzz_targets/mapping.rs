//! A definition of a parser, and behind the first NUL lines for it: mistakes are told with their
//! place, and what is sound reads any lines.
#![no_main]

use haetae_parse::fixtures::Outcome;
use haetae_parse::mapping::evaluate;
use haetae_parse::{Choice, Limits, ParseOptions, ParserDefinition};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|&b| b == 0).unwrap_or(data.len());
    let yaml = String::from_utf8_lossy(&data[..end]);
    let lines = data.get(end + 1..).unwrap_or_default();
    if let Err(found) = evaluate(&yaml) {
        assert!(!found.is_empty());
    }
    let definition = match ParserDefinition::parse("fuzz.yaml", &yaml) {
        Ok(definition) => definition,
        Err(found) => {
            assert!(!found.is_empty());
            // A carriage return alone ends a line of YAML too.
            let last = yaml.split(['\n', '\r']).count() as u32 + 1;
            for mistake in found {
                assert!(
                    (1..=last).contains(&mistake.line) && mistake.column >= 1,
                    "{mistake}"
                );
            }
            return;
        }
    };
    let options = ParseOptions {
        limits: Limits {
            record_bytes_max: 1 << 14,
            decompressed_bytes_max: 1 << 20,
            ..Limits::default()
        },
        ..ParseOptions::default()
    };
    let _ = definition.run_tests(None, &options);
    if let Ok(blueprint) = definition.blueprint(None) {
        let batch = Outcome::of(lines, Choice::Blueprint(blueprint), &options).into_batch();
        assert!(batch.counts.balanced(), "{:?}", batch.counts);
    }
});
