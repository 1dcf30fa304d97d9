//! Keys never reach anything a person may read: not `Debug`, not `Display`, not a source chain.

use std::error::Error;
use std::fmt::Debug;
use std::fmt::Write as _;
use std::sync::Arc;

use dataplane::tls::{BackendConnector, Sessions, Terminator};
use snapshot::tls::PrivateKey;
use snapshot::{BackendTls, ClientAuth, TlsIdentity, TrustRoots};

use crate::pki::{Authority, server};

/// Whether eight bytes in a row of `secret` stand in `text`, in any form that `Debug` has for bytes.
fn leaks(text: &str, secret: &[u8]) -> bool {
    let text = text.to_ascii_lowercase().replace([' ', '\n'], "");
    secret.windows(8).any(|window| {
        let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
        let decimal: Vec<_> = window.iter().map(ToString::to_string).collect();
        let escaped = window.escape_ascii().to_string().to_ascii_lowercase();
        text.contains(&hex) || text.contains(&decimal.join(",")) || text.contains(&escaped)
    })
}

fn printed(value: &dyn Debug) -> String {
    format!("{value:?} {value:#?}")
}

fn printed_error(error: &dyn Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, " {error} {error:?}");
        source = error.source();
    }
    text
}

#[test]
fn no_byte_of_a_key_is_ever_printed() {
    let authority = Authority::new("ca");
    let good = authority.identity("edge/good", &["a.example.com"]);
    // The key of another certificate, and a key that is none: the texts of the failures.
    let other_key = authority.identity("edge/other", &[]).key.clone();
    let mismatched = Arc::new(TlsIdentity { key: other_key.clone(), ..TlsIdentity::clone(&good) });
    let garbled = PrivateKey::from_der(good.key.der().iter().map(|byte| byte ^ 0x20).collect());
    let garbled_key = garbled.clone();
    let garbled = Arc::new(TlsIdentity { key: garbled, ..TlsIdentity::clone(&good) });
    let secrets = [good.key.der(), other_key.der(), garbled_key.der()];

    let settings = server(&[&good, &mismatched, &garbled], ClientAuth::None);
    let sessions = Sessions::default();
    let terminator = Terminator::new(&settings, &sessions).unwrap();
    assert_eq!(terminator.unusable().len(), 2);
    let hopeless = server(&[&mismatched, &garbled], ClientAuth::None);
    let backend = |identity| BackendTls {
        server_name: "a.example.com".to_owned(),
        subject_names: vec![],
        roots: TrustRoots::Certificates(vec![authority.der.clone()]),
        identity: Some(identity),
    };
    let mut texts = vec![
        printed(&settings),
        printed(&terminator),
        printed(&sessions),
        printed(&terminator.unusable()),
        printed_error(&Terminator::new(&hopeless, &sessions).unwrap_err()),
        printed(&backend(Arc::clone(&good))),
        printed(&BackendConnector::new(&backend(good.clone())).unwrap()),
        printed_error(&BackendConnector::new(&backend(mismatched.clone())).unwrap_err()),
        printed_error(&BackendConnector::new(&backend(garbled.clone())).unwrap_err()),
    ];
    texts.extend(terminator.unusable().iter().map(|error| printed_error(error)));
    for text in &texts {
        assert!(!secrets.iter().any(|secret| leaks(text, secret)), "{text}");
    }
    // The search finds what it looks for.
    assert!(leaks(&printed(&good.key.der()), good.key.der()));
    assert!(leaks(&format!("{:02x?}", good.key.der()).replace(", ", ""), good.key.der()));
}
