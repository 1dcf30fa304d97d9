//! A key-value store that speaks the Redis protocol (RESP2): PING, ECHO, SET, GET, DEL, DBSIZE.
//! Requests may be arrays of bulk strings, as clients send them, or lines typed by hand.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The longest line or string taken, and the most keys kept: a demo needs no more.
const LONGEST: usize = 64 * 1024;
const MOST_WORDS: usize = 64;
const MOST_KEYS: usize = 10_000;

type Store = Arc<Mutex<BTreeMap<String, String>>>;

/// Serves connections for ever.
pub(crate) async fn serve(listener: TcpListener) {
    let store = Store::default();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let _closed = converse(stream, &store).await;
            });
        }
    }
}

async fn converse(stream: TcpStream, store: &Store) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(words) = request(&mut stream).await? {
        let Some((command, arguments)) = words.split_first() else { continue };
        let answer = answer(&command.to_ascii_uppercase(), arguments, store);
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// Reads one request; `None` at the end of the stream.
async fn request(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<String>>> {
    let Some(line) = line(stream).await? else { return Ok(None) };
    let Some(count) = line.strip_prefix('*') else {
        return Ok(Some(line.split_whitespace().map(str::to_owned).collect()));
    };
    let count = number(count, MOST_WORDS)?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let header = self::line(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = number(header.strip_prefix('$').unwrap_or_default(), LONGEST)?;
        let mut word = vec![0; length + 2];
        stream.read_exact(&mut word).await?;
        word.truncate(length);
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    Ok(Some(words))
}

async fn line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut limited = stream.take(LONGEST as u64);
    limited.read_until(b'\n', &mut line).await?;
    if !line.ends_with(b"\n") {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
}

fn number(text: &str, most: usize) -> io::Result<usize> {
    text.parse().ok().filter(|&number| number <= most).ok_or(io::ErrorKind::InvalidData.into())
}

fn answer(command: &str, arguments: &[String], store: &Store) -> String {
    let mut store = store.lock().expect("no holder of the lock panics");
    match (command, arguments) {
        ("PING", []) => "+PONG\r\n".to_owned(),
        ("PING" | "ECHO", [text]) => bulk(text),
        ("SET", [key, value, ..]) if store.len() < MOST_KEYS || store.contains_key(key) => {
            store.insert(key.clone(), value.clone());
            "+OK\r\n".to_owned()
        }
        ("GET", [key]) => store.get(key).map_or("$-1\r\n".to_owned(), |value| bulk(value)),
        ("DEL", keys) => {
            let gone = keys.iter().filter(|key| store.remove(key.as_str()).is_some()).count();
            format!(":{gone}\r\n")
        }
        ("DBSIZE", []) => format!(":{}\r\n", store.len()),
        // What redis-cli asks before its first prompt.
        ("COMMAND" | "CLIENT" | "CONFIG", _) => "*0\r\n".to_owned(),
        _ => format!("-ERR the demo database does not know {}\r\n", command.escape_default()),
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_got() {
        let store = Store::default();
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(answer("GET", &words("tide"), &store), "$-1\r\n");
        assert_eq!(answer("SET", &words("tide high"), &store), "+OK\r\n");
        assert_eq!(answer("GET", &words("tide"), &store), "$4\r\nhigh\r\n");
        assert_eq!(answer("DEL", &words("tide moon"), &store), ":1\r\n");
        assert_eq!(answer("DBSIZE", &[], &store), ":0\r\n");
        assert!(answer("FLY", &[], &store).starts_with("-ERR"));
    }
}
