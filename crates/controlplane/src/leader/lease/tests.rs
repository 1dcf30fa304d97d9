//! Contenders in a simulated world: clocks that differ in origin and speed, requests that are
//! late, lost or answered too late, processes that stand still or die. At no moment do two lead.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::ObjectMeta;
use tokio::time::Instant;

use super::{Election, Record, Step, Timing};

const TIMING: Timing = Timing {
    duration: Duration::from_secs(15),
    deadline: Duration::from_secs(10),
    renew: Duration::from_secs(2),
    retry: Duration::from_secs(1),
};
/// A contender stops waiting for an answer after this long.
const PATIENCE: f64 = 5.0;
const TICK: f64 = 0.05;

/// The Lease as the API server has it.
#[derive(Default)]
struct Server {
    lease: Option<Record>,
    version: u64,
}

impl Server {
    fn write(&mut self, holder: &str) -> Record {
        self.version += 1;
        let record = Record::new(Lease {
            metadata: ObjectMeta {
                resource_version: Some(self.version.to_string()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: Some(15),
                ..LeaseSpec::default()
            }),
        });
        self.lease = Some(record.clone());
        record
    }

    fn serve(&mut self, step: &Step, who: &str) -> Outcome {
        match (step, &self.lease) {
            (Step::Read, lease) => Outcome::Found(lease.clone()),
            (Step::Create, None) => Outcome::Written(self.write(who)),
            (Step::Take(read) | Step::Renew(read), Some(lease))
                if read.version() == lease.version() =>
            {
                Outcome::Written(self.write(who))
            }
            _ => Outcome::Refused,
        }
    }
}

enum Outcome {
    Found(Option<Record>),
    Written(Record),
    Refused,
}

struct Request {
    step: Step,
    asked: Instant,
    gives_up: f64,
    /// When it reaches the server; then the answer, and when that is back.
    arrives: f64,
    answer: Option<(Outcome, f64)>,
}

struct Contender {
    name: String,
    election: Election,
    origin: Instant,
    speed: f64,
    frozen_until: f64,
    requests: Vec<Request>,
    /// The request whose answer it waits for.
    waits: bool,
}

impl Contender {
    fn new(name: String, at: f64, random: &mut fastrand::Rng) -> Self {
        let origin = Instant::now() + Duration::from_secs(random.u64(0..100_000));
        let speed = 0.95 + 0.1 * random.f64();
        let mut contender = Self {
            election: Election::new(name.clone(), TIMING, origin),
            name,
            origin,
            speed,
            frozen_until: 0.0,
            requests: vec![],
            waits: false,
        };
        contender.election = Election::new(contender.name.clone(), TIMING, contender.clock(at));
        contender
    }

    fn clock(&self, at: f64) -> Instant {
        self.origin + Duration::from_secs_f64(at * self.speed)
    }

    fn leads(&self, at: f64) -> bool {
        self.election.until(self.clock(at)).is_some()
    }

    fn run(&mut self, at: f64, trouble: bool, random: &mut fastrand::Rng) {
        if at < self.frozen_until {
            return;
        }
        let now = self.clock(at);
        if self.waits {
            let Some(request) = self.requests.last_mut() else { return };
            if let Some((answer, _)) = request.answer.take_if(|(_, back)| *back <= at) {
                let asked = request.asked;
                self.requests.pop();
                self.waits = false;
                match answer {
                    Outcome::Found(found) => self.election.read(found, now),
                    Outcome::Written(record) => self.election.written(record, asked),
                    Outcome::Refused => self.election.refused(now),
                }
            } else if request.gives_up <= at {
                self.waits = false;
                self.election.failed(now);
            }
            return;
        }
        let step = self.election.next(now);
        if matches!(step, Step::Wait(_)) {
            return;
        }
        let slow = trouble && random.u8(..) < 40;
        let delay = if slow { random.f64() * 25.0 } else { random.f64() * 0.2 };
        self.waits = true;
        self.requests.push(Request {
            step,
            asked: now,
            gives_up: at + PATIENCE,
            arrives: at + delay,
            answer: None,
        });
    }
}

fn simulate(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut server = Server::default();
    let mut born = 3;
    let mut contenders: Vec<_> =
        (0..born).map(|n| Contender::new(format!("c{n}"), 0.0, &mut random)).collect();
    let ticks = 6000;
    let calm = ticks - 1200;
    for tick in 0..ticks {
        let at = f64::from(tick) * TICK;
        let trouble = tick < calm;
        if trouble && random.u16(..) < 100 {
            let n = random.usize(..contenders.len());
            match random.u8(..3) {
                // The process stands still.
                0 => contenders[n].frozen_until = at + random.f64() * 40.0,
                // The process dies and comes back; what it sent is still under way.
                1 => {
                    let mut next = Contender::new(format!("c{born}"), at, &mut random);
                    born += 1;
                    next.requests = std::mem::take(&mut contenders[n].requests);
                    for request in &mut next.requests {
                        // The answers are for nobody.
                        request.gives_up = f64::NEG_INFINITY;
                    }
                    let dead = std::mem::replace(&mut contenders[n], next);
                    drop(dead);
                }
                // Somebody who has no part in it writes a label.
                _ => {
                    let holder = server.lease.as_ref().map(|lease| lease.holder().to_owned());
                    if let Some(holder) = holder {
                        server.write(&holder);
                    }
                }
            }
        }
        if !trouble {
            for contender in &mut contenders {
                contender.frozen_until = 0.0;
            }
        }
        for contender in &mut contenders {
            let name = contender.name.clone();
            for request in &mut contender.requests {
                if request.arrives <= at && request.answer.is_none() {
                    // A dead process asked under its own name.
                    let who = if request.gives_up < 0.0 { "dead" } else { &*name };
                    let outcome = server.serve(&request.step, who);
                    let late = trouble && random.u8(..) < 30;
                    let back = if late { random.f64() * 20.0 } else { random.f64() * 0.2 };
                    request.answer = Some((outcome, at + back));
                }
            }
            contender.run(at, trouble, &mut random);
            let waits_for = contender.requests.len().wrapping_sub(usize::from(contender.waits));
            let mut index = 0..;
            contender
                .requests
                .retain(|request| index.next() == Some(waits_for) || request.answer.is_none());
        }
        let leaders: Vec<_> = contenders
            .iter()
            .filter(|contender| contender.leads(at))
            .map(|contender| contender.name.as_str())
            .collect();
        assert!(leaders.len() <= 1, "seed {seed}, {at:.2} s: {leaders:?} lead");
        if tick + 1 == ticks {
            assert_eq!(leaders.len(), 1, "seed {seed}: nobody leads after a minute of calm");
        }
    }
}

#[test]
fn two_contenders_never_both_lead() {
    for seed in 0..400 {
        simulate(seed);
    }
}
