//! What an API server sends, from bytes: pages of lists, lines of watches, error bodies.
//!
//! Items are read one at a time, so that one that does not fit its type spoils nothing else and a
//! page never stands in memory twice.

use std::fmt;

use gwapi::ObjectKey;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::item::{self, Incoming};
use super::topic::Topic;
use super::version::Version;

/// A page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    /// The version of the whole list.
    pub(crate) version: Version,
    /// What to ask for the next page with, if there is one.
    pub(crate) next: Option<String>,
    pub(crate) items: Vec<Incoming>,
    /// How many items did not even say which object they are.
    pub(crate) nameless: usize,
}

/// One event of a watch.
#[derive(Debug)]
pub(crate) enum Event {
    /// An object is there, or is different.
    Changed(Incoming),
    /// An object is gone.
    Deleted(ObjectKey, Option<Version>),
    /// Nothing happened up to this version.
    Bookmark(Version),
    /// The server gives up the watch.
    Error(Status),
}

/// `Status` of the API: why something was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Status {
    #[serde(default)]
    pub(crate) code: u16,
    #[serde(default)]
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) message: String,
}

/// Reads a page.
pub(crate) fn page(topic: Topic, body: &[u8]) -> Result<Page, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let list = ListSeed(topic).deserialize(&mut deserializer).map_err(|error| describe(&error))?;
    deserializer.end().map_err(|error| describe(&error))?;
    match list.metadata.resource_version {
        Some(version) if !version.is_empty() => Ok(Page {
            version: Version::from(version.as_str()),
            next: list.metadata.r#continue.filter(|token| !token.is_empty()),
            items: list.items,
            nameless: list.nameless,
        }),
        _ => Err("a list without metadata.resourceVersion".to_owned()),
    }
}

/// Reads the version of a list, and nothing else of it.
pub(crate) fn list_version(body: &[u8]) -> Result<Version, String> {
    #[derive(Deserialize)]
    struct List {
        metadata: ListMeta,
    }
    let list: List = serde_json::from_slice(body).map_err(|error| describe(&error))?;
    match list.metadata.resource_version {
        Some(version) if !version.is_empty() => Ok(Version::from(version.as_str())),
        _ => Err("a list without metadata.resourceVersion".to_owned()),
    }
}

/// Reads a line of a watch.
pub(crate) fn event(topic: Topic, line: &[u8]) -> Result<Event, String> {
    #[derive(Deserialize)]
    struct Line {
        r#type: String,
        object: Value,
    }
    let Line { r#type, object } = serde_json::from_slice(line).map_err(|error| describe(&error))?;
    let nameless = || format!("a {} event without the name of an object", topic.kind());
    match r#type.as_str() {
        "ADDED" | "MODIFIED" => item::read(topic, object).map(Event::Changed).ok_or_else(nameless),
        "DELETED" => item::identify(&object)
            .map(|(key, version)| Event::Deleted(key, version))
            .ok_or_else(nameless),
        "BOOKMARK" => object["metadata"]["resourceVersion"]
            .as_str()
            .map(|version| Event::Bookmark(Version::from(version)))
            .ok_or_else(|| "a bookmark without metadata.resourceVersion".to_owned()),
        "ERROR" => Ok(Event::Error(serde_json::from_value(object).unwrap_or_default())),
        _ => Err("an event of unknown type".to_owned()),
    }
}

/// Reads the body of an error, which may be anything.
pub(crate) fn status(code: u16, body: &[u8]) -> Status {
    let mut status: Status = serde_json::from_slice(body).unwrap_or_default();
    status.code = code;
    status
}

/// Category and place only: a message of serde may repeat what it stumbled on.
fn describe(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    format!("not the JSON that was expected (line {line}, column {column})")
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    resource_version: Option<String>,
    r#continue: Option<String>,
}

#[derive(Default)]
struct List {
    metadata: ListMeta,
    items: Vec<Incoming>,
    nameless: usize,
}

struct ListSeed(Topic);

impl<'de> DeserializeSeed<'de> for ListSeed {
    type Value = List;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<List, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ListSeed {
    type Value = List;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<List, A::Error> {
        let mut list = List::default();
        while let Some(field) = map.next_key::<String>()? {
            match field.as_str() {
                "metadata" => list.metadata = map.next_value()?,
                "items" => map.next_value_seed(ItemsSeed { topic: self.0, list: &mut list })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(list)
    }
}

struct ItemsSeed<'a> {
    topic: Topic,
    list: &'a mut List,
}

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("items")
    }

