//! The pure function from Kubernetes objects to what proxies must do and what statuses must say.
//!
//! [`translate`] is total: invalid input becomes a condition, never an error. It reads no clock,
//! no file and no socket, logs nothing, and gives the same output for any order of its input. The
//! cluster, the standalone mode, `tidegate check` and the golden tests all call it.
//!
//! Reading order: [`translate`] is the table of contents. `classes` → `gateways` (`parameters`,
//! `addresses`, `frontend_tls`) → `listener_sets` → `listeners` say what is asked for; `conflicts`
//! and `acceptance` who may have it; `routes` → `attach` → `claims` who serves it; `backends` →
//! `endpoints` → `backend_tls` → `targets` from where; `emit`, `fleets`, `status` and `findings`
//! tell it.
//! `grants`, `certs`, `namespaces`, `hostnames` and `precedence` each hold one rule that all use.
//!
//! Invariant: nothing here indexes, unwraps or overflows; the lints below refuse it.

#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod acceptance;
mod addresses;
mod attach;
mod backend_tls;
mod backends;
mod certs;
mod claims;
mod classes;
mod conflicts;
mod emit;
mod endpoints;
pub mod findings;
pub mod fleets;
mod frontend_tls;
mod gateways;
mod grants;
mod hostnames;
mod listener_sets;
mod listeners;
mod namespaces;
pub mod parameters;
mod precedence;
mod routes;
pub mod status;
mod targets;

use std::collections::BTreeMap;
use std::net::IpAddr;

use gwapi::{ObjectKey, Objects};
use snapshot::{ApplyReport, Snapshot};

use crate::backend_tls::Policies;
use crate::certs::Certificates;
use crate::emit::Emitter;
use crate::endpoints::Endpoints;
use crate::grants::Grants;
use crate::listeners::Surroundings;
use crate::namespaces::Namespaces;
use crate::status::Outcome;
use crate::targets::Targets;

pub use findings::{Finding, Severity};
pub use fleets::Fleet;
pub use status::Statuses;

/// Everything that decides the outcome.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The objects.
    pub objects: &'a Objects,
    /// What the operator chose.
    pub settings: &'a Settings,
    /// Where Gateways get their addresses from.
    pub addresses: Addresses<'a>,
    /// What proxies reported of the snapshot they run. A proxy that is absent has not answered.
    pub applied: &'a BTreeMap<Proxy, ApplyReport>,
    /// Addresses of the DNS names in EndpointSlices of type `FQDN`.
    pub names: &'a ResolvedNames,
    /// The wall clock, seconds since 1970. Decides nothing but the findings about certificates
    /// that have expired or soon will: an input, so that the function stays pure.
    pub now: i64,
}

/// What the operator chose for the whole installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The `controllerName` of the GatewayClasses that are ours.
    pub controller_name: String,
    /// The version of Gateway API's CRDs (annotation `bundle-version`), if known; decides
    /// `SupportedVersion`.
    pub bundle_version: Option<String>,
    /// TCP ports that our own endpoints use, standalone: a listener there is `PortUnavailable`. In
    /// a cluster the parameters of each Gateway name them.
    pub reserved_ports: Vec<u16>,
    /// Whether endpoints may be loopback addresses and DNS names. True standalone; false in a
    /// cluster, where an EndpointSlice is written by tenants (CVE-2021-25737).
    pub trust_endpoints: bool,
}

/// Addresses by DNS name. A name that was never resolved is absent.
pub type ResolvedNames = BTreeMap<String, Vec<IpAddr>>;

/// Where Gateways get their addresses from, and with it who shares a proxy.
#[derive(Clone, Copy, Debug)]
pub enum Addresses<'a> {
    /// Standalone: one process serves all Gateways. A Gateway without `spec.addresses` binds
    /// these; one with them binds its own.
    Own(&'a [IpAddr]),
    /// Cluster: every Gateway has proxies of its own that bind all addresses, and a Service in
    /// front whose state is given here.
    Services(&'a BTreeMap<ObjectKey, ServiceAddresses>),
}

/// What a Gateway's Services were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceAddresses {
    /// Assigned addresses, IP or host name, in the order of the Service's status.
    pub assigned: Vec<String>,
    /// Why something for the Gateway could not be made, or why there is no address, in words that
    /// a status may tell.
    pub problems: Vec<String>,
}

/// Who runs a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proxy {
    /// The one standalone process.
    Standalone,
    /// The proxies of one Gateway.
    Gateway(ObjectKey),
}

/// What follows from a [`World`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Translation {
    /// What each proxy must do.
    pub snapshots: BTreeMap<Proxy, Snapshot>,
    /// In a cluster, how the proxies of each Gateway of ours are made; `None` for one whose
    /// parameters cannot be used: what runs for it is left as it is.
    pub fleets: BTreeMap<ObjectKey, Option<Fleet>>,
    /// What each object's status must say.
    pub statuses: Statuses,
    /// What a person should look at, worst first.
    pub findings: Vec<Finding>,
}

/// Translates objects into snapshots and statuses.
pub fn translate(world: &World<'_>) -> Translation {
    let objects = world.objects;
    let namespaces = Namespaces::new(&objects.namespaces);
    let grants = Grants::new(&objects.reference_grants);
    let mut certificates = Certificates::new(objects);

    let classes = classes::ours(world);
    let gateways = gateways::ours(world, &classes, &grants, &mut certificates);
    let sets = listener_sets::ours(&objects.listener_sets, &gateways, &namespaces);
    let listeners = listeners::read(
        &gateways,
        &sets,
        &mut Surroundings { grants: &grants, certificates: &mut certificates },
    );
    let acceptance = acceptance::decide(&gateways, &sets, &listeners);

    let routes = routes::read(objects);
    let attachments = attach::attach(&routes, &gateways, &sets, &listeners, &namespaces);
    let claims = claims::settle(&listeners, &routes, &attachments);
    let backends = backends::resolve_all(&routes, &attachments, &objects.services, &grants);
    let policies =
        Policies::new(&objects.backend_tls_policies, &objects.services, &mut certificates);

    let own_sockets = emit::own_sockets(&listeners, &acceptance);
    let endpoints = Endpoints::new(world, own_sockets);
    let targets = Targets::new(&gateways, &routes, &backends, &policies, &endpoints);
    let mut emitter = Emitter { acceptance: &acceptance, claims: &claims, targets };
    let snapshots = emitter.snapshots(world, &gateways, &listeners);
    let fleets = fleets::tell(world, &gateways, &listeners, &acceptance);

    let outcome = Outcome {
        world,
        classes: &classes,
        gateways: &gateways,
        sets: &sets,
        listeners: &listeners,
        acceptance: &acceptance,
        routes: &routes,
        attachments: &attachments,
        claims: &claims,
        backends: &backends,
        policies: &policies,
    };
    let statuses = status::tell(&outcome);
    let warnings = emitter.targets.warnings;
    let findings = findings::collect(&outcome, &statuses, &certificates, warnings);
    Translation { snapshots, fleets, statuses, findings }
}
