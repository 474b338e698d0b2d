//! `volumes` of a service: binds and volumes, with absolute host paths.

use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::{Paths, is_extension, truths};
use demo_config::Error;
use demo_config::place::Place;
use demo_config::scalar;

/// `[source:]target[:options]`, or the long form.
pub(super) fn mount(value: Value, place: &Place, paths: &Paths) -> Result<Value, Error> {
    let mut mount = match value {
        Value::String(text) => short(&text, place)?,
        long => long_form(long, place)?,
    };
    if mount["type"] == "bind" {
        let source = mount["source"].as_str().filter(|source| !source.is_empty());
        let source = source.ok_or_else(|| place.invalid("a bind mount needs a source"))?;
        mount["source"] = host_path(source, place, paths)?.into();
    }
    if let Some(target) = mount["target"].as_str()
        && !target.starts_with('/')
    {
        return Err(place.invalid(format!("the target `{target}` is not an absolute path")));
    }
    Ok(mount)
}

fn short(text: &str, place: &Place) -> Result<Value, Error> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(place.invalid(format!("`{text}` has an empty part")));
    }
    let (source, target, options) = match parts.as_slice() {
        [target] => return Ok(json!({"type": "volume", "target": target, "volume": {}})),
        [source, target] => (source, target, None),
        [source, target, options] => (source, target, Some(options)),
        _ => return Err(place.invalid(format!("`{text}` is not source:target:options"))),
    };
    let mut mount = if source.starts_with(['.', '/', '~']) {
        json!({"type": "bind", "source": source, "target": target,
            "bind": {"create_host_path": true}})
    } else {
        json!({"type": "volume", "source": source, "target": target, "volume": {}})
    };
    for option in options.into_iter().flat_map(|options| options.split(',')) {
        match option {
            "ro" => mount["read_only"] = true.into(),
            "rw" => {}
            other => {
                return Err(place.invalid(format!("demo does not honour the option `{other}`")));
            }
        }
    }
    Ok(mount)
}

fn long_form(value: Value, place: &Place) -> Result<Value, Error> {
    let mut mount = scalar::mapping(value, place)?;
    mount.retain(|key, _| !is_extension(key));
    truths(&mut mount, &["read_only"]);
    if let Some(Value::Object(bind)) = mount.get_mut("bind") {
        truths(bind, &["create_host_path"]);
    }
    Ok(mount.into())
}

/// Makes the path absolute and removes `.` and `..` lexically, since it need not exist.
fn host_path(source: &str, place: &Place, paths: &Paths) -> Result<String, Error> {
    let path = match source.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let home = paths.variables.get("HOME").filter(|home| !home.is_empty());
            let home = home.ok_or_else(|| place.invalid("`~` needs HOME, which is not set"))?;
            PathBuf::from(format!("{home}{rest}"))
        }
        Some(_) => return Err(place.invalid("demo does not honour the `~` of another user")),
        None => paths.project_dir.join(source),
    };
    let path = lexically_normal(&path);
    match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(place.invalid("the path is not valid UTF-8")),
    }
}

fn lexically_normal(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            // The parent of the root is the root.
            Component::ParentDir => drop(result.pop()),
            other => result.push(other),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(value: Value) -> Result<Value, String> {
        let variables = BTreeMap::from([("HOME".to_owned(), "/home/me".to_owned())]);
        let paths = Paths { project_dir: Path::new("/project/dir"), variables: &variables };
        mount(value, &Place::of_file("a.yml"), &paths).map_err(|error| error.to_string())
    }

    #[test]
    fn binds_get_absolute_paths() {
        for (source, expected) in [
            ("./a", "/project/dir/a"),
            (".", "/project/dir"),
            ("../a/./b/../c", "/project/a/c"),
            ("../../../../a", "/a"),
            ("/a//b/", "/a/b"),
            ("~", "/home/me"),
            ("~/a", "/home/me/a"),
        ] {
            let mount = read(json!(format!("{source}:/x:rw"))).unwrap();
            assert_eq!(mount["type"], "bind");
            assert_eq!(mount["source"], expected);
            assert_eq!(mount["bind"], json!({"create_host_path": true}));
        }
        let long =
            read(json!({"type": "bind", "source": "a", "target": "/x", "read_only": "true"}));
        assert_eq!(
            long.unwrap(),
            json!({"type": "bind", "source": "/project/dir/a", "target": "/x", "read_only": true})
        );
    }

    #[test]
    fn other_sources_are_volumes() {
        let named = json!({"type": "volume", "source": "n", "target": "/x", "volume": {},
            "read_only": true});
        assert_eq!(read(json!("n:/x:ro")), Ok(named));
        assert_eq!(read(json!("/x")), Ok(json!({"type": "volume", "target": "/x", "volume": {}})));
    }

    #[test]
    fn what_is_no_mount_is_refused() {
        for value in [
            json!(""),
            json!("./a:"),
            json!("./a:/x:"),
            json!("./a:/x:z"),
            json!("./a:/x:ro:rw"),
            json!("./a:x"),
            json!("~you:/x"),
            json!(5),
            json!(null),
            json!({"type": "bind", "target": "/x"}),
            json!({"type": "bind", "source": "", "target": "/x"}),
            json!({"type": "volume", "source": "n", "target": "x"}),
        ] {
            assert!(read(value.clone()).is_err(), "{value}");
        }
    }
}
