//! Certificates that have expired or soon will. They are served all the same: a client may know
//! better, and a connection refused here could not be repaired there.

use gwapi::{Kind, ObjectRef};

use super::{Finding, warning};
use crate::certs::{CERTIFICATE_KEY, Certificate, Certificates};

const DAY: i64 = 24 * 60 * 60;
/// ACME clients renew 30 days before the end (a third of 90), so after 16 more days of failing
/// somebody should look.
const SOON: i64 = 14 * DAY;

/// Of every certificate that something refers to.
pub(super) fn findings(certificates: &Certificates<'_>, now: i64) -> impl Iterator<Item = Finding> {
    certificates.in_use().filter_map(move |(key, certificate)| {
        let (id, message) = finding(certificate, now)?;
        let object = ObjectRef::new(Kind::Secret, key.clone());
        Some(warning(object, Some(format!("data[{CERTIFICATE_KEY}]")), id, message))
    })
}

fn finding(certificate: &Certificate, now: i64) -> Option<(&'static str, String)> {
    let left = certificate.identity.not_after.saturating_sub(now);
    let until_begin = certificate.not_before.saturating_sub(now);
    if left < 0 {
        let days = left.unsigned_abs().div_ceil(DAY.unsigned_abs());
        Some(("certificate-expired", format!("the certificate expired {days} days ago")))
    } else if left < SOON {
        let days = left.checked_div(DAY).unwrap_or_default();
        Some(("certificate-expiring", format!("the certificate expires in {days} days")))
    } else if until_begin > 0 {
        let days = until_begin.unsigned_abs().div_ceil(DAY.unsigned_abs());
        Some(("certificate-not-yet-valid", format!("the certificate is valid only in {days} days")))
    } else {
        None
    }
}
