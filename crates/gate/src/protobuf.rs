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

/// The fields of `message` in their order, or `None` when it is not a valid message.
pub fn fields(message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut found = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let (key, after) = varint(rest)?;
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
        if number == 0 {
            return None;
        }
        found.push(Field { number, value, content, whole: &rest[..rest.len() - after.len()] });
        rest = after;
    }
    Some(found)
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

    #[test]
    fn fields_of_every_kind_are_read() {
        let mut message = vec![0x08, 0x96, 0x01];
        push(&mut message, 2, b"text");
        message.extend([0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8]);
        let found = fields(&message).unwrap();
        let numbers: Vec<u64> = found.iter().map(|field| field.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        assert_eq!((found[0].value, found[1].value), (Some(150), None));
        assert_eq!(found[1].content, Some(b"text".as_slice()));
        for broken in [&message[..4], &[0x0a, 5, 1], &[0x0b], &[0x02, 0], &[0x80]] {
            assert_eq!(fields(broken), None, "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn whole_fields_make_up_the_message(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(found) = fields(&bytes) {
                let joined: Vec<u8> = found.iter().flat_map(|field| field.whole.to_vec()).collect();
                prop_assert_eq!(joined, bytes);
            }
        }

        #[test]
        fn a_pushed_field_is_read_back(number in 1u8..16, length in 0usize..40_000) {
            let content = vec![7; length];
            let mut message = Vec::new();
            push(&mut message, number, &content);
            let found = fields(&message).unwrap();
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(found[0].number, u64::from(number));
            prop_assert_eq!(found[0].content, Some(content.as_slice()));
        }
    }
}
