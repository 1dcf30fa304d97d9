//! Certificates in manifests: `${base64:NAME}` stands for a file of `golden/certificates` as a
//! Secret's value, `${text:NAME}` as a ConfigMap's.

use std::fs;
use std::path::Path;

/// Puts the files where their names stand.
pub(crate) fn fill(text: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/certificates");
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').expect("a closing brace");
        let (form, name) = name.split_once(':').expect("form:name");
        let content = fs::read(folder.join(name)).unwrap_or_else(|_| panic!("{name} exists"));
        result.push_str(before);
        result.push_str(&match form {
            "base64" => base64(&content),
            _ => serde_json::to_string(&String::from_utf8_lossy(&content)).expect("a string"),
        });
        rest = after;
    }
    result + rest
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { ALPHABET[sextet as usize] as char } else { '=' });
        }
    }
    text
}
