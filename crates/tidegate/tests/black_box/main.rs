//! The real program on loopback: what it serves, what it says of bad input, how it ends, what its
//! admin endpoint answers. Each module is one of these; what they share is here.

mod admin;
mod bad_input;
mod changes;
mod check;
mod command_line;
mod ending;
mod samples;
mod secrets;
mod serves;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use e2e::{Gateway, Program, gateway::binary};
use serde_json::Value;

/// For anything that has no figure of its own.
const DEADLINE: Duration = Duration::from_secs(10);

/// Our program.
fn tidegate() -> Program {
    Program::new(binary("tidegate"))
}

/// Sends a message over a new connection and reads what comes back until the end.
fn exchange(to: SocketAddr, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&to, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(message)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Sends a datagram and waits for an answer, again and again: what is not served yet is silent.
fn ask(to: SocketAddr, message: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("an option");
    e2e::eventually_some("a datagram is answered", DEADLINE, || {
        socket.send_to(message, to).ok()?;
        let mut answer = [0; 2048];
        let (length, from) = socket.recv_from(&mut answer).ok()?;
        assert_eq!(from, to, "the answer comes from where the question went");
        Some(answer[..length].to_vec())
    })
}

/// An HTTP request, as it is written here, to the admin endpoint; the whole answer.
fn raw(admin: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect_timeout(&admin, DEADLINE).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("an option");
    let mut answer = Vec::new();
    // A server that refuses before it has read everything resets, which either direction may be the
    // first to notice; what it said has arrived.
    let _reset = stream.write_all(request.as_bytes());
    let _reset = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The condition of a listener of a Gateway in `/status`: status and message.
fn condition(status: &Value, listener: &str, kind: &str) -> Option<(String, String)> {
    let objects = status["objects"].as_array()?;
    let gateway = objects.iter().find(|object| object["kind"] == "Gateway")?;
    let listeners = gateway["listeners"].as_array()?;
    let listener = listeners.iter().find(|it| it["name"] == listener)?;
    let conditions = listener["conditions"].as_array()?;
    let condition = conditions.iter().find(|condition| condition["type"] == kind)?;
    let text = |field: &str| Some(condition[field].as_str()?.to_owned());
    Some((text("status")?, text("message")?))
}

/// Whether `/status` has a finding of this name on an object of this kind.
fn has_finding(status: &Value, kind: &str, id: &str) -> bool {
    let objects = status["objects"].as_array().into_iter().flatten();
    objects
        .filter(|object| object["kind"] == kind)
        .flat_map(|object| object["findings"].as_array().into_iter().flatten())
        .any(|finding| finding["id"] == id)
}

/// The messages of what could not be read, each with its place.
fn problems(gateway: &Gateway) -> Vec<String> {
    let status = gateway.status();
    let problems = status["problems"].as_array().into_iter().flatten();
    problems
        .map(|problem| {
            let file = problem["file"].as_str().unwrap_or_default();
            let name = file.rsplit('/').next().unwrap_or_default();
            format!(
                "{name}:{}:{}: {}",
                problem["line"],
                problem["column"],
                problem["message"].as_str().unwrap_or_default()
            )
        })
        .collect()
}
