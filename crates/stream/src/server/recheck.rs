//! Looks at a token again: when it ends, and at the latest after an hour.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, sleep_until};
use tonic::Status;

use super::Bounds;
use super::gate::{Asks, Token};
use crate::fleet::{Authenticate, Member, Refused};

/// Between two questions while nobody can answer.
const AGAIN: Duration = Duration::from_secs(10);
/// A token that is said to have ended and to be good is not asked about without pause.
const LEAST: Duration = Duration::from_secs(1);

/// Looks at the token of one stream.
pub(super) struct Recheck<A> {
    asks: Arc<Asks<A>>,
    token: Token,
    member: Member,
    latest: Duration,
    grace: Duration,
}

/// How long until a token has to be looked at.
fn due_in(expires: SystemTime, now: SystemTime, latest: Duration) -> Duration {
    expires.duration_since(now).unwrap_or_default().clamp(LEAST.min(latest), latest)
}

impl<A: Authenticate> Recheck<A> {
    pub(super) fn new(asks: Arc<Asks<A>>, token: Token, member: Member, bounds: &Bounds) -> Self {
        Self { asks, token, member, latest: bounds.recheck, grace: bounds.grace }
    }

    /// Ends when the stream has to.
    pub(super) async fn run(mut self) -> Status {
        loop {
            let now = SystemTime::now();
            sleep(due_in(self.member.expires, now, self.latest)).await;
            let last = Instant::now() + self.grace;
            loop {
                match self.asks.who(&self.token).await {
                    Ok(same) if same.fleet == self.member.fleet && same.id == self.member.id => {
                        self.member = same;
                        break;
                    }
                    Ok(_) | Err(Refused::Unauthenticated(_)) => {
                        return Status::unauthenticated("the token has ended; show the next one");
                    }
                    Err(Refused::Unavailable(why)) => {
                        if Instant::now() >= last {
                            return Status::unavailable("the token could not be checked for long");
                        }
                        tracing::warn!(fleet = %self.member.fleet, proxy = self.member.name, why,
                            "a token cannot be checked; its stream lives on for a while");
                        sleep_until(last.min(Instant::now() + AGAIN)).await;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_looked_at_when_it_ends_and_after_an_hour_at_the_latest() {
        let hour = Duration::from_secs(3600);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(due_in(now + Duration::from_secs(600), now, hour), Duration::from_secs(600));
        assert_eq!(due_in(now + 10 * hour, now, hour), hour);
        assert_eq!(due_in(now - hour, now, hour), LEAST, "ended already: soon, but not at once");
    }
}
