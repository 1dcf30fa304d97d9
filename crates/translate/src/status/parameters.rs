//! Status of GatewayParameters.

use gwapi::ObjectKey;
use gwapi::reasons::{ConditionType, Reason};

use super::condition::Conditions;
use super::{Cause, GatewayParametersStatus, Outcome};
use crate::parameters::Parameters;

/// Of all of them, also of those that nothing refers to: they are ours alone.
pub(super) fn statuses(
    outcome: &Outcome<'_, '_>,
) -> impl Iterator<Item = (ObjectKey, GatewayParametersStatus)> {
    outcome.world.objects.gateway_parameters.iter().map(|(key, object)| {
        let conditions = Conditions::of(object.metadata.generation);
        let causes: Vec<_> = Parameters::read(&object.spec)
            .err()
            .into_iter()
            .flatten()
            .map(|problem| Cause::new(Reason::UnsupportedValue, problem.field, problem.message))
            .collect();
        let accepted = conditions.failed(ConditionType::Accepted, &causes).unwrap_or_else(|| {
            conditions.yes(ConditionType::Accepted, Reason::Accepted, "the parameters are valid")
        });
        (key.clone(), GatewayParametersStatus { conditions: vec![accepted] })
    })
}
