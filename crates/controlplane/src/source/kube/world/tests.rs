//! What is known after which news, in orders that a real server rarely shows.

use serde_json::json;

use super::*;

const SECRETS: Topic = Topic::Read(Kind::Secret);
const GATEWAYS: Topic = Topic::Read(Kind::Gateway);
const ROUTES: Topic = Topic::Read(Kind::TcpRoute);

fn id(topic: Topic) -> WatchId {
    WatchId { topic, namespace: None }
}

fn incoming(topic: Topic, name: &str, version: u64, rest: serde_json::Value) -> Incoming {
    let mut json = rest;
    json["metadata"] =
        json!({"namespace": "db", "name": name, "resourceVersion": version.to_string()});
    item::read(topic, json).expect("has a name")
}

fn secret(name: &str, version: u64) -> Incoming {
    let value = if version.is_multiple_of(2) { "YQ==" } else { "Yg==" };
    incoming(SECRETS, name, version, json!({"data": {"tls.crt": value}}))
}

fn gateway(secrets: &[&str], version: u64) -> Incoming {
    let listener = |name: &&str| {
        json!({"name": name, "port": 1, "protocol": "TLS",
            "tls": {"certificateRefs": [{"name": name}]}})
    };
    let listeners: Vec<_> = secrets.iter().map(listener).collect();
    let spec = json!({"gatewayClassName": "tidegate", "listeners": listeners});
    incoming(GATEWAYS, "gw", version, json!({"spec": spec}))
}

fn route(name: &str, version: u64) -> Incoming {
    incoming(ROUTES, name, version, json!({"spec": {}}))
}

fn broken(name: &str, version: u64) -> Incoming {
    incoming(ROUTES, name, version, json!({"spec": 7}))
}

fn list(world: &mut World, topic: Topic, items: Vec<Incoming>) -> Effect {
    world.apply(&id(topic), Change::Page { first: true, items });
    world.apply(&id(topic), Change::Listed)
}

fn served() -> Served {
    Kind::ALL.into_iter().map(|kind| (kind, "v1".to_owned())).collect()
}

/// A world that watches Secrets, Gateways and TCPRoutes.
fn world() -> World {
    let mut world = World::default();
    world.plan(served(), [SECRETS, GATEWAYS, ROUTES].map(id).into());
    world
}

fn held(world: &World) -> Vec<&str> {
    world.objects.secrets.keys().map(|key| key.name.as_str()).collect()
}

fn reference(name: &str) -> ObjectRef {
    ObjectRef::new(Kind::Secret, ObjectKey::new("db", name))
}

#[test]
fn nothing_is_known_before_every_watch_has_answered() {
    let mut world = world();
    list(&mut world, SECRETS, vec![]);
    list(&mut world, GATEWAYS, vec![]);
    assert!(!world.is_synced());
    assert_eq!(world.apply(&id(ROUTES), Change::Denied), Effect::Objects);
    assert!(world.is_synced());
    assert!(world.loaded().cluster.expect("a cluster").synced);
}

#[test]
fn what_is_served_has_to_be_known_too() {
    let mut world = World::default();
    list(&mut world, SECRETS, vec![]);
    assert!(!world.is_synced());
    world.plan(served(), [id(SECRETS)].into());
    assert!(world.is_synced());
}

#[test]
fn a_list_takes_the_place_of_what_was_known_when_it_is_complete() {
    let mut world = world();
    list(&mut world, ROUTES, vec![route("a", 1), route("b", 2)]);
    let page = |first, items| Change::Page { first, items };
    world.apply(&id(ROUTES), page(true, vec![route("c", 3)]));
    assert_eq!(world.objects.tcp_routes.len(), 2);
    // It begins again.
    world.apply(&id(ROUTES), page(true, vec![route("b", 2)]));
    world.apply(&id(ROUTES), page(false, vec![route("d", 4)]));
    assert_eq!(world.apply(&id(ROUTES), Change::Listed), Effect::Objects);
    let names: Vec<_> = world.objects.tcp_routes.keys().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["b", "d"]);
}

