//! What users say about themselves; none of it affects what they may do.

use serde::{Deserialize, Serialize};

/// The longest value of a field, in bytes; clients send addresses and links.
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
    /// Sets the field `key`; `null` clears it.
    ///
    /// # Errors
    /// A message for the client: an unknown field, or a value that is too long or not a
    /// string.
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
            _ => return Err(format!("`{key}` must be a string")),
        };
        if text.len() > LONGEST {
            return Err(format!("`{key}` is longer than {LONGEST} bytes"));
        }
        if text.contains('\0') {
            return Err(format!("`{key}` contains a NUL character"));
        }
        text.clone_into(field);
        Ok(())
    }

    /// The form in which the databases store it.
    pub fn to_text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// The reverse of [`Profile::to_text`]; a damaged profile becomes an empty one.
    pub fn of_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_profile_accepts_only_known_fields_and_survives_the_database() {
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
