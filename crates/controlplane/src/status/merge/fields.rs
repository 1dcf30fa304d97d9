//! Lists of a status that are ours as a whole.

use serde_json::{Map, Value};

/// Sets a list. An empty one and an absent one say the same, so neither replaces the other.
pub(super) fn set_list(status: &mut Map<String, Value>, name: &str, list: Vec<Value>) {
    let is_empty =
        status.get(name).is_none_or(|before| before.as_array().is_some_and(Vec::is_empty));
    if list.is_empty() {
        if !is_empty {
            status.remove(name);
        }
        return;
    }
    status.insert(name.to_owned(), Value::Array(list));
}
