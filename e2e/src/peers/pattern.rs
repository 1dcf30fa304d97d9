//! Bytes whose every position can be checked: what arrives is compared with what has to be there,
//! so that a lost, doubled or swapped piece is found where it happens.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How much is sent at once.
const PIECE: usize = 64 * 1024;

/// The byte at a position. The stride is odd and no power of two divides its distance, so that
/// pieces of any usual size differ from each other.
fn byte(seed: u64, position: u64) -> u8 {
    let mixed = (position ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

/// Sends `length` bytes and shuts the sending side down.
///
/// # Errors
/// When the stream breaks.
pub async fn send(to: &mut (impl AsyncWrite + Unpin), seed: u64, length: u64) -> io::Result<()> {
    let mut position = 0;
    while position < length {
        let end = length.min(position + PIECE as u64);
        let piece: Vec<u8> = (position..end).map(|position| byte(seed, position)).collect();
        to.write_all(&piece).await?;
        position = end;
    }
    to.shutdown().await
}

/// Receives to the end and checks every byte.
///
/// # Errors
/// When the stream breaks, is shorter or longer than `length`, or holds a wrong byte.
pub async fn receive(
    from: &mut (impl AsyncRead + Unpin),
    seed: u64,
    length: u64,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut position = 0;
    loop {
        let got = from.read(&mut buffer).await?;
        if got == 0 {
            break;
        }
        for &found in &buffer[..got] {
            if found != byte(seed, position) {
                return Err(io::Error::other(format!("wrong byte at {position}")));
            }
            position += 1;
        }
    }
    if position == length {
        Ok(())
    } else {
        Err(io::Error::other(format!("ended at {position} of {length}")))
    }
}

/// Sends and receives at once, each `length` bytes, with the two seeds of the two directions.
///
/// # Errors
/// As [`send`] and [`receive`].
pub async fn exchange<S>(stream: S, sends: u64, receives: u64, length: u64) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut read, mut write) = tokio::io::split(stream);
    let (sent, received) =
        tokio::join!(send(&mut write, sends, length), receive(&mut read, receives, length));
    received.and(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_swapped_piece_and_a_missing_end_are_found() {
        let (mut near, mut far) = tokio::io::duplex(1 << 20);
        send(&mut near, 7, 200_000).await.expect("room enough");
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).await.expect("whole");
        receive(&mut &bytes[..], 7, 200_000).await.expect("intact");
        assert!(receive(&mut &bytes[..199_999], 7, 200_000).await.is_err());
        bytes.rotate_left(4096);
        assert!(receive(&mut &bytes[..], 7, 200_000).await.is_err());
    }
}
