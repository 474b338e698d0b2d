//! Splits SQL into words, quoted names, string literals and punctuation.
//!
//! This lexer imitates neither of the server's two tokenizers: sqld's own counts every
//! byte above 127 as part of a word, and `SQLite`'s treats U+FEFF as white space. Here
//! anything but an ASCII letter, a digit or `_` ends a word, so that a name that either
//! tokenizer would see is always found, possibly within a longer one. All three agree
//! where quotes and comments begin and end; an unterminated one is an error.

/// A token that the judge needs to see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Token<'a> {
    /// ASCII letters, digits and `_`, not beginning with a digit.
    Word(&'a [u8]),
    /// A name in `"`, `` ` `` or `[]`, without the quotes.
    Name(&'a [u8]),
    /// A string literal in `'`, without the quotes.
    Text(&'a [u8]),
    /// A number, a `?` or another placeholder for a value.
    Value,
    /// `(`, `)`, `,`, `;` or `.`.
    Sign(u8),
    Operator,
}

/// Why SQL cannot be split into tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unreadable {
    /// A quote or a comment is not terminated.
    Unfinished,
    /// A NUL ends the SQL for `SQLite` but not for sqld.
    Nul,
    /// U+FEFF is white space for `SQLite` and a letter for sqld.
    ByteOrderMark,
}

/// Returns the tokens one after another.
pub struct Lexer<'a> {
    sql: &'a [u8],
    at: usize,
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// See [`find`].
const NEAR: usize = 16;

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const SPACE: u8 = 3;
const SIGN: u8 = 4;
const QUOTE: u8 = 5;
const OPERATOR: u8 = 6;
const MINUS: u8 = 7;
const SLASH: u8 = 8;
const HIGH: u8 = 9;
const NUL: u8 = 10;
const VARIABLE: u8 = 11;

static KINDS: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    // Bytes that are part of no SQLite token separate words, as a space does.
    let mut kinds = [SPACE; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "byte is below 256")]
        let kind = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'(' | b')' | b',' | b';' | b'.' => SIGN,
            b'\'' | b'"' | b'`' | b'[' => QUOTE,
            b'-' => MINUS,
            b'/' => SLASH,
            0 => NUL,
            b'?' | b'$' | b'@' | b':' | b'#' => VARIABLE,
            0x80.. => HIGH,
            b'+' | b'*' | b'%' | b'<' | b'>' | b'=' | b'!' | b'&' | b'|' | b'~' => OPERATOR,
            _ => SPACE,
        };
        kinds[byte] = kind;
        byte += 1;
    }
    kinds
}

impl<'a> Lexer<'a> {
    pub fn new(sql: &'a [u8]) -> Self {
        Self { sql, at: 0 }
    }

    /// The next token, or `None` at the end.
    ///
    /// # Errors
    /// When the rest cannot be split into tokens.
    #[inline]
    pub fn next(&mut self) -> Result<Option<Token<'a>>, Unreadable> {
        loop {
            let Some(&first) = self.sql.get(self.at) else { return Ok(None) };
            let start = self.at;
            self.at += 1;
            let token = match KINDS[usize::from(first)] {
                LETTER => {
                    self.skip_word();
                    Token::Word(&self.sql[start..self.at])
                }
                SPACE => continue,
                SIGN => Token::Sign(first),
                DIGIT => {
                    self.skip_digits();
                    Token::Value
                }
                QUOTE => self.quoted(first)?,
                MINUS if self.peek() == Some(b'-') => {
                    let end = find(b'\n', &self.sql[self.at..]);
                    self.at = end.map_or(self.sql.len(), |length| self.at + length);
                    if self.sql[start..self.at].contains(&0) {
                        return Err(Unreadable::Nul);
                    }
                    continue;
                }
                SLASH if self.peek() == Some(b'*') => {
                    self.comment()?;
                    continue;
                }
                HIGH => {
                    if self.sql[start..].starts_with(BYTE_ORDER_MARK) {
                        return Err(Unreadable::ByteOrderMark);
                    }
                    continue;
                }
                NUL => return Err(Unreadable::Nul),
                VARIABLE => {
                    self.skip_word();
                    Token::Value
                }
                _ => Token::Operator,
            };
            return Ok(Some(token));
        }
    }

    fn peek(&self) -> Option<u8> {
        self.sql.get(self.at).copied()
    }

    #[inline]
    fn skip_word(&mut self) {
        let rest = &self.sql[self.at..];
        let ends = |byte: &u8| !matches!(KINDS[usize::from(*byte)], LETTER | DIGIT);
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }

    #[inline]
    fn skip_digits(&mut self) {
        let rest = &self.sql[self.at..];
        let ends = |byte: &u8| KINDS[usize::from(*byte)] != DIGIT;
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }

    #[inline]
    fn quoted(&mut self, quote: u8) -> Result<Token<'a>, Unreadable> {
        let end = if quote == b'[' { b']' } else { quote };
        let start = self.at;
        loop {
            let length = find(end, &self.sql[self.at..]).ok_or(Unreadable::Unfinished)?;
            self.at += length + 1;
            if quote == b'[' || self.peek() != Some(quote) {
                break;
            }
            // A doubled quote is one quote in the text itself.
            self.at += 1;
        }
        let inside = &self.sql[start..self.at - 1];
        if find(0, inside).is_some() {
            return Err(Unreadable::Nul);
        }
        if quote == b'\'' {
            return Ok(Token::Text(inside));
        }
        if find(BYTE_ORDER_MARK[0], inside).is_some()
            && memchr::memmem::find(inside, BYTE_ORDER_MARK).is_some()
        {
            return Err(Unreadable::ByteOrderMark);
        }
        Ok(Token::Name(inside))
    }

    fn comment(&mut self) -> Result<(), Unreadable> {
        let body = &self.sql[self.at + 1..];
        let mut from = 0;
        loop {
            let star = find(b'*', &body[from..]).ok_or(Unreadable::Unfinished)?;
            from += star + 1;
            if body.get(from) == Some(&b'/') {
                break;
            }
        }
        if find(0, &body[..from]).is_some() {
            return Err(Unreadable::Nul);
        }
        self.at += 1 + from + 1;
        Ok(())
    }
}

/// The position of the first `byte`.
#[inline]
fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    // Most quoted texts are a few bytes long, which the call to memchr alone outweighs.
    match bytes.iter().take(NEAR).position(|other| *other == byte) {
        None if bytes.len() > NEAR => memchr::memchr(byte, &bytes[NEAR..]).map(|at| at + NEAR),
        found => found,
    }
}

/// Whether `bytes` is a single word.
pub fn is_word(bytes: &[u8]) -> bool {
    let part = |byte: &u8| matches!(KINDS[usize::from(*byte)], LETTER | DIGIT);
    bytes.first().is_some_and(|first| !first.is_ascii_digit()) && bytes.iter().all(part)
}

/// The words in the quoted text `bytes`: each run of letters, digits and `_`.
pub fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|byte| !matches!(KINDS[usize::from(*byte)], LETTER | DIGIT))
        .map(|word| {
            let digits = word.iter().position(|byte| !byte.is_ascii_digit());
            &word[digits.unwrap_or(word.len())..]
        })
        .filter(|word| !word.is_empty())
}
