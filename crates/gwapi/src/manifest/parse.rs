//! YAML text to [`Node`] trees, one for each document, within fixed budgets.
//!
//! Built upon the events of `granit-parser`, the parser underneath `serde-saphyr`: its events
//! carry a position for keys too, and they leave the meaning of scalars to us (see
//! [`super::scalar`]), neither of which serde's data model has room for. JSON needs no parser of
//! its own, since every JSON text is YAML.
//!
//! No input can make this hang or swell: nesting, size, and everything that anchors copy is
//! counted before it is built.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Marker, Parser, ScalarStyle, StrInput, Tag};

use super::scalar;
use super::tree::{Entry, Mark, Node, Value};

/// The largest file that is read, in bytes. Thousands of routes fit many times over; a larger file
/// is more likely a mistake than a manifest.
pub const MAX_FILE_BYTES: usize = 16 << 20;
/// The most values in one file, with what aliases repeat. 20,000 endpoints need a third of it, and
/// it keeps the memory for the worst file below 200 MiB.
const MAX_NODES: usize = 500_000;
/// The deepest nesting. The schemas end at a dozen levels.
const MAX_DEPTH: usize = 64;

/// One document of a file.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) root: Node,
    /// What is wrong with it though its syntax is right. Such a document is not used.
    pub(super) faults: Vec<Fault>,
}

/// Something wrong at a place.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: Mark,
    pub(super) problem: String,
}

/// Reads every document of a file. An error means that nothing of the file can be trusted.
pub(super) fn documents(text: &str) -> Result<Vec<Document>, Fault> {
    if text.len() > MAX_FILE_BYTES {
        let problem = format!(
            "the file has {} bytes, expected at most {MAX_FILE_BYTES}; split it",
            text.len()
        );
        return Err(Fault { at: Mark { line: 1, column: 1 }, problem });
    }
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder {
        parser: Parser::new_from_str_with_options(text, options),
        nodes: 0,
        copied_bytes: 0,
        anchors: HashMap::new(),
        faults: Vec::new(),
    };
    let mut documents = Vec::new();
    while let Some((event, _)) = builder.next()? {
        if matches!(event, Event::DocumentStart(..)) {
            documents.push(builder.document()?);
        }
    }
    Ok(documents)
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Values built so far in this file, counted against [`MAX_NODES`].
    nodes: usize,
    /// Bytes of text copied for anchors so far, counted against [`MAX_FILE_BYTES`].
    copied_bytes: usize,
    /// The anchored values of the current document.
    anchors: HashMap<usize, Anchored>,
    faults: Vec<Fault>,
}

struct Anchored {
    node: Node,
    size: Size,
}

