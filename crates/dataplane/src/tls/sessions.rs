//! Resumption: which sessions may be resumed where.
//!
//! A session is resumed only under the settings it was made under, or a ticket from a listener
//! that asks for no certificate opens one that does (the NGINX hole CVE-2025-23419). So ticket
//! keys and session cache belong to one scope (gateway and port) *and* one [`ClientAuth`], compared
//! by value; other settings have other keys, to which the ticket is noise. Certificates are no
//! part of it: a rotation must not cost every client a full handshake.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use snapshot::ClientAuth;

/// Sessions kept for clients of TLS 1.2 that cannot hold a ticket; everyone else carries their own
/// state. An entry is about 300 bytes plus the client's certificates.
const CACHED_SESSIONS: usize = 256;

/// The ticket keys and caches in use. Lives as long as the process, across snapshots; what no
/// [`super::Terminator`] uses any more is forgotten.
#[derive(Default)]
pub struct Sessions {
    scopes: Mutex<HashMap<String, Vec<InUse>>>,
}

/// Sessions of one scope, and the settings they were made under.
type InUse = (ClientAuth, Weak<SessionScope>);

/// Ticket keys and cache of one scope under one [`ClientAuth`].
pub struct SessionScope {
    pub(super) ticketer: Arc<dyn ProducesTickets>,
    pub(super) cache: Arc<dyn StoresServerSessions>,
}

impl Sessions {
    /// The ticket keys and cache for these settings: the ones in use if there are any, else new.
    ///
    /// # Errors
    /// The system gave no randomness for the ticket keys.
    pub fn scope(
        &self,
        scope: &str,
        client_auth: &ClientAuth,
    ) -> Result<Arc<SessionScope>, rustls::Error> {
        // A panic elsewhere leaves the map whole: it is only ever changed by single calls.
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        scopes.retain(|_, entries| {
            entries.retain(|(_, sessions)| sessions.strong_count() > 0);
            !entries.is_empty()
        });
        let entries = scopes.entry(scope.to_owned()).or_default();
        let in_use = entries.iter().find(|(auth, _)| auth == client_auth);
        if let Some(sessions) = in_use.and_then(|(_, sessions)| sessions.upgrade()) {
            return Ok(sessions);
        }
        let sessions = Arc::new(SessionScope {
            // Rotates its keys every 6 hours and honours the last two.
            ticketer: rustls::crypto::aws_lc_rs::Ticketer::new()?,
            cache: ServerSessionMemoryCache::new(CACHED_SESSIONS),
        });
        entries.push((client_auth.clone(), Arc::downgrade(&sessions)));
        Ok(sessions)
    }

    /// How many scopes are remembered, used or not.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.scopes.lock().unwrap().values().map(Vec::len).sum()
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl fmt::Debug for SessionScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionScope").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_settings_in_one_scope_share_their_sessions() {
        let sessions = Sessions::default();
        let auth = ClientAuth::Required(vec![vec![1]]);
        let first = sessions.scope("edge/l4:443", &auth).unwrap();
        let second = sessions.scope("edge/l4:443", &auth.clone()).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn any_difference_in_scope_mode_or_authorities_separates() {
        let sessions = Sessions::default();
        let settings = [
            ("edge/l4:443", ClientAuth::None),
            ("edge/l4:8443", ClientAuth::None),
            ("edge/l4:443", ClientAuth::Required(vec![vec![1]])),
            ("edge/l4:443", ClientAuth::Required(vec![vec![2]])),
            ("edge/l4:443", ClientAuth::Optional(vec![vec![1]])),
        ];
        let scopes: Vec<_> =
            settings.iter().map(|(scope, auth)| sessions.scope(scope, auth).unwrap()).collect();
        for (i, one) in scopes.iter().enumerate() {
            for other in &scopes[i + 1..] {
                assert!(!Arc::ptr_eq(one, other));
            }
        }
        let ticket = scopes[0].ticketer.encrypt(b"state").unwrap();
        assert_eq!(scopes[0].ticketer.decrypt(&ticket).unwrap(), b"state");
        for other in &scopes[1..] {
            assert_eq!(other.ticketer.decrypt(&ticket), None);
        }
    }

    #[test]
    fn what_nobody_uses_is_forgotten() {
        let sessions = Sessions::default();
        for port in 1..100 {
            drop(sessions.scope(&format!("edge/l4:{port}"), &ClientAuth::None).unwrap());
        }
        let _kept = sessions.scope("edge/l4:443", &ClientAuth::None).unwrap();
        assert_eq!(sessions.len(), 1);
    }
}
