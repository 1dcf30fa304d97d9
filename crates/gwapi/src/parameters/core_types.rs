//! Schemas of Kubernetes' own types inside our definitions: their shape without their prose, which
//! would be most of the definition.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value as Json;

/// The schema of one value of a type.
pub(super) fn one<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator).to_value();
    forget_prose(&mut schema);
    Schema::try_from(schema).unwrap_or_default()
}

/// The schema of a list.
pub(super) fn list_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let item = one::<T>(generator);
    json_schema!({ "type": "array", "items": item })
}

/// The schema of amounts by name.
pub(super) fn quantities(generator: &mut SchemaGenerator) -> Schema {
    let amount = one::<Quantity>(generator);
    json_schema!({ "type": "object", "additionalProperties": amount })
}

fn forget_prose(schema: &mut Json) {
    match schema {
        Json::Object(fields) => {
            // A property may have this name; then it is no text.
            if fields.get("description").is_some_and(Json::is_string) {
                fields.remove("description");
            }
            fields.values_mut().for_each(forget_prose);
        }
        Json::Array(items) => items.iter_mut().for_each(forget_prose),
        _ => {}
    }
}
