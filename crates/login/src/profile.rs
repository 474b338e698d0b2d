//! What a user tells about himself; nothing here decides anything.

use serde::{Deserialize, Serialize};

/// Of one field; the real clients send addresses and links.
const LONGEST: usize = 500;

/// The fields that `npm profile set` knows.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Profile {
    pub email: String,
    pub fullname: String,
    pub homepage: String,
    pub freenode: String,
    pub twitter: String,
    pub github: String,
}

impl Profile {
    /// Sets the field `key`; `null` empties it.
    ///
    /// # Errors
    /// A sentence for the client: an unknown field, a value that is no text or
    /// too long.
    pub fn set(&mut self, key: &str, value: &serde_json::Value) -> Result<(), String> {
        let field = match key {
            "email" => &mut self.email,
            "fullname" => &mut self.fullname,
            "homepage" => &mut self.homepage,
            "freenode" => &mut self.freenode,
            "twitter" => &mut self.twitter,
            "github" => &mut self.github,
            _ => return Err("the profile has no such field".to_owned()),
        };
        let text = match value {
            serde_json::Value::Null => "",
            serde_json::Value::String(text) => text,
            _ => return Err(format!("`{key}` must be text")),
        };
        if text.len() > LONGEST {
            return Err(format!("`{key}` is longer than {LONGEST} bytes"));
        }
        if text.contains('\0') {
            return Err(format!("`{key}` has a NUL character"));
        }
        text.clone_into(field);
        Ok(())
    }

    /// As the databases keep it.
    pub fn to_text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// The reverse of [`Profile::to_text`]; what cannot be read is empty.
    pub fn of_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_profile_takes_known_text_only_and_survives_the_database() {
        let mut profile = Profile::default();
        profile.set("email", &json!("a@example.com")).unwrap();
        profile.set("fullname", &json!("A")).unwrap();
        profile.set("fullname", &json!(null)).unwrap();
        assert!(profile.set("tfa", &json!("x")).is_err());
        assert!(profile.set("email", &json!(1)).is_err());
        assert!(profile.set("email", &json!("x".repeat(501))).is_err());
        assert_eq!(Profile::of_text(&profile.to_text()), profile);
        assert_eq!(profile.email, "a@example.com");
        assert_eq!(Profile::of_text("damaged"), Profile::default());
    }
}