    /// `null`: an empty list, as Go writes it.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(json) = seq.next_element::<Value>()? {
            match item::read(self.topic, json) {
                Some(incoming) => self.list.items.push(incoming),
                None => self.list.nameless += 1,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gwapi::Kind;

    use super::*;

    const ROUTES: Topic = Topic::Read(Kind::TcpRoute);

    #[test]
    fn one_object_that_does_not_fit_spoils_no_other() {
        let body = br#"{"kind":"TCPRouteList","items":[
            {"metadata":{"name":"a","namespace":"db","resourceVersion":"5"},"spec":{"rules":7}},
            {"metadata":{"namespace":"db"},"spec":{}},
            {"metadata":{"name":"b","namespace":"db"},"spec":{}}],
            "metadata":{"resourceVersion":"9","continue":"more"}}"#;
        let page = page(ROUTES, body).expect("a page");
        assert_eq!((page.version.as_str(), page.next.as_deref()), ("9", Some("more")));
        let read: Vec<_> =
            page.items.iter().map(|item| (item.key.to_string(), item.item.is_ok())).collect();
        assert_eq!(read, [("db/a".to_owned(), false), ("db/b".to_owned(), true)]);
        assert_eq!(page.nameless, 1);
    }

    #[test]
    fn null_is_an_empty_list() {
        let body = br#"{"metadata":{"resourceVersion":"9"},"items":null}"#;
        assert_eq!(page(ROUTES, body).expect("a page").items.len(), 0);
    }

    #[test]
    fn a_list_without_a_version_or_cut_short_is_refused() {
        for body in
            [r#"{"items":[]}"#, r#"{"metadata":{"resourceVersion":"9"},"items":[{"#, "", "[]"]
        {
            assert!(page(ROUTES, body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn no_value_of_a_secret_is_in_an_error() {
        let secrets = Topic::Read(Kind::Secret);
        let body = br#"{"metadata":{"resourceVersion":"9"},"items":[
            {"metadata":{"name":"a"},"data":{"tls.key":"*hunter2*"}},
            {"metadata":{"name":"b"},"type":["hunter2"]}]}"#;
        let page = page(secrets, body).expect("a page");
        assert!(page.items.iter().all(|item| item.item.is_err()));
        assert!(!format!("{page:?}").contains("hunter2"));
        let line = br#"{"type":"ADDED","object":"hunter2"#;
        assert!(!event(secrets, line).expect_err("cut short").contains("hunter2"));
    }

    #[test]
    fn only_certificate_and_key_of_a_secret_are_held() {
        let secrets = Topic::Read(Kind::Secret);
        let line = br#"{"type":"ADDED","object":{"metadata":{"name":"a","annotations":{"x":"y"}},
            "data":{"tls.crt":"YQ==","tls.key":"Yg==","ca.key":"Yw=="}}}"#;
        let Event::Changed(incoming) = event(secrets, line).expect("an event") else {
            panic!("not a change");
        };
        let Ok(item::Item::Secret(secret)) = incoming.item else { panic!("not a Secret") };
        assert_eq!(secret.data.keys().collect::<Vec<_>>(), ["tls.crt", "tls.key"]);
        assert_eq!(secret.metadata.annotations, None);
    }

    #[test]
    fn events_are_told_apart() {
        let read = |line: &str| event(ROUTES, line.as_bytes());
        assert!(matches!(
            read(r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}"#),
            Ok(Event::Bookmark(version)) if version.as_str() == "7"
        ));
        assert!(matches!(
            read(r#"{"type":"ERROR","object":{"code":410,"reason":"Expired"}}"#),
            Ok(Event::Error(Status { code: 410, .. }))
        ));
        assert!(matches!(
            read(r#"{"type":"DELETED","object":{"metadata":{"name":"a","resourceVersion":"7"},"spec":7}}"#),
            Ok(Event::Deleted(key, Some(_))) if key.name == "a"
        ));
        for garbage in
            ["", "{", "7", r#"{"type":"MADE","object":{}}"#, r#"{"type":"ADDED","object":{}}"#]
        {
            assert!(read(garbage).is_err(), "{garbage}");
        }
    }
}
