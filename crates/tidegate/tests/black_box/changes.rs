//! Edits while it runs.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use e2e::peers::{Held, tcp_echo, tcp_name};
use e2e::{Gateway, Program, address, eventually, gateway::binary, manifests as m};

use crate::{DEADLINE, exchange, problems};

/// An edit is read 100 ms after the last one and served at once; the rest is room for a machine
/// that is busy with other tests.
const LIVE: Duration = Duration::from_secs(2);

/// Two backends that answer with their names.
async fn backends() -> [SocketAddr; 2] {
    let ip = address::fresh();
    let [a, b] = [7000, 7001].map(|port| SocketAddr::new(ip, port));
    tcp_name(a, "a".to_owned()).await;
    tcp_name(b, "b".to_owned()).await;
    [a, b]
}

fn route() -> String {
    m::gateway(&[m::Listener::tcp("pg", 2000)]) + &m::tcp_route("pg", "pg", "pg")
}

fn answers(gateway: &Gateway, name: &str) -> bool {
    exchange(gateway.at(2000), b"x").is_ok_and(|answer| answer == name.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_live_at_once_and_held_connections_stay() {
    let [a, b] = backends().await;
    let echo = SocketAddr::new(address::fresh(), 7000);
    tcp_echo(echo).await;
    let gateway = Gateway::start(
        &[
            m::gateway(&[m::Listener::tcp("pg", 2000), m::Listener::tcp("held", 2001)]),
            m::tcp_route("pg", "pg", "pg"),
            m::tcp_route("held", "held", "held"),
            m::service("held", "TCP", &[echo]),
        ]
        .concat(),
    );
    gateway.folder.write("pg.yaml", &m::service("pg", "TCP", &[a]));
    eventually("the first backend answers", LIVE, || answers(&gateway, "a"));
    let mut held = Held::open(gateway.at(2001)).await.expect("served");

    let mut fastest = LIVE;
    for (backend, name) in [(b, "b"), (a, "a"), (b, "b")] {
        let edited = Instant::now();
        gateway.folder.write("pg.yaml", &m::service("pg", "TCP", &[backend]));
        eventually("the edit is live", LIVE, || answers(&gateway, name));
        fastest = fastest.min(edited.elapsed());
    }
    assert!(fastest < Duration::from_millis(500), "the fastest edit took {fastest:?}");
    held.ping(1).await.expect("an edit elsewhere breaks nothing");
    drop(held);
    gateway.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_comes_and_goes() {
    let [a, _] = backends().await;
    let gateway = Gateway::start(&(route() + &m::service("pg", "TCP", &[a])));
    gateway.folder.write(
        "gateway.yaml",
        &[
            m::gateway(&[m::Listener::tcp("pg", 2000), m::Listener::tcp("new", 2001)]),
            m::tcp_route("pg", "pg", "pg"),
            m::tcp_route("new", "new", "pg"),
            m::service("pg", "TCP", &[a]),
        ]
        .concat(),
    );
    eventually("the new listener answers", LIVE, || exchange(gateway.at(2001), b"x").is_ok());
    gateway.folder.write("gateway.yaml", &(route() + &m::service("pg", "TCP", &[a])));
    eventually("its port is closed again", LIVE, || {
        std::net::TcpStream::connect(gateway.at(2001)).is_err()
    });
    assert!(answers(&gateway, "a"));
    gateway.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_config_map_is_followed_through_its_swap() {
    let [a, b] = backends().await;
    let gateway = Gateway::start(&route());
    let folder = gateway.folder.path();
    let publish = |version: &str, backend| {
        let data = folder.join(format!("..{version}"));
        fs::create_dir(&data).expect("a folder");
        fs::write(data.join("pg.yaml"), m::service("pg", "TCP", &[backend])).expect("a file");
        symlink(format!("..{version}"), folder.join("..data_tmp")).expect("a link");
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("swapped");
    };
    publish("1", a);
    symlink("..data/pg.yaml", folder.join("pg.yaml")).expect("a link");
    eventually("the mounted file is served", LIVE, || answers(&gateway, "a"));
    publish("2", b);
    fs::remove_dir_all(folder.join("..1")).expect("the old version goes");
    eventually("the swapped file is served", LIVE, || answers(&gateway, "b"));
    assert_eq!(problems(&gateway), Vec::<String>::new());
    gateway.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_disappears_keeps_everything_and_comes_back() {
    let [a, b] = backends().await;
    let gateway = Gateway::start(&(route() + &m::service("pg", "TCP", &[a])));
    assert!(answers(&gateway, "a"));
    let path = gateway.folder.path().to_owned();
    let elsewhere = path.with_extension("elsewhere");

    fs::rename(&path, &elsewhere).expect("moved away");
    eventually("the loss is said", LIVE, || {
        problems(&gateway).iter().any(|problem| problem.contains("no such file or directory"))
    });
    assert!(answers(&gateway, "a"));

    fs::create_dir(&path).expect("a folder");
    fs::write(path.join("new.yaml"), route() + &m::service("pg", "TCP", &[b])).expect("a file");
    eventually("the new folder is served", LIVE, || answers(&gateway, "b"));
    assert_eq!(problems(&gateway), Vec::<String>::new());

    fs::write(path.join("new.yaml"), route() + &m::service("pg", "TCP", &[a])).expect("a file");
    eventually("the new folder is followed", LIVE, || answers(&gateway, "a"));

    fs::remove_dir_all(&path).expect("removed");
    eventually("the loss is said again", LIVE, || !problems(&gateway).is_empty());
    assert!(answers(&gateway, "a"));
    fs::rename(&elsewhere, &path).expect("moved back");
    eventually("the first folder is served again", LIVE, || problems(&gateway).is_empty());
    gateway.finish();
}

/// The kernel counts inotify instances for each user namespace; one without any is as good as a
/// machine that has used up its own.
#[tokio::test(flavor = "multi_thread")]
async fn without_watches_files_are_read_at_the_interval() {
    let [a, b] = backends().await;
    let folder = m::Folder::default();
    folder.write("gateway.yaml", &(route() + &m::service("pg", "TCP", &[a])));
    let ip = address::fresh();
    let at = SocketAddr::new(ip, 2000);
    let script = "echo 0 > /proc/sys/user/max_inotify_instances && exec \"$@\"";
    let mut process = Program::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", script, "sh"])
        .arg(binary("tidegate"))
        .args(["run", "--rescan-interval", "200ms", "--config"])
        .arg(folder.path())
        .args(["--address".to_owned(), ip.to_string(), "--admin".to_owned(), format!("{ip}:19000")])
        .start();
    let answers = |name: &str| exchange(at, b"x").is_ok_and(|answer| answer == name.as_bytes());
    process.until(DEADLINE, || answers("a"));
    folder.write("gateway.yaml", &(route() + &m::service("pg", "TCP", &[b])));
    process.until(DEADLINE, || answers("b"));
    let log = process.log.text();
    assert_eq!(log.matches("cannot watch for changes").count(), 1, "{log}");
    assert_eq!(process.stop(DEADLINE).code(), Some(0));
}
