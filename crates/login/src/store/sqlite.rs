//! The statements for all `SQLite` databases: the local token file, a libSQL server and
//! its embedded replica.

use ::libsql::{Connection, Row, Rows, Value, params};

use crate::Error;
use crate::name::Username;
use crate::profile::Profile;
use crate::store::Registered;
use crate::tokens::{self, TokenRecord};
use demo_base::error::Result;

const TOKEN: &str = "SELECT t.id, t.user_name, t.digest, t.label, t.readonly, t.cidrs, t.created, \
                     t.expires FROM auth_tokens t";

pub async fn hash_of(connection: &Connection, user: &Username) -> Result<Option<String>> {
    let sql = "SELECT hash FROM auth_users WHERE name = ?1";
    first(connection.query(sql, params![user.as_str()]).await?, |row| text(row, 0)).await
}

pub async fn count_users(connection: &Connection) -> Result<u64> {
    let rows = connection.query("SELECT count(*) FROM auth_users", ()).await?;
    let count = first(rows, |row| integer(row, 0)).await?.flatten();
    Ok(count.unwrap_or_default().unsigned_abs())
}

pub async fn register(
    connection: &Connection,
    user: &Username,
    hash: &str,
    profile: &Profile,
    most: u64,
) -> Result<Registered> {
    forget_tokens(connection, user, tokens::now()).await?;
    // A single statement is one transaction, so two instances cannot exceed the limit together.
    let sql = "INSERT INTO auth_users (name, hash, created) SELECT ?1, ?2, ?3 \
               WHERE (SELECT count(*) FROM auth_users) < ?4 ON CONFLICT (name) DO NOTHING";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let values = params![user.as_str(), hash, tokens::now(), most];
    if connection.execute(sql, values).await? == 1 {
        set_profile(connection, user, profile).await?;
        return Ok(Registered::Done);
    }
    let taken = hash_of(connection, user).await?.is_some();
    Ok(if taken { Registered::Taken } else { Registered::Full })
}

/// Deletes the tokens that an earlier user of this name has left, unless the user still
/// exists. `before` is when the user was found missing; newer tokens are the next user's.
pub async fn forget_tokens(connection: &Connection, user: &Username, before: i64) -> Result<()> {
    let sql = "DELETE FROM auth_tokens WHERE user_name = ?1 AND created < ?2 \
               AND NOT EXISTS (SELECT 1 FROM auth_users WHERE name = ?1)";
    connection.execute(sql, params![user.as_str(), before]).await?;
    Ok(())
}

pub async fn set_hash(connection: &Connection, user: &Username, hash: &str) -> Result<()> {
    let sql = "UPDATE auth_users SET hash = ?2 WHERE name = ?1";
    connection.execute(sql, params![user.as_str(), hash]).await?;
    Ok(())
}

pub async fn profile(connection: &Connection, user: &Username) -> Result<Profile> {
    let sql = "SELECT profile FROM auth_profiles WHERE name = ?1";
    let rows = connection.query(sql, params![user.as_str()]).await?;
    let kept = first(rows, |row| text(row, 0)).await?;
    Ok(kept.map(|kept| Profile::of_text(&kept)).unwrap_or_default())
}

pub async fn set_profile(
    connection: &Connection,
    user: &Username,
    profile: &Profile,
) -> Result<()> {
    let sql = "INSERT INTO auth_profiles (name, profile) VALUES (?1, ?2) \
               ON CONFLICT (name) DO UPDATE SET profile = excluded.profile";
    connection.execute(sql, params![user.as_str(), profile.to_text()]).await?;
    Ok(())
}

pub async fn add_token(connection: &Connection, token: &TokenRecord) -> Result<()> {
    let expired = "DELETE FROM auth_tokens WHERE user_name = ?1 AND expires <= ?2";
    connection.execute(expired, params![token.user.as_str(), tokens::now()]).await?;
    let sql = "INSERT INTO auth_tokens \
               (id, user_name, digest, label, readonly, cidrs, created, expires) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let values = params![
        token.id.as_str(),
        token.user.as_str(),
        token.digest.as_str(),
        token.label.clone(),
        i64::from(token.readonly),
        token.cidrs_text(),
        token.created,
        token.expires
    ];
    connection.execute(sql, values).await?;
    Ok(())
}