#[test]
fn a_list_of_what_is_known_changes_nothing_and_shares_the_objects() {
    let mut world = world();
    list(&mut world, ROUTES, vec![route("a", 1), broken("b", 2)]);
    let before = world.objects.clone();
    assert_eq!(list(&mut world, ROUTES, vec![route("a", 1), broken("b", 2)]), Effect::None);
    let key = ObjectKey::new("db", "a");
    assert!(Arc::ptr_eq(&before.tcp_routes[&key], &world.objects.tcp_routes[&key]));
}

#[test]
fn an_unreadable_object_stays_through_events_and_lists_until_it_is_gone() {
    let mut world = world();
    list(&mut world, ROUTES, vec![route("a", 1)]);
    assert_eq!(world.apply(&id(ROUTES), Change::Changed(broken("a", 2))), Effect::Objects);
    assert_eq!(world.apply(&id(ROUTES), Change::Changed(broken("a", 3))), Effect::None);
    list(&mut world, ROUTES, vec![broken("a", 3)]);
    let loaded = world.loaded();
    assert_eq!((loaded.objects.tcp_routes.len(), loaded.kept.len()), (1, 1));
    assert_eq!(loaded.problems.len(), 1);
    assert_eq!(list(&mut world, ROUTES, vec![]), Effect::Objects);
    let loaded = world.loaded();
    assert_eq!((loaded.objects.tcp_routes.len(), loaded.kept.len()), (0, 0));
    assert_eq!(loaded.problems, []);
}

#[test]
fn an_object_that_never_fitted_is_told_but_not_kept() {
    let mut world = world();
    list(&mut world, ROUTES, vec![broken("a", 1)]);
    let loaded = world.loaded();
    assert_eq!((loaded.problems.len(), loaded.kept.len()), (1, 0));
    world.apply(&id(ROUTES), Change::Deleted(ObjectKey::new("db", "a"), None));
    assert_eq!(world.loaded().problems, []);
}

#[test]
fn a_namespace_is_listed_by_itself() {
    let mut world = World::default();
    let of = |namespace: &str| WatchId { topic: ROUTES, namespace: Some(Arc::from(namespace)) };
    world.plan(served(), ["db", "web"].map(of).into());
    world.apply(&of("db"), Change::Page { first: true, items: vec![route("a", 1)] });
    world.apply(&of("db"), Change::Listed);
    assert!(!world.is_synced());
    world.apply(&of("web"), Change::Page { first: true, items: vec![] });
    world.apply(&of("web"), Change::Listed);
    assert!(world.is_synced());
    assert_eq!(world.objects.tcp_routes.len(), 1);
}

#[test]
fn a_kind_that_is_not_served_any_more_is_empty_and_its_last_words_are_not_heard() {
    let mut world = world();
    list(&mut world, ROUTES, vec![route("a", 1)]);
    let mut less = served();
    less.remove(&Kind::TcpRoute);
    world.plan(less, [SECRETS, GATEWAYS].map(id).into());
    assert!(world.objects.tcp_routes.is_empty());
    assert_eq!(world.apply(&id(ROUTES), Change::Changed(route("a", 2))), Effect::None);
    assert!(world.objects.tcp_routes.is_empty());
}

#[test]
fn an_object_that_is_fetched_is_not_overtaken_by_older_news() {
    let mut world = world();
    list(&mut world, SECRETS, vec![secret("a", 10)]);
    assert_eq!(world.settle(), []);
    assert_eq!(held(&world), [""; 0]);
    world.apply(&id(GATEWAYS), Change::Changed(gateway(&["a"], 11)));
    assert_eq!(world.settle(), [reference("a")]);
    assert!(world.is_waiting());
    assert_eq!(world.settle(), []);
    assert_eq!(world.fetched(&reference("a"), Some(secret("a", 20))), Effect::Objects);
    assert!(!world.is_waiting());
    let key = ObjectKey::new("db", "a");
    let deleted = Change::Deleted(key.clone(), Some("14".into()));
    assert_eq!(world.apply(&id(SECRETS), deleted), Effect::None);
    assert_eq!(world.apply(&id(SECRETS), Change::Changed(secret("a", 15))), Effect::None);
    assert_eq!(world.apply(&id(SECRETS), Change::Changed(secret("a", 21))), Effect::Objects);
    let deleted = Change::Deleted(key, Some("22".into()));
    assert_eq!(world.apply(&id(SECRETS), deleted), Effect::Objects);
}

