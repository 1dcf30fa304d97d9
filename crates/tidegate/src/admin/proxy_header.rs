//! A PROXY header in front of a request: balancers that send one to the listeners behind them send
//! it with their health checks too. It is taken off and not believed: nothing here depends on who
//! asks.
//!
//! Spec: HAProxy's `doc/proxy-protocol.txt` §2.

use std::io;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// The first bytes of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1.
const LINE: usize = 107;
/// The most that version 2 may carry here; addresses and the usual extensions take less than 600.
const PAYLOAD: u16 = 4096;

/// Takes a header off, if there is one. The caller sets the deadline.
///
/// One byte decides: no request that is answered here begins with `P` or a line end.
pub(super) async fn take(stream: &mut TcpStream) -> io::Result<()> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    match first {
        [b'P'] => line(stream).await,
        [b'\r'] => binary(stream).await,
        _ => Ok(()),
    }
}

async fn line(stream: &mut TcpStream) -> io::Result<()> {
    let mut start = [0; 6];
    stream.read_exact(&mut start).await?;
    if &start != b"PROXY " {
        return Err(malformed());
    }
    for _ in start.len()..LINE {
        if stream.read_u8().await? == b'\n' {
            return Ok(());
        }
    }
    Err(malformed())
}

async fn binary(stream: &mut TcpStream) -> io::Result<()> {
    let mut signature = [0; SIGNATURE.len()];
    stream.read_exact(&mut signature).await?;
    let version_and_command = stream.read_u8().await?;
    let _family = stream.read_u8().await?;
    let length = stream.read_u16().await?;
    if &signature != SIGNATURE || version_and_command >> 4 != 2 || length > PAYLOAD {
        return Err(malformed());
    }
    let mut payload = vec![0; length.into()];
    stream.read_exact(&mut payload).await?;
    Ok(())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "neither a request nor a PROXY header")
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// What is left of `sent` after a header was taken off.
    async fn left(sent: &[u8]) -> io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let (mut stream, _) = listener.accept().await?;
        client.write_all(sent).await?;
        client.shutdown().await?;
        take(&mut stream).await?;
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await?;
        Ok(rest)
    }

    #[tokio::test]
    async fn a_header_of_either_version_is_taken_off() {
        let request = "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n";
        let plain = left(request.as_bytes()).await.expect("a request");
        assert_eq!(plain, request);

        let line = format!("PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n{request}");
        assert_eq!(left(line.as_bytes()).await.expect("a request"), request);

        let mut binary = SIGNATURE.to_vec();
        binary.extend([0x21, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 4, 210, 0, 80]);
        binary.extend(request.as_bytes());
        assert_eq!(left(&binary).await.expect("a request"), request);
    }

    #[tokio::test]
    async fn what_only_begins_like_a_header_ends_the_connection() {
        let endless = [b"PROXY ".as_slice(), &[b'x'; 200]].concat();
        let long = [SIGNATURE.as_slice(), &[0x21, 0x11, 0xff, 0xff]].concat();
        let third = [SIGNATURE.as_slice(), &[0x31, 0x11, 0, 0]].concat();
        for sent in [b"POST /readyz HTTP/1.1\r\n\r\n".as_slice(), &endless, &long, &third, b"\r\n"]
        {
            assert!(left(sent).await.is_err(), "{sent:?}");
        }
    }
}
