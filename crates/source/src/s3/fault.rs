//! What went wrong with a request, and what the operator can do about it.

use super::config::S3Config;
use crate::seam::SourceProblem;
use std::error::Error as _;
use std::time::Duration;

/// A failed request, by what is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NoCredentials,
    /// The keys are wrong, expired, or the clock is.
    BadCredentials,
    AccessDenied,
    NoSuchBucket,
    WrongRegion,
    Unreachable,
    /// The key is not there (any more).
    Gone,
    /// The object is another one than was listed.
    Changed,
    /// A key that object paths cannot express (`a//b`, `.` or `..` as a part).
    BadKey,
    /// The store's passing trouble: retried.
    Store,
}

/// What was being done: it decides the permission that is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    List,
    Get,
    Put,
    Delete,
}

/// The error's text with that of all its causes, on one line.
pub(super) fn full_text(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// S3's error codes stand in the body of the reply; the object store crate hands them on as text.
pub(super) fn classify(error: &object_store::Error) -> Fault {
    let text = full_text(error);
    let has = |codes: &[&str]| codes.iter().any(|code| text.contains(code));
    if has(&["NoSuchBucket"]) {
        return Fault::NoSuchBucket;
    }
    let region_codes = [
        "PermanentRedirect",
        "AuthorizationHeaderMalformed",
        "without LOCATION",
        "IllegalLocationConstraint",
    ];
    if has(&region_codes) || text.contains("301 Moved") {
        return Fault::WrongRegion;
    }
    if has(&[
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "RequestTimeTooSkewed",
    ]) {
        return Fault::BadCredentials;
    }
    match error {
        object_store::Error::NotFound { .. } => return Fault::Gone,
        object_store::Error::Precondition { .. } => return Fault::Changed,
        object_store::Error::InvalidPath { .. } => return Fault::BadKey,
        object_store::Error::PermissionDenied { .. } => return Fault::AccessDenied,
        object_store::Error::Unauthenticated { .. } => return Fault::BadCredentials,
        _ => {}
    }
    if has(&[
        "169.254.169.254",
        "169.254.170.2",
        "instance credential",
        "metadata token",
        "AssumeRole",
    ]) {
        return Fault::NoCredentials;
    }
    if has(&["AccessDenied", "403 Forbidden", "AllAccessDisabled"]) {
        return Fault::AccessDenied;
    }
    if has(&[
        "invalid path",
        "empty path segment",
        "Encountered object with invalid path",
    ]) {
        return Fault::BadKey;
    }
    let connect_words = [
        "error trying to connect",
        "tcp connect",
        "dns error",
        "Connection refused",
        "Connect",
    ];
    if has(&connect_words) || has(&["error sending request", "timed out"]) {
        return Fault::Unreachable;
    }
    Fault::Store
}

/// The permission an action needs, as a policy names it.
pub(super) fn permission(config: &S3Config, action: Action) -> String {
    let (name, suffix) = match action {
        Action::List => ("s3:ListBucket", String::new()),
        Action::Get => ("s3:GetObject", format!("/{}*", config.prefix)),
        Action::Delete => ("s3:DeleteObject", format!("/{}*", config.prefix)),
        Action::Put => (
            "s3:PutObject",
            format!("/{}*", config.archive_prefix.as_deref().unwrap_or_default()),
        ),
    };
    format!("{name} on arn:aws:s3:::{}{suffix}", config.bucket)
}

/// The problem as the operator reads it. `detail` is the store's own text.
pub(super) fn problem(
    config: &S3Config,
    fault: Fault,
    action: Action,
    detail: &str,
    retry_in: Option<Duration>,
) -> SourceProblem {
    let place = match &config.endpoint {
        Some(endpoint) => format!("s3://{}/{} at {endpoint}", config.bucket, config.prefix),
        None => format!("s3://{}/{}", config.bucket, config.prefix),
    };
    let (code, what, hint) = words(fault);
    let needed = matches!(
        fault,
        Fault::AccessDenied | Fault::NoCredentials | Fault::BadCredentials
    );
    let detail: String = detail.chars().take(400).collect();
    SourceProblem {
        source: config.id(),
        code,
        message: format!("{place}: {what}: {detail}"),
        hint: hint.to_owned(),
        iam_action: needed.then(|| permission(config, action)),
        retry_in,
    }
}

/// Stable code, what happened, what to do.
fn words(fault: Fault) -> (&'static str, &'static str, &'static str) {
    match fault {
        Fault::NoCredentials => (
            "no_credentials",
            "no AWS credentials found",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or attach a role to this machine",
        ),
        Fault::BadCredentials => (
            "bad_credentials",
            "the store refuses the credentials",
            "check that the keys are current and belong to this store, and that the clock is right",
        ),
        Fault::AccessDenied => (
            "access_denied",
            "access denied",
            "allow the named action in the policy of the user or role, and of the bucket",
        ),
        Fault::NoSuchBucket => (
            "no_such_bucket",
            "no such bucket",
            "check `bucket` (and `endpoint`)",
        ),
        Fault::WrongRegion => (
            "wrong_region",
            "the bucket is in another region",
            "set `region` to the bucket's region",
        ),
        Fault::Unreachable => (
            "unreachable",
            "the store cannot be reached",
            "check `endpoint` and `region`, DNS, proxy and firewall",
        ),
        Fault::Gone => (
            "object_gone",
            "the object is not there",
            "nothing: it was removed meanwhile",
        ),
        Fault::Changed => (
            "object_changed",
            "the object has changed",
            "nothing: it is read again",
        ),
        Fault::BadKey => (
            "bad_key",
            "a key under the prefix cannot be read (empty, `.` or `..` as a part)",
            "rename that object, or choose a prefix that does not hold it",
        ),
        Fault::Store => (
            "store_error",
            "the store failed",
            "it is tried again; check the store's own health",
        ),
    }
}
