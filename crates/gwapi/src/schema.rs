//! What a valid object of each kind looks like: fields, bounds, defaults and rules.
//!
//! An API server checks objects before we see them; for files we are the API server. The schemas
//! are those of the standard channel of Gateway API v1.7.0 and of the core kinds, one file for
//! each kind, written with the small vocabulary of this file. A test walks them against the
//! published CRDs, so a difference shows. What the CRDs say in CEL stands in [`rules`].
//!
//! Every served version of a kind has the same fields, so a kind has one schema.

mod backend_tls_policy;
mod check;
mod config_map;
mod core_rules;
#[cfg(test)]
mod drift;
mod endpoint_slice;
mod gateway;
mod gateway_class;
mod http_route;
mod listener;
mod listener_set;
mod metadata;
mod namespace;
mod own;
mod patterns;
mod reference_grant;
mod refs;
mod report;
mod route;
mod rules;
mod secret;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use serde_json::Value as Json;

pub(crate) use self::check::check;
use self::patterns::Pattern;
pub(crate) use self::report::{Report, Values, nearest};
use crate::manifest::tree::Node;
use crate::{GatewayParameters, Kind};

/// The schema of a kind.
pub(crate) fn of(kind: Kind) -> &'static Schema {
    static SCHEMAS: LazyLock<BTreeMap<Kind, Schema>> =
        LazyLock::new(|| Kind::ALL.into_iter().map(|kind| (kind, build(kind))).collect());
    SCHEMAS.get(&kind).expect("the map holds every kind of Kind::ALL, which is all of them")
}

fn build(kind: Kind) -> Schema {
    match kind {
        Kind::GatewayClass => gateway_class::schema(),
        Kind::Gateway => gateway::schema(),
        Kind::ListenerSet => listener_set::schema(),
        Kind::TcpRoute | Kind::UdpRoute => route::l4_schema(),
        Kind::TlsRoute => route::tls_schema(),
        Kind::HttpRoute => http_route::schema(),
        Kind::ReferenceGrant => reference_grant::schema(),
        Kind::BackendTlsPolicy => backend_tls_policy::schema(),
        Kind::GatewayParameters => own::schema::<GatewayParameters>(),
        Kind::Service => service::schema(),
        Kind::EndpointSlice => endpoint_slice::schema(),
        Kind::Secret => secret::schema(),
        Kind::ConfigMap => config_map::schema(),
        Kind::Namespace => namespace::schema(),
    }
}

/// What a value must look like.
pub(crate) struct Schema {
    shape: Shape,
    default: Option<Json>,
    rules: Vec<Rule>,
}

/// A check of several fields against each other, run when each of them is valid by itself.
type Rule = fn(&Node, &mut Report);

enum Shape {
    Object(Vec<Field>),
    /// Free keys.
    Map {
        value: Box<Schema>,
        most: Option<usize>,
    },
    List {
        item: Box<Schema>,
        length: RangeInclusive<usize>,
        /// Fields that tell the items apart; empty for plain lists.
        keys: &'static [&'static str],
    },
    Text(TextShape),
    Integer {
        range: RangeInclusive<i64>,
    },
    Boolean,
    /// Base64.
    Bytes,
    IntOrText,
    /// Anything; not looked at.
    Any,
}

#[derive(Default)]
struct TextShape {
    /// Length in characters.
    shortest: usize,
    longest: Option<usize>,
    pattern: Option<&'static Pattern>,
    one_of: &'static [&'static str],
    is_time: bool,
}

struct Field {
    name: &'static str,
    required: bool,
    schema: Schema,
}

fn required(name: &'static str, schema: Schema) -> Field {
    Field { name, required: true, schema }
}

fn optional(name: &'static str, schema: Schema) -> Field {
    Field { name, required: false, schema }
}

fn of_shape(shape: Shape) -> Schema {
    Schema { shape, default: None, rules: Vec::new() }
}

fn object(fields: impl IntoIterator<Item = Field>) -> Schema {
    of_shape(Shape::Object(fields.into_iter().collect()))
}

fn map(value: Schema) -> Schema {
    of_shape(Shape::Map { value: Box::new(value), most: None })
}

fn list(item: Schema) -> Schema {
    of_shape(Shape::List { item: Box::new(item), length: 0..=usize::MAX, keys: &[] })
}

fn text() -> Schema {
    of_shape(Shape::Text(TextShape::default()))
}

fn one_of(choices: &'static [&'static str]) -> Schema {
    of_shape(Shape::Text(TextShape { one_of: choices, ..TextShape::default() }))
}

fn time() -> Schema {
    of_shape(Shape::Text(TextShape { is_time: true, ..TextShape::default() }))
}

fn int32() -> Schema {
    of_shape(Shape::Integer { range: i32::MIN.into()..=i32::MAX.into() })
}

fn int64() -> Schema {
    of_shape(Shape::Integer { range: i64::MIN..=i64::MAX })
}

fn boolean() -> Schema {
    of_shape(Shape::Boolean)
}

fn bytes() -> Schema {
    of_shape(Shape::Bytes)
}

fn int_or_text() -> Schema {
    of_shape(Shape::IntOrText)
}

fn any() -> Schema {
    of_shape(Shape::Any)
}

/// What every object has around its own fields. `status` is not among them: it belongs to
/// controllers, and the reader drops the one that a file may hold, as copied from a cluster.
fn resource(metadata: Schema, fields: impl IntoIterator<Item = Field>) -> Schema {
    let common =
        [required("apiVersion", text()), required("kind", text()), required("metadata", metadata)];
    object(common.into_iter().chain(fields))
}

/// The refinements. Each is for one shape; on another one it would say nothing, so it panics, and
/// the tests build every schema.
impl Schema {
    fn default(mut self, default: impl Into<Json>) -> Self {
        self.default = Some(default.into());
        self
    }

    fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Number of items of a list, or of characters of a text.
    fn length(mut self, range: RangeInclusive<usize>) -> Self {
        match &mut self.shape {
            Shape::List { length, .. } => *length = range,
            Shape::Text(text) => {
                text.shortest = *range.start();
                text.longest = Some(*range.end());
            }
            _ => unreachable!("only lists and texts have a length"),
        }
        self
    }

    fn at_most(mut self, count: usize) -> Self {
        match &mut self.shape {
            Shape::List { length, .. } => *length = *length.start()..=count,
            Shape::Map { most, .. } => *most = Some(count),
            Shape::Text(text) => text.longest = Some(count),
            _ => unreachable!("only lists, maps and texts have a size"),
        }
        self
    }

    fn keyed_by(mut self, fields: &'static [&'static str]) -> Self {
        match &mut self.shape {
            Shape::List { keys, .. } => *keys = fields,
            _ => unreachable!("only lists have keys"),
        }
        self
    }

    fn matching(mut self, wanted: &'static Pattern) -> Self {
        match &mut self.shape {
            Shape::Text(text) => text.pattern = Some(wanted),
            _ => unreachable!("only texts have a pattern"),
        }
        self
    }

    fn range(mut self, wanted: RangeInclusive<i64>) -> Self {
        match &mut self.shape {
            Shape::Integer { range, .. } => *range = wanted,
            _ => unreachable!("only integers have a range"),
        }
        self
    }
}
