//! Status of GatewayClasses.

use gwapi::reasons::{ConditionType, Reason};

use super::condition::Conditions;
use super::{GatewayClassStatus, Outcome};
use crate::classes::{SUPPORTED_FEATURES, supported_version};

/// Of every class that is ours and written down.
pub(super) fn statuses(
    outcome: &Outcome<'_, '_>,
) -> impl Iterator<Item = (gwapi::ObjectKey, GatewayClassStatus)> {
    let version = supported_version(outcome.world);
    outcome.classes.iter().filter_map(move |class| {
        let (key, object) = class.object?;
        let conditions = Conditions::of(object.metadata.generation);
        let accepted =
            conditions.failed(ConditionType::Accepted, &class.refusals).unwrap_or_else(|| {
                conditions.yes(ConditionType::Accepted, Reason::Accepted, "the class is served")
            });
        let supported = match &version {
            Ok(found) => conditions.yes(
                ConditionType::SupportedVersion,
                Reason::SupportedVersion,
                found.as_str(),
            ),
            Err(cause) => {
                let causes = std::slice::from_ref(cause);
                conditions.failed(ConditionType::SupportedVersion, causes)?
            }
        };
        let status = GatewayClassStatus {
            conditions: vec![accepted, supported],
            supported_features: SUPPORTED_FEATURES.to_vec(),
        };
        Some((key.clone(), status))
    })
}
