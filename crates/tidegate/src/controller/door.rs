//! Who may follow the stream: what the control plane proves of a token, in the stream's words.

use controlplane::identity::{Denied, Identities};
use stream::{Authenticate, Member, Refused};

use super::answers::fleet;

/// Asks the control plane.
#[derive(Debug)]
pub(super) struct Door(pub(super) Identities);

impl Authenticate for Door {
    async fn authenticate(&self, token: &str) -> Result<Member, Refused> {
        match self.0.prove(token).await {
            Ok(proven) => Ok(Member {
                fleet: fleet(&proven.gateway),
                id: proven.pod_uid,
                name: proven.pod_name,
                expires: proven.expires,
            }),
            Err(Denied::Refused(why)) => Err(Refused::Unauthenticated(why.to_string())),
            Err(Denied::Unavailable(why)) => Err(Refused::Unavailable(why)),
        }
    }
}
