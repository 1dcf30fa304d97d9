//! Builds a [`Report`]: looks up, for every object, what the statuses, the findings, the snapshot
//! and the files say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use controlplane::conditions::{self, Placed};
use controlplane::{Loaded, Problem};
use gwapi::{Kind, Listener, ObjectKey, ObjectRef};
use snapshot::{
    App, BindKey, EndpointState, ListenerName, Route, Snapshot, Target, TlsRoutes, Weighted,
};
use translate::status::{Condition, ListenerStatus, RouteStatus};
use translate::{Finding, Proxy, Severity, Translation};

use super::{
    BackendReport, ConditionReport, FindingReport, ListenerReport, ObjectReport, ParentReport,
    Place, ProblemReport, Report, RouteReport, SaidBy, Summary,
};

/// Where the explanation of each finding is.
const DOCS: &str = "tidegate.dev/e/";

impl Report {
    /// Tells of a reading and its translation.
    pub(crate) fn new(loaded: &Loaded, translation: &Translation) -> Self {
        let nothing = Snapshot::default();
        let snapshot = translation.snapshots.get(&Proxy::Standalone).unwrap_or(&nothing);
        let problems: Vec<_> = loaded.problems.iter().map(problem).collect();
        let count = |severity| {
            translation.findings.iter().filter(|finding| finding.severity == severity).count()
        };
        let summary = Summary {
            objects: loaded.objects.refs().len(),
            foreign: loaded.foreign,
            errors: problems.len() + count(Severity::Error),
            warnings: count(Severity::Warning),
            sockets: sockets(snapshot),
        };
        let objects = Sources::new(loaded, translation, snapshot).objects();
        Self { api_version: "cli.tidegate.dev/v1", kind: "Report", summary, problems, objects }
    }
}

fn problem(problem: &Problem) -> ProblemReport {
    let location = problem.location();
    ProblemReport {
        place: Place {
            file: problem.path().display().to_string(),
            line: location.map(|location| location.line),
            column: location.map(|location| location.column),
        },
        object: problem.object().map(ToString::to_string),
        field: problem.field().map(str::to_owned),
        message: problem.reason().to_owned(),
        unreadable: problem.is_unreadable(),
    }
}

fn sockets(snapshot: &Snapshot) -> Vec<String> {
    let name = |key: &BindKey| {
        if key.address.is_unspecified() {
            format!("{}/{}", key.transport, key.port)
        } else {
            key.to_string()
        }
    };
    let mut seen = BTreeSet::new();
    snapshot.binds.keys().map(name).filter(|name| seen.insert(name.clone())).collect()
}

/// What is looked up, by what it is looked up with.
struct Sources<'a> {
    loaded: &'a Loaded,
    translation: &'a Translation,
    placed: BTreeMap<ObjectRef, Vec<Placed<'a>>>,
    findings: BTreeMap<&'a ObjectRef, Vec<&'a Finding>>,
    routes: BTreeMap<&'a ListenerName, Vec<RouteReport>>,
}

impl<'a> Sources<'a> {
    fn new(loaded: &'a Loaded, translation: &'a Translation, snapshot: &'a Snapshot) -> Self {
        let mut placed: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in conditions::all(&translation.statuses) {
            placed.entry(one.object.clone()).or_default().push(one);
        }
        let mut findings: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for finding in &translation.findings {
            findings.entry(&finding.object).or_default().push(finding);
        }
        Self { loaded, translation, placed, findings, routes: routes(snapshot) }
    }

    fn objects(&self) -> Vec<ObjectReport> {
        let mut objects: BTreeSet<ObjectRef> = self.placed.keys().cloned().collect();
        objects.extend(self.findings.keys().map(|object| (*object).clone()));
        objects.extend(
            self.loaded
                .objects
                .gateways
                .keys()
                .map(|key| ObjectRef::new(Kind::Gateway, key.clone())),
        );
        objects.into_iter().map(|object| self.object(object)).collect()
    }