#[test]
fn an_object_that_goes_while_it_is_fetched_does_not_come_back() {
    let mut world = world();
    list(&mut world, SECRETS, vec![secret("a", 10)]);
    world.settle();
    world.apply(&id(GATEWAYS), Change::Changed(gateway(&["a"], 11)));
    world.settle();
    let key = ObjectKey::new("db", "a");
    world.apply(&id(SECRETS), Change::Deleted(key, Some("12".into())));
    assert!(!world.is_waiting());
    assert_eq!(world.fetched(&reference("a"), Some(secret("a", 10))), Effect::None);
    assert_eq!(held(&world), [""; 0]);
}

#[test]
fn news_of_an_object_that_is_fetched_make_that_needless() {
    let mut world = world();
    list(&mut world, SECRETS, vec![secret("a", 10)]);
    world.settle();
    world.apply(&id(GATEWAYS), Change::Changed(gateway(&["a"], 11)));
    world.settle();
    assert_eq!(world.apply(&id(SECRETS), Change::Changed(secret("a", 12))), Effect::Objects);
    assert!(!world.is_waiting());
    assert_eq!(world.fetched(&reference("a"), Some(secret("a", 11))), Effect::None);
    assert_eq!(held(&world), ["a"]);
}

#[test]
fn a_reference_that_is_gone_lets_go_and_one_that_comes_back_fetches_again() {
    let mut world = world();
    list(&mut world, SECRETS, vec![secret("a", 10), secret("b", 10)]);
    world.apply(&id(GATEWAYS), Change::Changed(gateway(&["a"], 11)));
    assert_eq!(world.settle(), []);
    assert_eq!(held(&world), ["a"]);
    world.apply(&id(GATEWAYS), Change::Changed(gateway(&["b"], 12)));
    assert_eq!(world.settle(), [reference("b")]);
    assert_eq!(held(&world), [""; 0]);
    world.apply(&id(GATEWAYS), Change::Changed(gateway(&["a"], 13)));
    assert_eq!(world.settle(), [reference("a")]);
    // Nobody waits for it any more.
    assert_eq!(world.fetched(&reference("b"), Some(secret("b", 10))), Effect::None);
    world.fetched(&reference("a"), Some(secret("a", 10)));
    assert_eq!(held(&world), ["a"]);
}

#[test]
fn a_list_that_began_before_a_reference_does_not_take_what_was_fetched_since() {
    let mut world = world();
    list(&mut world, SECRETS, vec![secret("a", 10), secret("b", 10)]);
    world.settle();
    let items = vec![secret("a", 10), secret("b", 10)];
    world.apply(&id(SECRETS), Change::Page { first: true, items });
    world.apply(&id(GATEWAYS), Change::Changed(gateway(&["a", "b"], 11)));
    assert_eq!(world.settle().len(), 2);
    world.fetched(&reference("a"), Some(secret("a", 10)));
    world.apply(&id(SECRETS), Change::Listed);
    assert_eq!(held(&world), ["a"]);
    assert!(world.is_waiting());
    world.fetched(&reference("b"), Some(secret("b", 10)));
    assert_eq!(held(&world), ["a", "b"]);
    assert_eq!(world.settle(), []);
}

#[test]
fn trouble_is_told_until_it_is_over() {
    let mut world = world();
    let trouble = Some("no right".to_owned());
    assert_eq!(world.apply(&id(ROUTES), Change::Trouble(trouble)), Effect::Objects);
    let problems = world.loaded().problems;
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["tcproutes.gateway.networking.k8s.io: no right"]
    );
    world.apply(&id(ROUTES), Change::Trouble(None));
    assert_eq!(world.loaded().problems, []);
}
