//! Whether a live object still is what we applied. Pure.
//!
//! The API server fills in defaults, so the live object has more than what was asked for: what was
//! asked for must be in it. Whoever writes such a field differently has drifted; whoever adds a
//! field has not. Quantities come back in another spelling, for which
//! [`crate::provision`] remembers what an apply has made of it.

use serde_json::Value;

/// Whether something that is wanted is missing from what is live, or has another value.
pub fn differs(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().any(|(name, wanted)| {
            live.get(name).map_or(!is_empty(wanted), |live| differs(wanted, live))
        }),
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() != live.len()
                || wanted.iter().zip(live).any(|(wanted, live)| differs(wanted, live))
        }
        _ => wanted != live,
    }
}

/// What the API server leaves out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_of_the_api_server_are_no_drift() {
        let wanted = json!({"spec": {"ports": [{"port": 53, "protocol": "UDP"}], "flag": false}});
        let live = json!({
            "metadata": {"uid": "1"},
            "spec": {"ports": [{"port": 53, "protocol": "UDP", "nodePort": 31000}], "clusterIP": "a"}
        });
        assert!(!differs(&wanted, &live));
    }

    #[test]
    fn a_changed_value_a_lost_port_and_a_new_port_are_drift() {
        let port = |number: u16| json!({"port": number});
        let ports = |ports: &[Value]| json!({"ports": ports});
        let wanted = ports(&[port(1), port(2)]);
        for live in [
            ports(&[port(1), port(3)]),
            ports(&[port(1)]),
            ports(&[port(1), port(2), port(3)]),
            json!({}),
        ] {
            assert!(differs(&wanted, &live), "{live}");
        }
    }
}