/// What copying a value costs.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Size {
    fn of(node: &Node) -> Self {
        let mut size = Self { nodes: 1, bytes: 0, depth: 1 };
        match &node.value {
            Value::Text(text) => size.bytes += text.len(),
            Value::List(items) => items.iter().for_each(|item| size.add_child(Self::of(item))),
            Value::Map(entries) => {
                for entry in entries {
                    size.bytes += entry.key.len();
                    size.add_child(Self::of(&entry.node));
                }
            }
            _ => {}
        }
        size
    }

    fn add_child(&mut self, child: Self) {
        self.nodes += child.nodes;
        self.bytes += child.bytes;
        self.depth = self.depth.max(child.depth + 1);
    }
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Mark)>, Fault> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, mark(&span.start)))),
            Some(Err(error)) => Err(Fault {
                at: mark(error.marker()),
                problem: format!("not YAML: {}", error.info()),
            }),
        }
    }

    /// The next event inside a document, of which the parser promises an end.
    fn expect(&mut self) -> Result<(Event<'a>, Mark), Fault> {
        self.next()?.ok_or_else(|| Fault {
            at: Mark { line: 1, column: 1 },
            problem: "not YAML: the document has no end".to_owned(),
        })
    }

    fn document(&mut self) -> Result<Document, Fault> {
        self.anchors.clear();
        let (event, at) = self.expect()?;
        let root = if matches!(event, Event::DocumentEnd) {
            Node { at, value: Value::Null }
        } else {
            self.node(event, at, 1)?
        };
        Ok(Document { root, faults: std::mem::take(&mut self.faults) })
    }

    fn node(&mut self, event: Event<'a>, at: Mark, depth: usize) -> Result<Node, Fault> {
        self.charge(Size { nodes: 1, bytes: 0, depth }, at)?;
        let (value, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, at, depth),
            Event::Scalar(text, style, anchor, tag) => {
                (self.scalar(text, style, tag.as_deref(), at), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.expect_tag(tag.as_deref(), "seq", at);
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.expect_tag(tag.as_deref(), "map", at);
                (self.map(depth)?, anchor)
            }
            _ => return Err(Fault { at, problem: "not YAML: a value is missing".to_owned() }),
        };
        let node = Node { at, value };
        if anchor != 0 {
            let size = Size::of(&node);
            self.charge_copy(size, 0, at)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), size });
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        loop {
            let (event, at) = self.expect()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Value::List(items));
            }
            items.push(self.node(event, at, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut entries = Vec::new();
        let mut merges = Vec::new();
        loop {
            let (event, at) = self.expect()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.key(event, at, depth)?;
            let (event, value_at) = self.expect()?;
            let node = self.node(event, value_at, depth + 1)?;
            if is_merge {
                merges.push(node);
            } else {
                entries.push(Entry { key, at, node });
            }
        }
        self.refuse_repeated_keys(&entries);
        if !merges.is_empty() {
            let mut known = entries.iter().map(|entry| entry.key.clone()).collect();
            for merge in merges {
                self.merge(&mut entries, &mut known, merge);
            }
        }
        Ok(Value::Map(entries))
    }

    /// A key. Every scalar counts as its text, as in JSON; anything else is a fault.
    fn key(&mut self, event: Event<'a>, at: Mark, depth: usize) -> Result<String, Fault> {
        if let Event::Scalar(text, _, 0, None) = event {
            return Ok(text.into_owned());
        }
        let text = match &event {
            Event::Scalar(text, ..) => Some(text.clone().into_owned()),
            _ => None,
        };
        let node = self.node(event, at, depth + 1)?;
        match (text, node.value) {
            (Some(text), _) | (None, Value::Text(text)) => Ok(text),
            _ => {
                self.fault(at, "a key is not a string".to_owned());
                Ok(String::new())
            }
        }
    }

    fn refuse_repeated_keys(&mut self, entries: &[Entry]) {
        let mut first: HashMap<&str, Mark> = HashMap::with_capacity(entries.len());
        for entry in entries {
            if let Some(other) = first.insert(&entry.key, entry.at) {
                let problem =
                    format!("key {} stands twice, first on line {}", quote(&entry.key), other.line);
                self.fault(entry.at, problem);
                first.insert(&entry.key, other);
            }
        }
    }

    /// `<<`: takes over the entries of other maps where there is none of that key yet.
    fn merge(&mut self, entries: &mut Vec<Entry>, known: &mut HashSet<String>, source: Node) {
        let sources = match source.value {
            Value::Map(_) => vec![source],
            Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Map(_))) => {
                items
            }
            _ => {
                self.fault(source.at, "<< takes a map or a list of maps".to_owned());
                return;
            }
        };
        for source in sources {
            let Value::Map(merged) = source.value else { continue };
            entries.extend(merged.into_iter().filter(|entry| known.insert(entry.key.clone())));
        }
    }

    fn alias(&mut self, anchor: usize, at: Mark, depth: usize) -> Result<Node, Fault> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(Fault { at, problem: "an alias stands inside its own anchor".to_owned() });
        };
        let size = anchored.size;
        self.charge_copy(size, depth, at)?;
        // Its parts stay where they are written; the value itself is where it is used.
        let value = self.anchors[&anchor].node.value.clone();
        Ok(Node { at, value })
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: Mark,
    ) -> Value {
        let Some(tag) = tag else {
            return if style == ScalarStyle::Plain {
                scalar::plain(&text)
            } else {
                Value::Text(text.into_owned())
            };
        };
        let value = scalar::plain(&text);
        match (tag.core_suffix(), value) {
            (Some("str"), _) => Value::Text(text.into_owned()),
            (Some("int"), value @ Value::Int(_)) => value,
            (Some("float"), value @ (Value::Int(_) | Value::Float(_))) => value,
            (Some("bool"), value @ Value::Bool(_)) => value,
            (Some("null"), value @ Value::Null) => value,
            (None, _) if tag.original() == "!" => Value::Text(text.into_owned()),
            _ => {
                self.fault(at, format!("tag {} is not for this value", quote(&tag.original())));
                Value::Text(text.into_owned())
            }
        }
    }

    fn expect_tag(&mut self, tag: Option<&Tag>, expected: &str, at: Mark) {
        if let Some(tag) = tag
            && tag.core_suffix() != Some(expected)
            && tag.original() != "!"
        {
            self.fault(at, format!("tag {} is not for this value", quote(&tag.original())));
        }
    }

    fn fault(&mut self, at: Mark, problem: String) {
        // One document with a thousand faults needs no thousand messages.
        const ENOUGH: usize = 20;
        if self.faults.len() < ENOUGH {
            self.faults.push(Fault { at, problem });
        }
    }

    fn charge_copy(&mut self, size: Size, depth: usize, at: Mark) -> Result<(), Fault> {
        self.copied_bytes += size.bytes;
        if self.copied_bytes > MAX_FILE_BYTES {
            let problem = format!("aliases repeat more than {MAX_FILE_BYTES} bytes");
            return Err(Fault { at, problem });
        }
        self.charge(Size { depth: depth + size.depth, ..size }, at)
    }

    fn charge(&mut self, size: Size, at: Mark) -> Result<(), Fault> {
        self.nodes += size.nodes;
        let problem = if self.nodes > MAX_NODES {
            format!("more than {MAX_NODES} values in one file, aliases included; split it")
        } else if size.depth > MAX_DEPTH {
            format!("nested deeper than {MAX_DEPTH} levels")
        } else {
            return Ok(());
        };
        Err(Fault { at, problem })
    }
}

fn mark(marker: &Marker) -> Mark {
    // The parser counts columns from 0. A file of at most 16 MiB has no line beyond u32.
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Mark { line: number(marker.line().max(1)), column: number(marker.col().saturating_add(1)) }
}

/// Text from a file as it stands in messages: quoted, escaped and cut.
pub(crate) fn quote(text: &str) -> String {
    /// Longer texts say no more and fill the terminal.
    const LONGEST: usize = 64;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
