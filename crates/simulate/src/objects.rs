//! Whole folders: the stream split into the objects a log bucket would hold.

use crate::cloudfront::{CloudFrontLines, DISTRIBUTION, HEADER, mix, unordered};
use crate::event::{FlowRecord, SimEvent, WebRequest};
use crate::labels::Labels;
use crate::plan::{Plan, SimulateError};
use crate::traffic::generate;
use crate::vpcflow::{ACCOUNT, VPC_HEADER, vpcflow_line};
use flate2::Compression;
use flate2::write::GzEncoder;
use haetae_event::Micros;
use haetae_event::time::{HOUR_US, MINUTE_US};
use std::collections::VecDeque;
use std::io::{self, Write};

/// Receives finished objects.
pub trait ObjectSink {
    /// Keeps `bytes` under `name` (`/` parts folders). Called once per name.
    ///
    /// # Errors
    /// When the object cannot be kept; the writer stops.
    fn object(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

impl<F: FnMut(&str, &[u8]) -> io::Result<()>> ObjectSink for F {
    fn object(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self(name, bytes)
    }
}

/// Where objects go and how they are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectOptions {
    /// Put before the names of CloudFront objects.
    pub cloudfront_prefix: String,
    /// Put before the names of VPC flow objects.
    pub vpcflow_prefix: String,
    /// Name of the labels object; `None` writes none.
    pub labels_name: Option<String>,
    /// CloudFront files open at a time: each hour has at least this many (given enough lines).
    pub files_per_hour: u32,
    /// A file is closed at this many lines.
    pub lines_per_file_max: u32,
    /// So many lines of a thousand come late: in a file of their hour that is delivered one to
    /// five hours after it, as CloudFront's are now and then.
    pub late_per_mille: u32,
}

impl Default for ObjectOptions {
    fn default() -> Self {
        ObjectOptions {
            cloudfront_prefix: "cloudfront/".into(),
            vpcflow_prefix: "vpcflow/".into(),
            labels_name: Some("labels.json".into()),
            files_per_hour: 3,
            lines_per_file_max: 50_000,
            late_per_mille: 10,
        }
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub labels: Labels,
    pub cloudfront_objects: u64,
    pub vpcflow_objects: u64,
    /// Header lines over all objects: `lines_in` is these plus the events.
    pub header_lines: u64,
}

struct Objects<'a> {
    options: &'a ObjectOptions,
    sink: &'a mut dyn ObjectSink,
    seed: u64,
    lines: CloudFrontLines,
    /// Start of the hour whose files are open.
    hour: Micros,
    files: Vec<Vec<Vec<u8>>>,
    /// Late files of former hours and of this one.
    late: VecDeque<Late>,
    /// Start of the five minutes whose flow file is open.
    period: Micros,
    flows: Vec<u8>,
    cloudfront_objects: u64,
    vpcflow_objects: u64,
}

/// A file that is not delivered with its hour.
struct Late {
    hour: Micros,
    due: Micros,
    lines: Vec<Vec<u8>>,
}

/// Runs the plan and hands every object to the sink: CloudFront files of 33 fields with lines
/// mixed up, VPC flow files per five minutes, and the labels last. Memory is bounded by the
/// open files (`files_per_hour × lines_per_file_max` lines, the late lines of six hours, and
/// five minutes of flows).
///
/// # Errors
/// When the plan is out of range or the sink fails.
pub fn write_all(
    plan: &Plan,
    options: &ObjectOptions,
    sink: &mut dyn ObjectSink,
) -> Result<Written, SimulateError> {
    let mut traffic = generate(plan)?;
    let mut objects = Objects {
        options,
        sink,
        seed: plan.seed,
        lines: CloudFrontLines::new(),
        hour: Micros::MIN,
        files: vec![Vec::new(); options.files_per_hour.max(1) as usize],
        late: VecDeque::new(),
        period: Micros::MIN,
        flows: Vec::new(),
        cloudfront_objects: 0,
        vpcflow_objects: 0,
    };
    for event in &mut traffic {
        match event {
            SimEvent::Web(request) => objects.web(&request)?,
            SimEvent::Flow(flow) => objects.flow(&flow)?,
        }
    }
    for file in 0..objects.files.len() {
        objects.close_cloudfront(file)?;
    }
    objects.deliver_late(Micros::MAX)?;
    objects.close_vpcflow()?;
    let labels = traffic.labels();
    if let Some(name) = &options.labels_name {
        let text = serde_json::to_vec_pretty(&labels).map_err(io::Error::other)?;
        objects.sink.object(name, &text)?;
    }
    let (cloudfront_objects, vpcflow_objects) = (objects.cloudfront_objects, objects.vpcflow_objects);
    let header_lines = 2 * cloudfront_objects + vpcflow_objects;
    Ok(Written {
        labels,
        cloudfront_objects,
        vpcflow_objects,
        header_lines,
    })
}

fn gzip(parts: &[&[u8]]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for part in parts {
        encoder.write_all(part)?;
    }
    encoder.finish()
}

impl Objects<'_> {
    fn web(&mut self, request: &WebRequest) -> io::Result<()> {
        let hour = request.ts.floor_to(HOUR_US);
        if hour != self.hour {
            for file in 0..self.files.len() {
                self.close_cloudfront(file)?;
            }
            self.deliver_late(hour)?;
            self.hour = hour;
        }
        if mix(request.sequence ^ mix(self.seed)) % 1000 < u64::from(self.options.late_per_mille) {
            let mut line = Vec::with_capacity(512);
            self.lines.line(request, &mut line);
            self.keep_late(line);
            return Ok(());
        }
        let spread = mix(request.sequence) % self.files.len() as u64;
        let file = usize::try_from(spread).expect("below the number of files");
        let mut line = Vec::with_capacity(512);
        self.lines.line(request, &mut line);
        self.files[file].push(line);
        if self.files[file].len() >= self.options.lines_per_file_max.max(1) as usize {
            self.close_cloudfront(file)?;
        }
        Ok(())
    }

