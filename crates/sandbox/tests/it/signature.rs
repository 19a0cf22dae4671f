//! Signatures hold for exactly what was signed.

use haetae_sandbox::{
    KeyError, KeyId, PrivateKey, PublicKey, Signature, SignatureError, Subject, sign, verify,
};
use proptest::prelude::*;
use std::sync::OnceLock;

fn key() -> &'static PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| PrivateKey::generate().unwrap())
}

const SUBJECT: Subject<'static> = Subject {
    id: "acme-gate",
    version: "1.2.0",
    definition: b"parser: acme-gate\n",
    module: b"\0asm\x01\0\0\0",
};

#[test]
fn a_signed_parser_is_verified() {
    let signature = sign(&SUBJECT, key()).unwrap();
    let other = PrivateKey::generate().unwrap().public();
    let trusted = [other, key().public()];
    assert_eq!(verify(&SUBJECT, &signature, &trusted), Ok(key().public().id()));
    assert_eq!(
        verify(&SUBJECT, &signature, &[other]),
        Err(SignatureError::UntrustedKey(key().public().id()))
    );
    assert!(verify(&SUBJECT, &signature, &[]).is_err());
    let read: Signature = signature.to_string().parse().unwrap();
    assert_eq!(read, signature);
}

#[test]
fn bytes_cannot_move_between_parts() {
    let signature = sign(&SUBJECT, key()).unwrap();
    let moved = Subject {
        definition: b"parser: acme-gate\n\0",
        module: b"asm\x01\0\0\0",
        ..SUBJECT
    };
    let swapped = Subject {
        definition: SUBJECT.module,
        module: SUBJECT.definition,
        ..SUBJECT
    };
    for subject in [moved, swapped] {
        assert!(matches!(
            verify(&subject, &signature, &[key().public()]),
            Err(SignatureError::Changed(_))
        ));
    }
}

#[test]
fn names_are_plain() {
    for bad in ["", "a b", "a\nversion: 2", "가", &"x".repeat(129)] {
        assert_eq!(
            sign(&Subject { id: bad, ..SUBJECT }, key()),
            Err(SignatureError::Name)
        );
        assert_eq!(
            sign(
                &Subject {
                    version: bad,
                    ..SUBJECT
                },
                key()
            ),
            Err(SignatureError::Name)
        );
    }
}

#[test]
fn keys_survive_their_files() {
    let pem = key().to_pem();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    let read = PrivateKey::from_pem(&pem).unwrap();
    assert_eq!(read.public(), key().public());
    let line = key().public().to_string();
    assert!(line.starts_with("ed25519:"));
    assert_eq!(line.parse::<PublicKey>().unwrap(), key().public());
    let id = key().public().id().to_string();
    assert_eq!(id.len(), 16);
    assert_eq!(id.parse::<KeyId>().unwrap(), key().public().id());
    let shown = format!("{:?}", key());
    assert_eq!(shown, format!("PrivateKey({id})"));
    assert_ne!(PrivateKey::generate().unwrap().public(), key().public());
}

/// RFC 8032, section 7.1, test 1: the public key of a known secret, through our files.
#[test]
fn a_known_key_has_its_known_public_half() {
    let pem = "-----BEGIN PRIVATE KEY-----\n\
               MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
               -----END PRIVATE KEY-----\n";
    let key = PrivateKey::from_pem(pem).unwrap();
    assert_eq!(
        key.public().to_string(),
        "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    );
    assert_eq!(&*key.to_pem(), pem);
    assert_eq!(key.public().id().to_string(), "21fe31dfa154a261");
}

#[test]
fn bad_keys_are_refused() {
    for bad in [
        "",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        assert_eq!(PrivateKey::from_pem(bad).map(|_| ()), Err(KeyError::Private));
    }
    let identity = "ed25519:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for bad in ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA", identity] {
        assert_eq!(bad.parse::<PublicKey>(), Err(KeyError::Public), "{bad}");
    }
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let bit = bit % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_flipped_bit_of_what_is_signed_fails(
        id in "[a-zA-Z0-9._+-]{1,20}",
        version in "[a-zA-Z0-9._+-]{1,10}",
        definition in proptest::collection::vec(any::<u8>(), 1..100),
        module in proptest::collection::vec(any::<u8>(), 1..300),
        bit in any::<usize>(),
    ) {
        let subject = Subject { id: &id, version: &version, definition: &definition, module: &module };
        let signature = sign(&subject, key()).unwrap();
        let trusted = [key().public()];
        prop_assert!(verify(&subject, &signature, &trusted).is_ok());

        let other = flipped(&module, bit);
        let changed = Subject { module: &other, ..subject };
        prop_assert!(verify(&changed, &signature, &trusted).is_err());
        let other = flipped(&definition, bit);
        let changed = Subject { definition: &other, ..subject };
        prop_assert!(verify(&changed, &signature, &trusted).is_err());
        for (part, is_id) in [(&id, true), (&version, false)] {
            let Ok(other) = String::from_utf8(flipped(part.as_bytes(), bit)) else { continue };
            let changed = if is_id { Subject { id: &other, ..subject } } else { Subject { version: &other, ..subject } };
            prop_assert!(verify(&changed, &signature, &trusted).is_err());
            // A signature file that was changed the same way does not help.
            let text = signature.to_string().replacen(&format!(": {part}\n"), &format!(": {other}\n"), 1);
            if let Ok(forged) = text.parse::<Signature>() {
                prop_assert!(verify(&changed, &forged, &trusted).is_err());
            }
        }
        let Ok(text) = String::from_utf8(flipped(signature.to_string().as_bytes(), bit)) else { return Ok(()) };
        if let Ok(forged) = text.parse::<Signature>() {
            prop_assert!(verify(&subject, &forged, &trusted).is_err(), "{}", text);
        }
    }
}
