//! How conditions and their causes are made: nowhere else is one written out by hand.

use gwapi::reasons::{ConditionType, Reason};

use super::{Cause, Condition};

/// Causes beyond this many are counted, not listed: a message must stay readable.
const LISTED_CAUSES: usize = 8;

impl Cause {
    /// Something wrong with a field.
    pub(crate) fn new(
        reason: Reason,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { reason, field: Some(field.into()), message: message.into(), fix: None }
    }

    /// Something wrong that no field of the object shows.
    pub(crate) fn of_object(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, field: None, message: message.into(), fix: None }
    }

    /// Adds what would repair it.
    pub(crate) fn with_fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

/// Makes the conditions of one object.
#[derive(Clone, Copy)]
pub(crate) struct Conditions {
    generation: i64,
}

impl Conditions {
    /// Of an object with this `metadata.generation`.
    pub(crate) fn of(generation: Option<i64>) -> Self {
        Self { generation: generation.unwrap_or_default() }
    }

    /// A condition that is true.
    pub(crate) fn yes(
        self,
        r#type: ConditionType,
        reason: Reason,
        message: impl Into<String>,
    ) -> Condition {
        self.condition(r#type, true, reason, message.into(), vec![])
    }

    /// A condition that is false and sums up what other conditions say.
    pub(crate) fn no(
        self,
        r#type: ConditionType,
        reason: Reason,
        message: impl Into<String>,
    ) -> Condition {
        self.condition(r#type, false, reason, message.into(), vec![])
    }

    /// A condition that is false for these causes, the worst first; `None` if there are none.
    pub(crate) fn failed(self, r#type: ConditionType, causes: &[Cause]) -> Option<Condition> {
        let reason = causes.first()?.reason;
        Some(self.condition(r#type, false, reason, message(causes), causes.to_vec()))
    }

    /// A condition that is true and a warning: its cause is told as a finding.
    pub(crate) fn warning(self, r#type: ConditionType, cause: Cause) -> Condition {
        let message = message(std::slice::from_ref(&cause));
        self.condition(r#type, true, cause.reason, message, vec![cause])
    }

    fn condition(
        self,
        r#type: ConditionType,
        status: bool,
        reason: Reason,
        message: String,
        causes: Vec<Cause>,
    ) -> Condition {
        Condition {
            r#type: r#type.as_str(),
            status,
            reason: reason.as_str(),
            message,
            observed_generation: self.generation,
            causes,
        }
    }
}

fn message(causes: &[Cause]) -> String {
    let mut text = String::new();
    for cause in causes.iter().take(LISTED_CAUSES) {
        if !text.is_empty() {
            text.push_str("; ");
        }
        if let Some(field) = &cause.field {
            text.push_str(field);
            text.push_str(": ");
        }
        text.push_str(&cause.message);
    }
    let more = causes.len().saturating_sub(LISTED_CAUSES);
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    text
}