/// The statement that finds a token by its id (`?1`); with `owned`, only while its user is
/// in `auth_users`.
pub fn token_by_id(owned: bool) -> String {
    let join = if owned { " JOIN auth_users u ON u.name = t.user_name" } else { "" };
    format!("{TOKEN}{join} WHERE t.id = ?1")
}

/// The token that [`token_by_id`] has found.
pub async fn one_token(rows: Rows) -> Result<Option<TokenRecord>> {
    first(rows, token).await
}

pub async fn find_token(connection: &Connection, id: &str) -> Result<Option<TokenRecord>> {
    one_token(connection.query(&token_by_id(true), params![id]).await?).await
}

pub async fn tokens_of(connection: &Connection, user: &Username) -> Result<Vec<TokenRecord>> {
    let sql = format!(
        "{TOKEN} WHERE t.user_name = ?1 AND (t.expires IS NULL OR t.expires > ?2) \
         ORDER BY t.created, t.id"
    );
    let mut rows = connection.query(&sql, params![user.as_str(), tokens::now()]).await?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().await? {
        found.push(token(&row)?);
    }
    Ok(found)
}

pub async fn revoke(connection: &Connection, user: &Username, id: &str) -> Result<bool> {
    let sql = "DELETE FROM auth_tokens WHERE id = ?1 AND user_name = ?2";
    Ok(connection.execute(sql, params![id, user.as_str()]).await? == 1)
}

/// Deletes all tokens of a user except `kept`, and returns the ids of the deleted ones.
pub async fn revoke_others(
    connection: &Connection,
    user: &Username,
    kept: &str,
) -> Result<Vec<String>> {
    let sql = "DELETE FROM auth_tokens WHERE user_name = ?1 AND id <> ?2 RETURNING id";
    let mut rows = connection.query(sql, params![user.as_str(), kept]).await?;
    let mut ended = Vec::new();
    while let Some(row) = rows.next().await? {
        ended.push(text(&row, 0)?);
    }
    Ok(ended)
}

pub async fn remove_user(connection: &Connection, user: &Username) -> Result<bool> {
    let sql = "DELETE FROM auth_users WHERE name = ?1";
    let was_there = connection.execute(sql, params![user.as_str()]).await? == 1;
    forget_all(connection, user).await?;
    Ok(was_there)
}

/// Deletes the tokens and the profile of a user.
pub async fn forget_all(connection: &Connection, user: &Username) -> Result<()> {
    let tokens = "DELETE FROM auth_tokens WHERE user_name = ?1";
    connection.execute(tokens, params![user.as_str()]).await?;
    let profile = "DELETE FROM auth_profiles WHERE name = ?1";
    connection.execute(profile, params![user.as_str()]).await?;
    Ok(())
}

/// The first row, if there is one. The answer is read to its end, because its connection
/// could not be used again otherwise.
async fn first<T>(mut rows: Rows, read: impl Fn(&Row) -> Result<T>) -> Result<Option<T>> {
    let Some(row) = rows.next().await? else { return Ok(None) };
    // Read before the next step, which invalidates a row of a local file.
    let value = read(&row)?;
    while rows.next().await?.is_some() {}
    Ok(Some(value))
}

fn token(row: &Row) -> Result<TokenRecord> {
    Ok(TokenRecord {
        id: text(row, 0)?,
        user: text(row, 1)?,
        digest: text(row, 2)?,
        label: match row.get_value(3)? {
            Value::Null => None,
            _ => Some(text(row, 3)?),
        },
        readonly: integer(row, 4)?.is_none_or(|flag| flag != 0),
        cidrs: tokens::parse_cidrs(&text(row, 5)?)?,
        created: integer(row, 6)?.unwrap_or_default(),
        expires: integer(row, 7)?,
    })
}

/// The crate's own conversion panics on a value of another type.
fn text(row: &Row, column: i32) -> Result<String> {
    match row.get_value(column)? {
        Value::Text(text) => Ok(text),
        _ => Err(Error::WrongType { column }.into()),
    }
}

fn integer(row: &Row, column: i32) -> Result<Option<i64>> {
    match row.get_value(column)? {
        Value::Integer(integer) => Ok(Some(integer)),
        Value::Null => Ok(None),
        _ => Err(Error::WrongType { column }.into()),
    }
}
