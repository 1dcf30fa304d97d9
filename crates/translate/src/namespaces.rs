//! Which namespaces a selection admits. Knows nothing of what is selected for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gwapi::listeners::FromNamespaces;
use gwapi::objects::ByKey;
use gwapi::{Namespace, ObjectKey};

/// The label that every namespace carries with its own name as value. The API server sets it; here
/// it holds also for namespaces that no manifest defines.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The labels of all namespaces.
pub(crate) struct Namespaces<'a>(&'a ByKey<Namespace>);

impl<'a> Namespaces<'a> {
    /// Looks labels up in these objects.
    pub(crate) fn new(objects: &'a ByKey<Namespace>) -> Self {
        Self(objects)
    }

    /// Whether `from`, written on an object of namespace `owner`, admits `namespace`.
    pub(crate) fn admits(&self, from: &FromNamespaces, owner: &str, namespace: &str) -> bool {
        match from {
            FromNamespaces::All => true,
            FromNamespaces::Same => owner == namespace,
            FromNamespaces::None => false,
            FromNamespaces::Selector(selector) => {
                selector.as_ref().is_some_and(|selector| selector.matches(&self.labels(namespace)))
            }
        }
    }

    fn labels(&self, namespace: &str) -> Cow<'a, BTreeMap<String, String>> {
        let object = self.0.get(&ObjectKey::new("", namespace));
        let labels = object.and_then(|namespace| namespace.metadata.labels.as_ref());
        match labels {
            Some(labels) if labels.get(NAME_LABEL).is_some_and(|name| name == namespace) => {
                Cow::Borrowed(labels)
            }
            _ => {
                let mut labels = labels.cloned().unwrap_or_default();
                labels.insert(NAME_LABEL.to_owned(), namespace.to_owned());
                Cow::Owned(labels)
            }
        }
    }
}