    fn object(&self, object: ObjectRef) -> ObjectReport {
        let (key, objects) = (&object.key, &self.loaded.objects);
        let statuses = &self.translation.statuses;
        let (mut class, mut addresses, mut listeners) = (None, vec![], vec![]);
        let mut parents = vec![];
        match object.kind {
            Kind::Gateway => {
                if let Some(gateway) = objects.gateways.get(key) {
                    class = Some(gateway.spec.gateway_class_name.clone());
                    if let Some(status) = statuses.gateways.get(key) {
                        addresses =
                            status.addresses.iter().map(|(_, value)| value.clone()).collect();
                        let spec = gateway.spec.listeners.iter().map(Listener::from);
                        listeners = self.listeners(&object, spec, &status.listeners);
                    }
                }
            }
            Kind::ListenerSet => {
                if let (Some(set), Some(status)) =
                    (objects.listener_sets.get(key), statuses.listener_sets.get(key))
                {
                    let spec = set.spec.listeners.iter().map(Listener::from);
                    listeners = self.listeners(&object, spec, &status.listeners);
                }
            }
            Kind::TcpRoute => parents = of_parents(statuses.tcp_routes.get(key), key),
            Kind::UdpRoute => parents = of_parents(statuses.udp_routes.get(key), key),
            Kind::TlsRoute => parents = of_parents(statuses.tls_routes.get(key), key),
            Kind::HttpRoute => parents = of_parents(statuses.http_routes.get(key), key),
            Kind::BackendTlsPolicy => {
                let status = statuses.backend_tls_policies.get(key);
                parents.extend(status.into_iter().flat_map(|status| &status.ancestors).map(
                    |ancestor| ParentReport {
                        parent: ancestor.gateway.to_string(),
                        conditions: told(&ancestor.conditions),
                    },
                ));
            }
            _ => {}
        }
        ObjectReport {
            place: self.place(&object, None),
            kept: self.loaded.kept.contains(&object),
            class,
            addresses,
            conditions: self.own_conditions(&object),
            listeners,
            parents,
            findings: self.findings(&object),
            object,
        }
    }

    fn placed(&self, object: &ObjectRef) -> &[Placed<'a>] {
        self.placed.get(object).map_or(&[], Vec::as_slice)
    }

    fn place(&self, object: &ObjectRef, field: Option<&str>) -> Option<Place> {
        self.loaded.locations.find(object, field).map(|location| Place {
            file: location.path.display().to_string(),
            line: Some(location.line),
            column: Some(location.column),
        })
    }

    fn own_conditions(&self, object: &ObjectRef) -> Vec<ConditionReport> {
        let own = self.placed(object).iter().filter(|placed| placed.section.is_empty());
        own.map(|placed| condition(placed.condition)).collect()
    }

    fn findings(&self, object: &ObjectRef) -> Vec<FindingReport> {
        let findings = self.findings.get(object).into_iter().flatten();
        findings
            .map(|finding| FindingReport {
                severity: finding.severity,
                id: finding.id.clone(),
                message: self.message(finding),
                field: finding.field.clone(),
                place: self.place(object, finding.field.as_deref()),
                fix: finding.fix.clone(),
                docs: format!("{DOCS}{}", finding.id),
                conditions: self.said_by(object, finding),
            })
            .collect()
    }

    /// The translation sees valid objects only. What it misses may be there and not be valid.
    fn message(&self, finding: &Finding) -> String {
        let invalid = self
            .loaded
            .problems
            .iter()
            .filter_map(|problem| Some((problem.object()?, problem.location()?)));
        invalid.fold(finding.message.clone(), |message, (object, location)| {
            let place = format!("{}:{}", location.path.display(), location.line);
            message.replace(
                &format!("{object} does not exist"),
                &format!("{object} is not valid, see {place}"),
            )
        })
    }

    fn said_by(&self, object: &ObjectRef, finding: &Finding) -> Vec<SaidBy> {
        let says = |placed: &&Placed<'_>| {
            placed.condition.causes.iter().any(|cause| {
                cause.reason.as_str() == finding.id
                    && cause.field == finding.field
                    && cause.message == finding.message
            })
        };
        let said = |placed: &Placed<'_>| SaidBy {
            section: placed.section.clone(),
            r#type: placed.condition.r#type,
            status: status(placed.condition),
        };
        self.placed(object).iter().filter(says).map(said).collect()
    }

    fn listeners(
        &self,
        object: &ObjectRef,
        spec: impl Iterator<Item = Listener>,
        statuses: &[ListenerStatus],
    ) -> Vec<ListenerReport> {
        let report = |(listener, status): (Listener, &ListenerStatus)| ListenerReport {
            programmed: status
                .conditions
                .iter()
                .any(|condition| condition.r#type == "Programmed" && condition.status),
            attached_routes: status.attached_routes,
            conditions: told(&status.conditions),
            routes: self.routes_of(object, &listener.name),
            name: listener.name,
            protocol: listener.protocol,
            port: listener.port,
            hostname: listener.hostname,
        };
        spec.zip(statuses).map(report).collect()
    }

    fn routes_of(&self, object: &ObjectRef, listener: &str) -> Vec<RouteReport> {
        let is_it = |name: &ListenerName| {
            name.listener == listener
                && match object.kind {
                    Kind::ListenerSet => name.listener_set == object.key.to_string(),
                    _ => {
                        name.listener_set.is_empty()
                            && name.gateway == object.key.name
                            && name.gateway_namespace == object.key.namespace
                    }
                }
        };
        let routes = self.routes.iter().filter(|(name, _)| is_it(name));
        routes.flat_map(|(_, routes)| routes).cloned().collect()
    }
}

