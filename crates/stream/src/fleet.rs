//! Who follows: the proxies of one Gateway, one of them, and how it proves to be it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// The proxies of one Gateway: they all run the same snapshot. Its text is the Gateway's
/// `namespace/name`; here it is opaque.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fleet(Arc<str>);

impl Fleet {
    /// Wraps a name. Equal text is the same fleet.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One proxy process, as its token proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The fleet whose snapshot it may have, and no other.
    pub fleet: Fleet,
    /// Unique for the life of its pod: the pod's UID. One stream for each.
    pub id: String,
    /// The pod's name, for people.
    pub name: String,
    /// When the token ends. The server asks again then, and an hour after the last time it asked
    /// at the latest.
    pub expires: SystemTime,
}

/// Why a token opens nothing. The texts are for logs of the controller; a client gets a fixed one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not, or no longer, the token of a proxy.
    #[error("not authenticated: {0}")]
    Unauthenticated(String),
    /// Nobody could say. Streams that are open live on until five minutes after they should have
    /// been checked; new ones are not accepted.
    #[error("cannot be authenticated now: {0}")]
    Unavailable(String),
}

/// Tells who holds a token.
///
/// Asked for every stream before any method runs, and again when the token ends or an hour has
/// passed. Slow answers are given up after ten seconds and taken for [`Refused::Unavailable`].
pub trait Authenticate: Send + Sync + 'static {
    /// Who holds this token?
    fn authenticate(&self, token: &str) -> impl Future<Output = Result<Member, Refused>> + Send;
}

impl<A: Authenticate> Authenticate for Arc<A> {
    fn authenticate(&self, token: &str) -> impl Future<Output = Result<Member, Refused>> + Send {
        A::authenticate(self, token)
    }
}