    fn keep_late(&mut self, line: Vec<u8>) {
        let hour = self.hour;
        if let Some(late) = self.late.iter_mut().find(|late| late.hour == hour) {
            return late.lines.push(line);
        }
        let hours = 2 + (mix(hour.0.unsigned_abs() ^ self.seed) % 5) as i64;
        self.late.push_back(Late {
            hour,
            due: hour.saturating_add(hours * HOUR_US),
            lines: vec![line],
        });
    }

    /// Delivers the late files that are due.
    fn deliver_late(&mut self, now: Micros) -> io::Result<()> {
        let (due, wait) = std::mem::take(&mut self.late)
            .into_iter()
            .partition::<VecDeque<Late>, _>(|late| late.due <= now);
        self.late = wait;
        for late in due {
            self.write_cloudfront(late.hour, late.lines)?;
        }
        Ok(())
    }

    fn close_cloudfront(&mut self, file: usize) -> io::Result<()> {
        if self.files[file].is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.files[file]);
        self.write_cloudfront(self.hour, lines)
    }

    fn write_cloudfront(&mut self, hour: Micros, mut lines: Vec<Vec<u8>>) -> io::Result<()> {
        let salt = mix(self.seed ^ mix(self.cloudfront_objects));
        unordered(&mut lines, salt);
        let (date, hour) = hour.partition();
        let unique = mix(self.cloudfront_objects.wrapping_add(mix(self.seed)));
        let name = format!(
            "{}{DISTRIBUTION}.{date}-{hour}.{unique:016x}.gz",
            self.options.cloudfront_prefix
        );
        self.sink
            .object(&name, &gzip(&[HEADER.as_bytes(), &lines.concat()])?)?;
        self.cloudfront_objects += 1;
        Ok(())
    }

    fn flow(&mut self, flow: &FlowRecord) -> io::Result<()> {
        let period = flow.start.floor_to(5 * MINUTE_US);
        if period != self.period {
            self.close_vpcflow()?;
            self.period = period;
        }
        vpcflow_line(flow, &mut self.flows);
        Ok(())
    }

    fn close_vpcflow(&mut self) -> io::Result<()> {
        if self.flows.is_empty() {
            return Ok(());
        }
        let (date, hour) = self.period.partition();
        let minute = self.period.0.div_euclid(MINUTE_US).rem_euclid(60);
        let unique = mix(self.vpcflow_objects.wrapping_add(mix(!self.seed)));
        let name = format!(
            "{}AWSLogs/{ACCOUNT}/vpcflowlogs/ap-northeast-2/{}/{ACCOUNT}_vpcflowlogs_ap-northeast-2_fl-0a1b2c3d4e5f60718_{}T{hour}{minute:02}Z_{unique:016x}.log.gz",
            self.options.vpcflow_prefix,
            date.replace('-', "/"),
            date.replace('-', ""),
        );
        self.sink
            .object(&name, &gzip(&[VPC_HEADER.as_bytes(), b"\n", &self.flows])?)?;
        self.flows.clear();
        self.vpcflow_objects += 1;
        Ok(())
    }
}
