use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use demo_base::error::find;
use demo_sqld::claims::Grant;
use demo_sqld::token::{inspect, mint};

fn store() -> (TempDir, Store) {
    let folder = TempDir::new().unwrap();
    let store = Store::new(folder.path().join(".local"));
    store.ensure(Timestamp::now(), false).unwrap();
    (folder, store)
}

fn states(store: &Store) -> Vec<KeyState> {
    store.trusted_keys().unwrap().iter().map(|trusted| trusted.state).collect()
}

fn accepted(store: &Store, token: &str, now: Timestamp) -> bool {
    inspect(token, &store.key_set().unwrap(), now).unwrap().accepted
}

fn own_token(store: &Store) -> String {
    fs::read_to_string(store.token_path()).unwrap()
}

#[test]
fn a_rotation_keeps_old_tokens_alive_and_setup_quiet() {
    let (_folder, store) = store();
    let now = Timestamp::now();
    let (old, token) = (store.signing_key().unwrap().public(), own_token(&store));
    store.activate_key(now, false).unwrap();
    let new = store.signing_key().unwrap().public();
    assert_ne!(old, new);
    assert_eq!(store.key_set().unwrap(), KeySet(vec![old, new]));
    assert_eq!(states(&store), [KeyState::Old, KeyState::Active]);
    assert!(accepted(&store, &token, now));
    assert_ne!(own_token(&store), token);
    let inspection = inspect(&own_token(&store), &store.key_set().unwrap(), now).unwrap();
    assert_eq!(inspection.key, Some(new.thumbprint()));
    assert_eq!(store.ensure(now, false).unwrap(), []);
    assert!(!store.next_key_path().exists() && !store.jwt_dir().join("old").exists());
}

#[test]
fn staging_twice_is_staging_once_and_activation_takes_that_key() {
    let (_folder, store) = store();
    let before = store.signing_key().unwrap().public();
    let (staged, changed) = store.stage_key().unwrap();
    assert!(changed);
    assert_eq!(fs::metadata(store.next_key_path()).unwrap().mode() & 0o777, 0o600);
    assert_eq!(store.stage_key().unwrap(), (staged, false));
    assert_eq!(states(&store), [KeyState::Active, KeyState::Staged]);
    assert_eq!(store.signing_key().unwrap().public(), before);
    let published = fs::read(store.public_key_path()).unwrap();
    store.activate_key(Timestamp::now(), false).unwrap();
    assert_eq!(store.signing_key().unwrap().public(), staged);
    // What servers have read at their restart is still the published set.
    assert_eq!(fs::read(store.public_key_path()).unwrap(), published);
}

/// For every state of the folder that a kill can leave, the next run completes it.
#[test]
fn a_run_that_is_killed_leaves_keys_that_work() {
    let now = Timestamp::now();
    let check = |store: &Store, token: &str| {
        assert!(accepted(store, token, now));
        assert!(accepted(store, &own_token(store), now));
        assert_eq!(store.ensure(now, false).unwrap(), []);
        store.activate_key(now, false).unwrap();
        assert!(accepted(store, token, now));
        assert_eq!(states(store).iter().filter(|state| **state == KeyState::Active).count(), 1);
        assert!(!store.next_key_path().exists());
    };
    // The next private key is written, but its public key is not.
    let (_folder, first) = store();
    let (token, next) = (own_token(&first), SigningKey::generate().unwrap());
    fs::write(first.next_key_path(), next.to_pem().expose_secret()).unwrap();
    check(&first, &token);
    assert_eq!(first.signing_key().unwrap().public(), next.public());
    // Both are written and the old key is recorded as retired, yet it still signs.
    let (_folder, second) = store();
    let token = own_token(&second);
    second.stage_key().unwrap();
    let mut records = second.records().unwrap();
    let active = second.signing_key().unwrap().public().thumbprint();
    records.entry(active).or_default().retire(now);
    second.write_records(&records).unwrap();
    assert_eq!(second.prune_keys(Timestamp::MAX, &[]).unwrap(), []);
    check(&second, &token);
    // The new key signs, but the project's token is still signed by the old one.
    let (_folder, third) = store();
    let token = own_token(&third);
    third.activate_key(now, false).unwrap();
    fs::write(third.token_path(), &token).unwrap();
    check(&third, &token);
}

#[test]
fn an_old_key_goes_when_its_last_token_has_ended() {
    let (_folder, store) = store();
    let now = Timestamp::now();
    let old = store.signing_key().unwrap().public();
    let week = Some(Duration::from_hours(7 * 24));
    store.note_token(&old, now, week).unwrap();
    store.activate_key(now, true).unwrap();
    let kept = store.jwt_dir().join("old").join(old.thumbprint()).with_extension("key");
    assert_eq!(fs::metadata(kept).unwrap().mode() & 0o777, 0o600);
    let after = |hours: u64| now.checked_add(Duration::from_hours(hours)).unwrap();
    assert_eq!(store.prune_keys(after(7 * 24), &[]).unwrap(), [], "a minute of leeway");
    assert_eq!(store.prune_keys(after(7 * 24 + 1), &[]).unwrap(), [old]);
    assert_eq!(store.prune_keys(Timestamp::MAX, &[]).unwrap(), []);
    assert_eq!(states(&store), [KeyState::Active]);
    assert!(!store.retired_path().exists());
}

#[test]
fn a_key_of_which_little_is_known_goes_only_when_it_is_named() {
    let (_folder, store) = store();
    let now = Timestamp::now();
    let stranger = SigningKey::generate().unwrap();
    let mut keys = store.key_set().unwrap();
    keys.0.push(stranger.public());
    fs::write(store.public_key_path(), keys.to_pem()).unwrap();
    let endless = store.signing_key().unwrap();
    let token = mint(&endless, &Grant::default().claims(now)).unwrap();
    store.note_token(&endless.public(), now, None).unwrap();
    store.activate_key(now, false).unwrap();
    assert_eq!(store.prune_keys(Timestamp::MAX, &[]).unwrap(), []);
    let (staged, _) = store.stage_key().unwrap();
    let names = [&stranger.public(), &endless.public(), &staged].map(PublicKey::thumbprint);
    assert_eq!(store.prune_keys(now, &names).unwrap().len(), 3);
    assert!(!accepted(&store, token.expose_secret(), now));
    assert!(!store.next_key_path().exists());

    let active = store.signing_key().unwrap().public().thumbprint();
    let error = |name| store.prune_keys(now, &[name]).unwrap_err();
    assert!(matches!(find(&error(active)), Some(Error::ActiveKey { .. })));
    assert!(matches!(find(&error("x".to_owned())), Some(Error::UnknownKey { .. })));
}

#[test]
fn without_keys_there_is_nothing_to_rotate() {
    let folder = TempDir::new().unwrap();
    let store = Store::new(folder.path().join(".local"));
    let error = store.activate_key(Timestamp::now(), false).unwrap_err();
    assert!(matches!(find(&error), Some(Error::Missing { .. })), "{error:?}");
    assert!(!folder.path().join(".local").exists());
}
