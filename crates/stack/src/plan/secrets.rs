//! Masks the secrets in printed plans.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// What is printed in place of a secret.
pub const MASK: &str = "***";

/// Whether a variable of this name contains a secret itself, rather than the path of a file.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase().replace('-', "_");
    let telling = ["KEY", "TOKEN", "PASSWORD", "SECRET"].iter().any(|word| name.contains(word));
    telling && !["_FILE", "_PATH", "_ADDR"].iter().any(|end| name.ends_with(end))
}

/// The variables with the values of the secret ones masked.
pub fn mask_variables(variables: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    variables
        .iter()
        .map(|(name, value)| (name.as_str(), if is_secret(name) { MASK } else { value.as_str() }))
        .collect()
}

/// The arguments with the value after a secret flag masked.
pub fn mask_arguments(arguments: &[String]) -> Vec<String> {
    let mut after_secret = false;
    let mask = |argument: &String| {
        let hide = std::mem::take(&mut after_secret);
        if hide && !argument.starts_with("--") {
            return MASK.to_owned();
        }
        match argument.split_once('=') {
            Some((flag, _)) if flag.starts_with("--") && is_secret(flag) => {
                format!("{flag}={MASK}")
            }
            _ => {
                after_secret = argument.starts_with("--") && is_secret(argument);
                argument.clone()
            }
        }
    };
    arguments.iter().map(mask).collect()
}

pub fn masked_variables<S: Serializer>(
    variables: &BTreeMap<String, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    mask_variables(variables).serialize(serializer)
}

pub fn masked_arguments<S: Serializer>(
    arguments: &[String],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    mask_arguments(arguments).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_tokens_are_masked_and_paths_are_not() {
        for name in ["LIBSQL_ADMIN_AUTH_KEY", "AUTH_TOKEN", "DB_PASSWORD", "my_secret"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["SQLD_NODE", "SQLD_AUTH_JWT_KEY_FILE", "TOKEN_PATH", "SQLD_DB_PATH"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn a_secret_argument_is_masked_in_both_spellings() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let command =
            words("/bin/sqld --admin-auth-key k --grpc-key-file f --http-auth-token=t -x");
        let shown = mask_arguments(&command).join(" ");
        let expected = "/bin/sqld --admin-auth-key *** --grpc-key-file f --http-auth-token=*** -x";
        assert_eq!(shown, expected);
    }
}
