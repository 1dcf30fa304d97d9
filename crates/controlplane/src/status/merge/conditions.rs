//! Lists of conditions: ours are set, others stay as they are.

use gwapi::reasons::ConditionType;
use serde_json::{Map, Value, json};
use translate::status::Condition;

/// `maxItems` of every list of conditions in Gateway API.
const MOST: usize = 8;
/// `maxLength` of `message`, in characters (apimachinery `metav1.Condition`).
const LONGEST_MESSAGE: usize = 32_768;

/// Sets our conditions in `conditions` of a status or an entry.
pub(super) fn set(parent: &mut Map<String, Value>, wanted: &[Condition], now: &str) {
    let merged = merged(parent.get("conditions"), wanted, now);
    parent.insert("conditions".to_owned(), Value::Array(merged));
}

/// What a list becomes. Each condition keeps its place; new ones are added at the end, as far as
/// there is room. One of ours that is not wanted any more goes: a stale one would not carry the
/// observed generation, and suites and health checks refuse a list for one stale entry.
pub(super) fn merged(current: Option<&Value>, wanted: &[Condition], now: &str) -> Vec<Value> {
    let current = current.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let foreign = current.iter().filter(|condition| !is_ours(condition)).count();
    // What was decided comes in order of weight, so the last ones give way.
    let wanted = &wanted[..wanted.len().min(MOST.saturating_sub(foreign))];
    let mut done = vec![false; wanted.len()];
    let mut list = Vec::with_capacity(foreign + wanted.len());
    for condition in current {
        if !is_ours(condition) {
            list.push(condition.clone());
            continue;
        }
        let position = wanted.iter().position(|wanted| condition["type"] == wanted.r#type);
        // A second one of the same type cannot be in a valid list: it goes too.
        if let Some(position) = position.filter(|position| !done[*position]) {
            done[position] = true;
            list.push(one(Some(condition), &wanted[position], now));
        }
    }
    let new = wanted.iter().zip(&done).filter(|(_, done)| !**done);
    list.extend(new.map(|(wanted, _)| one(None, wanted, now)));
    list
}

/// Whether a condition is of a type that we set.
pub(super) fn is_ours(condition: &Value) -> bool {
    ConditionType::ALL.iter().any(|r#type| condition["type"] == r#type.as_str())
}

/// The conditions of a list that are not ours, if there are any.
pub(super) fn foreign(list: Option<&Value>) -> Vec<Value> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter(|condition| !is_ours(condition)).cloned().collect()
}

/// The newest generation that a condition of ours in the list was about.
pub(super) fn newest(list: Option<&Value>) -> Option<i64> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter(|condition| is_ours(condition))
        .filter_map(|condition| condition["observedGeneration"].as_i64())
        .max()
}

/// One condition. It is replaced only if it says something else, and `lastTransitionTime` moves
/// only if its status does.
fn one(current: Option<&Value>, wanted: &Condition, now: &str) -> Value {
    let status = if wanted.status { "True" } else { "False" };
    let message = cut(&wanted.message);
    let mut since = now;
    if let Some(current) = current
        && current["status"] == status
        && let Some(before) = current["lastTransitionTime"].as_str()
    {
        let same = current["reason"] == wanted.reason
            && current["message"] == message
            && current["observedGeneration"] == wanted.observed_generation;
        if same {
            return current.clone();
        }
        since = before;
    }
    json!({
        "type": wanted.r#type,
        "status": status,
        "reason": wanted.reason,
        "message": message,
        "observedGeneration": wanted.observed_generation,
        "lastTransitionTime": since,
    })
}

fn cut(message: &str) -> String {
    match message.char_indices().nth(LONGEST_MESSAGE) {
        None => message.to_owned(),
        Some(_) => message.chars().take(LONGEST_MESSAGE - 1).chain(['…']).collect(),
    }
}
