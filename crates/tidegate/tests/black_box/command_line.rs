//! The texts of the command line: every example runs, every command explains itself.

use std::fs;
use std::net::SocketAddr;

use e2e::{address, manifests as m};

use crate::{DEADLINE, raw, tidegate};

const COMMANDS: [&str; 4] = ["run", "check", "crds", "version"];

fn help(arguments: &[&str]) -> String {
    let mut process = tidegate().args(arguments.iter().copied()).arg("--help").start();
    assert!(process.wait(DEADLINE).expect("it ends").success());
    process.log.text()
}

fn examples(help: &str) -> Vec<String> {
    let after = help.split_once("Examples:\n").expect("help has examples").1;
    after.lines().map_while(|line| line.strip_prefix("  tidegate ")).map(str::to_owned).collect()
}

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        let help = help(&[command]);
        let first = help.lines().next().expect("a sentence");
        assert!(!first.ends_with('.') && first.len() > 10, "{first}");
        let last = help.lines().rev().find(|line| !line.is_empty()).expect("a line");
        assert!(last.starts_with("Documentation: https://"), "{last}");
    }
    assert!(COMMANDS.iter().all(|command| help(&[]).contains(command)));
}

#[test]
fn every_example_of_the_help_texts_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let routes = folder.path().join("manifests/routes");
    fs::create_dir_all(&routes).expect("folders");
    let gateway = m::gateway(&[m::Listener::tcp("pg", 2000)]);
    fs::write(folder.path().join("manifests/gateway.yaml"), gateway).expect("a file");
    let pg = m::tcp_route("pg", "pg", "pg")
        + &m::service("pg", "TCP", &["127.0.0.1:5432".parse().expect("an address")]);
    fs::write(routes.join("pg.yaml"), pg).expect("a file");

    let mut ran = 0;
    for command in COMMANDS {
        for example in examples(&help(&[command])) {
            let mut arguments: Vec<_> = example.split(' ').map(str::to_owned).collect();
            let serves = command == "run" && !arguments.contains(&"--print".to_owned());
            let admin = SocketAddr::new(address::fresh(), 19000);
            if serves {
                arguments.extend(["--admin".to_owned(), admin.to_string()]);
                arguments.extend(["--address".to_owned(), admin.ip().to_string()]);
            }
            // The harness starts programs in its own folder; a shell changes it.
            let mut process = e2e::Program::new("sh")
                .args(["-c", "cd \"$1\" && shift && exec \"$@\"", "sh"])
                .arg(folder.path())
                .arg(e2e::gateway::binary("tidegate"))
                .args(arguments)
                .start();
            if serves {
                process.until(DEADLINE, || {
                    std::net::TcpStream::connect(admin).is_ok()
                        && raw(admin, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                            .contains(" 200 ")
                });
                process.signal(rustix::process::Signal::TERM);
            }
            let status = process.wait(DEADLINE).expect("it ends");
            assert!(status.success(), "{example}: {status}\n{}", process.log.text());
            ran += 1;
        }
    }
    assert!(ran >= 8, "only {ran} examples");
}

#[test]
fn the_version_is_that_of_the_package() {
    let mut process = tidegate().arg("version").start();
    assert!(process.wait(DEADLINE).expect("it ends").success());
    assert_eq!(process.log.text(), format!("tidegate {}\n", env!("CARGO_PKG_VERSION")));
}
