//! VPC flow logs, default version 2: 14 space-separated fields.

use crate::cloudfront::put;
use crate::event::{FlowRecord, FlowStatus, SimEvent};
use crate::plan::SimulateError;
use crate::traffic::Traffic;
use flate2::Compression;
use flate2::write::GzEncoder;
use haetae_event::time::SECOND_US;
use std::io::Write;

/// Header line of the files on S3, without its newline.
pub const VPC_HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";

pub(crate) const ACCOUNT: &str = "123456789012";

/// Appends one line with its newline.
pub fn vpcflow_line(flow: &FlowRecord, out: &mut Vec<u8>) {
    put(
        out,
        format_args!(
            "2 {ACCOUNT} eni-0{:016x} ",
            crate::cloudfront::mix(u64::from(flow.interface))
        ),
    );
    let (start, end) = (
        flow.start.0.div_euclid(SECOND_US),
        flow.end.0.div_euclid(SECOND_US),
    );
    let action = match flow.status {
        FlowStatus::Accept => "ACCEPT",
        FlowStatus::Reject => "REJECT",
        FlowStatus::NoData => {
            return put(out, format_args!("- - - - - - - {start} {end} - NODATA\n"));
        }
        FlowStatus::SkipData => {
            return put(out, format_args!("- - - - - - - {start} {end} - SKIPDATA\n"));
        }
    };
    put(
        out,
        format_args!(
            "{} {} {} {} ",
            flow.source, flow.destination, flow.source_port, flow.destination_port
        ),
    );
    put(
        out,
        format_args!(
            "{} {} {} {start} {end} {action} OK\n",
            flow.protocol, flow.packets, flow.bytes
        ),
    );
}

/// Writes every flow record of the traffic as one gzip file with a header line. Web requests
/// are passed over. Returns the number of data lines.
///
/// # Errors
/// When `out` fails.
pub fn write_vpcflow_gz(traffic: &mut Traffic, out: impl Write) -> Result<u64, SimulateError> {
    let mut gzip = GzEncoder::new(out, Compression::fast());
    gzip.write_all(VPC_HEADER.as_bytes())?;
    gzip.write_all(b"\n")?;
    let (mut line, mut count) = (Vec::new(), 0);
    for event in traffic {
        if let SimEvent::Flow(flow) = event {
            line.clear();
            vpcflow_line(&flow, &mut line);
            gzip.write_all(&line)?;
            count += 1;
        }
    }
    gzip.finish()?.flush()?;
    Ok(count)
}
