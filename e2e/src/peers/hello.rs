//! The first message of a TLS client, made by hand: enough for a router that reads the server name,
//! without the cost of a handshake.

/// A TLS 1.3 ClientHello (RFC 8446 §4.1.2) for this name, in one record. Its key share is random
/// bytes: no handshake can be completed with it.
///
/// # Panics
/// When the name is longer than 200 bytes.
pub fn client_hello(name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).ok().filter(|&length| length <= 200);
    let length = length.expect("a short name");
    let mut extensions = Vec::new();
    let mut extension = |kind: u16, body: &[u8]| {
        extensions.extend_from_slice(&kind.to_be_bytes());
        extensions.extend_from_slice(&two(body.len()));
        extensions.extend_from_slice(body);
    };
    let server_name = [&[0, length + 3, 0, 0, length], name.as_bytes()].concat();
    extension(0, &server_name);
    extension(10, &[0, 2, 0, 29]); // groups: X25519
    extension(13, &[0, 2, 4, 3]); // signatures: ECDSA P-256
    extension(43, &[2, 3, 4]); // versions: 1.3
    extension(51, &[&[0, 36, 0, 29, 0, 32][..], &random()].concat()); // key share

    let mut body = vec![3, 3];
    body.extend_from_slice(&random());
    body.push(32);
    body.extend_from_slice(&random());
    body.extend_from_slice(&[0, 2, 0x13, 1, 1, 0]); // AES-128-GCM; no compression
    body.extend_from_slice(&two(extensions.len()));
    body.extend_from_slice(&extensions);

    let mut record = vec![22, 3, 1];
    record.extend_from_slice(&two(body.len() + 4));
    record.extend_from_slice(&[1, 0]);
    record.extend_from_slice(&two(body.len()));
    record.extend_from_slice(&body);
    record
}

fn two(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("the message is short").to_be_bytes()
}

fn random() -> [u8; 32] {
    std::array::from_fn(|_| fastrand::u8(..))
}
