//! The part of protobuf that the gate needs: the fields of one message.

/// A field as it stands in a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Field<'a> {
    pub number: u64,
    /// The value of a field of wire type 0 (integer).
    pub value: Option<u64>,
    /// The content of a field of wire type 2 (string, bytes, message).
    pub content: Option<&'a [u8]>,
    /// The field as a whole, its key included.
    pub whole: &'a [u8],
}

/// How many fields a message may have, with those of the messages in it that are lists. Two
/// bytes can be a field, which takes a hundred once it is decoded; this is more than the
/// requests and statements of any client.
const MOST_FIELDS: u32 = 100_000;

/// The fields of `message` in their order; `None` at the end when it is not a valid message.
pub fn fields(message: &[u8]) -> impl Iterator<Item = Option<Field<'_>>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let read = field(rest);
        rest = read.map_or(&[], |(_, after)| after);
        Some(read.map(|(field, _)| field))
    })
}

/// The first field of `message`, and the bytes after it.
fn field(message: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let (key, after) = varint(message)?;
    let mut value = None;
    let (content, after) = match key & 7 {
        0 => {
            let (integer, after) = varint(after)?;
            value = Some(integer);
            (None, after)
        }
        1 => (None, after.get(8..)?),
        2 => {
            let (length, after) = varint(after)?;
            let (content, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
            (Some(content), after)
        }
        5 => (None, after.get(4..)?),
        // Groups are deprecated, and no client sends them.
        _ => return None,
    };
    let number = key >> 3;
    let whole = &message[..message.len() - after.len()];
    (number != 0).then_some((Field { number, value, content, whole }, after))
}

/// Whether `message` has at most [`MOST_FIELDS`] fields, including those of the messages at
/// `path`: in the fields with its first number, and inside them in those with the next one.
/// `None` when one of them is not a valid message.
pub fn is_short(message: &[u8], path: &[u64]) -> Option<bool> {
    let mut left = MOST_FIELDS;
    fits(message, path, &mut left)
}

fn fits(message: &[u8], path: &[u64], left: &mut u32) -> Option<bool> {
    for field in fields(message) {
        let field = field?;
        if *left == 0 {
            return Some(false);
        }
        *left -= 1;
        if let (Some((next, path)), Some(content)) = (path.split_first(), field.content)
            && field.number == *next
            && !fits(content, path, left)?
        {
            return Some(false);
        }
    }
    Some(true)
}

/// A number, and the bytes after it.
pub fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        let part = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if index == 9 && part > 1 {
            return None;
        }
        value |= part << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

/// Appends field `number` (below 16) with `content`.
pub fn push(message: &mut Vec<u8>, number: u8, content: &[u8]) {
    message.push(number << 3 | 2);
    let mut length = content.len();
    while length > 0x7f {
        message.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    message.push(u8::try_from(length).unwrap_or_default());
    message.extend_from_slice(content);
}

/// A message with only field `number` (below 16).
pub fn nested(number: u8, content: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(content.len() + 6);
    push(&mut message, number, content);
    message
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(message: &[u8]) -> Option<Vec<Field<'_>>> {
        fields(message).collect()
    }

    #[test]
    fn fields_are_counted_where_the_path_leads() {
        let most = usize::try_from(MOST_FIELDS).unwrap();
        let empty = |number: u8, count| nested(number, b"").repeat(count);
        assert_eq!(is_short(&empty(2, most), &[]), Some(true));
        assert_eq!(is_short(&empty(2, most + 1), &[]), Some(false));
        let inner = |count| nested(3, &nested(2, &empty(1, count)));
        assert_eq!(is_short(&inner(most - 2), &[3, 2]), Some(true));
        assert_eq!(is_short(&inner(most - 1), &[3, 2]), Some(false));
        assert_eq!(is_short(&inner(most / 2).repeat(2), &[3, 2]), Some(false));
        assert_eq!(is_short(&inner(most), &[3, 1]), Some(true));
        // Texts on the way are not messages.
        let text = nested(3, &nested(1, b"text"));
        assert_eq!(is_short(&text, &[3, 2]), Some(true));
        assert_eq!(is_short(&text, &[3, 1]), None);
    }

    #[test]
    fn fields_of_every_kind_are_read() {
        let mut message = vec![0x08, 0x96, 0x01];
        push(&mut message, 2, b"text");
        message.extend([0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8]);
        let found = all(&message).unwrap();
        let numbers: Vec<u64> = found.iter().map(|field| field.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        assert_eq!((found[0].value, found[1].value), (Some(150), None));
        assert_eq!(found[1].content, Some(b"text".as_slice()));
        for broken in [&message[..4], &[0x0a, 5, 1], &[0x0b], &[0x02, 0], &[0x80]] {
            assert_eq!(all(broken), None, "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn whole_fields_make_up_the_message(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(found) = all(&bytes) {
                let joined: Vec<u8> = found.iter().flat_map(|field| field.whole.to_vec()).collect();
                prop_assert_eq!(joined, bytes);
            }
        }

        #[test]
        fn a_pushed_field_is_read_back(number in 1u8..16, length in 0usize..40_000) {
            let content = vec![7; length];
            let mut message = Vec::new();
            push(&mut message, number, &content);
            let found = all(&message).unwrap();
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(found[0].number, u64::from(number));
            prop_assert_eq!(found[0].content, Some(content.as_slice()));
        }
    }
}