fn condition(condition: &Condition) -> ConditionReport {
    ConditionReport {
        r#type: condition.r#type,
        status: status(condition),
        reason: condition.reason,
        message: condition.message.clone(),
    }
}

fn status(condition: &Condition) -> &'static str {
    if condition.status { "True" } else { "False" }
}

fn told(conditions: &[Condition]) -> Vec<ConditionReport> {
    conditions.iter().map(condition).collect()
}

fn of_parents(status: Option<&RouteStatus>, route: &ObjectKey) -> Vec<ParentReport> {
    let parents = status.into_iter().flat_map(|status| &status.parents);
    parents
        .map(|parent| ParentReport {
            parent: conditions::parent(&parent.parent_ref, route),
            conditions: told(&parent.conditions),
        })
        .collect()
}

/// A route and the hostnames it is used with.
type Used<'a> = (&'a Arc<Route>, BTreeSet<String>);

/// The routes that every listener really uses. A listener on several addresses has them once.
fn routes(snapshot: &Snapshot) -> BTreeMap<&ListenerName, Vec<RouteReport>> {
    let mut used: BTreeMap<&ListenerName, Vec<Used<'_>>> = BTreeMap::new();
    for bind in snapshot.binds.values() {
        match &bind.app {
            App::Tcp(app) => used.entry(&app.listener).or_default().extend(plain(&app.route)),
            App::Udp(app) => used.entry(&app.listener).or_default().extend(plain(&app.route)),
            App::Tls(app) => {
                for listener in app.listeners.values() {
                    let used = used.entry(&listener.name).or_default();
                    match &listener.routes {
                        TlsRoutes::Names(routes) => {
                            used.extend(routes.entries().map(|(host, route)| at(host, route)));
                        }
                        TlsRoutes::Requests(routes) => {
                            used.extend(routes.entries().map(|(host, _, route)| at(host, route)));
                        }
                    }
                }
            }
            App::Http(app) => {
                for listener in app.listeners.values() {
                    let entries = listener.routes.entries();
                    let entries = entries.map(|(host, _, route)| at(host, route));
                    used.entry(&listener.name).or_default().extend(entries);
                }
            }
        }
    }
    let report = |(listener, used): (_, Vec<Used<'_>>)| {
        // Each rule of a route is a route of the snapshot, under the same name.
        let mut by_name: BTreeMap<_, (Vec<&Arc<Route>>, BTreeSet<String>)> = BTreeMap::new();
        for (route, hostnames) in used {
            let (rules, all) = by_name.entry(&route.name).or_default();
            if !rules.contains(&route) {
                rules.push(route);
            }
            all.extend(hostnames);
        }
        let routes = by_name.into_iter().map(|(name, (rules, hostnames))| RouteReport {
            route: format!("{} {}/{}", name.kind, name.namespace, name.name),
            hostnames: hostnames.into_iter().collect(),
            backends: rules.iter().flat_map(|route| backends(route, snapshot)).collect(),
        });
        (listener, routes.collect())
    };
    used.into_iter().map(report).collect()
}

fn at(hostname: Option<String>, route: &Arc<Route>) -> Used<'_> {
    (route, hostname.into_iter().collect())
}

fn plain(route: &Option<Arc<Route>>) -> Option<Used<'_>> {
    route.as_ref().map(|route| (route, BTreeSet::new()))
}

fn backends(route: &Route, snapshot: &Snapshot) -> Vec<BackendReport> {
    let backend = |weighted: &Weighted| match &weighted.target {
        Target::Cluster(key) => snapshot.clusters.get(key).map(|cluster| BackendReport {
            backend: cluster.name.to_string(),
            weight: weighted.weight,
            endpoints: cluster
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.state == EndpointState::Ready)
                .count(),
            refused: None,
        }),
        Target::Reject(rejection) => Some(BackendReport {
            backend: rejection.backend.to_string(),
            weight: weighted.weight,
            endpoints: 0,
            refused: Some(rejection.reason.clone()),
        }),
    };
    route.targets.iter().filter_map(backend).collect()
}
