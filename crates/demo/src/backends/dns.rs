//! A DNS server (RFC 1035) that knows three A records and one TXT record, over UDP.

use tokio::net::UdpSocket;

use crate::{SHOP, VAULT, WWW};

const TYPE_A: u16 = 1;
const TYPE_TXT: u16 = 16;
/// Seconds that an answer may be kept.
const TTL: u32 = 60;

/// Answers queries for ever.
pub(crate) async fn serve(socket: UdpSocket) {
    let mut buffer = [0; 512];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(answer) = answer(&buffer[..length]) {
            let _lost = socket.send_to(&answer, client).await;
        }
    }
}

/// The answer to one query; `None` for what is not one.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let (header, body) = query.split_at_checked(12)?;
    let is_query = header[2] & 0x80 == 0;
    let questions = u16::from_be_bytes([header[4], header[5]]);
    if !is_query || questions != 1 {
        return None;
    }
    let (name, rest) = name(body)?;
    let kind = u16::from_be_bytes([*rest.first()?, *rest.get(1)?]);
    let question = body.get(..body.len() - rest.len() + 4)?;
    let data = data(&name, kind);
    let known = [WWW, VAULT, SHOP].contains(&name.as_str());

    let mut answer = Vec::with_capacity(128);
    answer.extend_from_slice(&header[..2]);
    // An answer with authority; NXDOMAIN (3) for unknown names; recursion as it was desired.
    answer.extend_from_slice(&[0x84 | (header[2] & 1), if known { 0 } else { 3 }]);
    answer.extend_from_slice(&[0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0]);
    answer.extend_from_slice(question);
    if let Some(data) = data {
        answer.extend_from_slice(&[0xc0, 12]); // the name of the question
        answer.extend_from_slice(&kind.to_be_bytes());
        answer.extend_from_slice(&[0, 1]);
        answer.extend_from_slice(&TTL.to_be_bytes());
        answer.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend_from_slice(&data);
    }
    Some(answer)
}

/// Reads a name without compression, which queries never use, and returns what follows it.
fn name(mut bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut labels = Vec::new();
    loop {
        let (&length, rest) = bytes.split_first()?;
        if length == 0 {
            return Some((labels.join("."), rest));
        }
        if length > 63 {
            return None;
        }
        let (label, rest) = rest.split_at_checked(usize::from(length))?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        bytes = rest;
    }
}

fn data(name: &str, kind: u16) -> Option<Vec<u8>> {
    match (name, kind) {
        (WWW, TYPE_A) => Some(vec![192, 0, 2, 7]),
        (VAULT | SHOP, TYPE_A) => Some(vec![127, 0, 0, 1]),
        (WWW, TYPE_TXT) => {
            let text = b"high tide at noon";
            Some([&[text.len() as u8], &text[..]].concat())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::dns_query;

    #[test]
    fn a_known_name_has_its_address_and_an_unknown_one_has_none() {
        let known = answer(&dns_query(7, WWW)).expect("an answer");
        assert!(known.starts_with(&[0, 7]) && known.ends_with(&[192, 0, 2, 7]));
        let unknown = answer(&dns_query(8, "nobody.example.com")).expect("an answer");
        assert_eq!(unknown[3] & 0xf, 3);
    }

    #[test]
    fn no_prefix_of_a_query_is_answered_or_panics() {
        let query = dns_query(7, WWW);
        for length in 0..query.len() {
            assert_eq!(answer(&query[..length]), None, "{length} bytes");
        }
    }
}
