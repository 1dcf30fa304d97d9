//! What every source of objects hands on: the objects of one moment, and what could not be read.
//!
//! Where they came from is decided in the modules below; nothing after this file asks.

pub mod dns;
pub mod files;
pub mod kube;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use gwapi::manifest::{Location, Locations, ManifestError};
use gwapi::{Kind, ObjectRef, Objects};

use crate::owned::Owned;

/// The objects of one moment.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The objects to serve.
    pub objects: Objects,
    /// Where they stand; empty for objects that are not from files.
    pub locations: Locations,
    /// What could not be read, in the order of paths and lines.
    pub problems: Vec<Problem>,
    /// How many documents were passed over because their kind is read by somebody else.
    pub foreign: usize,
    /// Objects that are served as they were, because what stands there now cannot be read.
    pub kept: BTreeSet<ObjectRef>,
    /// What only a cluster has; `None` for objects from files.
    pub cluster: Option<Cluster>,
}

/// What a cluster says beside the objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    /// The annotation `gateway.networking.k8s.io/bundle-version` of the Gateway API CRDs.
    pub bundle_version: Option<String>,
    /// Whether every watched kind has been listed once; an absent CRD counts as listed. Nothing is
    /// published before.
    pub synced: bool,
    /// What was provisioned.
    pub owned: Owned,
    /// Versions at which kinds are served; a kind that is absent here has no CRD.
    pub served: BTreeMap<Kind, String>,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A document that is not valid.
    Manifest(ManifestError),
    /// A path that was asked for is not there.
    Missing(PathBuf),
    /// A file or folder that could not be read at all.
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why, in the operating system's words or ours.
        reason: String,
    },
    /// An object of a cluster that does not fit its type. What it was before stays in force.
    Object {
        /// The object.
        object: ObjectRef,
        /// Why.
        reason: String,
    },
    /// Objects of a cluster that cannot be read now. What is known of them stays in force.
    Watch {
        /// Resource, group and namespace.
        what: String,
        /// Why, with the right that is missing if it is that.
        reason: String,
    },
}

impl Problem {
    /// The file or folder it is about; empty for what is in a cluster.
    pub fn path(&self) -> &Path {
        match self {
            Self::Manifest(error) => &error.location.path,
            Self::Missing(path) | Self::Unreadable { path, .. } => path,
            Self::Object { .. } | Self::Watch { .. } => Path::new(""),
        }
    }

    /// Line and column, where it is about a part of a file.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Manifest(error) => Some(&error.location),
            _ => None,
        }
    }

    /// The object, as far as it could be told.
    pub fn object(&self) -> Option<&ObjectRef> {
        match self {
            Self::Manifest(error) => error.object.as_ref(),
            Self::Object { object, .. } => Some(object),
            _ => None,
        }
    }

    /// The field, if it is about one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Manifest(error) => error.field.as_deref(),
            _ => None,
        }
    }

    /// What is wrong, without the place.
    pub fn reason(&self) -> &str {
        match self {
            Self::Manifest(error) => &error.problem,
            Self::Missing(_) => "no such file or directory",
            Self::Unreadable { reason, .. }
            | Self::Object { reason, .. }
            | Self::Watch { reason, .. } => reason,
        }
    }

    /// Whether a whole file or folder could not be read, not only one object of it.
    pub fn is_unreadable(&self) -> bool {
        match self {
            Self::Manifest(error) => error.unreadable,
            Self::Missing(_) | Self::Unreadable { .. } | Self::Watch { .. } => true,
            Self::Object { .. } => false,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(error) => error.fmt(f),
            Self::Missing(_) | Self::Unreadable { .. } => {
                write!(f, "{}: {}", self.path().display(), self.reason())
            }
            Self::Object { object, reason } => write!(f, "{object}: {reason}"),
            Self::Watch { what, reason } => write!(f, "{what}: {reason}"),
        }
    }
}
