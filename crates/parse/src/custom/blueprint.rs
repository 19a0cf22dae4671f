//! From a definition to parsers: one for each input, all sharing the compiled mapping.

use super::chunk::Chunk;
use super::definition::{Kind, ParserDefinition};
use super::extractor::ExtractorFactory;
use super::fields::{PathTree, Shape};
use super::pattern::Pattern;
use super::records::{self, Fields};
use crate::block::Framing;
use crate::format::Opening;
use crate::mapping::Mapping;
use crate::options::Limits;
use crate::parser::{Blueprint, ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use haetae_event::{Dataset, Micros};
use regex::Regex;
use std::sync::Arc;

/// Lines of the head that `detect` is tried on.
const DETECT_LINES: usize = 20;

/// One version of a user's parser.
#[derive(Debug)]
pub struct CustomBlueprint {
    pub id: String,
    pub dataset: Dataset,
    pub kind: Kind,
    pub patterns: Vec<Regex>,
    pub detect: Option<Regex>,
    pub mapping: Arc<Mapping>,
    /// Places of the targets that a record must fill.
    pub required: Vec<usize>,
    pub extractor: Option<Arc<dyn ExtractorFactory>>,
}

impl CustomBlueprint {
    pub fn new(definition: &ParserDefinition, extractor: Option<Arc<dyn ExtractorFactory>>) -> Self {
        CustomBlueprint {
            id: definition.parser_id(),
            dataset: definition.dataset(),
            kind: definition.kind(),
            patterns: definition.patterns().to_vec(),
            detect: definition.detect().cloned(),
            mapping: definition.mapping().clone(),
            required: definition.required().to_vec(),
            extractor,
        }
    }

    fn shape(&self) -> Shape {
        match self.kind {
            Kind::Json => Shape::Nested,
            Kind::Custom => Shape::FlatJson,
            Kind::Kv | Kind::Cef | Kind::Regex => Shape::Flat,
        }
    }

    fn fields(&self) -> Fields {
        match self.kind {
            Kind::Json => Fields::Json,
            Kind::Kv => Fields::Kv,
            Kind::Cef => Fields::Cef,
            Kind::Regex => Fields::Regex(self.patterns.iter().map(Pattern::new).collect()),
            Kind::Custom => Fields::Custom(self.extractor.as_ref().map(|factory| factory.open())),
        }
    }
}

impl Blueprint for CustomBlueprint {
    fn id(&self) -> &str {
        &self.id
    }

    fn dataset(&self) -> Dataset {
        self.dataset
    }

    fn recognises(&self, head: &[u8]) -> bool {
        let Some(detect) = &self.detect else {
            return false;
        };
        let lines = head.split(|b| *b == b'\n').take(DETECT_LINES);
        lines
            .into_iter()
            .any(|line| detect.is_match(&String::from_utf8_lossy(line)))
    }

    fn is_json(&self) -> bool {
        self.kind == Kind::Json
    }

    fn open(&self, opening: &Opening<'_>) -> Box<dyn Parser> {
        let options = opening.options;
        let mut core: Vec<&str> = self
            .mapping
            .targets
            .iter()
            .filter(|target| target.column.core)
            .map(|target| target.column.name)
            .collect();
        core.extend(["raw", "warnings", "attrs"]);
        let plan = Plan::new(self.dataset, &core, &options.columns);
        let slots = Slots::new(&plan, &self.mapping);
        let tree = PathTree::new(
            &self.mapping.paths,
            self.shape(),
            options.limits.json_depth_max,
            options.limits.json_fields_max,
        );
        let work = Work {
            chunk: Chunk::new(&self.mapping, slots.attrs.wanted(), options.time_zone.as_ref()),
            fields: self.fields(),
            tree,
            mapping: self.mapping.clone(),
            required: self.required.clone(),
            slots,
            limits: options.limits.clone(),
            arrival: options.arrival,
        };
        Box::new(CustomParser {
            id: self.id.clone(),
            dataset: self.dataset,
            framing: opening.framing,
            plan,
            work,
        })
    }
}

/// Where targets and the house's own columns go.
pub struct Slots {
    /// By place of the target; `ts` has none.
    pub targets: Vec<Slot>,
    pub ts: Option<usize>,
    pub raw: Slot,
    pub warnings: Slot,
    pub attrs: Slot,
}

impl Slots {
    fn new(plan: &Plan, mapping: &Mapping) -> Slots {
        let ts = mapping.position("ts");
        let slot = |(place, target): (usize, &crate::mapping::Target)| match Some(place) == ts {
            true => Slot::NONE,
            false => plan.slot(target.column.name),
        };
        Slots {
            targets: mapping.targets.iter().enumerate().map(slot).collect(),
            ts,
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
            attrs: plan.slot("attrs"),
        }
    }
}

/// Everything that parsing a block works with, beside the sheet.
pub struct Work {
    pub chunk: Chunk,
    pub fields: Fields,
    pub tree: PathTree,
    pub mapping: Arc<Mapping>,
    pub required: Vec<usize>,
    pub slots: Slots,
    pub limits: Limits,
    pub arrival: Micros,
}

struct CustomParser {
    id: String,
    dataset: Dataset,
    framing: Framing,
    plan: Plan,
    work: Work,
}

impl Parser for CustomParser {
    fn id(&self) -> &str {
        &self.id
    }

    fn dataset(&self) -> Dataset {
        self.dataset
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        records::parse(block, &self.plan, self.framing, &mut self.work)
    }
}
