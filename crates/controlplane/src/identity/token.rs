//! What a token says of itself. Nothing of it is believed but what the API server confirms: it
//! spares the API server questions about what cannot be a proxy's token, and it tells when the
//! token ends.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::judge::Refusal;

/// Longer than any token of a ServiceAccount.
const LONGEST: usize = 16 * 1024;

/// The claims that matter.
pub(super) struct Claims {
    /// When the token ends.
    pub(super) expires: SystemTime,
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims")
    }
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    aud: Audiences,
    #[serde(default)]
    sub: String,
    exp: Option<u64>,
}

/// RFC 7519, 4.1.3: one, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

impl Default for Audiences {
    fn default() -> Self {
        Self::Many(vec![])
    }
}

impl Claims {
    /// Reads a token that is meant for `audience` and has not ended.
    pub(super) fn read(token: &str, audience: &str, now: SystemTime) -> Result<Self, Refusal> {
        if token.is_empty() {
            return Err(Refusal::NoToken);
        }
        let mut parts = token.split('.');
        let (Some(_), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::NotAToken);
        };
        if token.len() > LONGEST {
            return Err(Refusal::NotAToken);
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Refusal::NotAToken)?;
        let payload: Payload = serde_json::from_slice(&payload).map_err(|_| Refusal::NotAToken)?;
        let is_meant = match &payload.aud {
            Audiences::One(one) => one == audience,
            Audiences::Many(many) => many.iter().any(|one| one == audience),
        };
        if !is_meant {
            return Err(Refusal::OtherAudience);
        }
        if !payload.sub.starts_with("system:serviceaccount:") {
            return Err(Refusal::NotAServiceAccount);
        }
        // Tokens that are bound to a pod always end.
        let seconds = payload.exp.ok_or(Refusal::NotAToken)?;
        let expires = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let expires = expires.ok_or(Refusal::NotAToken)?;
        if expires <= now {
            return Err(Refusal::Expired);
        }
        Ok(Self { expires })
    }
}
